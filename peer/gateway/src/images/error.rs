//! Why an image was not read.

use thiserror::Error;

/// Why an image was not read. No variant holds a part of the image.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ImageError {
    /// The decoder refuses it.
    #[error("the report is not an image that can be checked: {reason}")]
    Refused {
        /// Its reason, with the remedy.
        reason: String,
    },
    /// Its worker did not live to answer: over its memory or processor time, a call that is forbidden to it, a flaw in a
    /// decoder.
    #[error("decoding the report ended its worker process ({how}); export the image again")]
    Ended {
        /// How the process ended.
        how: String,
    },
    /// Its worker gave no answer in time. How long that takes is a matter of the machine as well.
    #[error("decoding the report took over {deadline_ms} ms; propose again, or scale the image down")]
    DeadlineExceeded {
        /// The time it had.
        deadline_ms: u128,
    },
    /// Its worker answered what no worker answers.
    #[error("decoding the report ended in an answer that is none; export the image again")]
    Garbage,
    /// Too many images wait.
    #[error("{waiting} images wait to be decoded, the limit of this peer; propose again")]
    Busy {
        /// How many wait.
        waiting: usize,
    },
    /// It waited for too long.
    #[error("no image worker was free within {waited_ms} ms; propose again")]
    NoTurn {
        /// How long it waited.
        waited_ms: u128,
    },
    /// There is no worker to be had, or something outside the image ended it.
    #[error("this peer could not decode the report: {cause}")]
    Fault {
        /// What failed; without internals.
        cause: String,
    },
}

impl ImageError {
    /// Whether the same image may be read at another time: nothing is known to be wrong with it.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        match self {
            Self::Busy { .. } | Self::NoTurn { .. } | Self::DeadlineExceeded { .. } | Self::Fault { .. } => {
                true
            }
            Self::Refused { .. } | Self::Ended { .. } | Self::Garbage => false,
        }
    }
}
