//! Consensus by openraft, behind [`OrderingBackend`](crate::backend::OrderingBackend).
//!
//! Everything that names openraft lies in this folder. The log, the votes and the messages have encodings of our own
//! ([`record`]), so that neither disk nor wire depends on the library's types.

#![allow(clippy::result_large_err, reason = "the errors are the consensus library's own types")]

mod consensus;
mod log_store;
mod messages;
mod network;
mod record;
mod state_machine;

#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod storage_tests;

pub use consensus::{RaftConsensus, RaftParts};
pub use log_store::LOG_FAMILIES;
#[cfg(test)]
use log_store::LogStore;

use std::fmt;
use std::io::Cursor;

use bytes::Bytes;
use openraft::EmptyNode;
use serde::{Deserialize, Serialize};

use crate::chain::Applied;

/// Raft's name for a consenter: its number in the configuration, plus 1. A consenter that lost its disk must not come
/// back under the same id; rules for that come with changes of the consenters.
pub type NodeId = u64;

/// The id of a consenter.
pub fn node_id(consenter: u32) -> NodeId {
    NodeId::from(consenter) + 1
}

/// The consenter of an id; `None` for an id that is none.
pub fn consenter_of(node: NodeId) -> Option<u32> {
    u32::try_from(node.checked_sub(1)?).ok()
}

/// A block that a leader proposes: its bytes, without signatures.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProposedBlock(pub Bytes);

impl fmt::Debug for ProposedBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProposedBlock({} bytes)", self.0.len())
    }
}

openraft::declare_raft_types!(
    /// The types that openraft is used with.
    pub RaftTypes:
        D = ProposedBlock,
        R = Applied,
        NodeId = NodeId,
        Node = EmptyNode,
        Entry = openraft::Entry<RaftTypes>,
        SnapshotData = Cursor<Vec<u8>>,
        AsyncRuntime = openraft::TokioRuntime,
        Responder = openraft::impls::OneshotResponder<RaftTypes>,
);

/// A fault of storage as openraft wants it.
type StorageFault = openraft::StorageError<NodeId>;
