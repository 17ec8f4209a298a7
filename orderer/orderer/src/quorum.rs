//! Whether a channel would still have a majority after an update of its consenters.
//!
//! A block needs the signatures of a majority of the consenters in force before it. An update that names consenters who are
//! not there would be the last block of its channel, and nothing could take it back: so it is refused where it is
//! submitted. What every consenter would judge alike is judged by `configtx`; this depends on who is reached now.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use configtx::next_config;
use ordering::majority;
use protocol::fabric::Status;
use protocol::{ConsensusReply, ConsensusRequest, Consenter};

use crate::channel::{Answer, Channel};

/// A consenter that is to come is asked once.
const CALL_TIMEOUT: Duration = Duration::from_secs(3);

/// Refuses an update of the configuration after which the consenters that are reached are no majority.
///
/// # Errors
/// The answer for whoever submitted it, with who is not reached.
pub async fn check(channel: &Channel, envelope: &Bytes) -> Result<(), Answer> {
    let (bundle, now_ms) = (channel.chain.bundle(), channel.clocks.now_ms());
    // One that is refused is told so by whoever makes the block.
    let Ok(next) = next_config(&bundle, envelope, now_ms) else { return Ok(()) };
    let before = &bundle.config().orderer.consenters;
    let after = next.into_bundle().config().orderer.consenters.clone();
    if *before == after {
        return Ok(());
    }
    let missing: BTreeSet<String> = channel.consenters.missing().into_iter().collect();
    let mut away = Vec::new();
    for consenter in &after {
        let name = format!("{} at {}", consenter.msp_id, consenter.endpoint);
        let is_there = if before.contains(consenter) {
            !missing.contains(&name)
        } else {
            answers(channel, consenter).await
        };
        if !is_there {
            away.push(name);
        }
    }
    let (reached, needed) = (after.len() - away.len(), majority(after.len()));
    if reached >= needed {
        return Ok(());
    }
    let text = format!(
        "after this update {needed} of {} consenters would have to sign each block, and {reached} are reached: the channel \
         would end with it. Not reached: {}. Start a new consenter with 'orderer start --join' before the update",
        after.len(),
        away.join(", ")
    );
    Err((Status::BadRequest, text))
}

/// Whether a consenter that is to come answers for this channel.
async fn answers(channel: &Channel, consenter: &Consenter) -> bool {
    let request = ConsensusRequest::Standing { channel: channel.chain.channel().clone() };
    let answer = channel.consenters.probe(consenter, request, CALL_TIMEOUT).await;
    matches!(answer, Ok(ConsensusReply::Standing(_)))
}
