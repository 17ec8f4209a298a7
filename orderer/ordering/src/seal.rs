//! The proof-of-work seal: a nonce that gives the block's hash the leading zero bits that the channel asks for.
//!
//! Works in steps, so that whoever runs it can stop between two. The nonce is among the header's last bytes, so all
//! before it are hashed once. What the result means is checked by [`BlockHeader::is_sealed`].

use std::ops::Range;

use protocol::{BlockHeader, codec};
use sha2::{Digest, Sha256};

/// A search for a header's nonce.
#[derive(Clone, Debug)]
pub struct Seal {
    before_nonce: Sha256,
    after_nonce: Vec<u8>,
    difficulty_bits: u32,
}

impl Seal {
    /// Begins the search for `header`, whose difficulty is set.
    #[must_use]
    pub fn new(header: &BlockHeader) -> Self {
        let mut header = header.clone();
        header.proof.nonce = 0;
        let bytes = codec::encode(&header);
        let after_nonce = header.envelope_count.map(|count| codec::encode(&count)).unwrap_or_default();
        // A nonce of 0 is encoded as one byte, the last before the count, if there is one.
        let before = bytes.len().saturating_sub(after_nonce.len() + 1);
        let before_nonce = Sha256::new().chain_update(&bytes[..before]);
        Self { before_nonce, after_nonce, difficulty_bits: u32::from(header.proof.difficulty_bits) }
    }

    /// The first nonce of `nonces` that seals the header; `None` where the range holds none.
    #[must_use]
    pub fn find(&self, nonces: Range<u64>) -> Option<u64> {
        nonces.into_iter().find(|nonce| self.holds(*nonce))
    }

    fn holds(&self, nonce: u64) -> bool {
        let hash = self.before_nonce.clone().chain_update(codec::encode(&nonce));
        let hash = hash.chain_update(&self.after_nonce).finalize();
        let mut bits = 0;
        for byte in hash.iter() {
            bits += byte.leading_zeros();
            if *byte != 0 {
                break;
            }
        }
        bits >= self.difficulty_bits
    }
}

#[cfg(test)]
mod tests {
    use protocol::{BlockHash, BlockNumber, ChannelId, Proof};

    use super::*;

    fn header(difficulty_bits: u8) -> BlockHeader {
        BlockHeader {
            version: BlockHeader::VERSION,
            channel: ChannelId::new("reports").expect("valid"),
            number: BlockNumber(7),
            previous_hash: BlockHash([1; 32]),
            data_hash: protocol::Digest([2; 32]),
            timestamp_ms: 1_700_000_000_000,
            last_config: BlockNumber(0),
            proof: Proof { difficulty_bits, nonce: 99 },
            envelope_count: None,
        }
    }

    #[test]
    fn a_found_nonce_seals_the_header_whatever_its_width() {
        for (difficulty_bits, envelope_count) in [(0, None), (1, None), (4, None), (10, None), (9, Some(300))]
        {
            let version = if envelope_count.is_some() { 2 } else { 1 };
            let mut header = BlockHeader { version, envelope_count, ..header(difficulty_bits) };
            let seal = Seal::new(&header);
            for first in [0, 100, 1 << 8, 1 << 16, 1 << 32] {
                let nonce = seal.find(first..first + (1 << 16)).expect("16 bits hold a seal of 10");
                header.proof.nonce = nonce;
                assert!(header.is_sealed(), "{difficulty_bits} bits from {first}");
            }
        }
    }

    #[test]
    fn steps_find_what_one_range_finds() {
        let seal = Seal::new(&header(8));
        let whole = seal.find(0..100_000).expect("8 bits are found quickly");
        let stepped = (0..100_000).step_by(64).find_map(|first| seal.find(first..first + 64));
        assert_eq!(stepped, Some(whole));
        assert_eq!(seal.find(0..whole), None, "no earlier nonce holds");
        assert_eq!(seal.find(5..5), None);
    }
}
