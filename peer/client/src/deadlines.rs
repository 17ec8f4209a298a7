//! How long each step of a call may take, and what the steps are called.

use std::fmt;
use std::time::Duration;

/// A step of the way, for deadlines and errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Running a chaincode without a transaction.
    Evaluate,
    /// Collecting endorsements through the gateway.
    Endorse,
    /// Asking one peer for its endorsement or for a system chaincode.
    ProcessProposal,
    /// Handing the signed envelope to the gateway.
    Submit,
    /// Handing the signed envelope to an orderer.
    Broadcast,
    /// Waiting for the verdict.
    CommitStatus,
    /// Asking for a chaincode's events.
    ChaincodeEvents,
    /// Fetching a block from an orderer.
    Deliver,
    /// Asking whether a file was uploaded before.
    Uploaded,
    /// Sending a file to be sealed.
    Seal,
    /// Receiving an opened report.
    Download,
    /// Comparing a report with its blocks.
    Verify,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Evaluate => "evaluate",
            Self::Endorse => "endorse",
            Self::ProcessProposal => "process proposal",
            Self::Submit => "submit",
            Self::Broadcast => "broadcast",
            Self::CommitStatus => "commit status",
            Self::ChaincodeEvents => "chaincode events",
            Self::Deliver => "deliver",
            Self::Uploaded => "look for earlier uploads",
            Self::Seal => "seal",
            Self::Download => "download",
            Self::Verify => "verify",
        })
    }
}

/// The longest wait of each step. Streams of a report's bytes are bounded by their idle time, not by their length: a
/// gigabyte over a slow line is no fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// For reads: evaluate, system chaincodes, one block. Longer than a peer lets a chaincode run, whose reason is heard then.
    pub evaluate: Duration,
    /// For endorsing. Checkers fetch and decode a report in this time.
    pub endorse: Duration,
    /// For the hand-over to ordering.
    pub submit: Duration,
    /// For the verdict.
    pub commit: Duration,
    /// For the next message of a stream, and for the answer after its last one.
    pub stream_idle: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            evaluate: Duration::from_secs(45),
            endorse: Duration::from_secs(120),
            submit: Duration::from_secs(30),
            commit: Duration::from_secs(60),
            stream_idle: Duration::from_secs(120),
        }
    }
}

impl Deadlines {
    /// The deadline of a step.
    #[must_use]
    pub const fn of(&self, phase: Phase) -> Duration {
        match phase {
            Phase::Evaluate | Phase::Deliver | Phase::ChaincodeEvents | Phase::Uploaded => self.evaluate,
            Phase::Endorse | Phase::ProcessProposal => self.endorse,
            Phase::Submit | Phase::Broadcast => self.submit,
            Phase::CommitStatus => self.commit,
            Phase::Seal | Phase::Download | Phase::Verify => self.stream_idle,
        }
    }
}
