//! Whether a block that consensus hands back continues the chain, and whether a consenter may sign it.
//!
//! Runs on every consenter when it applies an entry, never when it appends one: what is appended may still be
//! overwritten. A refused block is not stored and not signed; its envelopes are proposed again by the leader. The clock
//! of the consenter is no matter here, since every consenter must come to the same verdict; a block from the future is
//! refused earlier, at append, by whoever receives it ([`CLOCK_AHEAD_MS_MAX`]).

use configtx::{
    ConfigBundle, NeededRelease, NextConfig, UpdateRejection, is_config_envelope, judge_config_envelope,
};
use protocol::{Block, BlockHash, BlockHeader, BlockNumber, ChannelId, Digest, data_hash};

use crate::filter::{BroadcastRejection, inspect};

/// How far a block may be stamped ahead of a consenter's own clock: more than NTP ever leaves between two nodes, less
/// than anybody gains by dating ahead.
pub const CLOCK_AHEAD_MS_MAX: u64 = 60_000;

/// Why a block is not applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppliedRefusal {
    /// Not the next block: a leader that lost its place proposed it.
    #[error("block {found} comes where block {expected} is due")]
    Number {
        /// Its number.
        found: BlockNumber,
        /// The number that is due.
        expected: BlockNumber,
    },
    /// Not a continuation of the last block.
    #[error("block {number} names {found} as the hash before it, and that is {expected}")]
    PreviousHash {
        /// Its number.
        number: BlockNumber,
        /// What its header says.
        found: BlockHash,
        /// The hash of the last header.
        expected: BlockHash,
    },
    /// In another version than the configuration in force asks for.
    #[error(
        "block {number} has a header of version {found}, and the configuration in force asks for version {expected}"
    )]
    Version {
        /// Its number.
        number: BlockNumber,
        /// In its header.
        found: u16,
        /// In force.
        expected: u16,
    },
    /// Its header counts other envelopes.
    #[error("block {number} has {count} envelopes, and its header says {}", stated.map_or_else(|| "nothing".to_owned(), |count| count.to_string()))]
    Stated {
        /// Its number.
        number: BlockNumber,
        /// Its envelopes.
        count: usize,
        /// What its header says.
        stated: Option<u32>,
    },
    /// For another channel.
    #[error("block {number} belongs to channel {found}")]
    Channel {
        /// Its number.
        number: BlockNumber,
        /// Its channel.
        found: ChannelId,
    },
    /// Envelopes and header disagree.
    #[error("block {number} has data hash {found}, and its envelopes have {expected}")]
    DataHash {
        /// Its number.
        number: BlockNumber,
        /// What its header says.
        found: Digest,
        /// The root over its envelopes.
        expected: Digest,
    },
    /// The seal is missing or of another difficulty.
    #[error("block {number} is not sealed with the {difficulty_bits} bits that the channel asks for")]
    Proof {
        /// Its number.
        number: BlockNumber,
        /// The difficulty in force.
        difficulty_bits: u8,
    },
    /// Time falls or stands.
    #[error("block {number} is stamped {found} ms, and the block before it {previous} ms")]
    Time {
        /// Its number.
        number: BlockNumber,
        /// Its time.
        found: u64,
        /// The time before.
        previous: u64,
    },
    /// The configuration in force is another.
    #[error("block {number} names block {found} as its configuration, and that is block {expected}")]
    LastConfig {
        /// Its number.
        number: BlockNumber,
        /// What its header says.
        found: BlockNumber,
        /// The configuration in force.
        expected: BlockNumber,
    },
    /// No envelopes, or more than the channel allows.
    #[error("block {number} holds {count} envelopes; 1 to {max} are allowed")]
    Count {
        /// Its number.
        number: BlockNumber,
        /// Its envelopes.
        count: usize,
        /// The channel's limit.
        max: u32,
    },
    /// It holds an envelope that the filters refuse.
    #[error("envelope {place} of block {number} is refused: {rejection}")]
    Envelope {
        /// Its number.
        number: BlockNumber,
        /// The envelope's place, from 0.
        place: usize,
        /// Why.
        rejection: BroadcastRejection,
    },
    /// The configuration in it does not follow from the one in force.
    #[error("the configuration in block {number} is refused: {rejection}")]
    Config {
        /// Its number.
        number: BlockNumber,
        /// Why.
        rejection: Box<UpdateRejection>,
    },
}

impl AppliedRefusal {
    /// The release that is needed, where this one is too old for the block: then the consenter must stop, since the others go
    /// on with it.
    #[must_use]
    pub fn needed_release(&self) -> Option<&NeededRelease> {
        match self {
            Self::Config { rejection, .. } => rejection.needed_release(),
            _ => None,
        }
    }
}

/// Judges `block` against the header before it and the configuration in force, which stands in block `last_config`.
/// Returns the configuration that a configuration block puts in force.
///
/// # Errors
/// [`AppliedRefusal`] with the first rule that the block breaks.
pub fn check_applied(
    block: &Block,
    previous: &BlockHeader,
    bundle: &ConfigBundle,
    last_config: BlockNumber,
) -> Result<Option<NextConfig>, AppliedRefusal> {
    let header = &block.header;
    let number = header.number;
    let config = bundle.config();
    check_link(header, previous)?;
    let (found, expected) = (header.version, bundle.header_version());
    if found != expected {
        return Err(AppliedRefusal::Version { number, found, expected });
    }
    // A configuration stands alone in its block, names the block itself, and is sealed without work.
    let config_envelope = match &block.envelopes[..] {
        [envelope] if is_config_envelope(envelope) => Some(envelope),
        _ => None,
    };
    let expected = if config_envelope.is_some() { number } else { last_config };
    if header.last_config != expected {
        return Err(AppliedRefusal::LastConfig { number, found: header.last_config, expected });
    }
    let difficulty_bits = if config_envelope.is_some() { 0 } else { config.orderer.difficulty_bits };
    if header.proof.difficulty_bits != difficulty_bits || !header.is_sealed() {
        return Err(AppliedRefusal::Proof { number, difficulty_bits });
    }
    let (count, max) = (block.envelopes.len(), config.orderer.batch.max_message_count);
    if count == 0 || count as u64 > u64::from(max) {
        return Err(AppliedRefusal::Count { number, count, max });
    }
    let stated = header.envelope_count;
    if stated != BlockHeader::envelope_count_of(header.version, &block.envelopes) {
        return Err(AppliedRefusal::Stated { number, count, stated });
    }
    let expected = data_hash(&block.envelopes);
    if header.data_hash != expected {
        return Err(AppliedRefusal::DataHash { number, found: header.data_hash, expected });
    }
    if let Some(envelope) = config_envelope {
        let next = judge_config_envelope(bundle, envelope, header.timestamp_ms);
        let refused = |rejection| AppliedRefusal::Config { number, rejection: Box::new(rejection) };
        return next.map(Some).map_err(refused);
    }
    check_envelopes(block, bundle)?;
    Ok(None)
}

fn check_envelopes(block: &Block, bundle: &ConfigBundle) -> Result<(), AppliedRefusal> {
    let number = block.header.number;
    for (place, envelope) in block.envelopes.iter().enumerate() {
        let refused = |rejection| AppliedRefusal::Envelope { number, place, rejection };
        inspect(envelope, bundle.config()).map_err(refused)?;
    }
    Ok(())
}

fn check_link(header: &BlockHeader, previous: &BlockHeader) -> Result<(), AppliedRefusal> {
    let number = header.number;
    if header.channel != previous.channel {
        return Err(AppliedRefusal::Channel { number, found: header.channel.clone() });
    }
    if number != previous.number.next() {
        return Err(AppliedRefusal::Number { found: number, expected: previous.number.next() });
    }
    let expected = previous.hash();
    if header.previous_hash != expected {
        return Err(AppliedRefusal::PreviousHash { number, found: header.previous_hash, expected });
    }
    if header.timestamp_ms <= previous.timestamp_ms {
        let (found, previous) = (header.timestamp_ms, previous.timestamp_ms);
        return Err(AppliedRefusal::Time { number, found, previous });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
