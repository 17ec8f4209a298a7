//! Grey from colour: the rounded BT.601 weights that Pillow uses, in 16-bit fixed point.
//!
//! Transparency is dropped, not blended with a background. A sample of 16 bits keeps its upper 8: Pillow does the
//! same for colour and for grey with transparency, but clips plain grey at 255, which this project does not follow.

use image::ColorType;

use crate::decoding::{DecodeLimits, Dimensions};
use crate::{ImagingError, MediaType};

/// Reads pixels of `color` into a buffer of their size and returns them as grey, row by row.
///
/// # Errors
/// `WorkingTooLarge` before the buffer is made, `Unsupported` for a colour type not known here, and what `read` says.
pub(crate) fn read(
    color: ColorType,
    media_type: MediaType,
    dimensions: Dimensions,
    limits: &DecodeLimits,
    read: impl FnOnce(&mut [u8]) -> Result<(), ImagingError>,
) -> Result<Vec<u8>, ImagingError> {
    let bytes = dimensions.pixels().saturating_mul(u64::from(color.bytes_per_pixel()));
    limits.check_working_bytes(media_type, bytes)?;
    let length = usize::try_from(bytes).map_err(|_| ImagingError::WorkingTooLarge {
        media_type,
        bytes,
        bytes_max: limits.working_bytes_max,
    })?;
    let mut buffer = vec![0; length];
    read(&mut buffer)?;
    match color {
        ColorType::L8 => Ok(buffer),
        ColorType::La8 => Ok(grey::<2, 1>(&buffer)),
        ColorType::L16 => Ok(grey::<2, 2>(&buffer)),
        ColorType::La16 => Ok(grey::<4, 2>(&buffer)),
        ColorType::Rgb8 => Ok(coloured::<3, 1>(&buffer)),
        ColorType::Rgba8 => Ok(coloured::<4, 1>(&buffer)),
        ColorType::Rgb16 => Ok(coloured::<6, 2>(&buffer)),
        ColorType::Rgba16 => Ok(coloured::<8, 2>(&buffer)),
        other => Err(ImagingError::Unsupported { media_type, feature: format!("the colour type {other:?}") }),
    }
}

/// The upper byte of the first sample of each pixel of `PIXEL` bytes.
fn grey<const PIXEL: usize, const SAMPLE: usize>(buffer: &[u8]) -> Vec<u8> {
    buffer.as_chunks::<PIXEL>().0.iter().map(|pixel| upper::<PIXEL, SAMPLE>(pixel, 0)).collect()
}

/// The luma of the first three samples of each pixel of `PIXEL` bytes.
fn coloured<const PIXEL: usize, const SAMPLE: usize>(buffer: &[u8]) -> Vec<u8> {
    let sample = upper::<PIXEL, SAMPLE>;
    buffer
        .as_chunks::<PIXEL>()
        .0
        .iter()
        .map(|pixel| luma([sample(pixel, 0), sample(pixel, 1), sample(pixel, 2)]))
        .collect()
}

/// The upper byte of sample `index`; samples of two bytes come in the machine's byte order.
fn upper<const PIXEL: usize, const SAMPLE: usize>(pixel: &[u8; PIXEL], index: usize) -> u8 {
    if SAMPLE == 1 {
        pixel[index]
    } else {
        u16::from_ne_bytes([pixel[2 * index], pixel[2 * index + 1]]).to_be_bytes()[0]
    }
}

/// BT.601 luma with weights of 16 binary places, rounded. The weights sum to 2^16, so the result fits a byte.
fn luma([red, green, blue]: [u8; 3]) -> u8 {
    let sum = 19_595 * u32::from(red) + 38_470 * u32::from(green) + 7_471 * u32::from(blue) + 0x8000;
    sum.to_be_bytes()[1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn luma_is_the_rounded_weighting_of_bt_601() {
        for (rgb, expected) in [
            ([0, 0, 0], 0),
            ([255, 255, 255], 255),
            ([255, 0, 0], 76),
            ([0, 255, 0], 150),
            ([0, 0, 255], 29),
            ([10, 200, 30], 124),
            ([1, 1, 1], 1),
        ] {
            assert_eq!(luma(rgb), expected, "{rgb:?}");
        }
    }

    #[test]
    fn grey_in_is_grey_out_for_every_level() {
        for level in 0..=255 {
            assert_eq!(luma([level; 3]), level);
        }
    }

    #[test]
    fn every_colour_type_yields_its_upper_bytes_without_transparency() {
        let wide =
            |samples: &[u16]| samples.iter().flat_map(|sample| sample.to_ne_bytes()).collect::<Vec<_>>();
        let limits = DecodeLimits::default();
        for (color, pixel, expected) in [
            (ColorType::L8, vec![7], 7),
            (ColorType::La8, vec![7, 0], 7),
            (ColorType::Rgb8, vec![255, 0, 0], 76),
            (ColorType::Rgba8, vec![255, 0, 0, 3], 76),
            (ColorType::L16, wide(&[0x0180]), 1),
            (ColorType::La16, wide(&[0xfeff, 0]), 0xfe),
            (ColorType::Rgb16, wide(&[0xffff, 0x00ff, 0x00ff]), 76),
            (ColorType::Rgba16, wide(&[0xffff, 0x00ff, 0x00ff, 1]), 76),
        ] {
            let grey = read(color, MediaType::Png, Dimensions { width: 1, height: 1 }, &limits, |buffer| {
                buffer.copy_from_slice(&pixel);
                Ok(())
            });
            assert_eq!(grey, Ok(vec![expected]), "{color:?}");
        }
    }
}
