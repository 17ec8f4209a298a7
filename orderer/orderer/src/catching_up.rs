//! Takes the blocks that this consenter lacks from the others, where the log does not bring them.

use std::sync::Arc;
use std::time::Duration;

use protocol::{BlockNumber, ConsensusReply, ConsensusRequest};
use tokio::sync::watch;

use crate::chain::{Chain, TakeRefusal, Trusting};
use crate::consenters::{ConsenterKey, ConsenterNetwork};

/// A call for blocks: some megabytes on a slow link.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);
/// Before the others are asked again where none of them had more.
const PAUSE: Duration = Duration::from_millis(300);
/// After how many blocks it is said how far it came.
const PROGRESS_BLOCKS: u64 = 10_000;

/// Up to which block is taken, and from whom it is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// The last block wanted.
    pub number: BlockNumber,
    /// What is believed.
    pub trusting: Trusting,
}

/// Takes blocks whenever the target is above the chain, until `shutdown` turns true.
pub async fn catch_up(
    chain: Arc<Chain>,
    consenters: Arc<dyn ConsenterNetwork>,
    targets: watch::Receiver<Target>,
    mut shutdown: watch::Receiver<bool>,
) {
    tokio::select! {
        _ = shutdown.wait_for(|ends| *ends) => {}
        () = follow(chain, consenters, targets) => {}
    }
}

async fn follow(
    chain: Arc<Chain>,
    consenters: Arc<dyn ConsenterNetwork>,
    mut targets: watch::Receiver<Target>,
) {
    let mut said = BlockNumber(0);
    loop {
        let target = *targets.borrow_and_update();
        let last = chain.last_header().number;
        if last >= target.number {
            if targets.changed().await.is_err() {
                return;
            }
            continue;
        }
        if said == BlockNumber(0) || last.0 >= said.0 + PROGRESS_BLOCKS {
            said = last;
            tracing::info!(channel = %chain.channel(), at = %last, of = %target.number, "taking blocks from other consenters");
        }
        let mut taken = 0;
        for consenter in consenters.others() {
            taken = take_from(&chain, &*consenters, consenter, target.trusting).await;
            if taken > 0 {
                break;
            }
        }
        if taken == 0 {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Takes what one consenter gives; returns how many blocks were new.
async fn take_from(
    chain: &Arc<Chain>,
    consenters: &dyn ConsenterNetwork,
    consenter: ConsenterKey,
    trusting: Trusting,
) -> usize {
    let from = chain.last_header().number.next();
    let request = ConsensusRequest::Blocks { channel: chain.channel().clone(), from };
    let blocks = match consenters.call(consenter, request, CALL_TIMEOUT).await {
        Ok(ConsensusReply::Blocks(blocks)) => blocks,
        Ok(_) => return 0,
        Err(error) => {
            tracing::debug!(%consenter, %error, "no blocks");
            return 0;
        }
    };
    let chain = Arc::clone(chain);
    let before = from.previous().unwrap_or_default();
    let taking = tokio::task::spawn_blocking(move || {
        let result = chain.take(&blocks, trusting);
        match &result {
            // The signatures are on their way.
            Ok(_) | Err(TakeRefusal::Unsigned { .. }) => {}
            Err(refusal) => {
                tracing::warn!(channel = %chain.channel(), %consenter, %refusal, "block of another consenter refused");
            }
        }
        // Those before the refused one stay.
        chain.last_header().number.0.saturating_sub(before.0)
    });
    usize::try_from(taking.await.unwrap_or_default()).unwrap_or(usize::MAX)
}
