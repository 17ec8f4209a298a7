//! Which format a file is in, by its first bytes.
//!
//! The name of a file and the type that its sender claims are never asked: they are claims, and the record on the
//! ledger states a fact. Signatures: PNG (ISO/IEC 15948 clause 5.2), JPEG (ITU-T T.81 Annex B).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ImagingError;

/// The accepted formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum MediaType {
    /// Portable Network Graphics.
    #[serde(rename = "image/png")]
    Png,
    /// JPEG, baseline or progressive.
    #[serde(rename = "image/jpeg")]
    Jpeg,
}

/// What other first bytes mean, so that the refusal can name it: (offset, signature, name).
const KNOWN: [(usize, &[u8], &str); 12] = [
    (128, b"DICM", "DICOM"),
    (0, b"%PDF-", "PDF"),
    (0, b"GIF8", "GIF"),
    (0, b"BM", "BMP"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (8, b"WEBP", "WebP"),
    (4, b"ftyp", "HEIF, AVIF or a film"),
    (0, b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"<", "XML or HTML"),
];

impl MediaType {
    /// The name registered with IANA.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
        }
    }

    /// The format whose signature the bytes begin with.
    ///
    /// # Errors
    /// [`ImagingError::Empty`] without bytes, [`ImagingError::UnsupportedMediaType`] for any other signature.
    pub fn sniff(bytes: &[u8]) -> Result<Self, ImagingError> {
        if bytes.is_empty() {
            return Err(ImagingError::Empty);
        }
        if bytes.starts_with(crate::png::SIGNATURE) {
            return Ok(Self::Png);
        }
        if bytes.starts_with(crate::jpeg::SIGNATURE) {
            return Ok(Self::Jpeg);
        }
        let found = KNOWN
            .iter()
            .find(|(offset, signature, _)| {
                bytes.get(*offset..).is_some_and(|rest| rest.starts_with(signature))
            })
            .map(|(_, _, name)| *name)
            .unwrap_or(if bytes.iter().take(512).all(|byte| byte.is_ascii() && *byte != 0) {
                "a text"
            } else {
                "no known image format"
            });
        Err(ImagingError::UnsupportedMediaType { found })
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
