//! What stops a chain. A corrupt chain is never skipped over: the channel stops and an operator decides.

use std::path::PathBuf;

use configtx::NeededRelease;
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
    #[error(
        "block {number} puts a configuration in force that this release cannot follow: it demands {needed}"
    )]
    Release {
        /// The configuration block, which is not applied.
        number: BlockNumber,
        /// The release that is needed.
        needed: NeededRelease,
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

/// Why a chain stopped, for as long as the process lives.
#[derive(Debug)]
pub struct Stopped {
    /// What anybody is told who asks.
    pub reason: String,
    /// The release with which it would go on.
    pub needed: Option<NeededRelease>,
}

impl Stopped {
    /// Stopped by that fault. What a disk or a key said is for this node's log, which has it.
    pub fn by(fault: &ChainFault) -> Self {
        match fault {
            ChainFault::Release { needed, .. } => {
                Self { reason: fault.to_string(), needed: Some(needed.clone()) }
            }
            _ => Self { reason: "its ledger failed; the log of this node says how".to_owned(), needed: None },
        }
    }
}
