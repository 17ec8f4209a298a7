//! Why a decoder refused an image, as a worker may say it: one of a closed set, with numbers and no words.
//!
//! A worker that was taken over would choose its words. So the peer writes them: from the set, and from what it knows of the
//! file without a decoder (its length, its first bytes, the limits that it gave). What contradicts that is no answer.

use imaging::{DecodeLimits, ImagingError, MediaType};
use serde::{Deserialize, Serialize};

/// Why a decoder refused an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Refusal {
    /// There are no bytes, or the first ones are those of no accepted format.
    NoFormat,
    /// More bytes than the limit.
    EncodedTooLarge,
    /// Width and height that the header claims, one of them 0.
    NoPixels(u32, u32),
    /// Width and height that the header claims, one of them over the limit.
    SideTooLong(u32, u32),
    /// Width and height that the header claims, together over the limit.
    TooManyPixels(u32, u32),
    /// Memory that decoding would take.
    WorkingTooLarge(u64),
    /// The end mark is missing.
    Truncated,
    /// A rule of the format is broken.
    Malformed,
    /// A part of the format that is not decoded.
    Unsupported,
}

impl Refusal {
    /// What a worker says of its decoder's error.
    pub(super) const fn of(error: &ImagingError) -> Self {
        match *error {
            ImagingError::Empty | ImagingError::UnsupportedMediaType { .. } => Self::NoFormat,
            ImagingError::EncodedTooLarge { .. } => Self::EncodedTooLarge,
            ImagingError::NoPixels { width, height, .. } => Self::NoPixels(width, height),
            ImagingError::SideTooLong { width, height, .. } => Self::SideTooLong(width, height),
            ImagingError::TooManyPixels { width, height, .. } => Self::TooManyPixels(width, height),
            ImagingError::WorkingTooLarge { bytes, .. } => Self::WorkingTooLarge(bytes),
            ImagingError::Truncated { .. } => Self::Truncated,
            ImagingError::Unsupported { .. } => Self::Unsupported,
            _ => Self::Malformed,
        }
    }

    /// The error in the peer's words; `None` where the file or the limits contradict it.
    pub(super) fn told(self, file: &[u8], limits: &DecodeLimits) -> Option<ImagingError> {
        let DecodeLimits { encoded_bytes_max, side_max, pixels_max, working_bytes_max } = *limits;
        let bytes = file.len() as u64;
        if self == Self::EncodedTooLarge {
            let told = ImagingError::EncodedTooLarge { bytes, bytes_max: encoded_bytes_max };
            return (bytes > encoded_bytes_max).then_some(told);
        }
        let media_type = match (MediaType::sniff(file), self) {
            (Err(error), Self::NoFormat) => return Some(error),
            (Err(_), _) | (Ok(_), Self::NoFormat) => return None,
            (Ok(media_type), _) => media_type,
        };
        Some(match self {
            Self::NoFormat | Self::EncodedTooLarge => return None,
            Self::NoPixels(width, height) => ImagingError::NoPixels { media_type, width, height },
            Self::SideTooLong(width, height) => ImagingError::SideTooLong { width, height, side_max },
            Self::TooManyPixels(width, height) => ImagingError::TooManyPixels { width, height, pixels_max },
            Self::WorkingTooLarge(bytes) => {
                ImagingError::WorkingTooLarge { media_type, bytes, bytes_max: working_bytes_max }
            }
            Self::Truncated => ImagingError::Truncated { media_type, bytes, missing: end_mark(media_type) },
            Self::Malformed => ImagingError::Malformed {
                media_type,
                reason: "its decoder does not get through it".to_owned(),
            },
            Self::Unsupported => {
                let feature = "a part of the format".to_owned();
                ImagingError::Unsupported { media_type, feature }
            }
        })
    }
}

/// What a file of a format ends with.
const fn end_mark(media_type: MediaType) -> &'static str {
    match media_type {
        MediaType::Png => "IEND chunk",
        MediaType::Jpeg => "end-of-image marker",
    }
}

#[cfg(test)]
mod tests {
    use imaging::decode;

    use super::*;
    use crate::testing::png;

    #[test]
    fn the_peer_tells_a_refusal_as_its_decoder_would() {
        let image = png(40, 2);
        let limits = DecodeLimits::default();
        let rows = [
            ("nothing", Vec::new(), limits),
            ("a letter", b"Dear Dr. Jones".to_vec(), limits),
            ("half an image", image[..image.len() / 2].to_vec(), limits),
            ("half a JPEG", b"\xff\xd8\xff\xe0".to_vec(), limits),
            ("too many bytes", image.clone(), DecodeLimits { encoded_bytes_max: 9, ..limits }),
            ("too long a side", image.clone(), DecodeLimits { side_max: 9, ..limits }),
            ("too many pixels", image.clone(), DecodeLimits { pixels_max: 9, ..limits }),
            ("too much memory", image, DecodeLimits { working_bytes_max: 9, ..limits }),
        ];
        for (name, file, limits) in rows {
            let error = decode(&file, &limits).expect_err(name);
            assert_eq!(Refusal::of(&error).told(&file, &limits), Some(error), "{name}");
        }
    }

    #[test]
    fn words_of_a_decoder_do_not_come_through_and_contradictions_are_no_answer() {
        let (image, limits) = (png(40, 2), DecodeLimits::default());
        let malformed = ImagingError::Malformed { media_type: MediaType::Png, reason: "forged".to_owned() };
        let told = Refusal::of(&malformed).told(&image, &limits).expect("an answer").to_string();
        assert!(told.contains("is damaged") && !told.contains("forged"), "{told}");
        let rows = [
            ("an image of no format", Refusal::NoFormat, &image[..]),
            ("a small file that is too large", Refusal::EncodedTooLarge, &image[..]),
            ("a letter that is a damaged PNG", Refusal::Malformed, &b"Dear Dr. Jones"[..]),
            ("a letter that is cut short", Refusal::Truncated, &b"Dear Dr. Jones"[..]),
        ];
        for (name, refusal, file) in rows {
            assert_eq!(refusal.told(file, &limits), None, "{name}");
        }
    }
}
