//! Why a chaincode was not run, or not to its end. What a chaincode answers itself is no error here.

use thiserror::Error;

/// A run that gave no answer of the chaincode's own.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum HostError {
    /// This peer has no such chaincode.
    #[error("chaincode {chaincode:?} is not installed on this peer; it has {}", installed.join(", "))]
    UnknownChaincode {
        /// The name asked for.
        chaincode: String,
        /// The names there are.
        installed: Vec<String>,
    },
    /// Too many runs wait.
    #[error("chaincode {chaincode} has {waiting} runs waiting, its limit; try again in a moment")]
    Busy {
        /// The chaincode.
        chaincode: String,
        /// How many wait.
        waiting: usize,
    },
    /// The run did not end in time.
    #[error("chaincode {chaincode} did not answer within {deadline_ms} ms")]
    DeadlineExceeded {
        /// The chaincode.
        chaincode: String,
        /// The time it had.
        deadline_ms: u64,
    },
    /// Every thread of the chaincode is stuck in a run that does not end.
    #[error(
        "all {threads} threads of chaincode {chaincode} are stuck in runs that do not end; it is refused until one returns"
    )]
    Stuck {
        /// The chaincode.
        chaincode: String,
        /// How many threads there are.
        threads: usize,
    },
    /// The host has ended.
    #[error("the chaincode host has ended")]
    Ended,
    /// The actor system could not be started.
    #[error("the chaincode host does not start: {cause}")]
    NotStarted {
        /// What failed.
        cause: String,
    },
}
