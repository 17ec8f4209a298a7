//! PNG: what the header claims, whether the file is whole, and its grey plane.
//!
//! The chunk list is walked before the decoder sees the file, so that dimensions are judged before memory is spent
//! and a file cut after its last pixel row is refused like one cut before. Of an animation the first frame counts.
//! Rules: ISO/IEC 15948 (chunks, clause 5.3; IHDR, clause 11.2.2).

use std::io::Cursor;

use image::ImageDecoder;
use image::codecs::png::PngDecoder;

use crate::decoding::{DecodeLimits, Dimensions};
use crate::{ImagingError, MediaType, luma};

/// The first eight bytes of every PNG file.
pub(crate) const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// What text, colour profile and other side data of a file may take in the decoder. They are never used.
const METADATA_BYTES_MAX: u64 = 64 << 20;

/// Length of a chunk's length and type, and of its checksum.
const CHUNK_HEAD_BYTES: usize = 8;
const CHUNK_CHECKSUM_BYTES: usize = 4;

/// Width and height from IHDR, of a file whose chunks reach IEND.
///
/// # Errors
/// `Malformed` when the first chunk is not IHDR or a length is above 2^31 - 1; `Truncated` without IEND.
pub(crate) fn dimensions(bytes: &[u8]) -> Result<Dimensions, ImagingError> {
    let mut rest = bytes.get(SIGNATURE.len()..).unwrap_or_default();
    let mut dimensions = None;
    loop {
        let Some((length, kind)) = chunk_head(rest) else {
            return Err(ImagingError::truncated(MediaType::Png, bytes, "IEND chunk"));
        };
        if length > i32::MAX as u32 {
            return Err(ImagingError::malformed(MediaType::Png, "a chunk claims more than 2^31 - 1 bytes"));
        }
        let end = CHUNK_HEAD_BYTES + length as usize + CHUNK_CHECKSUM_BYTES;
        let Some(body) = rest.get(CHUNK_HEAD_BYTES..end) else {
            return Err(ImagingError::truncated(MediaType::Png, bytes, "IEND chunk"));
        };
        let found = match dimensions {
            Some(found) => found,
            None => header(kind, length, body)?,
        };
        if &kind == b"IEND" {
            return Ok(found);
        }
        dimensions = Some(found);
        rest = &rest[end..];
    }
}

/// Length and type of the chunk at the start of `rest`.
fn chunk_head(rest: &[u8]) -> Option<(u32, [u8; 4])> {
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (kind, _) = rest.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*length), *kind))
}

/// Width and height, if this chunk is IHDR.
fn header(kind: [u8; 4], length: u32, body: &[u8]) -> Result<Dimensions, ImagingError> {
    let sides = body.split_first_chunk::<4>().and_then(|(width, rest)| {
        rest.first_chunk::<4>().map(|height| (u32::from_be_bytes(*width), u32::from_be_bytes(*height)))
    });
    match sides {
        Some((width, height)) if &kind == b"IHDR" && length == 13 => Ok(Dimensions { width, height }),
        _ => Err(ImagingError::malformed(MediaType::Png, "the first chunk is not an IHDR of 13 bytes")),
    }
}

/// The grey plane, row by row, of a file whose `dimensions` were judged.
///
/// # Errors
/// `WorkingTooLarge` before the pixels are read; `Malformed` or `Unsupported` as the decoder finds.
pub(crate) fn grey(
    bytes: &[u8],
    dimensions: Dimensions,
    limits: &DecodeLimits,
) -> Result<Vec<u8>, ImagingError> {
    let refused = |error| ImagingError::from_decoder(MediaType::Png, &error);
    let mut decoder_limits = image::Limits::no_limits();
    decoder_limits.max_image_width = Some(limits.side_max);
    decoder_limits.max_image_height = Some(limits.side_max);
    decoder_limits.max_alloc = Some(METADATA_BYTES_MAX);
    let decoder = PngDecoder::with_limits(Cursor::new(bytes), decoder_limits).map_err(refused)?;
    luma::read(decoder.color_type(), MediaType::Png, dimensions, limits, |buffer| {
        decoder.read_image(buffer).map_err(refused)
    })
}
