//! Makes a consenter's chain usable after the majority of the channel's logs is lost: keeps the blocks, forgets the log.
//!
//! Entries that the log knows to be ordered are applied first. What it merely received may have been ordered, and then it was
//! acknowledged, or never, or another entry in its place. Whoever runs the channel sees all the logs that are left, and says
//! what becomes of it: as in an election, the log that reaches furthest holds all that was acknowledged as far as any does.

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
    /// The block of its configuration.
    pub last_config: BlockNumber,
    /// Entries of unknown fate, which were kept or dropped.
    pub unconfirmed: u64,
    /// The last entry that is kept: term and index.
    pub place: Option<(u64, u64)>,
}

/// What becomes of entries of unknown fate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unconfirmed {
    /// Nobody has said: nothing is done where there are any.
    Unsaid,
    /// They are applied.
    Keep,
    /// They are dropped.
    Drop,
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
    /// Nobody has said what becomes of entries of unknown fate.
    #[error(
        "the log holds {count} entries of unknown fate, up to term {term}, index {index}: acknowledged transactions may be among \
         them. Run this on every consenter that has its ledger. On the one with the highest place (the term counts first) give \
         --keep-unconfirmed, on the others --drop-unconfirmed"
    )]
    Unsaid {
        /// How many.
        count: u64,
        /// The term of the last.
        term: u64,
        /// Its index.
        index: u64,
    },
    /// The log is damaged.
    #[error("the log cannot be read or forgotten: {0}")]
    Log(String),
}

/// Recovers one channel. Doing it twice changes nothing more.
///
/// # Errors
/// [`RecoveryFault`]; the log is then as it was, and blocks may have been applied.
pub async fn recover(chain: Arc<Chain>, unconfirmed: Unconfirmed) -> Result<Recovered, RecoveryFault> {
    let fault = |error: &dyn std::fmt::Display| RecoveryFault::Log(error.to_string());
    let mut log = LogStore::new(chain.store().clone())?;
    let mut machine = StateMachine::open(Arc::clone(&chain))?;
    let before = chain.last_header().number;
    let applied = machine.applied_state().await.map_err(|error| fault(&error))?.0;
    let committed = log.read_committed().await.map_err(|error| fault(&error))?;
    let last = log.get_log_state().await.map_err(|error| fault(&error))?.last_log_id;
    let next = applied.map_or(0, |place| place.index + 1);
    let confirmed = committed.map_or(next, |place| place.index + 1).max(next);
    let end = last.map_or(confirmed, |place| place.index + 1).max(confirmed);
    let count = end - confirmed;
    let ordered = match (unconfirmed, last) {
        (Unconfirmed::Unsaid, Some(last)) if count > 0 => {
            return Err(RecoveryFault::Unsaid { count, term: last.leader_id.term, index: last.index });
        }
        (Unconfirmed::Keep, _) => end,
        _ => confirmed,
    };
    let entries = log.try_get_log_entries(next..ordered).await.map_err(|error| fault(&error))?;
    machine.apply(entries).await.map_err(|error| fault(&error))?;
    let place = machine.applied_state().await.map_err(|error| fault(&error))?.0;
    log.forget().map_err(|error| fault(&error))?;
    let stands = chain.last_header().number;
    Ok(Recovered {
        last: stands,
        applied: stands.0 - before.0,
        last_config: chain.last_config(),
        unconfirmed: count,
        place: place.map(|place| (place.leader_id.term, place.index)),
    })
}
