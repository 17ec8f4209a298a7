//! The leader's loop: envelopes in, one block after the other to consensus, answers out.
//!
//! Runs on every consenter and cuts only where this one leads and has applied all that leaders before it ordered. One
//! block is in consensus at a time, so that each header follows from the last one applied. Whoever waits is answered when
//! its block is on the disks of a majority and applied here; when leadership ends, whoever waits for a block is told so
//! and turns to the next leader. A transaction that waits or is in a block already is not ordered twice. A change of
//! configuration holds from the next block on: what was admitted before it is judged again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use ordering::{Admitted, Batch, BlockCutter, BroadcastRejection, RecentTransactions, Seal};
use protocol::fabric::Status;
use protocol::{Block, BlockNumber, TxId};
use tokio::sync::{mpsc, oneshot, watch};

use crate::backend::{Leadership, OrderingBackend, ProposeError};
use crate::chain::{Applied, Chain, InForce};
use crate::clocks::Clocks;
use crate::proposing::{Item, Prepared, prepare};

/// Callers that wait for one transaction: a gateway and its retries, many times over.
const REPLIES_A_TRANSACTION_MAX: usize = 64;
/// Blocks in consensus at a time.
const IN_FLIGHT_MAX: usize = 1;
/// Envelopes that wait in the cutter, in bytes: beyond it the queue before it fills and senders wait.
const WAITING_BYTES_MAX: u64 = 64 << 20;
/// Transactions remembered as committed: a minute of a busy channel; older ones are looked up on disk.
const RECENT_MAX: usize = 100_000;
/// How often one block is proposed anew after it was dropped, before its senders are told.
const DROPS_MAX: u32 = 5;
/// Nonces tried before the search looks whether it is still wanted: about a tenth of a second.
const NONCES_A_STEP: u64 = 1 << 18;

/// An admitted envelope that waits for its block.
pub struct Submission {
    /// The envelope.
    pub envelope: Bytes,
    /// What was found when it was admitted.
    pub admitted: Admitted,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Verdict>,
}

/// What became of an envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is in a block.
    Ordered(BlockNumber),
    /// This consenter does not lead; the envelope may be given to the one that does.
    NotLeader,
    /// The configuration that came into force before its block refuses it.
    Refused(Status, String),
    /// It cannot be ordered here.
    Failed(String),
}

/// What the loop needs.
pub struct LeaderParts {
    /// The chain.
    pub chain: Arc<Chain>,
    /// Consensus.
    pub backend: Arc<dyn OrderingBackend>,
    /// The consenters' clocks.
    pub clocks: Arc<Clocks>,
    /// Envelopes to order.
    pub submissions: mpsc::Receiver<Submission>,
}

/// What became of a batch: those that were proposed and how, and those that were refused before.
struct Outcome {
    items: Vec<Item>,
    refused: Vec<(Item, BroadcastRejection)>,
    result: Result<Applied, ProposeError>,
}

struct Leader {
    chain: Arc<Chain>,
    backend: Arc<dyn OrderingBackend>,
    clocks: Arc<Clocks>,
    leadership: watch::Receiver<Leadership>,
    configurations: watch::Receiver<InForce>,
    cutter: BlockCutter<Item>,
    recent: RecentTransactions,
    replies: BTreeMap<TxId, Vec<oneshot::Sender<Verdict>>>,
    in_flight: Option<BoxFuture<'static, Outcome>>,
    drops: u32,
}

/// Runs the loop until `shutdown` turns true or the senders of envelopes are gone.
pub async fn lead(parts: LeaderParts, mut shutdown: watch::Receiver<bool>) {
    let LeaderParts { chain, backend, clocks, mut submissions } = parts;
    let batch = chain.bundle().config().orderer.batch.clone();
    let leadership = backend.leadership();
    let mut changes = leadership.clone();
    let mut leader = Leader {
        cutter: BlockCutter::new(batch, IN_FLIGHT_MAX),
        recent: RecentTransactions::new(RECENT_MAX),
        replies: BTreeMap::new(),
        in_flight: None,
        drops: 0,
        configurations: chain.configurations(),
        chain,
        backend,
        clocks,
        leadership,
    };
    loop {
        let has_room = leader.cutter.waiting_bytes() < WAITING_BYTES_MAX;
        let wait = leader.wait();
        tokio::select! {
            _ = shutdown.wait_for(|ends| *ends) => break,
            changed = changes.changed() => {
                if changed.is_err() {
                    break;
                }
                leader.leadership_changed();
            }
            submission = submissions.recv(), if has_room => match submission {
                Some(submission) => leader.submitted(submission),
                None => break,
            },
            outcome = in_flight(&mut leader.in_flight) => {
                leader.in_flight = None;
                leader.completed(outcome);
            }
            () = sleep(wait) => leader.tick(),
        }
    }
    leader.give_up(&Verdict::NotLeader);
}

/// The outcome of the block in consensus; never, where none is.
async fn in_flight(future: &mut Option<BoxFuture<'static, Outcome>>) -> Outcome {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

async fn sleep(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}

impl Leader {
    fn is_ready(&self) -> bool {
        self.leadership.borrow().is_ready
    }

    fn wait(&self) -> Option<Duration> {
        self.cutter.wait_ms(self.clocks.now_ms()).map(Duration::from_millis)
    }

    fn submitted(&mut self, submission: Submission) {
        let Submission { envelope, admitted, reply } = submission;
        self.adopt();
        let tx_id = admitted.tx_id.clone();
        if !self.is_ready() {
            let _ = reply.send(Verdict::NotLeader);
            return;
        }
        match self.block_of(&tx_id) {
            Ok(Some(number)) => {
                let _ = reply.send(Verdict::Ordered(number));
            }
            Ok(None) => {
                let is_new = self.recent.queue(&tx_id);
                let replies = self.replies.entry(tx_id.clone()).or_default();
                // A client that sends the same envelope again and again while nothing commits must not fill memory.
                replies.retain(|waiting| !waiting.is_closed());
                if replies.len() < REPLIES_A_TRANSACTION_MAX {
                    replies.push(reply);
                } else {
                    let _ = reply.send(Verdict::Failed("too many wait for this transaction".to_owned()));
                }
                if is_new {
                    let (bytes, now_ms) = (envelope.len(), self.clocks.now_ms());
                    let batches = if admitted.is_config_update {
                        self.cutter.push_alone(Item { admitted, envelope }, bytes, now_ms)
                    } else {
                        self.cutter.push(Item { admitted, envelope }, bytes, now_ms)
                    };
                    self.propose(batches);
                }
            }
            Err(reason) => {
                let _ = reply.send(Verdict::Failed(reason));
            }
        }
    }

    fn block_of(&self, tx_id: &TxId) -> Result<Option<BlockNumber>, String> {
        if let Some(number) = self.recent.committed_in(tx_id) {
            return Ok(Some(number));
        }
        self.chain.block_of(tx_id).map_err(|error| {
            tracing::error!(%error, "index of transactions unreadable");
            "this orderer cannot read its ledger".to_owned()
        })
    }

    /// Cuts by the limits in force.
    fn adopt(&mut self) {
        if self.configurations.has_changed().unwrap_or(false) {
            let batch = self.configurations.borrow_and_update().bundle.config().orderer.batch.clone();
            self.cutter.set_limits(batch);
        }
    }

    fn tick(&mut self) {
        self.adopt();
        let batches = self.cutter.tick(self.clocks.now_ms());
        self.propose(batches);
    }

    fn leadership_changed(&mut self) {
        if !self.is_ready() {
            let waiting = self.cutter.drain();
            self.refuse(waiting, &Verdict::NotLeader);
            // What is in consensus comes back by itself, and was forgotten by the cutter.
        }
    }

    fn completed(&mut self, outcome: Outcome) {
        let Outcome { items, refused, result } = outcome;
        self.adopt();
        for (item, rejection) in refused {
            self.refuse(vec![item], &Verdict::Refused(rejection.status(), rejection.to_string()));
        }
        match result {
            Ok(Applied::Block(number)) => {
                self.drops = 0;
                for item in items {
                    self.recent.commit(item.tx_id(), number);
                    self.answer(item.tx_id(), &Verdict::Ordered(number));
                }
            }
            Ok(Applied::Dropped(reason)) if self.drops < DROPS_MAX && self.is_ready() => {
                self.drops += 1;
                tracing::warn!(reason, "proposed block dropped; its envelopes are proposed again");
                let is_alone = items.iter().any(|item| item.admitted.is_config_update);
                let sized = items.into_iter().map(|item| {
                    let bytes = item.envelope.len();
                    (item, bytes)
                });
                self.cutter.requeue(sized.collect(), self.clocks.now_ms(), is_alone);
            }
            Ok(Applied::Dropped(_)) => {
                self.refuse(items, &Verdict::Failed("the block was dropped".to_owned()))
            }
            Ok(Applied::Nothing) | Err(ProposeError::NotLeader) => self.refuse(items, &Verdict::NotLeader),
            Err(ProposeError::Stopped(reason)) => {
                tracing::error!(reason, "consensus has stopped on this node");
                self.refuse(items, &Verdict::Failed("consensus has stopped on this orderer".to_owned()));
            }
        }
        let batches = self.cutter.completed(self.clocks.now_ms());
        self.propose(batches);
    }

    fn refuse(&mut self, items: Vec<Item>, verdict: &Verdict) {
        for item in items {
            self.recent.release(item.tx_id());
            self.answer(item.tx_id(), verdict);
        }
    }

    fn give_up(&mut self, verdict: &Verdict) {
        self.cutter.drain();
        for (_, replies) in std::mem::take(&mut self.replies) {
            for reply in replies {
                let _ = reply.send(verdict.clone());
            }
        }
    }

    fn answer(&mut self, tx_id: &TxId, verdict: &Verdict) {
        for reply in self.replies.remove(tx_id).unwrap_or_default() {
            // A sender that has left needs no answer.
            let _ = reply.send(verdict.clone());
        }
    }

    /// Gives a batch to consensus. The cutter yields no further one before this one has left.
    fn propose(&mut self, batches: Vec<Batch<Item>>) {
        for batch in batches {
            assert!(self.in_flight.is_none(), "one block is in consensus at a time");
            let (chain, clocks) = (Arc::clone(&self.chain), Arc::clone(&self.clocks));
            let (backend, leadership) = (Arc::clone(&self.backend), self.leadership.clone());
            let future = async move {
                let Prepared { items, refused, block } = prepare(&chain, &clocks, batch.items);
                let result = match block {
                    None => Ok(Applied::Nothing),
                    Some(block) => match sealed(block, &leadership).await {
                        Some(block) => backend.propose(block.to_bytes().into()).await,
                        None => Err(ProposeError::NotLeader),
                    },
                };
                Outcome { items, refused, result }
            };
            self.in_flight = Some(future.boxed());
        }
    }
}

/// The block with its proof of work, found off the reactor; `None` when leadership ends meanwhile.
async fn sealed(mut block: Block, leadership: &watch::Receiver<Leadership>) -> Option<Block> {
    if block.header.proof.difficulty_bits == 0 {
        return Some(block);
    }
    let seal = Arc::new(Seal::new(&block.header));
    let mut first = 0_u64;
    while leadership.borrow().is_ready {
        let (step, last) = (Arc::clone(&seal), first.saturating_add(NONCES_A_STEP));
        let found = tokio::task::spawn_blocking(move || step.find(first..last)).await;
        if let Some(nonce) = found.ok().flatten() {
            block.header.proof.nonce = nonce;
            return Some(block);
        }
        first = last;
    }
    None
}

#[cfg(test)]
mod tests;
