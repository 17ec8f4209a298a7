//! One id for everything that decides a hash on this machine.
//!
//! It covers the decoders (files of both formats, held in the program), the grey conversion, the resampler, the
//! integer hash and its floating-point replay. The chaincode definition pins the id, and a peer whose id differs
//! does not endorse: a compiler, a processor or a dependency that computes otherwise is found before it can fork a
//! verdict.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::decoding::Dimensions;
use crate::{DecodeLimits, Image, MediaType, decode, wavelet_hash};

/// What [`self_test`] returns in this version of the crate, on every machine. It changes with the algorithm only.
pub const SELF_TEST_ID: &str = "a88ef479bec9ed33b3f5299dd2a2099fce0ba4fd2294e391fe8d745569576d18";

/// Files that are decoded: 16-bit grey, palette, and JPEG with halved, with full, with progressive and with CMYK planes.
const FILES: [&[u8]; 6] = [
    include_bytes!("../tests/images/grey_16_bit.png"),
    include_bytes!("../tests/images/palette.png"),
    include_bytes!("../tests/images/rgb_420.jpg"),
    include_bytes!("../tests/images/rgb_444.jpg"),
    include_bytes!("../tests/images/progressive.jpg"),
    include_bytes!("../tests/images/cmyk.jpg"),
];

/// Sizes of the generated images: the smallest, both pass orders, shrinking and growing, and none of either.
const SIZES: [(u32, u32); 9] =
    [(1, 1), (3, 5), (8, 8), (64, 64), (100, 37), (37, 100), (255, 257), (300, 200), (256, 256)];

/// How the pixels of the generated images come about; the last two of them tie at the median.
const PATTERNS: [fn(u32, u32) -> u32; 4] = [
    |x, y| (x * x + 3 * y * y + x * y) >> 4,
    |x, y| noise(x, y) >> 7,
    |x, y| 77 + (x + y) / 100_000,
    |x, y| 255 * (x / 4 + y / 4),
];

/// Well-mixed bits of a position, in wrapping integers.
fn noise(x: u32, y: u32) -> u32 {
    let seed = x.wrapping_mul(0x9e37_79b1) ^ y.wrapping_mul(0x85eb_ca77);
    let mixed = (seed ^ seed >> 15).wrapping_mul(0xc2b2_ae3d);
    mixed ^ mixed >> 13
}

/// The id of what this build computes on this machine: 64 hexadecimal digits, to be compared with [`SELF_TEST_ID`].
///
/// Takes some milliseconds. It depends on nothing but the program and the machine.
#[must_use]
pub fn self_test() -> String {
    let mut digest = Sha256::new();
    for file in FILES {
        match decode(file, &DecodeLimits::default()) {
            Ok(image) => add(&mut digest, &image),
            Err(error) => digest.update(error.to_string()),
        }
    }
    for (width, height) in SIZES {
        for pattern in PATTERNS {
            let positions = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
            let grey = positions.map(|(x, y)| pattern(x, y).to_le_bytes()[0]).collect();
            if let Some(image) = Image::from_grey(MediaType::Png, Dimensions { width, height }, grey) {
                add(&mut digest, &image);
            }
        }
    }
    digest.finalize().iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Adds dimensions, pixels and hash.
fn add(digest: &mut Sha256, image: &Image) {
    digest.update(image.width().to_be_bytes());
    digest.update(image.height().to_be_bytes());
    digest.update(image.grey());
    digest.update(wavelet_hash(image).to_bits().to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_computes_the_pinned_id() {
        assert_eq!(self_test(), SELF_TEST_ID);
    }

    #[test]
    fn every_file_of_the_self_test_decodes() {
        for file in FILES {
            assert!(decode(file, &DecodeLimits::default()).is_ok());
        }
    }
}
