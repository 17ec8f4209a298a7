//! The binding of a plaintext: SHA-256(data key ‖ plaintext), as the report's record keeps it.
//!
//! The key in front makes the digest useless to somebody who guesses at reports, yet whoever was given the key can prove
//! that the bytes opened are the bytes recorded. The hasher's state is wiped when it is dropped; neither the key nor the
//! plaintext is ever shown.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

/// SHA-256(data key ‖ plaintext).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Binding(pub [u8; 32]);

/// Text that is not a binding. It is not repeated: it may be anything that somebody pasted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a binding is 64 hexadecimal digits, this text of {chars} characters is not")]
pub struct InvalidBinding {
    /// Length of the text.
    pub chars: usize,
}

/// Computes a [`Binding`] over plaintext that arrives in pieces.
#[derive(Clone)]
pub struct BindingHasher(Sha256);

impl BindingHasher {
    /// Starts with the data key of the report.
    #[must_use]
    pub fn new(data_key: &[u8; 32]) -> Self {
        Self(Sha256::new_with_prefix(data_key))
    }

    /// Adds the next bytes of the plaintext; how it is cut does not matter.
    pub fn update(&mut self, plaintext: &[u8]) {
        self.0.update(plaintext);
    }

    /// The binding of all bytes given.
    #[must_use]
    pub fn finish(self) -> Binding {
        Binding(self.0.finalize().into())
    }
}

impl fmt::Debug for BindingHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BindingHasher(..)")
    }
}

impl fmt::Display for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Binding({self})")
    }
}

impl FromStr for Binding {
    type Err = InvalidBinding;

    fn from_str(text: &str) -> Result<Self, InvalidBinding> {
        let invalid = || InvalidBinding { chars: text.chars().count() };
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return Err(invalid());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let high = hex_digit(pair[0]).ok_or_else(invalid)?;
            let low = hex_digit(pair[1]).ok_or_else(invalid)?;
            *byte = high << 4 | low;
        }
        Ok(Self(bytes))
    }
}

/// Text for people's formats (JSON, YAML), bytes for MessagePack.
impl Serialize for Binding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_bytes(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Binding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
        } else {
            serde_bytes::ByteArray::<32>::deserialize(deserializer).map(|bytes| Self(bytes.into_array()))
        }
    }
}

fn hex_digit(character: u8) -> Option<u8> {
    char::from(character).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding(key: u8, pieces: &[&[u8]]) -> Binding {
        let mut hasher = BindingHasher::new(&[key; 32]);
        for piece in pieces {
            hasher.update(piece);
        }
        hasher.finish()
    }

    #[test]
    fn the_binding_is_sha256_of_key_then_plaintext() {
        let expected: [u8; 32] = Sha256::digest([&[9; 32][..], b"plaintext"].concat()).into();
        assert_eq!(binding(9, &[b"plain", b"", b"text"]), Binding(expected));
        assert_ne!(binding(8, &[b"plaintext"]), Binding(expected), "another key");
        assert_ne!(binding(9, &[b"plaintexu"]), Binding(expected), "another plaintext");
    }

    #[test]
    fn text_and_bytes_come_back() {
        let value = binding(1, &[b"x"]);
        assert_eq!(value.to_string().parse::<Binding>(), Ok(value));
        assert_eq!(value.to_string().to_uppercase().parse::<Binding>(), Ok(value));
        let packed = rmp_serde::to_vec(&value).unwrap();
        assert_eq!(packed[..2], [0xc4, 32]);
        assert_eq!(rmp_serde::from_slice::<Binding>(&packed).unwrap(), value);
        assert_eq!(serde_json::from_str::<Binding>(&serde_json::to_string(&value).unwrap()).unwrap(), value);
        assert!(rmp_serde::from_slice::<Binding>(&rmp_serde::to_vec(&[0u8; 31]).unwrap()).is_err());
    }

    #[test]
    fn other_text_is_refused_without_being_repeated() {
        for text in [
            "",
            "00",
            &"0".repeat(63),
            &"0".repeat(65),
            &"g".repeat(64),
            &"\u{e9}".repeat(32),
            &"+1".repeat(32),
        ] {
            let error = text.parse::<Binding>().unwrap_err();
            assert_eq!(error.chars, text.chars().count());
            assert!(text.is_empty() || text == "00" || !error.to_string().contains(text));
        }
    }

    #[test]
    fn a_hasher_shows_nothing_of_its_state() {
        assert_eq!(format!("{:?}", BindingHasher::new(&[0xab; 32])), "BindingHasher(..)");
    }
}
