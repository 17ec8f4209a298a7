//! Consensus by openraft, behind [`OrderingBackend`](crate::backend::OrderingBackend).
//!
//! Everything that names openraft lies in this folder. The log, the votes and the messages have encodings of our own
//! ([`record`]), so that neither disk nor wire depends on the library's types.

#![allow(clippy::result_large_err, reason = "the errors are the consensus library's own types")]

mod consensus;
mod keeping;
mod log_store;
mod messages;
mod network;
mod record;
mod recovery;
mod runtime;
mod state_machine;

#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod storage_tests;

pub use consensus::{RaftConsensus, RaftParts};
pub use keeping::keep;
pub use log_store::LOG_FAMILIES;
#[cfg(test)]
use log_store::LogStore;
pub use recovery::{Recovered, Unconfirmed, recover};
pub use runtime::seed;

use std::fmt;
use std::io::Cursor;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::chain::Applied;
use crate::consenters::ConsenterKey;

/// Raft's name for one log of a consenter: drawn at random when the log is made, and gone with it. A consenter that lost its
/// disk comes back under another id, since Raft counts on what the old one acknowledged.
pub type NodeId = u64;

/// Whose log an id names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// The consenter. Logs of before consenters were named by key leave it out: their ids are numbers in the first
    /// configuration, plus 1.
    pub consenter: Option<ConsenterKey>,
}

impl Node {
    /// The log of a consenter.
    pub const fn of(consenter: ConsenterKey) -> Self {
        Self { consenter: Some(consenter) }
    }
}

/// A block that a leader proposes: its bytes, without signatures.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProposedBlock(pub Bytes);

impl fmt::Debug for ProposedBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProposedBlock({} bytes)", self.0.len())
    }
}

/// Whose the logs are.
#[derive(Clone)]
pub struct Owners {
    /// The consenters of the first configuration, by number.
    pub first: Arc<Vec<ConsenterKey>>,
}

impl Owners {
    /// The consenter of a log; `None` for a log of nobody.
    pub fn of(&self, id: NodeId, node: &Node) -> Option<ConsenterKey> {
        let numbered = || self.first.get(usize::try_from(id.checked_sub(1)?).ok()?).copied();
        node.consenter.or_else(numbered)
    }
}

openraft::declare_raft_types!(
    /// The types that openraft is used with.
    pub RaftTypes:
        D = ProposedBlock,
        R = Applied,
        NodeId = NodeId,
        Node = Node,
        Entry = openraft::Entry<RaftTypes>,
        SnapshotData = Cursor<Vec<u8>>,
        AsyncRuntime = runtime::Runtime,
        Responder = openraft::impls::OneshotResponder<RaftTypes>,
);

/// A fault of storage as openraft wants it.
type StorageFault = openraft::StorageError<NodeId>;
