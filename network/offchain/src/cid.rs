//! The name of a block: CIDv1 over SHA-256 with codec raw (a leaf) or dag-pb (a link node), and nothing else.
//!
//! A [`Cid`] is 33 bytes of plain data, so it is copied and compared like a number. Text is written in lower-case base32
//! (`bafk…`, `bafy…`); any multibase is read, since other tools print other bases: compare parsed values, never strings.
//! Version 0, other codecs and other hashes are refused by name. Source: multiformats CID, multihash, multicodec tables.

use std::fmt;
use std::str::FromStr;

use protocol::limits::DAG_BLOCK_BYTES_MAX;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::error::DagError;

/// Length of every accepted CID in bytes: version, codec, hash code, digest length, 32 of digest.
pub const CID_BYTES: usize = 36;

/// The longest text read: base 2, the most verbose multibase, takes 8 characters a byte and its prefix.
const TEXT_CHARS_MAX: usize = 8 * CID_BYTES + 1;
const RAW: u64 = 0x55;
const DAG_PB: u64 = 0x70;
const SHA2_256: u64 = 0x12;

/// What the bytes of a block are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    /// A leaf: content bytes and nothing around them.
    Raw,
    /// A link node.
    DagPb,
}

impl Codec {
    const fn code(self) -> u64 {
        match self {
            Self::Raw => RAW,
            Self::DagPb => DAG_PB,
        }
    }
}

/// A content identifier.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cid {
    codec: Codec,
    digest: [u8; 32],
}

/// Why text or bytes are not an accepted CID.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CidError {
    /// Longer than any accepted CID.
    #[error("a CID of {length} characters or bytes is longer than the longest accepted one, {length_max}")]
    TooLong {
        /// Length given.
        length: usize,
        /// Length accepted.
        length_max: usize,
    },
    /// Not a CID at all.
    #[error("{given:?} is not a CID: {detail}")]
    Malformed {
        /// The text, or the bytes in hex.
        given: String,
        /// The decoder's reason.
        detail: String,
    },
    /// CIDv0.
    #[error(
        "{given} is a CID of version 0: add the file with version 1, raw leaves (profile unixfs-v1-2025)"
    )]
    Version {
        /// The CID in its own text form.
        given: String,
    },
    /// A codec other than raw and dag-pb.
    #[error("{given} has codec {code:#x}: only raw (0x55) and dag-pb (0x70) are accepted")]
    Codec {
        /// The CID in its own text form.
        given: String,
        /// Its codec.
        code: u64,
    },
    /// A hash other than SHA-256 of 32 bytes.
    #[error("{given} has hash {code:#x} of {bytes} bytes: only sha2-256 (0x12) of 32 bytes is accepted")]
    Hash {
        /// The CID in its own text form.
        given: String,
        /// Its hash function.
        code: u64,
        /// Its digest's length.
        bytes: u8,
    },
}

impl Cid {
    /// The CID of a leaf with these bytes.
    #[must_use]
    pub fn of_raw(block: &[u8]) -> Self {
        Self::of(Codec::Raw, block)
    }

    pub(crate) fn of(codec: Codec, block: &[u8]) -> Self {
        Self { codec, digest: Sha256::digest(block).into() }
    }

    /// What the block's bytes are.
    #[must_use]
    pub const fn codec(&self) -> Codec {
        self.codec
    }

    /// SHA-256 of the block's bytes.
    #[must_use]
    pub const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// Checks that the bytes are the block of this name.
    ///
    /// # Errors
    /// [`DagError::BlockTooLarge`] before anything is hashed, [`DagError::WrongHash`] after.
    pub fn verify(&self, block: &[u8]) -> Result<(), DagError> {
        if block.len() > DAG_BLOCK_BYTES_MAX {
            let (bytes, bytes_max) = (block.len() as u64, DAG_BLOCK_BYTES_MAX as u64);
            return Err(DagError::BlockTooLarge { cid: *self, bytes, bytes_max });
        }
        if Self::of(self.codec, block) != *self {
            return Err(DagError::WrongHash { cid: *self });
        }
        Ok(())
    }

    /// The binary form.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; CID_BYTES] {
        let mut bytes = [0; CID_BYTES];
        // All three numbers are below 128, so each is its own varint.
        bytes[..4].copy_from_slice(&[1, self.codec.code() as u8, SHA2_256 as u8, 32]);
        bytes[4..].copy_from_slice(&self.digest);
        bytes
    }

    /// Reads the binary form; trailing bytes are refused.
    ///
    /// # Errors
    /// [`CidError`] names what differs from the one accepted form.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CidError> {
        if bytes.len() > TEXT_CHARS_MAX {
            return Err(CidError::TooLong { length: bytes.len(), length_max: CID_BYTES });
        }
        let malformed = |detail: String| CidError::Malformed { given: crate::binding::hex(bytes), detail };
        let parsed = ::cid::Cid::try_from(bytes).map_err(|e| malformed(e.to_string()))?;
        let cid = Self::from_ipld(parsed)?;
        if cid.to_bytes() != bytes {
            return Err(malformed(format!(
                "{} bytes follow or pad it",
                bytes.len().saturating_sub(CID_BYTES)
            )));
        }
        Ok(cid)
    }

    pub(crate) fn to_ipld(self) -> Option<::cid::Cid> {
        let hash = multihash::Multihash::wrap(SHA2_256, &self.digest).ok()?;
        Some(::cid::Cid::new_v1(self.codec.code(), hash))
    }

    pub(crate) fn from_ipld(parsed: ::cid::Cid) -> Result<Self, CidError> {
        let given = parsed.to_string();
        if parsed.version() != ::cid::Version::V1 {
            return Err(CidError::Version { given });
        }
        let codec = match parsed.codec() {
            RAW => Codec::Raw,
            DAG_PB => Codec::DagPb,
            code => return Err(CidError::Codec { given, code }),
        };
        let hash = parsed.hash();
        match <[u8; 32]>::try_from(hash.digest()) {
            Ok(digest) if hash.code() == SHA2_256 => Ok(Self { codec, digest }),
            _ => Err(CidError::Hash { given, code: hash.code(), bytes: hash.size() }),
        }
    }
}

impl FromStr for Cid {
    type Err = CidError;

    fn from_str(text: &str) -> Result<Self, CidError> {
        if text.len() > TEXT_CHARS_MAX {
            return Err(CidError::TooLong { length: text.len(), length_max: TEXT_CHARS_MAX });
        }
        // Version 0 is bare base58 without a multibase prefix, always of this beginning.
        if text.starts_with("Qm") {
            return Err(CidError::Version { given: text.to_owned() });
        }
        let (_, bytes) = ::cid::multibase::decode(text)
            .map_err(|e| CidError::Malformed { given: text.to_owned(), detail: e.to_string() })?;
        Self::from_bytes(&bytes)
    }
}

impl fmt::Display for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&::cid::multibase::encode(::cid::multibase::Base::Base32Lower, self.to_bytes()))
    }
}

impl fmt::Debug for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cid({self})")
    }
}

/// Text for people's formats (JSON, YAML), bytes for MessagePack.
impl Serialize for Cid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_bytes(&self.to_bytes())
        }
    }
}

impl<'de> Deserialize<'de> for Cid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
        } else {
            let bytes = serde_bytes::ByteBuf::deserialize(deserializer)?;
            Self::from_bytes(&bytes).map_err(de::Error::custom)
        }
    }
}

#[cfg(test)]
mod tests;
