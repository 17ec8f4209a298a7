//! The one writer and the one reader of MessagePack.
//!
//! Structures are arrays, bytes are `bin`, integers are minimal. MessagePack through serde is not canonical by itself
//! (a struct decodes from a map, integers from any width), so [`decode_canonical`] accepts only bytes that re-encode to
//! themselves; it is used wherever the bytes are hashed or signed. Both readers refuse trailing bytes and check their
//! limit before they look at the input.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use thiserror::Error;

/// Why bytes were not read.
#[derive(Debug, Error)]
pub enum DecodeError {
    /// More bytes than the type may have.
    #[error("{type_name} of {bytes} bytes exceeds the limit of {limit} bytes")]
    TooLarge {
        /// What was to be read.
        type_name: &'static str,
        /// How many bytes came.
        bytes: usize,
        /// How many may come.
        limit: usize,
    },
    /// The bytes are no such value.
    #[error("bytes are not a valid {type_name}: {reason}")]
    Malformed {
        /// What was to be read.
        type_name: &'static str,
        /// What the decoder met.
        reason: String,
    },
    /// Bytes follow the value.
    #[error("{trailing} bytes follow the {type_name}")]
    TrailingBytes {
        /// What was read.
        type_name: &'static str,
        /// How many bytes were left.
        trailing: usize,
    },
    /// The value has another encoding than the one canonical form.
    #[error("the {type_name} is not in canonical form")]
    NotCanonical {
        /// What was read.
        type_name: &'static str,
    },
    /// The value begins with a version that this release does not know.
    #[error(
        "{type_name} has version {version}; this release reads version {known}: a newer release is needed"
    )]
    UnknownVersion {
        /// What was read.
        type_name: &'static str,
        /// The version found.
        version: u16,
        /// The version known.
        known: u16,
    },
}

/// Returns the MessagePack encoding of `value`.
///
/// # Panics
/// Never for the types of this crate: they hold no map with non-string keys and no type that refuses to serialise.
#[must_use]
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    #[expect(
        clippy::expect_used,
        reason = "writing to memory cannot fail and our types serialise without a condition"
    )]
    rmp_serde::to_vec(value).expect("a wire type serialises")
}

/// Reads one value that fills `bytes` exactly.
///
/// # Errors
/// [`DecodeError`] for too many bytes (checked first), bytes that are no such value, trailing bytes.
pub fn decode<T: DeserializeOwned>(bytes: &[u8], limit: usize) -> Result<T, DecodeError> {
    let type_name = short_name::<T>();
    if bytes.len() > limit {
        return Err(DecodeError::TooLarge { type_name, bytes: bytes.len(), limit });
    }
    // Over a slice the decoder hands out what it finds; over a reader it would first gather each byte string by itself.
    let mut deserializer = rmp_serde::Deserializer::from_read_ref(bytes);
    let value = T::deserialize(&mut deserializer)
        .map_err(|error| DecodeError::Malformed { type_name, reason: error.to_string() })?;
    // The unit reads one marker and nothing behind it: it meets the end only where no byte is left.
    match <()>::deserialize(&mut deserializer) {
        Err(rmp_serde::decode::Error::InvalidMarkerRead(_)) => Ok(value),
        _ => Err(DecodeError::TrailingBytes { type_name, trailing: left_after::<T>(bytes) }),
    }
}

/// How many bytes follow the value: the decoder over a slice does not tell, so the value is read once more.
fn left_after<T: DeserializeOwned>(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    // It was read before, so it is read again.
    let _ = T::deserialize(&mut rmp_serde::Deserializer::new(&mut rest));
    rest.len()
}

/// Reads one value and refuses every encoding but the one that [`encode`] writes. For bytes that are hashed or signed.
///
/// # Errors
/// As [`decode`], and [`DecodeError::NotCanonical`].
pub fn decode_canonical<T: DeserializeOwned + Serialize>(
    bytes: &[u8],
    limit: usize,
) -> Result<T, DecodeError> {
    let value: T = decode(bytes, limit)?;
    if encode(&value) == bytes {
        Ok(value)
    } else {
        Err(DecodeError::NotCanonical { type_name: short_name::<T>() })
    }
}

/// Returns `Ok` if `version` is the known one.
///
/// # Errors
/// [`DecodeError::UnknownVersion`], which says that a newer release is needed.
pub const fn expect_version(type_name: &'static str, version: u16, known: u16) -> Result<(), DecodeError> {
    if version == known { Ok(()) } else { Err(DecodeError::UnknownVersion { type_name, version, known }) }
}

fn short_name<T>() -> &'static str {
    let full = std::any::type_name::<T>();
    full.rsplit("::").next().unwrap_or(full)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Pair {
        number: u64,
        #[serde(with = "serde_bytes")]
        bytes: Vec<u8>,
    }

    #[test]
    fn whatever_follows_a_value_is_refused_and_counted() {
        let good = encode(&Pair { number: 1, bytes: vec![7] });
        let refused = |rest: &[u8]| {
            let bytes = [&good[..], rest].concat();
            match decode::<Pair>(&bytes, 100) {
                Err(DecodeError::TrailingBytes { trailing, .. }) => assert_eq!(trailing, rest.len()),
                other => panic!("{rest:02x?}: {other:?}"),
            }
        };
        for first in 0..=u8::MAX {
            // Alone, a marker may promise what never comes.
            refused(&[first]);
            for second in 0..=u8::MAX {
                refused(&[first, second]);
            }
        }
    }

    #[test]
    fn only_the_canonical_form_is_read_where_bytes_are_hashed() {
        let good = encode(&Pair { number: 1, bytes: vec![7] });
        assert_eq!(good, [0x92, 0x01, 0xc4, 0x01, 0x07]);
        let rows: &[(&str, &[u8], bool, bool)] = &[
            // name, bytes, read, read as canonical
            ("canonical", &good, true, true),
            ("wide integer", &[0x92, 0xcc, 0x01, 0xc4, 0x01, 0x07], true, false),
            ("trailing byte", &[0x92, 0x01, 0xc4, 0x01, 0x07, 0x00], false, false),
            ("truncated", &[0x92, 0x01, 0xc4, 0x01], false, false),
            ("hostile length", &[0xdd, 0xff, 0xff, 0xff, 0xff], false, false),
            ("empty", &[], false, false),
            (
                "a map",
                &[
                    0x82, 0xa6, b'n', b'u', b'm', b'b', b'e', b'r', 1, 0xa5, b'b', b'y', b't', b'e', b's',
                    0xc4, 1, 7,
                ],
                true,
                false,
            ),
        ];
        for (name, bytes, read, canonical) in rows {
            assert_eq!(decode::<Pair>(bytes, 64).is_ok(), *read, "{name}");
            assert_eq!(decode_canonical::<Pair>(bytes, 64).is_ok(), *canonical, "{name} as canonical");
        }
    }

    #[test]
    fn the_limit_is_checked_first() {
        let error = decode::<Pair>(&[0xff; 65], 64).expect_err("too large");
        assert!(
            matches!(error, DecodeError::TooLarge { bytes: 65, limit: 64, type_name: "Pair" }),
            "{error}"
        );
    }
}
