//! Hashes that Python ImageHash 4.3.2 on Pillow 13 gave: for this crate's small images and for the shared corpus.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod shared;

use std::fs;
use std::path::Path;

use imaging::{DecodeLimits, PerceptualHash, decode, wavelet_hash};

/// Decodes a file and returns how many bits its hash differs from the expected one, with its size.
fn distance(path: &Path, expected: &str) -> (u32, u32, u32) {
    let bytes = fs::read(path).unwrap();
    let image = decode(&bytes, &DecodeLimits::default())
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let expected: PerceptualHash = expected.parse().unwrap();
    (wavelet_hash(&image).distance(expected), image.width(), image.height())
}

#[test]
fn every_way_to_hold_pixels_has_the_hash_of_the_reference() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/images");
    let table = fs::read_to_string(folder.join("expected.tsv")).unwrap();
    let mut deviating = Vec::new();
    for row in table.lines().skip(1) {
        let [file, _mode, width, height, expected] = row.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{row}")
        };
        let (distance, found_width, found_height) = distance(&folder.join(file), expected);
        assert_eq!(
            (found_width.to_string(), found_height.to_string()),
            (width.to_owned(), height.to_owned()),
            "{file}"
        );
        if distance > 0 {
            deviating.push(file);
        }
    }
    assert_eq!(table.lines().count(), 31);
    assert_eq!(deviating, ["grey_16_bit.png"], "the one stated deviation");
}

#[test]
fn every_png_of_the_corpus_is_equal_and_every_jpeg_within_two_bits() {
    let Some(corpus) = shared::folder("data/corpus") else { return };
    let manifest = fs::read_to_string(corpus.join("MANIFEST.csv")).unwrap();
    let mut rows = manifest.lines().map(fields);
    let heading = rows.next().unwrap();
    let column = |name| heading.iter().position(|field| field == name).unwrap();
    let (file, hash) = (column("file"), column("whash"));
    let (mut png, mut jpeg) = (0, [0; 3]);
    for row in rows {
        let name = &row[file];
        let is_png = name.ends_with(".png");
        if !is_png && !name.ends_with(".jpg") && !name.ends_with(".jpeg") {
            continue;
        }
        let (distance, _, _) = distance(&corpus.join(name), &row[hash]);
        assert!(distance <= if is_png { 0 } else { 2 }, "{name} differs in {distance} bits");
        if is_png { png += 1 } else { jpeg[distance as usize] += 1 }
    }
    println!("{png} PNG files equal; JPEG files by differing bits 0, 1, 2: {jpeg:?}");
    assert!(png > 0 && jpeg[0] > 0, "the corpus holds both formats");
}

/// The fields of a line of comma-separated values, which may be quoted.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    for character in line.chars() {
        match character {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            _ => fields.last_mut().unwrap().push(character),
        }
    }
    fields
}
