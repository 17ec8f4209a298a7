//! The leader's loop: envelopes in, blocks to consensus, answers out.
//!
//! Runs on every consenter and cuts only where this one leads and has applied all that leaders before it ordered. Several
//! blocks are in consensus at a time, each on top of the one before it ([`Pipeline`]). Whoever waits is answered when its
//! block is on the disks of a majority and applied here; when leadership ends, everybody who waits is told so and turns to
//! the next leader, since nobody knows yet what becomes of the blocks in consensus. Organisations take turns, and one that
//! sends without end is told to come again. A transaction that waits or is in a block already is not ordered twice. A change
//! of configuration holds from the next block on: what was admitted before it is judged again.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use ordering::{Admitted, BlockCutter, FairQueues, Group, Pipeline, QueueLimits, RecentTransactions};
use protocol::fabric::Status;
use protocol::{Block, BlockNumber, MspId, TxId};
use tokio::sync::{mpsc, oneshot, watch};

use crate::backend::{Leadership, OrderingBackend, Outcome};
use crate::chain::{Chain, InForce};
use crate::clocks::Clocks;
use crate::proposing::Item;

mod blocks;

/// Callers that wait for one transaction: a gateway and its retries, many times over.
const REPLIES_A_TRANSACTION_MAX: usize = 64;
/// Blocks that were cut and are not yet applied: enough to keep disks and links busy while a block is on its way through
/// them, few enough that one dropped block costs little.
const IN_FLIGHT_MAX: usize = 8;
/// What waits of one organisation, besides the block that fills: some seconds' worth on a slow disk, and less than an
/// envelope's deadline. Beyond it the organisation is told to come again. Organisations are few, and admitted by all.
const QUEUE_LIMITS: QueueLimits = QueueLimits { count_max: 2048, bytes_max: 16 << 20 };
/// Transactions remembered as committed: a minute of a busy channel; older ones are looked up on disk.
const RECENT_MAX: usize = 100_000;

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
    /// Too much of its organisation waits already.
    Busy(String),
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

/// Blocks without the signatures of a majority, beyond which nothing is ordered: fewer than the log keeps, so that whoever is
/// needed for them can still follow it.
const UNSIGNED_BLOCKS_MAX: u64 = 256;

struct Leader {
    chain: Arc<Chain>,
    backend: Arc<dyn OrderingBackend>,
    clocks: Arc<Clocks>,
    leadership: watch::Receiver<Leadership>,
    /// The term in which this consenter leads, as far as the loop has taken notice.
    term: Option<u64>,
    configurations: watch::Receiver<InForce>,
    /// What waits for the cutter, which holds no more than fills a block.
    queues: FairQueues<MspId, Item>,
    cutter: BlockCutter<Item>,
    pipeline: Pipeline<Item>,
    recent: RecentTransactions,
    replies: BTreeMap<TxId, Vec<oneshot::Sender<Verdict>>>,
    /// The search for the proof of work of the next block.
    sealing: Option<BoxFuture<'static, Option<Block>>>,
    /// The block whose proof of work was found, about to be proposed.
    sealed: Option<Block>,
    /// Of the blocks in consensus, in order.
    outcomes: VecDeque<Outcome>,
    /// How often in a row a block was dropped.
    drops: u32,
    /// The last block of the chain that came from this loop in this term, or from before it.
    known: BlockNumber,
    /// The last block that came from elsewhere since: it may hold what was admitted before it.
    foreign: BlockNumber,
}

/// Runs the loop until `shutdown` turns true or the senders of envelopes are gone.
pub async fn lead(parts: LeaderParts, mut shutdown: watch::Receiver<bool>) {
    let LeaderParts { chain, backend, clocks, mut submissions } = parts;
    let mut leader = Leader::new(chain, backend, clocks);
    let mut changes = leader.leadership.clone();
    loop {
        let wait = leader.wait();
        tokio::select! {
            _ = shutdown.wait_for(|ends| *ends) => break,
            changed = changes.changed() => {
                if changed.is_err() {
                    break;
                }
                leader.follow();
            }
            submission = submissions.recv() => match submission {
                Some(submission) => leader.submitted(submission),
                None => break,
            },
            block = pending(leader.sealing.as_mut()) => leader.sealed(block),
            outcome = pending(leader.outcomes.front_mut()) => leader.completed(outcome),
            () = sleep(wait) => leader.tick(),
        }
        leader.assemble().await;
    }
    leader.give_up(&Verdict::NotLeader);
}

/// What the future yields; never, where there is none.
async fn pending<T>(future: Option<&mut BoxFuture<'static, T>>) -> T {
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
    fn new(chain: Arc<Chain>, backend: Arc<dyn OrderingBackend>, clocks: Arc<Clocks>) -> Self {
        let batch = chain.bundle().config().orderer.batch.clone();
        let known = chain.last_header().number;
        let mut leader = Self {
            queues: FairQueues::new(QUEUE_LIMITS),
            cutter: BlockCutter::new(batch, IN_FLIGHT_MAX),
            pipeline: Pipeline::default(),
            recent: RecentTransactions::new(RECENT_MAX),
            replies: BTreeMap::new(),
            sealing: None,
            sealed: None,
            outcomes: VecDeque::new(),
            drops: 0,
            known,
            foreign: known,
            term: None,
            configurations: chain.configurations(),
            leadership: backend.leadership(),
            chain,
            backend,
            clocks,
        };
        leader.follow();
        leader
    }

    /// Takes notice of who leads. Where that is another consenter, or this one anew, everybody who waits is told.
    fn follow(&mut self) {
        let now = self.leadership.borrow().clone();
        let term = now.is_ready.then_some(now.term);
        if term == self.term {
            return;
        }
        if self.term.is_some() {
            self.give_up(&Verdict::NotLeader);
        }
        self.term = term;
        self.known = self.chain.last_header().number;
    }

    fn wait(&self) -> Option<Duration> {
        self.cutter.wait_ms(self.clocks.now_ms()).map(Duration::from_millis)
    }

    fn submitted(&mut self, submission: Submission) {
        let Submission { envelope, admitted, reply } = submission;
        self.adopt();
        self.follow();
        let tx_id = admitted.tx_id.clone();
        if self.term.is_none() {
            let _ = reply.send(Verdict::NotLeader);
            return;
        }
        let unsigned = self.chain.unsigned();
        if unsigned > UNSIGNED_BLOCKS_MAX {
            let text = format!(
                "{unsigned} blocks wait for signatures of a majority of the orderers; send it again later"
            );
            let _ = reply.send(Verdict::Busy(text));
            return;
        }
        // Read first: a block that comes in between is looked at again.
        let not_up_to = self.chain.last_header().number;
        match self.block_of(&tx_id) {
            Ok(Some(number)) => {
                let _ = reply.send(Verdict::Ordered(number));
            }
            Ok(None) => {
                let is_new = self.recent.queue(&tx_id);
                self.wait_for(&tx_id, reply);
                if is_new {
                    self.queue(Item { admitted, envelope, not_up_to });
                }
            }
            Err(reason) => {
                let _ = reply.send(Verdict::Failed(reason));
            }
        }
    }

    fn wait_for(&mut self, tx_id: &TxId, reply: oneshot::Sender<Verdict>) {
        let replies = self.replies.entry(tx_id.clone()).or_default();
        // A client that sends the same envelope again and again while nothing commits must not fill memory.
        replies.retain(|waiting| !waiting.is_closed());
        if replies.len() < REPLIES_A_TRANSACTION_MAX {
            replies.push(reply);
        } else {
            let _ = reply.send(Verdict::Failed("too many wait for this transaction".to_owned()));
        }
    }

    fn queue(&mut self, item: Item) {
        let (msp_id, bytes) = (item.admitted.msp_id.clone(), item.envelope.len());
        if let Err(item) = self.queues.push(&msp_id, item, bytes) {
            let count = self.queues.waiting_of(&msp_id);
            let text =
                format!("{count} envelopes of {msp_id} wait at the leader already; send it again later");
            self.refuse(vec![item], &Verdict::Busy(text));
        }
    }

    /// Lets organisations take turns until a block is full. What is cut makes room for more.
    fn fill(&mut self) {
        while self.cutter.has_room()
            && let Some((item, bytes)) = self.queues.pop()
        {
            let now_ms = self.clocks.now_ms();
            let batches = if item.admitted.is_config_update {
                self.cutter.push_alone(item, bytes, now_ms)
            } else {
                self.cutter.push(item, bytes, now_ms)
            };
            self.enqueue(batches);
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
        self.enqueue(batches);
    }

    fn refuse(&mut self, items: Vec<Item>, verdict: &Verdict) {
        for item in items {
            self.recent.release(item.tx_id());
            self.answer(item.tx_id(), verdict);
        }
    }

    /// Forgets all that waits or is in consensus, and answers everybody. The search for a proof of work ends here.
    fn give_up(&mut self, verdict: &Verdict) {
        (self.sealing, self.sealed) = (None, None);
        self.outcomes.clear();
        let mut items = self.cutter.drain();
        items.append(&mut self.queues.drain());
        for Group { items: mut group, .. } in self.pipeline.abandon() {
            items.append(&mut group);
            // Nothing waits any more, so nothing is cut.
            self.cutter.completed(self.clocks.now_ms());
        }
        self.drops = 0;
        self.refuse(items, verdict);
    }

    fn answer(&mut self, tx_id: &TxId, verdict: &Verdict) {
        for reply in self.replies.remove(tx_id).unwrap_or_default() {
            // A sender that has left needs no answer.
            let _ = reply.send(verdict.clone());
        }
    }
}

#[cfg(test)]
mod tests;
