//! Envelopes on their way to the leader on another node, many in one call.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use protocol::fabric::Status;
use protocol::{ChannelId, ConsensusReply, ConsensusRequest};
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::channel::{Answer, ORDER_TIMEOUT};
use crate::consenters::ConsenterNetwork;

/// Envelopes in one call.
const ENVELOPES_MAX: usize = 256;
/// Bytes in one call; a larger envelope travels alone.
const BYTES_MAX: usize = 1 << 20;
/// Calls under way: each waits for a block, and blocks follow each other fast.
const CALLS_MAX: usize = 16;
/// The leader answers at its own deadline at the latest; the way back is short.
const CALL_TIMEOUT: Duration = ORDER_TIMEOUT.saturating_add(Duration::from_secs(1));

/// An envelope for the leader.
pub struct Forwarding {
    /// Who leads.
    pub leader: u32,
    /// The envelope.
    pub envelope: Bytes,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Answer>,
}

/// Forwards what comes until the senders are gone.
pub async fn forward(
    channel: ChannelId,
    consenters: Arc<dyn ConsenterNetwork>,
    mut forwardings: mpsc::Receiver<Forwarding>,
) {
    let places = Arc::new(Semaphore::new(CALLS_MAX));
    let mut next = None;
    loop {
        let Some(first) = (match next.take() {
            Some(first) => Some(first),
            None => forwardings.recv().await,
        }) else {
            return;
        };
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let batch = gather(first, &mut forwardings, &mut next);
        let (channel, consenters) = (channel.clone(), Arc::clone(&consenters));
        tokio::spawn(async move {
            call(channel, &*consenters, batch).await;
            drop(place);
        });
    }
}

/// What waits for the same leader and fits into one call; `next` keeps the first that does not.
fn gather(
    first: Forwarding,
    forwardings: &mut mpsc::Receiver<Forwarding>,
    next: &mut Option<Forwarding>,
) -> Vec<Forwarding> {
    let (leader, mut bytes) = (first.leader, first.envelope.len());
    let mut batch = vec![first];
    while batch.len() < ENVELOPES_MAX {
        let Ok(forwarding) = forwardings.try_recv() else { break };
        bytes += forwarding.envelope.len();
        if forwarding.leader != leader || bytes > BYTES_MAX {
            *next = Some(forwarding);
            break;
        }
        batch.push(forwarding);
    }
    batch
}

async fn call(channel: ChannelId, consenters: &dyn ConsenterNetwork, batch: Vec<Forwarding>) {
    let Some(leader) = batch.first().map(|forwarding| forwarding.leader) else { return };
    let envelopes = batch.iter().map(|forwarding| forwarding.envelope.clone()).collect();
    let request = ConsensusRequest::Forward { channel, envelopes };
    let mut answers = match consenters.call(leader, request, CALL_TIMEOUT).await {
        Ok(ConsensusReply::Forwarded(answers)) => answers,
        Ok(ConsensusReply::Failed(reason)) => refused(&reason, batch.len()),
        Ok(_) => refused("an answer of another kind", batch.len()),
        Err(error) => refused(&error.to_string(), batch.len()),
    };
    answers.resize(batch.len(), unavailable("the leader left this envelope unanswered"));
    for (forwarding, (status, text)) in batch.into_iter().zip(answers) {
        let status = Status::try_from(status).unwrap_or(Status::InternalServerError);
        // A sender that has left needs no answer.
        let _ = forwarding.reply.send((status, text));
    }
}

fn unavailable(reason: &str) -> (i32, String) {
    (Status::ServiceUnavailable.into(), reason.to_owned())
}

fn refused(reason: &str, count: usize) -> Vec<(i32, String)> {
    vec![unavailable(reason); count]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forwarding(leader: u32, bytes: usize) -> Forwarding {
        let (reply, _) = oneshot::channel();
        Forwarding { leader, envelope: Bytes::from(vec![0; bytes]), reply }
    }

    #[tokio::test]
    async fn a_call_holds_what_goes_to_one_leader_and_fits() {
        let rows: &[(&str, &[(u32, usize)], usize, bool)] = &[
            // waiting after the first of 10 bytes for leader 1; in the call, whether one is kept for the next
            ("nothing else", &[], 1, false),
            ("the same leader", &[(1, 10), (1, 10)], 3, false),
            ("another leader", &[(1, 10), (2, 10), (1, 10)], 2, true),
            ("too many bytes", &[(1, 10), (1, BYTES_MAX)], 2, true),
        ];
        for (name, waiting, count, keeps) in rows {
            let (sender, mut receiver) = mpsc::channel(16);
            for (leader, bytes) in *waiting {
                sender.send(forwarding(*leader, *bytes)).await.expect("room");
            }
            let mut next = None;
            assert_eq!(gather(forwarding(1, 10), &mut receiver, &mut next).len(), *count, "{name}");
            assert_eq!(next.is_some(), *keeps, "{name}");
        }
    }
}
