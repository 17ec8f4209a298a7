//! How alike two hashes are, in whole numbers.
//!
//! The paper's similarity is `1 - d / 64` (Eq. 1-4). It reaches records that every peer must compute alike, so it is
//! kept as the number of matching bits; a 64th is exactly 15,625 parts per million, so nothing is ever rounded but
//! the text for people.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::PerceptualHash;

/// Parts per million of one matching bit.
const PPM_PER_BIT: u32 = 1_000_000 / u64::BITS;

/// The number of matching bits of two hashes, 0 to 64. Displayed as a fraction of 1 with four decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Similarity(u8);

/// A number of matching bits above 64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{matching_bits} of 64 bits cannot match; a similarity is a number of bits from 0 to 64")]
pub struct SimilarityError {
    /// The number that was given.
    pub matching_bits: u8,
}

impl Similarity {
    /// How alike two hashes are.
    #[must_use]
    pub const fn between(left: PerceptualHash, right: PerceptualHash) -> Self {
        Self(left.similarity_per_64(right) as u8)
    }

    /// How many of the 64 bits match.
    #[must_use]
    pub const fn matching_bits(self) -> u32 {
        self.0 as u32
    }

    /// Parts per million, exactly: 1,000,000 where all bits match.
    #[must_use]
    pub const fn ppm(self) -> u32 {
        self.0 as u32 * PPM_PER_BIT
    }
}

impl TryFrom<u8> for Similarity {
    type Error = SimilarityError;

    fn try_from(matching_bits: u8) -> Result<Self, Self::Error> {
        if u32::from(matching_bits) > u64::BITS {
            Err(SimilarityError { matching_bits })
        } else {
            Ok(Self(matching_bits))
        }
    }
}

impl From<Similarity> for u8 {
    fn from(similarity: Similarity) -> Self {
        similarity.0
    }
}

impl fmt::Display for Similarity {
    /// Rounds half to even, as other programs print the same fraction.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (quotient, rest) = (self.ppm() / 100, self.ppm() % 100);
        let rounds_up = rest > 50 || rest == 50 && quotient % 2 == 1;
        let rounded = quotient + u32::from(rounds_up);
        write!(f, "{}.{:04}", rounded / 10_000, rounded % 10_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_displayed_as_one_minus_distance_over_sixty_four() {
        for (matching, expected) in [
            (64, "1.0000"),
            (63, "0.9844"),
            (58, "0.9062"),
            (47, "0.7344"),
            (32, "0.5000"),
            (1, "0.0156"),
            (0, "0.0000"),
        ] {
            assert_eq!(Similarity::try_from(matching).unwrap().to_string(), expected, "{matching}");
        }
    }

    #[test]
    fn its_text_is_that_of_the_floating_point_fraction_for_every_value() {
        for matching in 0..=64_u8 {
            let similarity = Similarity::try_from(matching).unwrap();
            assert_eq!(similarity.to_string(), format!("{:.4}", f64::from(matching) / 64.0));
            assert_eq!(u64::from(similarity.ppm()) * 64, u64::from(matching) * 1_000_000);
        }
    }

    #[test]
    fn more_than_sixty_four_matching_bits_are_refused() {
        assert_eq!(Similarity::try_from(65), Err(SimilarityError { matching_bits: 65 }));
        assert!(rmp_serde::from_slice::<Similarity>(&[65]).is_err());
        assert_eq!(rmp_serde::from_slice::<Similarity>(&[64]).unwrap().ppm(), 1_000_000);
    }

    #[test]
    fn more_matching_bits_are_more_alike() {
        let [zero, one, both] = [0, 1, 3].map(PerceptualHash::from_bits);
        assert!(zero.similarity(one) > zero.similarity(both));
        assert_eq!(zero.similarity(one).matching_bits(), 63);
    }
}
