//! What goes wrong with a ledger. A fault while committing leaves the ledger as it was; a ledger that contradicts itself
//! does not open.

use std::path::PathBuf;

use protocol::{BlockHash, BlockNumber, ChannelId};
use store::{BlockFault, StoreError};
use thiserror::Error;

/// A fault of a ledger.
#[derive(Debug, Error)]
pub enum LedgerFault {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A block does not follow, or a stored one is damaged.
    #[error(transparent)]
    Block(#[from] BlockFault),
    /// A ledger is to be created where there is one.
    #[error(
        "{path} already holds the ledger of channel {channel} with {height} blocks: open it, or choose an empty folder"
    )]
    Exists {
        /// The folder.
        path: PathBuf,
        /// Its channel.
        channel: ChannelId,
        /// Its height.
        height: u64,
    },
    /// The ledger has no block: its creation was interrupted.
    #[error(
        "the ledger in {path} has no genesis block: its creation was interrupted, join the channel again"
    )]
    Empty {
        /// The folder.
        path: PathBuf,
    },
    /// The first block brings no configuration.
    #[error("the genesis block for the ledger in {path} holds no configuration")]
    GenesisWithoutConfig {
        /// The folder.
        path: PathBuf,
    },
    /// A record that belongs to a block is not there.
    #[error(
        "the ledger in {path} has no {record} for block {number}: restore the folder or join the channel anew"
    )]
    MissingRecord {
        /// The folder.
        path: PathBuf,
        /// What is missing.
        record: &'static str,
        /// The block.
        number: BlockNumber,
    },
    /// The commit record speaks of another block.
    #[error(
        "the ledger in {path} contradicts itself at block {number}: the chain has block hash {chain}, the commit record \
         {recorded}; restore the folder or join the channel anew"
    )]
    CommitDiffers {
        /// The folder.
        path: PathBuf,
        /// The block.
        number: BlockNumber,
        /// Hash in the chain.
        chain: BlockHash,
        /// Hash in the commit record.
        recorded: BlockHash,
    },
    /// The configuration or a block is of another channel.
    #[error("the ledger in {path} is of channel {expected}, but {what} names channel {found}")]
    OtherChannel {
        /// The folder.
        path: PathBuf,
        /// The ledger's channel.
        expected: ChannelId,
        /// What names another one.
        what: &'static str,
        /// The channel named.
        found: ChannelId,
    },
    /// The number of verdicts is not the number of envelopes.
    #[error("block {number} has {envelopes} envelopes but {codes} verdicts")]
    CodesDiffer {
        /// The block.
        number: BlockNumber,
        /// Envelopes in the block.
        envelopes: usize,
        /// Verdicts that came with it.
        codes: usize,
    },
    /// A write that the key layout cannot hold.
    #[error("block {number} writes to namespace {namespace:?}, whose name or key breaks a limit")]
    UnstorableWrite {
        /// The block.
        number: BlockNumber,
        /// The namespace.
        namespace: String,
    },
}

impl LedgerFault {
    /// Whether data on disk is damaged or contradictory, so that only a restore or a new join helps.
    #[must_use]
    pub fn is_corruption(&self) -> bool {
        match self {
            Self::Store(error) | Self::Block(BlockFault::Store(error)) => error.is_corruption(),
            Self::Block(BlockFault::NotNext { .. } | BlockFault::OtherChain { .. }) => false,
            Self::Block(_) | Self::MissingRecord { .. } | Self::CommitDiffers { .. } => true,
            _ => false,
        }
    }
}
