//! Decoders against arbitrary, cut and damaged files: an answer within the limits, never a panic, always the same.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use imaging::{DecodeLimits, MediaType, decode, wavelet_hash};
use proptest::prelude::*;
use proptest::sample::Index;

/// Small, so that a damaged header cannot make a test slow.
const LIMITS: DecodeLimits = DecodeLimits {
    encoded_bytes_max: 1 << 20,
    side_max: 300,
    pixels_max: 40_000,
    working_bytes_max: 400_000,
};

fn images() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/images");
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "png" || extension == "jpg"))
        .collect();
    paths.sort();
    assert_eq!(paths.len(), 30);
    paths
}

/// Decodes and hashes twice: the answer must fit the limits and repeat itself.
fn check(bytes: &[u8]) {
    let answer = decode(bytes, &LIMITS);
    assert_eq!(answer, decode(bytes, &LIMITS));
    if let Ok(image) = answer {
        assert!(image.width().max(image.height()) <= LIMITS.side_max);
        assert_eq!(image.grey().len() as u64, u64::from(image.width()) * u64::from(image.height()));
        assert_eq!(Ok(image.media_type()), MediaType::sniff(bytes));
        assert_eq!(wavelet_hash(&image), wavelet_hash(&image));
    }
}

#[test]
fn every_byte_of_every_header_may_be_wrong() {
    for path in images() {
        let file = fs::read(&path).unwrap();
        for at in 0..file.len().min(220) {
            for value in [0x00, 0x01, 0x7f, 0x80, 0xff] {
                let mut damaged = file.clone();
                damaged[at] = value;
                check(&damaged);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn arbitrary_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..400), start in 0..3) {
        let signature: &[u8] = match start {
            0 => b"",
            1 => b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x09\0\0\0\x09",
            _ => b"\xff\xd8\xff",
        };
        check(&[signature, &bytes].concat());
    }

    #[test]
    fn damaged_files_are_answered(
        which: Index,
        flips in proptest::collection::vec((any::<Index>(), 0_u8..8), 1..12),
        cut in proptest::option::weighted(0.2, any::<Index>()),
    ) {
        let images = images();
        let mut bytes = fs::read(which.get(&images)).unwrap();
        for (at, bit) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        check(&bytes);
    }

    #[test]
    fn spliced_files_are_answered(first: Index, second: Index, from: Index, to: Index) {
        let images = images();
        let (first, second) = (fs::read(first.get(&images)).unwrap(), fs::read(second.get(&images)).unwrap());
        let spliced = [&first[..from.index(first.len())], &second[to.index(second.len())..]].concat();
        check(&spliced);
    }

    #[test]
    fn checksummed_chunks_with_damaged_content_are_answered(which: Index, at: Index, value: u8) {
        let images: Vec<_> = images().into_iter().filter(|path| path.extension().is_some_and(|it| it == "png")).collect();
        let mut bytes = fs::read(which.get(&images)).unwrap();
        let at = 8 + at.index(bytes.len() - 8);
        bytes[at] = value;
        repair_checksums(&mut bytes);
        check(&bytes);
    }
}

/// Gives every chunk of a PNG file the checksum of its content, so that damage reaches the code behind the check.
fn repair_checksums(bytes: &mut [u8]) {
    let mut at = 8;
    while let Some(length) = bytes.get(at..at + 4) {
        let length = u32::from_be_bytes(length.try_into().unwrap()) as usize;
        let Some(content) = bytes.get(at + 4..at + 8 + length) else { return };
        let checksum = crc32(content);
        let Some(place) = bytes.get_mut(at + 8 + length..at + 12 + length) else { return };
        place.copy_from_slice(&checksum.to_be_bytes());
        at += 12 + length;
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| crc >> 1 ^ (0xedb8_8320 * (crc & 1)))
    })
}
