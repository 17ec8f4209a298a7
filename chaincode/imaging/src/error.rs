//! Why an image was refused.
//!
//! Endorsers compare their answers, so a variant holds only facts that every peer finds in the same bytes. It never
//! holds bytes of the file itself: what was sent by mistake may be a letter with a name in it.

use crate::MediaType;

/// Why bytes could not be decoded to an image. The sender of the bytes is at fault in every case.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImagingError {
    /// There are no bytes.
    #[error("the image is empty (0 bytes); upload a PNG or JPEG file")]
    Empty,
    /// The file is longer than `encoded_bytes_max`.
    #[error(
        "the image has {bytes} bytes, over the limit encoded_bytes_max of {bytes_max}; compress or scale it"
    )]
    EncodedTooLarge {
        /// Length of the file.
        bytes: u64,
        /// The limit that it breaks.
        bytes_max: u64,
    },
    /// The first bytes are those of no accepted format.
    #[error(
        "the first bytes of the image are those of {found}, whatever its name says; convert it to PNG or JPEG"
    )]
    UnsupportedMediaType {
        /// What the first bytes look like.
        found: &'static str,
    },
    /// The header claims a width or height of 0.
    #[error("the {media_type} header claims {width} x {height} px; an image needs at least 1 x 1")]
    NoPixels {
        /// Format of the file.
        media_type: MediaType,
        /// Width that the header claims.
        width: u32,
        /// Height that the header claims.
        height: u32,
    },
    /// The header claims a side longer than `side_max`.
    #[error(
        "the image header claims {width} x {height} px, over the limit side_max of {side_max}; scale it down"
    )]
    SideTooLong {
        /// Width that the header claims.
        width: u32,
        /// Height that the header claims.
        height: u32,
        /// The limit that it breaks.
        side_max: u32,
    },
    /// The header claims more pixels than `pixels_max`.
    #[error(
        "the image header claims {width} x {height} px, over the limit pixels_max of {pixels_max}; scale it down"
    )]
    TooManyPixels {
        /// Width that the header claims.
        width: u32,
        /// Height that the header claims.
        height: u32,
        /// The limit that it breaks.
        pixels_max: u64,
    },
    /// Decoding would take more memory than `working_bytes_max`.
    #[error(
        "decoding the {media_type} image takes {bytes} bytes, over the limit working_bytes_max of {bytes_max}; \
         store it with 8 bits a sample, without transparency and not progressively, or scale it down"
    )]
    WorkingTooLarge {
        /// Format of the file.
        media_type: MediaType,
        /// Memory that its pixels and coefficients would take.
        bytes: u64,
        /// The limit that it breaks.
        bytes_max: u64,
    },
    /// The file stops before the mark that ends its format.
    #[error(
        "the {media_type} file of {bytes} bytes ends before its {missing}; it was cut short: send it again"
    )]
    Truncated {
        /// Format of the file.
        media_type: MediaType,
        /// Length of the file.
        bytes: u64,
        /// The part that is not there.
        missing: &'static str,
    },
    /// The file breaks the rules of its format.
    #[error("the {media_type} file is damaged: {reason}; export it again")]
    Malformed {
        /// Format of the file.
        media_type: MediaType,
        /// The rule that it breaks, as its decoder puts it.
        reason: String,
    },
    /// The file keeps the rules of its format and uses a part of them that is not decoded here.
    #[error(
        "the {media_type} file uses {feature}, which is not supported; export it as baseline JPEG or PNG"
    )]
    Unsupported {
        /// Format of the file.
        media_type: MediaType,
        /// The part in question.
        feature: String,
    },
}

impl ImagingError {
    /// The error for a file that stops before `missing`.
    pub(crate) fn truncated(media_type: MediaType, bytes: &[u8], missing: &'static str) -> Self {
        Self::Truncated { media_type, bytes: bytes.len() as u64, missing }
    }

    /// The error for a broken rule of the format.
    pub(crate) fn malformed(media_type: MediaType, reason: impl Into<String>) -> Self {
        Self::Malformed { media_type, reason: reason.into() }
    }

    /// Sorts what a decoder of `image` reports into our variants.
    pub(crate) fn from_decoder(media_type: MediaType, error: &image::ImageError) -> Self {
        match error {
            image::ImageError::Unsupported(reason) => {
                Self::Unsupported { media_type, feature: feature(reason) }
            }
            other => Self::Malformed { media_type, reason: other.to_string() },
        }
    }
}

/// The words of an "unsupported" report, without the format hint that our variant already holds.
fn feature(reason: &image::error::UnsupportedError) -> String {
    match reason.kind() {
        image::error::UnsupportedErrorKind::Color(color) => format!("the colour type {color:?}"),
        image::error::UnsupportedErrorKind::GenericFeature(feature) => feature,
        _ => reason.to_string(),
    }
}
