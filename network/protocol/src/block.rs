//! Blocks: envelopes in an order, under a header that chains them.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::codec::{self, DecodeError};
use crate::ids::{BlockHash, BlockNumber, ChannelId, Digest};
use crate::limits::{BLOCK_BYTES_MAX, BLOCK_ENVELOPES_MAX, DIFFICULTY_BITS_MAX};
use crate::merkle;

/// The proof-of-work seal of a header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// How many leading bits of the block hash are zero, 0 to 24.
    pub difficulty_bits: u8,
    /// The number that makes them so.
    pub nonce: u64,
}

/// What is hashed and signed of a block. Its bytes are the canonical MessagePack of this value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockHeader {
    /// Version of this type's encoding.
    pub version: u16,
    /// The channel.
    pub channel: ChannelId,
    /// The block's number; the genesis block is 0.
    pub number: BlockNumber,
    /// Hash of the header before; zero bytes in the genesis block.
    pub previous_hash: BlockHash,
    /// Merkle root over the envelopes.
    pub data_hash: Digest,
    /// Milliseconds since 1970 by the consenters' median clock; grows with every block.
    pub timestamp_ms: u64,
    /// Number of the block that holds the configuration in force at this block.
    pub last_config: BlockNumber,
    /// The seal.
    pub proof: Proof,
    /// How many envelopes the block has. Version 2 has it, version 1 has not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub envelope_count: Option<u32>,
}

impl BlockHeader {
    /// The version of every first block, and of those that follow until a capability of the channel brings another.
    pub const VERSION: u16 = 1;
    /// The newest version that is read. Which one a channel's blocks have is for its configuration to say.
    pub const VERSION_MAX: u16 = 2;

    /// The count of `envelopes` as it stands in a header of that version.
    #[must_use]
    pub fn envelope_count_of(version: u16, envelopes: &[Bytes]) -> Option<u32> {
        (version >= 2).then(|| u32::try_from(envelopes.len()).unwrap_or(u32::MAX))
    }

    fn check_form(&self) -> Result<(), DecodeError> {
        if self.version == 0 || self.version > Self::VERSION_MAX {
            return codec::expect_version("BlockHeader", self.version, Self::VERSION_MAX);
        }
        if self.envelope_count.is_some() == (self.version >= 2) {
            return Ok(());
        }
        let reason = format!("version {} has another number of parts", self.version);
        Err(DecodeError::Malformed { type_name: "BlockHeader", reason })
    }

    /// The block hash: SHA-256 of the header's bytes.
    #[must_use]
    pub fn hash(&self) -> BlockHash {
        BlockHash::of(&codec::encode(self))
    }

    /// Whether the hash has the leading zero bits that the seal claims.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.proof.difficulty_bits <= DIFFICULTY_BITS_MAX
            && leading_zero_bits(&self.hash()) >= u32::from(self.proof.difficulty_bits)
    }
}

/// One consenter's signature over the header's bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockSignature {
    /// The consenter's number in the configuration in force before the block.
    pub consenter: u32,
    /// DER ECDSA signature.
    pub signature: Bytes,
}

/// A header, its envelopes verbatim, and the consenters' signatures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// The header.
    pub header: BlockHeader,
    /// The envelopes, each as its client signed it.
    pub envelopes: Vec<Bytes>,
    /// Signatures in the order of the consenters' numbers; empty in a genesis block.
    pub signatures: Vec<BlockSignature>,
}

impl Block {
    /// The block's bytes on the wire and on disk.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads a block and checks its form: limits, version, canonical encoding. Hashes and signatures are not checked.
    ///
    /// # Errors
    /// [`DecodeError`] as [`codec::decode_canonical`], and for an unknown version or too many envelopes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let block: Self = codec::decode_canonical(bytes, BLOCK_BYTES_MAX)?;
        block.header.check_form()?;
        if block.envelopes.len() > BLOCK_ENVELOPES_MAX {
            return Err(DecodeError::TooLarge {
                type_name: "Block (count of envelopes)",
                bytes: block.envelopes.len(),
                limit: BLOCK_ENVELOPES_MAX,
            });
        }
        Ok(block)
    }
}

/// The Merkle root over envelopes, as it stands in the header.
#[must_use]
pub fn data_hash(envelopes: &[Bytes]) -> Digest {
    let leaves: Vec<Digest> = envelopes.iter().map(|envelope| merkle::leaf_hash(envelope)).collect();
    merkle::root(&leaves)
}

fn leading_zero_bits(hash: &BlockHash) -> u32 {
    let mut bits = 0;
    for byte in hash.as_bytes() {
        bits += byte.leading_zeros();
        if *byte != 0 {
            break;
        }
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> BlockHeader {
        BlockHeader {
            version: BlockHeader::VERSION,
            channel: ChannelId::new("reports").expect("valid"),
            number: BlockNumber(7),
            previous_hash: BlockHash([1; 32]),
            data_hash: data_hash(&[Bytes::from_static(b"envelope")]),
            timestamp_ms: 1_700_000_000_000,
            last_config: BlockNumber(0),
            proof: Proof::default(),
            envelope_count: None,
        }
    }

    #[test]
    fn a_block_reads_back_and_refuses_every_other_form() {
        let block =
            Block { header: header(), envelopes: vec![Bytes::from_static(b"envelope")], signatures: vec![] };
        let bytes = block.to_bytes();
        assert_eq!(Block::from_bytes(&bytes).expect("reads back"), block);
        for cut in 0..bytes.len() {
            assert!(Block::from_bytes(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(Block::from_bytes(&longer).is_err());
        let rows = [
            // version, count, what is said
            (1, None, ""),
            (1, Some(1), "another number of parts"),
            (2, Some(1), ""),
            (2, None, "another number of parts"),
            (3, Some(1), "newer release"),
            (0, None, "newer release"),
        ];
        for (version, envelope_count, said) in rows {
            let header = BlockHeader { version, envelope_count, ..header() };
            let written = Block { header, ..block.clone() };
            let found = Block::from_bytes(&written.to_bytes());
            match found {
                Ok(read) => assert!(said.is_empty() && read == written, "{version} {envelope_count:?}"),
                Err(error) => {
                    assert!(!said.is_empty() && error.to_string().contains(said), "{version}: {error}");
                }
            }
        }
    }

    #[test]
    fn a_seal_holds_only_with_its_leading_zero_bits() {
        let mut header = header();
        assert!(header.is_sealed(), "difficulty 0 needs no work");
        header.proof.difficulty_bits = 8;
        let nonce = (0..100_000).find(|nonce| {
            header.proof.nonce = *nonce;
            header.is_sealed()
        });
        header.proof.nonce = nonce.expect("8 bits are found quickly");
        assert_eq!(header.hash().as_bytes()[0], 0);
        header.proof.difficulty_bits = 25;
        assert!(!header.is_sealed(), "a difficulty over the limit never holds");
    }
}
