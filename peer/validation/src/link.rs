//! Proves that a block follows the one before it and was made by the channel's orderers.
//!
//! It runs once for each block that arrives, before anything in it is looked at. A block that fails is not the
//! channel's: it is refused and asked for elsewhere, never committed with invalid transactions.

use std::sync::Arc;

use configtx::{
    BlockSignatureRejection, ConfigBundle, NeededRelease, NextConfig, UpdateRejection, is_config_envelope,
    judge_config_envelope,
};
use protocol::{
    Block, BlockHash, BlockHeader, BlockNumber, ChannelId, Digest, codec, data_hash,
    limits::BLOCK_ENVELOPES_MAX,
};

/// A block that follows its predecessor and carries the consenters' signatures. Only [`check_link`] makes one.
#[derive(Clone, Debug)]
pub struct OrderedBlock {
    block: Block,
    hash: BlockHash,
    /// The configuration that a configuration block puts in force.
    config: Option<Arc<NextConfig>>,
}

impl OrderedBlock {
    /// The block.
    #[must_use]
    pub const fn block(&self) -> &Block {
        &self.block
    }

    /// Its hash.
    #[must_use]
    pub const fn hash(&self) -> BlockHash {
        self.hash
    }

    pub(crate) fn into_parts(self) -> (Block, BlockHash, Option<Arc<NextConfig>>) {
        (self.block, self.hash, self.config)
    }
}

/// Why a block is not the channel's next one.
#[derive(Debug, thiserror::Error)]
pub enum BlockRejection {
    /// The header has another version than the configuration in force asks for.
    #[error(
        "block {number} has a header of version {found}; the channel's configuration asks for {expected}"
    )]
    Version {
        /// The block.
        number: BlockNumber,
        /// Its header's version.
        found: u16,
        /// The version in force.
        expected: u16,
    },
    /// The header counts other envelopes.
    #[error("block {number} has {envelopes} envelopes, not as many as its header says")]
    EnvelopeCount {
        /// The block.
        number: BlockNumber,
        /// How many it has.
        envelopes: usize,
    },
    /// The block is of another channel.
    #[error("the block is of channel {found}, this is {expected}")]
    OtherChannel {
        /// In the header.
        found: ChannelId,
        /// This channel.
        expected: ChannelId,
    },
    /// The block is not the next one.
    #[error("block {found} came where block {expected} is next")]
    Number {
        /// In the header.
        found: BlockNumber,
        /// The next number.
        expected: BlockNumber,
    },
    /// The chain is broken.
    #[error("block {number} follows a block with hash {found}; the block before it has {expected}")]
    PreviousHash {
        /// The block.
        number: BlockNumber,
        /// In the header.
        found: BlockHash,
        /// The hash of the block before.
        expected: BlockHash,
    },
    /// The envelopes are not those of the header.
    #[error("block {number} has data hash {found}; its envelopes have {expected}")]
    DataHash {
        /// The block.
        number: BlockNumber,
        /// In the header.
        found: Digest,
        /// Over the envelopes.
        expected: Digest,
    },
    /// There are more envelopes than a block may hold.
    #[error("block {number} has {envelopes} envelopes; the limit is {BLOCK_ENVELOPES_MAX}")]
    TooManyEnvelopes {
        /// The block.
        number: BlockNumber,
        /// How many.
        envelopes: usize,
    },
    /// Time did not move on.
    #[error("block {number} is stamped {found} ms, not after the block before it ({previous} ms)")]
    Time {
        /// The block.
        number: BlockNumber,
        /// Its time.
        found: u64,
        /// The time of the block before.
        previous: u64,
    },
    /// The header names another configuration.
    #[error("block {number} names block {found} as its configuration; {expected} is in force")]
    LastConfig {
        /// The block.
        number: BlockNumber,
        /// In the header.
        found: BlockNumber,
        /// The block of the configuration in force.
        expected: BlockNumber,
    },
    /// The proof of work is of another difficulty.
    #[error("block {number} is sealed at {found} bits; the channel demands {expected}")]
    Difficulty {
        /// The block.
        number: BlockNumber,
        /// In the header.
        found: u8,
        /// What the configuration demands.
        expected: u8,
    },
    /// The proof of work does not hold.
    #[error("the hash of block {number} has not the leading zero bits that its seal claims")]
    Seal {
        /// The block.
        number: BlockNumber,
    },
    /// The consenters' signatures are not enough.
    #[error("block {number} is not signed as the channel demands: {source}")]
    Signatures {
        /// The block.
        number: BlockNumber,
        /// The reason.
        #[source]
        source: BlockSignatureRejection,
    },
    /// The configuration in it does not follow from the one in force.
    #[error("block {number} holds a configuration that is refused")]
    Config {
        /// The block.
        number: BlockNumber,
        /// The reason.
        #[source]
        source: Box<UpdateRejection>,
    },
}

impl BlockRejection {
    /// The release that is needed, where the block is the channel's next one and this build is too old for it: no other orderer
    /// has a better one.
    #[must_use]
    pub fn needed_release(&self) -> Option<&NeededRelease> {
        match self {
            Self::Config { source, .. } => source.needed_release(),
            _ => None,
        }
    }
}

/// Checks that `block` follows `previous` under the configuration in force. Cheap rules come first, then signatures, then a
/// configuration that it may hold: whatever orderers say, it is derived again from the update that was signed.
///
/// # Errors
/// [`BlockRejection`] with the first rule that the block breaks.
pub fn check_link(
    block: Block,
    previous: &BlockHeader,
    bundle: &ConfigBundle,
) -> Result<OrderedBlock, BlockRejection> {
    let header = &block.header;
    let number = header.number;
    let expected = &bundle.config().channel;
    if header.version != bundle.header_version() {
        let (found, expected) = (header.version, bundle.header_version());
        return Err(BlockRejection::Version { number, found, expected });
    }
    if header.channel != *expected {
        return Err(BlockRejection::OtherChannel {
            found: header.channel.clone(),
            expected: expected.clone(),
        });
    }
    // A configuration stands alone and is sealed without work, so that no setting locks a channel.
    let is_config = matches!(&block.envelopes[..], [envelope] if is_config_envelope(envelope));
    check_chain(header, previous, is_config)?;
    let envelopes = block.envelopes.len();
    if envelopes > BLOCK_ENVELOPES_MAX {
        return Err(BlockRejection::TooManyEnvelopes { number, envelopes });
    }
    if header.envelope_count != BlockHeader::envelope_count_of(header.version, &block.envelopes) {
        return Err(BlockRejection::EnvelopeCount { number, envelopes });
    }
    let computed = data_hash(&block.envelopes);
    if header.data_hash != computed {
        return Err(BlockRejection::DataHash { number, found: header.data_hash, expected: computed });
    }
    let expected = if is_config { 0 } else { bundle.config().orderer.difficulty_bits };
    if header.proof.difficulty_bits != expected {
        let found = header.proof.difficulty_bits;
        return Err(BlockRejection::Difficulty { number, found, expected });
    }
    if !header.is_sealed() {
        return Err(BlockRejection::Seal { number });
    }
    bundle
        .verify_block_signatures(&codec::encode(header), &block.signatures)
        .map_err(|source| BlockRejection::Signatures { number, source })?;
    let config = if is_config { Some(next_config(&block, bundle)?) } else { None };
    let hash = header.hash();
    Ok(OrderedBlock { block, hash, config })
}

/// The configuration that a configuration block puts in force.
fn next_config(block: &Block, bundle: &ConfigBundle) -> Result<Arc<NextConfig>, BlockRejection> {
    let BlockHeader { number, timestamp_ms, .. } = block.header;
    let envelope = block.envelopes.first().cloned().unwrap_or_default();
    let next = judge_config_envelope(bundle, &envelope, timestamp_ms);
    next.map(Arc::new).map_err(|source| BlockRejection::Config { number, source: Box::new(source) })
}

fn check_chain(header: &BlockHeader, previous: &BlockHeader, is_config: bool) -> Result<(), BlockRejection> {
    let number = header.number;
    if number != previous.number.next() || number == previous.number {
        return Err(BlockRejection::Number { found: number, expected: previous.number.next() });
    }
    let expected = previous.hash();
    if header.previous_hash != expected {
        return Err(BlockRejection::PreviousHash { number, found: header.previous_hash, expected });
    }
    if header.timestamp_ms <= previous.timestamp_ms {
        let (found, previous) = (header.timestamp_ms, previous.timestamp_ms);
        return Err(BlockRejection::Time { number, found, previous });
    }
    // A configuration block names itself, every other one the block that the one before it named.
    let expected = if is_config { number } else { previous.last_config };
    if header.last_config != expected {
        let found = header.last_config;
        return Err(BlockRejection::LastConfig { number, found, expected });
    }
    Ok(())
}
