//! What is wrong with a block that does not fit or does not read back: always which of two values differ.

use std::path::PathBuf;

use protocol::codec::DecodeError;
use protocol::{BlockHash, BlockNumber, Digest};
use thiserror::Error;

use crate::error::StoreError;

/// A fault of a chain of blocks on disk, or a block that does not extend it.
#[derive(Debug, Error)]
pub enum BlockFault {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The block to append has not the next number.
    #[error("block {found} does not follow: the next block of {path} has number {expected}")]
    NotNext {
        /// The store.
        path: PathBuf,
        /// The number that is due.
        expected: BlockNumber,
        /// The number that came.
        found: BlockNumber,
    },
    /// The block to append names another block as the one before.
    #[error(
        "block {number} names {found} as the block before it, but {path} ends with {expected}: it belongs to another chain"
    )]
    OtherChain {
        /// The store.
        path: PathBuf,
        /// The block's number.
        number: BlockNumber,
        /// Hash of the last block stored; zero bytes where there is none.
        expected: BlockHash,
        /// Hash that the block names.
        found: BlockHash,
    },
    /// A block at or below the tip is not there.
    #[error(
        "block {number} is missing in {path}, which ends with block {tip}: restore the folder or fetch it anew"
    )]
    Missing {
        /// The store.
        path: PathBuf,
        /// The block that is missing.
        number: BlockNumber,
        /// The last block.
        tip: BlockNumber,
    },
    /// A stored block is no block.
    #[error("block {number} in {path} cannot be read: restore the folder or fetch it anew")]
    Undecodable {
        /// The store.
        path: PathBuf,
        /// The block's number.
        number: BlockNumber,
        /// What the decoder met.
        #[source]
        source: DecodeError,
    },
    /// A stored block carries another number than the one it lies under.
    #[error("the block stored as {number} in {path} says that it is block {found}")]
    NumberDiffers {
        /// The store.
        path: PathBuf,
        /// The number it lies under.
        number: BlockNumber,
        /// The number in its header.
        found: BlockNumber,
    },
    /// The header's hash is not the one in the index.
    #[error("the header of block {number} in {path} has hash {computed}, but the index says {indexed}")]
    HeaderHashDiffers {
        /// The store.
        path: PathBuf,
        /// The block's number.
        number: BlockNumber,
        /// The hash in the index.
        indexed: BlockHash,
        /// The hash of the header that was read.
        computed: BlockHash,
    },
    /// The header does not name the block before it.
    #[error("block {number} in {path} names {found} as the block before it, but the index says {indexed}")]
    PreviousHashDiffers {
        /// The store.
        path: PathBuf,
        /// The block's number.
        number: BlockNumber,
        /// The hash of the block before, from the index.
        indexed: BlockHash,
        /// The hash in the header.
        found: BlockHash,
    },
    /// The envelopes are not those that the header sums up.
    #[error(
        "the envelopes of block {number} in {path} have data hash {computed}, but its header says {stated}"
    )]
    DataHashDiffers {
        /// The store.
        path: PathBuf,
        /// The block's number.
        number: BlockNumber,
        /// The data hash in the header.
        stated: Digest,
        /// The data hash of the envelopes that were read.
        computed: Digest,
    },
}
