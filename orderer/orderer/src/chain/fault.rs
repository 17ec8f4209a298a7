//! What stops a chain. A corrupt chain is never skipped over: the channel stops and an operator decides.

use std::path::PathBuf;

use msp::SigningError;
use ordering::ConsenterKeysError;
use protocol::codec::DecodeError;
use protocol::{BlockHash, BlockNumber};
use store::{BlockFault, StoreError};

/// A fault of disk, key or configuration.
#[derive(Debug, thiserror::Error)]
pub enum ChainFault {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The blocks on disk are damaged.
    #[error(transparent)]
    Block(#[from] BlockFault),
    /// The configuration names a consenter that its organisation does not know.
    #[error(transparent)]
    Consenter(#[from] ConsenterKeysError),
    /// The own key did not sign.
    #[error("this consenter's key did not sign a block")]
    Signing(#[from] SigningError),
    /// A record is unreadable.
    #[error("a record of consensus cannot be read: {what}")]
    Record {
        /// Which record.
        what: &'static str,
        /// What the decoder met.
        #[source]
        source: DecodeError,
    },
    /// The folder holds another channel.
    #[error(
        "the ledger in {path} began with block {}, and the genesis file with {expected}: give each network its own \
         folder, or the genesis file with which this one began", found.map_or_else(|| "none".to_owned(), |hash| hash.to_string())
    )]
    OtherGenesis {
        /// The folder.
        path: PathBuf,
        /// The hash of its block 0.
        found: Option<BlockHash>,
        /// The hash of the genesis file.
        expected: BlockHash,
    },
    /// The channel goes on with a configuration that this release does not know.
    #[error("this consenter stops before block {number}: {reason}")]
    Release {
        /// The configuration block.
        number: BlockNumber,
        /// Which release is needed.
        reason: String,
    },
    /// The configuration in force cannot be used.
    #[error("the configuration in block {number} cannot be used: {reason}")]
    Configuration {
        /// Its block.
        number: BlockNumber,
        /// Why.
        reason: String,
    },
    /// The tip's block, or that of the configuration in force, is gone.
    #[error("block {number}, which the chain needs, is missing: restore the folder")]
    NoTip {
        /// Its number.
        number: BlockNumber,
    },
}
