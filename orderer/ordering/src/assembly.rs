//! A block's header from its envelopes and the header before.
//!
//! The timestamp is the greater of (previous + 1) and the median of the consenters' clocks, so that time never falls
//! and one wrong clock among three moves nothing. The proof is left open: `seal` finds it.

use bytes::Bytes;
use protocol::{Block, BlockHeader, BlockNumber, Proof, data_hash};

/// What the new block needs to know besides its envelopes.
#[derive(Clone, Copy, Debug)]
pub struct Assembly<'a> {
    /// The header before.
    pub previous: &'a BlockHeader,
    /// The version of headers in force.
    pub version: u16,
    /// Number of the block with the configuration in force.
    pub last_config: BlockNumber,
    /// The difficulty in force.
    pub difficulty_bits: u8,
    /// Clocks of the consenters that are known, in milliseconds since 1970, the own among them.
    pub clocks_ms: &'a [u64],
}

/// The block that follows `previous` with these envelopes: unsealed where the difficulty is not 0, unsigned.
#[must_use]
pub fn assemble(facts: &Assembly<'_>, envelopes: Vec<Bytes>) -> Block {
    let header = BlockHeader {
        version: facts.version,
        channel: facts.previous.channel.clone(),
        number: facts.previous.number.next(),
        previous_hash: facts.previous.hash(),
        data_hash: data_hash(&envelopes),
        timestamp_ms: block_timestamp(facts.previous.timestamp_ms, facts.clocks_ms),
        last_config: facts.last_config,
        proof: Proof { difficulty_bits: facts.difficulty_bits, nonce: 0 },
        envelope_count: BlockHeader::envelope_count_of(facts.version, &envelopes),
    };
    Block { header, envelopes, signatures: Vec::new() }
}

/// `max(previous + 1, median of the clocks)`.
#[must_use]
pub fn block_timestamp(previous_ms: u64, clocks_ms: &[u64]) -> u64 {
    previous_ms.saturating_add(1).max(median_clock(clocks_ms).unwrap_or_default())
}

/// The median; of an even count the lower of the two middle ones, so that half of the clocks cannot push time ahead.
/// `None` without a clock.
#[must_use]
pub fn median_clock(clocks_ms: &[u64]) -> Option<u64> {
    let mut sorted = clocks_ms.to_vec();
    sorted.sort_unstable();
    let middle = sorted.len().checked_sub(1)? / 2;
    sorted.get(middle).copied()
}

#[cfg(test)]
mod tests {
    use protocol::{BlockHash, ChannelId, Digest};

    use super::*;

    #[test]
    fn time_is_the_median_and_never_falls() {
        let rows: &[(u64, &[u64], u64)] = &[
            // previous, clocks, timestamp
            (0, &[], 1),
            (0, &[1000], 1000),
            (0, &[1000, 5000], 1000),
            (0, &[9999, 1000, 1002], 1002),
            (0, &[u64::MAX, 1000, 1002], 1002),
            (0, &[0, 1000, 1002], 1000),
            (0, &[4, 3, 2, 1], 2),
            (2000, &[1000, 1000, 1000], 2001),
            (1000, &[1000], 1001),
            (u64::MAX, &[1], u64::MAX),
        ];
        for (previous, clocks, verdict) in rows {
            assert_eq!(block_timestamp(*previous, clocks), *verdict, "{previous} {clocks:?}");
        }
    }

    #[test]
    fn a_header_follows_its_predecessor() {
        let previous = BlockHeader {
            version: BlockHeader::VERSION,
            channel: ChannelId::new("reports").expect("valid"),
            number: BlockNumber(6),
            previous_hash: BlockHash::ZERO,
            data_hash: Digest::ZERO,
            timestamp_ms: 10,
            last_config: BlockNumber(0),
            proof: Proof::default(),
            envelope_count: None,
        };
        let facts = Assembly {
            previous: &previous,
            version: 1,
            last_config: BlockNumber(3),
            difficulty_bits: 4,
            clocks_ms: &[77],
        };
        let envelopes = vec![Bytes::from_static(b"one"), Bytes::from_static(b"two")];
        let newer = assemble(&Assembly { version: 2, ..facts }, envelopes.clone());
        assert_eq!((newer.header.version, newer.header.envelope_count), (2, Some(2)));
        let block = assemble(&facts, envelopes.clone());
        assert_eq!((block.header.version, block.header.envelope_count), (1, None));
        assert_eq!(block.header.number, BlockNumber(7));
        assert_eq!(block.header.previous_hash, previous.hash());
        assert_eq!(block.header.data_hash, data_hash(&envelopes));
        assert_eq!(block.header.timestamp_ms, 77);
        assert_eq!(block.header.last_config, BlockNumber(3));
        assert_eq!(block.header.proof, Proof { difficulty_bits: 4, nonce: 0 });
        assert_eq!(block.envelopes, envelopes);
        assert!(block.signatures.is_empty());
    }
}
