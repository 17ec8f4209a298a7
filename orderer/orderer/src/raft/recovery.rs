//! Makes a consenter's chain usable after the majority of the channel's logs is lost: keeps the blocks, forgets the log.
//!
//! Entries that the log knows to be ordered are applied first. What it merely received may never have been ordered, or
//! may have been ordered otherwise, and is dropped.

use std::sync::Arc;

use openraft::RaftLogReader as _;
use openraft::storage::{RaftLogStorage, RaftStateMachine};
use protocol::BlockNumber;

use super::log_store::LogStore;
use super::state_machine::StateMachine;
use crate::chain::{Chain, ChainFault};

/// Where a recovered chain stands.
#[derive(Debug)]
pub struct Recovered {
    /// Its last block.
    pub last: BlockNumber,
    /// Blocks that the log knew to be ordered and the chain did not hold yet.
    pub applied: u64,
    /// Entries of unknown fate, which were dropped.
    pub dropped: u64,
}

/// Why a chain was not recovered.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryFault {
    /// The chain is damaged.
    #[error(transparent)]
    Chain(#[from] ChainFault),
    /// The system starts no thread.
    #[error("no thread for the log")]
    Thread(#[from] std::io::Error),
    /// The log is damaged.
    #[error("the log cannot be read or forgotten: {0}")]
    Log(String),
}

/// Recovers one channel. Doing it twice changes nothing more.
///
/// # Errors
/// [`RecoveryFault`]; the log is then as it was, and blocks may have been applied.
pub async fn recover(chain: Arc<Chain>) -> Result<Recovered, RecoveryFault> {
    let fault = |error: &dyn std::fmt::Display| RecoveryFault::Log(error.to_string());
    let mut log = LogStore::new(chain.store().clone())?;
    let mut machine = StateMachine::open(Arc::clone(&chain))?;
    let before = chain.last_header().number;
    let applied = machine.applied_state().await.map_err(|error| fault(&error))?.0;
    let committed = log.read_committed().await.map_err(|error| fault(&error))?;
    let last = log.get_log_state().await.map_err(|error| fault(&error))?.last_log_id;
    let next = applied.map_or(0, |place| place.index + 1);
    let ordered = committed.map_or(next, |place| place.index + 1).max(next);
    let entries = log.try_get_log_entries(next..ordered).await.map_err(|error| fault(&error))?;
    machine.apply(entries).await.map_err(|error| fault(&error))?;
    log.forget().map_err(|error| fault(&error))?;
    let stands = chain.last_header().number;
    Ok(Recovered {
        last: stands,
        applied: stands.0 - before.0,
        dropped: last.map_or(0, |place| (place.index + 1).saturating_sub(ordered)),
    })
}
