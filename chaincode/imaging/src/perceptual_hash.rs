//! The 64-bit perceptual hash as a value: its text, its distance, its form for other programs.
//!
//! Written as 16 lower-case hexadecimal digits, the first bit first, as Python's ImageHash prints it. One hash has
//! one text, so upper case and shorter forms are refused: records are compared and hashed byte by byte.

use std::fmt;
use std::str::FromStr;

use image_hasher::ImageHash;
use serde::{Deserialize, Serialize};

use crate::Similarity;

/// Hexadecimal digits of a hash.
const DIGITS: usize = 16;

/// A 64-bit perceptual hash. Ordered as a number, which means nothing for the images.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PerceptualHash(u64);

impl PerceptualHash {
    /// The hash with these bits, the first bit the most significant.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The bits, the first bit the most significant.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// The Hamming distance: how many of the 64 bits differ.
    #[must_use]
    pub const fn distance(self, other: Self) -> u32 {
        (self.0 ^ other.0).count_ones()
    }

    /// How many of the 64 bits are equal.
    #[must_use]
    pub const fn similarity_per_64(self, other: Self) -> u32 {
        u64::BITS - self.distance(other)
    }

    /// How alike two hashes are.
    #[must_use]
    pub const fn similarity(self, other: Self) -> Similarity {
        Similarity::between(self, other)
    }

    /// The same bits as the hash type of `image_hasher`, for programs that exchange those (it writes base64).
    ///
    /// Only the type is shared: `image_hasher` itself computes no wavelet hash.
    #[must_use]
    #[expect(clippy::expect_used, reason = "from_bytes refuses only a length other than 8")]
    pub fn to_image_hash(self) -> ImageHash<[u8; 8]> {
        ImageHash::from_bytes(&self.0.to_be_bytes()).expect("eight bytes are eight bytes")
    }

    /// The hash with the bits of an `image_hasher` hash.
    #[must_use]
    pub fn from_image_hash(hash: &ImageHash<[u8; 8]>) -> Self {
        Self(hash.as_bytes().iter().fold(0, |bits, byte| bits << 8 | u64::from(*byte)))
    }
}

impl fmt::Display for PerceptualHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for PerceptualHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PerceptualHash({self})")
    }
}

/// Why a text is not a perceptual hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PerceptualHashError {
    /// It is shorter or longer than 16 bytes.
    #[error(
        "a perceptual hash has 16 hexadecimal digits, this text has {bytes} bytes; add leading zeros if short"
    )]
    WrongLength {
        /// Length of the text.
        bytes: usize,
    },
    /// It holds something other than `0-9a-f`.
    #[error(
        "a perceptual hash is written in the digits 0-9 and a-f, {found:?} at position {position} is neither"
    )]
    WrongDigit {
        /// Where, counted in bytes from 0.
        position: usize,
        /// What stands there.
        found: char,
    },
}

impl FromStr for PerceptualHash {
    type Err = PerceptualHashError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() != DIGITS {
            return Err(PerceptualHashError::WrongLength { bytes: text.len() });
        }
        let mut bits = 0;
        for (position, found) in text.char_indices() {
            let digit = match found {
                'A'..='F' => None,
                _ => found.to_digit(16),
            };
            let digit = digit.ok_or(PerceptualHashError::WrongDigit { position, found })?;
            bits = bits << 4 | u64::from(digit);
        }
        Ok(Self(bits))
    }
}

impl TryFrom<String> for PerceptualHash {
    type Error = PerceptualHashError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<PerceptualHash> for String {
    fn from(hash: PerceptualHash) -> Self {
        hash.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_sixteen_lower_case_hexadecimal_digits_are_a_hash() {
        use PerceptualHashError::{WrongDigit, WrongLength};
        for (text, verdict) in [
            ("0000000000000000", Ok(0)),
            ("08c18999191cfeff", Ok(0x08c1_8999_191c_feff)),
            ("ffffffffffffffff", Ok(u64::MAX)),
            ("", Err(WrongLength { bytes: 0 })),
            ("8c18999191cfeff", Err(WrongLength { bytes: 15 })),
            ("008c18999191cfeff", Err(WrongLength { bytes: 17 })),
            ("08C18999191cfeff", Err(WrongDigit { position: 2, found: 'C' })),
            ("+8c18999191cfeff", Err(WrongDigit { position: 0, found: '+' })),
            ("08c18999191cfef ", Err(WrongDigit { position: 15, found: ' ' })),
            ("08c18999191cfeé", Err(WrongDigit { position: 14, found: 'é' })),
        ] {
            assert_eq!(text.parse::<PerceptualHash>().map(PerceptualHash::to_bits), verdict, "{text:?}");
        }
    }

    #[test]
    fn distance_counts_differing_bits() {
        for (left, right, expected) in
            [(0, 0, 0), (0, u64::MAX, 64), (1, 2, 2), (0xff00, 0x0ff0, 8), (1 << 63, 0, 1)]
        {
            let (left, right) = (PerceptualHash::from_bits(left), PerceptualHash::from_bits(right));
            assert_eq!(left.distance(right), expected, "{left} {right}");
            assert_eq!(left.similarity_per_64(right), 64 - expected, "{left} {right}");
        }
    }

    proptest! {
        #[test]
        fn a_hash_survives_its_text_and_its_encodings(bits: u64) {
            let hash = PerceptualHash::from_bits(bits);
            prop_assert_eq!(hash.to_string().parse(), Ok(hash));
            let json = serde_json::to_string(&hash).unwrap();
            prop_assert_eq!(&json, &format!("\"{hash}\""));
            prop_assert_eq!(serde_json::from_str::<PerceptualHash>(&json).unwrap(), hash);
            prop_assert_eq!(rmp_serde::from_slice::<PerceptualHash>(&rmp_serde::to_vec(&hash).unwrap()).unwrap(), hash);
            prop_assert_eq!(PerceptualHash::from_image_hash(&hash.to_image_hash()), hash);
        }

        #[test]
        fn distance_is_that_of_the_common_hash_type(left: u64, right: u64) {
            let (left, right) = (PerceptualHash::from_bits(left), PerceptualHash::from_bits(right));
            prop_assert_eq!(left.distance(right), left.to_image_hash().dist(&right.to_image_hash()));
            prop_assert_eq!(left.distance(right), right.distance(left));
        }

        #[test]
        fn no_text_panics(text in ".{0,20}") {
            if let Ok(hash) = text.parse::<PerceptualHash>() {
                prop_assert_eq!(hash.to_string(), text);
            }
        }
    }
}
