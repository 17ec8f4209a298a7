//! What the orderer asks of consensus: who leads, and one block after the other in the same order everywhere.
//!
//! The only implementation is [`raft`](crate::raft); another consensus takes its place behind this trait.

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};
use protocol::{RaftMessage, Standing};
use tokio::sync::watch;

use crate::chain::Applied;
use crate::consenters::ConsenterKey;

/// Who leads, as far as this consenter knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leadership {
    /// The leading consenter; `None` during an election or without a majority.
    pub leader: Option<ConsenterKey>,
    /// Whether that is this consenter.
    pub is_own: bool,
    /// Whether this consenter leads and has applied everything that leaders before it ordered: only then may it cut.
    pub is_ready: bool,
    /// The term, which grows with every election.
    pub term: u64,
}

/// Why a proposed block was not ordered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// Another consenter leads, or none.
    #[error("this consenter does not lead")]
    NotLeader,
    /// Consensus has stopped on this node.
    #[error("consensus has stopped: {0}")]
    Stopped(String),
}

/// What becomes of a block in consensus: answers after a majority has it on the disk and this consenter has applied it.
pub type Outcome = BoxFuture<'static, Result<Applied, ProposeError>>;

/// Consensus on the order of blocks of one channel.
pub trait OrderingBackend: Send + Sync + 'static {
    /// Who leads, live.
    fn leadership(&self) -> watch::Receiver<Leadership>;

    /// Hands a block to consensus behind those that were handed to it before, and returns without waiting for what becomes
    /// of it. Outcomes come in the order of the proposals.
    fn propose(&self, block: Bytes) -> BoxFuture<'_, Outcome>;

    /// Where this consenter stands, for the others; `None` where consensus does not run.
    fn standing(&self) -> Option<Standing>;

    /// Answers another consenter's message, with an answer of the same kind, or says why not.
    fn receive(
        &self,
        target: u64,
        from: ConsenterKey,
        message: RaftMessage,
    ) -> BoxFuture<'_, Result<Bytes, String>>;

    /// Stops.
    fn shutdown(&self) -> BoxFuture<'_, ()>;
}

/// Consensus of a channel that cannot go on with this release: it leads nothing and takes no part. The node's other channels
/// do not suffer from it.
pub struct Halted {
    reason: String,
    leadership: watch::Sender<Leadership>,
}

impl Halted {
    /// Halted for that reason.
    pub fn new(reason: String) -> Self {
        Self { reason, leadership: watch::Sender::default() }
    }
}

impl OrderingBackend for Halted {
    fn leadership(&self) -> watch::Receiver<Leadership> {
        self.leadership.subscribe()
    }

    fn propose(&self, _: Bytes) -> BoxFuture<'_, Outcome> {
        let stopped = Err(ProposeError::Stopped(self.reason.clone()));
        ready(ready(stopped).boxed()).boxed()
    }

    fn standing(&self) -> Option<Standing> {
        None
    }

    fn receive(&self, _: u64, _: ConsenterKey, _: RaftMessage) -> BoxFuture<'_, Result<Bytes, String>> {
        ready(Err(self.reason.clone())).boxed()
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        ready(()).boxed()
    }
}
