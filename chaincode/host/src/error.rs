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
    /// The chaincode is slow, and as many runs wait as then may.
    #[error(
        "chaincode {chaincode} is slow: all of its threads have been in one run for over {slow_ms} ms, and {waiting} runs wait, \
         the limit then; try again in a moment"
    )]
    Slow {
        /// The chaincode.
        chaincode: String,
        /// From how long on a run counts as slow.
        slow_ms: u64,
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
        "all {threads} threads of chaincode {chaincode} are stuck in runs that do not end; this peer refuses it until one \
         returns or its operator restarts the peer"
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
