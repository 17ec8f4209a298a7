//! JPEG: what the frame header claims, whether the file is whole, and its grey plane.
//!
//! The segments are walked before the decoder sees the file, so that dimensions are judged before memory is spent.
//! The decoder fills what is missing with grey, which would give a cut file a hash of its own; therefore a file
//! without its end-of-image marker is refused here. Damage between the markers is not always detectable in this
//! format: such a file decodes to what the decoder makes of it, the same on every peer.
//! Rules: ITU-T T.81 Annex B.

use std::io::Cursor;

use image::ImageDecoder;
use image::codecs::jpeg::JpegDecoder;

use crate::decoding::{DecodeLimits, Dimensions};
use crate::{ImagingError, MediaType, luma};

/// Start of image and the first byte of the next marker.
pub(crate) const SIGNATURE: &[u8] = b"\xff\xd8\xff";

const START_OF_IMAGE: u8 = 0xd8;
const END_OF_IMAGE: u8 = 0xd9;
const START_OF_SCAN: u8 = 0xda;
const FRAME_BASELINE: u8 = 0xc0;
const FRAME_EXTENDED: u8 = 0xc1;
const FRAME_PROGRESSIVE: u8 = 0xc2;

/// Scans of a file. Encoders write one or about ten; each costs a pass over the whole image, so a small file with
/// thousands of them would keep a peer busy for minutes.
const SCANS_MAX: u32 = 100;

/// Bytes of a coefficient that a file of several scans keeps until the last.
const COEFFICIENT_BYTES: u64 = 2;

/// What a frame header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) dimensions: Dimensions,
    components: u8,
    /// Coefficients of the whole image are kept until the last scan.
    keeps_coefficients: bool,
}

/// The only frame header of a file whose segments reach the end-of-image marker.
///
/// # Errors
/// `Truncated` without that marker; `Malformed` for a broken or missing segment; `Unsupported` for other than 8
/// bits a sample, for lossless, hierarchical and arithmetic coding, and for more than 100 scans.
pub(crate) fn frame(bytes: &[u8]) -> Result<Frame, ImagingError> {
    let malformed = |reason: &str| ImagingError::malformed(MediaType::Jpeg, reason);
    let truncated = || ImagingError::truncated(MediaType::Jpeg, bytes, "end-of-image marker");
    let mut rest = bytes;
    let mut frame: Option<Frame> = None;
    let mut scans = 0_u32;
    loop {
        let (marker, after) = next_marker(rest).ok_or_else(truncated)?;
        match marker {
            START_OF_IMAGE => {
                rest = after;
                continue;
            }
            END_OF_IMAGE if scans == 0 => return Err(malformed("it has no scan")),
            END_OF_IMAGE => {
                let frame = frame.ok_or_else(|| malformed("it has no frame header"))?;
                return Ok(Frame { keeps_coefficients: frame.keeps_coefficients || scans > 1, ..frame });
            }
            _ => {}
        }
        let length = usize::from(u16::from_be_bytes(*after.first_chunk::<2>().ok_or_else(truncated)?));
        let body = after.get(2..length.max(2)).ok_or_else(truncated)?;
        match marker {
            _ if length < 2 => return Err(malformed("a segment claims fewer than 2 bytes")),
            START_OF_SCAN if frame.is_none() => {
                return Err(malformed("a scan comes before the frame header"));
            }
            START_OF_SCAN if scans == SCANS_MAX => {
                return Err(unsupported(&format!("over {SCANS_MAX} scans")));
            }
            START_OF_SCAN => scans += 1,
            0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => {
                if frame.is_some() {
                    return Err(malformed("it has two frame headers"));
                }
                frame = Some(frame_header(marker, body)?);
            }
            _ => {}
        }
        rest = &after[length..];
    }
}

/// The next marker that is neither filling, a stuffed zero, a restart nor TEM, and what follows it.
fn next_marker(mut rest: &[u8]) -> Option<(u8, &[u8])> {
    loop {
        let prefix = rest.iter().position(|byte| *byte == 0xff)?;
        let (marker, after) = rest.get(prefix + 1..)?.split_first()?;
        match marker {
            0xff => rest = &rest[prefix + 1..],
            0x00 | 0x01 | 0xd0..=0xd7 => rest = after,
            _ => return Some((*marker, after)),
        }
    }
}

/// The error for a part of the format that is not decoded.
fn unsupported(feature: &str) -> ImagingError {
    ImagingError::Unsupported { media_type: MediaType::Jpeg, feature: feature.to_owned() }
}

/// Reads the body of a frame header.
fn frame_header(marker: u8, body: &[u8]) -> Result<Frame, ImagingError> {
    match marker {
        FRAME_BASELINE | FRAME_EXTENDED | FRAME_PROGRESSIVE => {}
        0xc3 => return Err(unsupported("lossless coding")),
        0xc5..=0xc7 => return Err(unsupported("hierarchical coding")),
        _ => return Err(unsupported("arithmetic coding")),
    }
    let [precision, h1, h0, w1, w0, components, ..] = *body else {
        return Err(ImagingError::malformed(MediaType::Jpeg, "its frame header is shorter than 6 bytes"));
    };
    if precision != 8 {
        return Err(unsupported(&format!("{precision} bits a sample")));
    }
    let dimensions = Dimensions {
        width: u32::from(u16::from_be_bytes([w1, w0])),
        height: u32::from(u16::from_be_bytes([h1, h0])),
    };
    Ok(Frame { dimensions, components, keeps_coefficients: marker == FRAME_PROGRESSIVE })
}

/// The grey plane, row by row, of a file whose `frame` was judged.
///
/// # Errors
/// `WorkingTooLarge` before the pixels are read; `Malformed` or `Unsupported` as the decoder finds.
pub(crate) fn grey(bytes: &[u8], frame: Frame, limits: &DecodeLimits) -> Result<Vec<u8>, ImagingError> {
    let refused = |error| ImagingError::from_decoder(MediaType::Jpeg, &error);
    if frame.keeps_coefficients {
        let coefficients = frame.dimensions.pixels() * u64::from(frame.components) * COEFFICIENT_BYTES;
        let pixels = frame.dimensions.pixels() * 3;
        limits.check_working_bytes(MediaType::Jpeg, coefficients + pixels)?;
    }
    let mut decoder = JpegDecoder::new(Cursor::new(bytes)).map_err(refused)?;
    let mut decoder_limits = image::Limits::no_limits();
    decoder_limits.max_image_width = Some(limits.side_max);
    decoder_limits.max_image_height = Some(limits.side_max);
    decoder.set_limits(decoder_limits).map_err(refused)?;
    if decoder.dimensions() != (frame.dimensions.width, frame.dimensions.height) {
        return Err(ImagingError::malformed(MediaType::Jpeg, "its frame header is ambiguous"));
    }
    luma::read(decoder.color_type(), MediaType::Jpeg, frame.dimensions, limits, |buffer| {
        decoder.read_image(buffer).map_err(refused)
    })
}
