//! Names, numbers and digests, each a type of its own so that none passes for another.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::limits::NAME_BYTES_MAX;

/// A name that breaks its rule.
#[derive(Debug, Error, PartialEq, Eq, Clone)]
#[error("{kind} {value:?} is not valid: it must have {rule}")]
pub struct InvalidName {
    /// What was to be named.
    pub kind: &'static str,
    /// The value as given, cut after 64 characters.
    pub value: String,
    /// The rule it breaks.
    pub rule: &'static str,
}

impl InvalidName {
    pub(crate) fn new(kind: &'static str, value: &str, rule: &'static str) -> Self {
        Self { kind, value: value.chars().take(64).collect(), rule }
    }
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $rule:literal, $accepts:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Returns the name if it keeps the rule.
            ///
            /// # Errors
            /// [`InvalidName`] names the value and the rule.
            pub fn new(name: impl Into<String>) -> Result<Self, InvalidName> {
                let name = name.into();
                let accepts: fn(&str) -> bool = $accepts;
                if accepts(&name) { Ok(Self(name)) } else { Err(InvalidName::new($kind, &name, $rule)) }
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;

            fn try_from(name: String) -> Result<Self, InvalidName> {
                Self::new(name)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidName;

            fn from_str(name: &str) -> Result<Self, InvalidName> {
                Self::new(name)
            }
        }
    };
}

name_type!(
    /// A channel's name, Fabric's rule: lower case, begins with a letter.
    ChannelId,
    "channel name",
    "1 to 128 lower-case letters, digits, '.' or '-', the first a letter",
    |n| {
        n.len() <= NAME_BYTES_MAX
            && n.starts_with(|c: char| c.is_ascii_lowercase())
            && n.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-'))
    }
);

name_type!(
    /// A chaincode's name, which is also its namespace. Names that begin with `_` are the system's own.
    ChaincodeName,
    "chaincode name",
    "1 to 128 letters, digits, '-' or '_'",
    |n| {
        !n.is_empty()
            && n.len() <= NAME_BYTES_MAX
            && n.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
    }
);

name_type!(
    /// A transaction's id: 64 lower-case hex digits of SHA-256(nonce ‖ creator).
    TxId,
    "transaction id",
    "64 lower-case hex digits",
    |n| n.len() == 64 && n.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
);

impl TxId {
    /// Computes the id that Fabric's clients compute: `hex(SHA-256(nonce ‖ creator))`.
    #[must_use]
    pub fn of(nonce: &[u8], creator: &[u8]) -> Self {
        Self(hex::encode(Sha256::new().chain_update(nonce).chain_update(creator).finalize()))
    }
}

/// A block's place in its channel; the genesis block is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BlockNumber(pub u64);

impl BlockNumber {
    /// The number of the block that follows.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The number of the block before, `None` for the genesis block.
    #[must_use]
    pub const fn previous(self) -> Option<Self> {
        match self.0.checked_sub(1) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }
}

impl fmt::Display for BlockNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A transaction's place in its block, from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TxNumber(pub u32);

/// Where a value was last written: the height that MVCC compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Version {
    /// The block.
    pub block_number: BlockNumber,
    /// The transaction in it.
    pub tx_number: TxNumber,
}

macro_rules! digest_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(#[serde(with = "serde_bytes")] pub [u8; 32]);

        impl $name {
            /// 32 zero bytes: what stands before the first.
            pub const ZERO: Self = Self([0; 32]);

            /// SHA-256 of `bytes`.
            #[must_use]
            pub fn of(bytes: &[u8]) -> Self {
                Self(Sha256::digest(bytes).into())
            }

            /// The 32 bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }
    };
}

digest_type!(
    /// A SHA-256 digest or a Merkle root.
    Digest
);
digest_type!(
    /// SHA-256 of a block header's bytes.
    BlockHash
);
digest_type!(
    /// The chained hash of everything that a block changed; equal on every honest peer at equal height.
    CommitHash
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_their_rules() {
        let long = "a".repeat(129);
        let rows: &[(&str, bool, bool)] = &[
            // name, a channel, a chaincode
            ("reports", true, true),
            ("my-channel.1", true, false),
            ("Reports", false, true),
            ("1st", false, true),
            ("_identity", false, true),
            ("", false, false),
            ("a b", false, false),
            ("../x", false, false),
            (&long, false, false),
        ];
        for (name, channel, chaincode) in rows {
            assert_eq!(ChannelId::new(*name).is_ok(), *channel, "channel {name:?}");
            assert_eq!(ChaincodeName::new(*name).is_ok(), *chaincode, "chaincode {name:?}");
        }
    }

    #[test]
    fn a_transaction_id_is_the_hash_of_nonce_and_creator() {
        let id = TxId::of(b"nonce", b"creator");
        assert_eq!(id.as_str(), hex::encode(Sha256::digest(b"noncecreator")));
        assert!(TxId::new(id.as_str()).is_ok());
        assert!(TxId::new(id.as_str().to_uppercase()).is_err());
        assert!(TxId::new("ab").is_err());
    }

    #[test]
    fn a_refused_name_is_cut_in_the_error() {
        let error = ChannelId::new("X".repeat(500)).expect_err("too long");
        assert_eq!(error.value.len(), 64);
    }
}
