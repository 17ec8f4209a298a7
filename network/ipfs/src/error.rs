//! Why a report was not sealed, kept or opened. No variant holds a key or plaintext.

use offchain::{BuildError, Cid, DagError};
use store::StoreError;
use thiserror::Error;

/// Why a report was not sealed.
#[derive(Debug, Error)]
pub enum SealError {
    /// The source failed.
    #[error("the report could not be read")]
    Source(#[source] std::io::Error),
    /// The sealed blocks could not be kept.
    #[error("the sealed report could not be stored")]
    Sink(#[source] std::io::Error),
    /// The report is larger than reports may be.
    #[error("the report has more than {limit} bytes, the limit")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// No randomness, or age refused.
    #[error("the report could not be sealed: {cause}")]
    Sealing {
        /// What failed.
        cause: String,
    },
}

/// Why a sealed report was not opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The key has another length.
    #[error("a data key has 32 bytes, this one {bytes}")]
    KeyLength {
        /// Bytes given.
        bytes: usize,
    },
    /// age does not take the key.
    #[error("the data key is not usable: {cause}")]
    Key {
        /// age's reason.
        cause: String,
    },
    /// The key is not the one to which the file was sealed.
    #[error("the data key does not open this sealed report")]
    WrongKey,
    /// The sealed bytes are no age file, were changed, or end early.
    #[error("the sealed bytes are not an intact age file: {cause}")]
    Damaged {
        /// What was met.
        cause: String,
    },
    /// A block is missing or wrong.
    #[error("the sealed bytes could not be read: {cause}")]
    Source {
        /// The block and what is wrong with it.
        cause: String,
    },
    /// The plaintext is larger than reports may be.
    #[error("the opened report has more than {limit} bytes, the limit")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The receiver of the plaintext failed.
    #[error("the opened report could not be handed on")]
    Target(#[source] std::io::Error),
}

/// Why sealed blocks were not kept or read.
#[derive(Debug, Error)]
pub enum SealedStoreError {
    /// The disk or the database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The block is not here.
    #[error("sealed block {cid} is not held by this node")]
    Missing {
        /// The block.
        cid: Cid,
    },
    /// The block's bytes are not those that its CID names.
    #[error("sealed block {cid} is damaged: {cause}")]
    Damaged {
        /// The block.
        cid: Cid,
        /// What differs.
        cause: DagError,
    },
    /// The DAG is not one that this profile makes.
    #[error("the sealed blocks are not a valid DAG: {0}")]
    Dag(#[from] DagError),
    /// The operating system gives no randomness.
    #[error("no randomness for the id of a staging: {cause}")]
    Randomness {
        /// The system's reason.
        cause: String,
    },
    /// The DAG could not be built.
    #[error("the sealed blocks could not be built: {0}")]
    Build(String),
}

impl<E: std::fmt::Display + std::error::Error + 'static> From<BuildError<E>> for SealedStoreError {
    fn from(error: BuildError<E>) -> Self {
        Self::Build(error.to_string())
    }
}
