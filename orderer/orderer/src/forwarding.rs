//! Envelopes on their way to the leader on another node, many in one call.
//!
//! Each organisation has its own queue and its own calls, so that one that sends without end holds up no other. A call ends
//! when the leader answers, or when somebody else leads: then its envelopes go to the new leader, which orders none of them
//! twice. So a leader that hangs costs an election, not a deadline.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use protocol::fabric::Status;
use protocol::{ChannelId, ConsensusReply, ConsensusRequest, MspId};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use crate::backend::Leadership;
use crate::channel::{Answer, ORDER_TIMEOUT};
use crate::consenters::{ConsenterKey, ConsenterNetwork};

/// Envelopes in one call.
const ENVELOPES_MAX: usize = 256;
/// Bytes in one call; a larger envelope travels alone.
const BYTES_MAX: usize = 1 << 20;
/// Calls of one organisation under way: each waits for a block, and blocks follow each other fast.
const CALLS_MAX: usize = 8;
/// Envelopes of one organisation that wait for a call, and their bytes; beyond it the organisation is told to come again.
const WAITING_MAX: usize = 2048;
const WAITING_BYTES_MAX: usize = 16 << 20;
/// The leader answers at its own deadline at the latest; the way back is short.
const CALL_TIMEOUT: Duration = ORDER_TIMEOUT.saturating_add(Duration::from_secs(1));

/// An envelope for the leader.
pub struct Forwarding {
    /// Who leads.
    pub leader: ConsenterKey,
    /// The creator's organisation.
    pub msp_id: MspId,
    /// The envelope.
    pub envelope: Bytes,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Answer>,
}

/// Where envelopes are forwarded from, and by what.
pub struct ForwardParts {
    /// The channel.
    pub channel: ChannelId,
    /// The way to the others.
    pub consenters: Arc<dyn ConsenterNetwork>,
    /// Who leads, live.
    pub leadership: watch::Receiver<Leadership>,
    /// Envelopes to forward.
    pub forwardings: mpsc::Receiver<Forwarding>,
}

/// Forwards what comes until the senders are gone.
pub async fn forward(parts: ForwardParts) {
    let ForwardParts { channel, consenters, mut leadership, mut forwardings } = parts;
    let mut queues: BTreeMap<MspId, Queue> = BTreeMap::new();
    let mut calls = JoinSet::new();
    loop {
        tokio::select! {
            forwarding = forwardings.recv() => {
                let Some(forwarding) = forwarding else { return };
                queues.entry(forwarding.msp_id.clone()).or_default().push(forwarding);
            }
            Some(ended) = calls.join_next() => {
                // A call that panicked keeps its place taken; the others go on.
                if let Some(queue) = ended.ok().and_then(|msp_id| queues.get_mut(&msp_id)) {
                    queue.calls -= 1;
                }
            }
            changed = leadership.changed() => {
                if changed.is_err() {
                    return;
                }
                let leader = leadership.borrow_and_update().leader;
                queues.values_mut().for_each(|queue| queue.keep(leader));
            }
        }
        for (msp_id, queue) in &mut queues {
            while let Some(batch) = queue.next() {
                let (channel, consenters) = (channel.clone(), Arc::clone(&consenters));
                let (msp_id, leadership) = (msp_id.clone(), leadership.clone());
                calls.spawn(async move {
                    call(channel, &*consenters, leadership, batch).await;
                    msp_id
                });
            }
        }
        queues.retain(|_, queue| queue.calls > 0 || !queue.waiting.is_empty());
    }
}

/// What waits of one organisation, and its calls under way.
#[derive(Default)]
struct Queue {
    waiting: VecDeque<Forwarding>,
    bytes: usize,
    calls: usize,
}

impl Queue {
    fn push(&mut self, forwarding: Forwarding) {
        let is_full = self.waiting.len() >= WAITING_MAX || self.bytes >= WAITING_BYTES_MAX;
        if is_full {
            let text = format!("{} envelopes of {} wait", self.waiting.len(), forwarding.msp_id);
            answer(forwarding, (Status::TooManyRequests, text));
            return;
        }
        self.bytes += forwarding.envelope.len();
        self.waiting.push_back(forwarding);
    }

    /// What goes into the next call: for one leader, as much as fits. `None` where no call may begin.
    fn next(&mut self) -> Option<Vec<Forwarding>> {
        let leader = self.waiting.front().filter(|_| self.calls < CALLS_MAX)?.leader;
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < ENVELOPES_MAX {
            let fits = |next: &mut Forwarding| {
                next.leader == leader && (bytes == 0 || bytes + next.envelope.len() <= BYTES_MAX)
            };
            let Some(next) = self.waiting.pop_front_if(fits) else { break };
            bytes += next.envelope.len();
            batch.push(next);
        }
        self.bytes -= bytes;
        self.calls += 1;
        Some(batch)
    }

    /// Gives back what waits for somebody who does not lead any more.
    fn keep(&mut self, leader: Option<ConsenterKey>) {
        let (kept, others): (VecDeque<_>, VecDeque<_>) =
            self.waiting.drain(..).partition(|forwarding| Some(forwarding.leader) == leader);
        self.bytes = kept.iter().map(|forwarding| forwarding.envelope.len()).sum();
        self.waiting = kept;
        for forwarding in others {
            answer(forwarding, elsewhere());
        }
    }
}

async fn call(
    channel: ChannelId,
    consenters: &dyn ConsenterNetwork,
    mut leadership: watch::Receiver<Leadership>,
    batch: Vec<Forwarding>,
) {
    let Some(leader) = batch.first().map(|forwarding| forwarding.leader) else { return };
    let envelopes = batch.iter().map(|forwarding| forwarding.envelope.clone()).collect();
    let request = ConsensusRequest::Forward { channel, envelopes };
    let answers = tokio::select! {
        // An answer that is here counts, whoever leads now.
        biased;
        reply = consenters.call(leader, request, CALL_TIMEOUT) => match reply {
            Ok(ConsensusReply::Forwarded(answers)) => answers,
            Ok(ConsensusReply::Failed(reason)) => refused(&reason, batch.len()),
            Ok(_) => refused("an answer of another kind", batch.len()),
            Err(error) => refused(&error.to_string(), batch.len()),
        },
        // Somebody else leads, or there is an election: whatever that one did, the envelopes may go to the next.
        _ = leadership.wait_for(|now| now.leader != Some(leader)) => Vec::new(),
    };
    let mut answers = answers.into_iter();
    for forwarding in batch {
        let given = answers
            .next()
            .map(|(status, text)| (Status::try_from(status).unwrap_or(Status::InternalServerError), text));
        answer(forwarding, given.unwrap_or_else(elsewhere));
    }
}

fn answer(forwarding: Forwarding, answer: Answer) {
    // A sender that has left needs no answer.
    let _ = forwarding.reply.send(answer);
}

fn elsewhere() -> Answer {
    (Status::ServiceUnavailable, "the leader left this envelope unanswered".to_owned())
}

fn refused(reason: &str, count: usize) -> Vec<(i32, String)> {
    vec![(Status::ServiceUnavailable.into(), reason.to_owned()); count]
}

#[cfg(test)]
mod tests;
