//! Images that are drawn here, for scenarios that need a report but no particular one.
//!
//! PNG by hand: 8-bit grey, one IDAT of stored (not compressed) deflate blocks. RFC 1950, RFC 1951 and the PNG
//! specification, sections 5 and 11. Bombs are the exception: a short stream that says "the same again" very often.

use std::path::Path;

use anyhow::{Context as _, Result};

const SIGNATURE: [u8; 8] = [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a];
const STORED_BYTES_MAX: usize = 0xffff;

/// A grey image.
#[derive(Clone, Debug)]
pub struct Image {
    width: u32,
    height: u32,
    pixels: Vec<u8>,
}

impl Image {
    /// A picture of soft rings, another one for each `seed`.
    #[must_use]
    pub fn rings(width: u32, height: u32, seed: u32) -> Self {
        let mut pixels = Vec::new();
        for y in 0..height {
            for x in 0..width {
                let (across, down) = (x.abs_diff(width / 2 + seed % 17), y.abs_diff(height / 3 + seed % 23));
                let ring = (across * across + down * down * 2) / (9 + seed % 5);
                // Always below 256.
                pixels.push(u8::try_from((ring ^ (seed.wrapping_mul(31))) % 256).unwrap_or_default());
            }
        }
        Self { width, height, pixels }
    }

    /// The file's bytes.
    #[must_use]
    pub fn png(&self) -> Vec<u8> {
        let mut rows = Vec::new();
        for row in self.pixels.chunks(self.width.max(1) as usize) {
            // Filter type 0: the bytes as they are.
            rows.push(0);
            rows.extend_from_slice(row);
        }
        png_of(self.width, self.height, &rows)
    }

    /// Writes the file.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        std::fs::write(path, self.png()).with_context(|| path.display().to_string())
    }
}

/// A PNG whose header claims a size and whose content is one row of one pixel.
#[must_use]
pub fn png_claiming(width: u32, height: u32) -> Vec<u8> {
    png_of(width, height, &[0, 0])
}

/// Where a bomb is put into a PNG.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BombIn {
    /// The pixel data: many more rows than the header announces.
    Pixels,
    /// A colour profile, `iCCP`.
    ColourProfile,
    /// A compressed text, `zTXt`.
    Text,
}

/// A PNG of 16 x 16 px of which one part inflates to `inflated_bytes`.
#[must_use]
pub fn png_with_bomb(place: BombIn, inflated_bytes: usize) -> Vec<u8> {
    let bomb = zlib_of_zeros(inflated_bytes);
    let rows = zlib_stored(&[0; 16 * 17]);
    let mut file = SIGNATURE.to_vec();
    chunk(&mut file, *b"IHDR", &[0, 0, 0, 16, 0, 0, 0, 16, 8, 0, 0, 0, 0]);
    match place {
        BombIn::Pixels => chunk(&mut file, *b"IDAT", &bomb),
        // A name, its end, the only known compression.
        BombIn::ColourProfile => chunk(&mut file, *b"iCCP", &[&b"profile\0\0"[..], &bomb].concat()),
        BombIn::Text => chunk(&mut file, *b"zTXt", &[&b"Comment\0\0"[..], &bomb].concat()),
    }
    if place != BombIn::Pixels {
        chunk(&mut file, *b"IDAT", &rows);
    }
    chunk(&mut file, *b"IEND", &[]);
    file
}

fn png_of(width: u32, height: u32, rows: &[u8]) -> Vec<u8> {
    // Bit depth 8, colour type 0 (grey), then the only known compression, filter method and no interlace.
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 0, 0, 0, 0]].concat();
    let mut file = SIGNATURE.to_vec();
    chunk(&mut file, *b"IHDR", &header);
    chunk(&mut file, *b"IDAT", &zlib_stored(rows));
    chunk(&mut file, *b"IEND", &[]);
    file
}

fn chunk(file: &mut Vec<u8>, kind: [u8; 4], data: &[u8]) {
    // Chunks here are far below 2^32 bytes.
    file.extend_from_slice(&u32::try_from(data.len()).unwrap_or(u32::MAX).to_be_bytes());
    let begin = file.len();
    file.extend_from_slice(&kind);
    file.extend_from_slice(data);
    let sum = crc32(&file[begin..]);
    file.extend_from_slice(&sum.to_be_bytes());
}

fn zlib_stored(data: &[u8]) -> Vec<u8> {
    let mut stream = vec![0x78, 0x01];
    let blocks: Vec<&[u8]> = data.chunks(STORED_BYTES_MAX).collect();
    for (place, block) in blocks.iter().enumerate() {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        stream.push(u8::from(place + 1 == blocks.len()));
        stream.extend_from_slice(&length.to_le_bytes());
        stream.extend_from_slice(&(!length).to_le_bytes());
        stream.extend_from_slice(block);
    }
    stream.extend_from_slice(&adler32(data).to_be_bytes());
    stream
}

/// Zeros, as deflate's fixed codes say them most briefly: one literal, then "258 bytes from one byte before" in 13 bits.
fn zlib_of_zeros(bytes: usize) -> Vec<u8> {
    let mut stream = Bits { bytes: vec![0x78, 0x01], used: 0 };
    // The last block, fixed codes.
    stream.push(0b1, 1);
    stream.push(0b01, 2);
    stream.push(reversed(0b0011_0000, 8), 8);
    for _ in 0..bytes.saturating_sub(1).div_ceil(258) {
        // Length code 285 is 11000101, distance code 0 is 00000; codes are written from their highest bit.
        stream.push(reversed(0b1100_0101, 8), 8);
        stream.push(0, 5);
    }
    // The end of the block is code 256: seven zeros.
    stream.push(0, 7);
    let inflated = 1 + bytes.saturating_sub(1).div_ceil(258) * 258;
    // Of zeros, one half of the sum stays 1 and the other counts the bytes.
    let high = u32::try_from(inflated % 65_521).unwrap_or_default();
    [stream.bytes, ((high << 16) | 1).to_be_bytes().to_vec()].concat()
}

/// Bits, the lowest of each byte first.
struct Bits {
    bytes: Vec<u8>,
    /// Bits used of the last byte; 0 where the next bit begins another.
    used: u32,
}

impl Bits {
    fn push(&mut self, value: u32, count: u32) {
        for place in 0..count {
            let bit = u8::from(value >> place & 1 == 1) << self.used;
            match self.bytes.last_mut() {
                Some(last) if self.used > 0 => *last |= bit,
                _ => self.bytes.push(bit),
            }
            self.used = (self.used + 1) % 8;
        }
    }
}

fn reversed(code: u32, bits: u32) -> u32 {
    code.reverse_bits() >> (32 - bits)
}

fn adler32(data: &[u8]) -> u32 {
    let (low, high) = data.iter().fold((1_u32, 0_u32), |(low, high), byte| {
        let low = (low + u32::from(*byte)) % 65_521;
        (low, (high + low) % 65_521)
    });
    (high << 16) | low
}

fn crc32(data: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in data {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            let mask = 0_u32.wrapping_sub(crc & 1);
            crc = (crc >> 1) ^ (0xedb8_8320 & mask);
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_the_standards() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(adler32(b"Wikipedia"), 0x11e6_0398);
    }

    #[test]
    fn a_bomb_is_what_a_decoder_accepts_while_it_is_small() {
        for place in [BombIn::ColourProfile, BombIn::Text] {
            let file = png_with_bomb(place, 1_000);
            imaging::decode(&file, &imaging::DecodeLimits::default()).expect("an image");
        }
        let exact = png_with_bomb(BombIn::Pixels, 16 * 17);
        let image = imaging::decode(&exact, &imaging::DecodeLimits::default()).expect("an image");
        assert!(image.grey().iter().all(|grey| *grey == 0));
        assert!(png_with_bomb(BombIn::Pixels, 100_000_000).len() < 700_000);
    }

    #[test]
    fn every_seed_gives_another_picture() {
        let files: Vec<Vec<u8>> = (0..5).map(|seed| Image::rings(40, 30, seed).png()).collect();
        for (place, file) in files.iter().enumerate() {
            assert!(file.starts_with(&SIGNATURE));
            assert!(!files[..place].contains(file));
        }
    }
}
