//! The hash against values computed by hand and by the reference implementation.

use proptest::prelude::*;

use super::*;
use crate::{DecodeLimits, MediaType, decode};

fn image(width: u32, height: u32, grey: Vec<u8>) -> Image {
    Image::from_grey(MediaType::Png, Dimensions { width, height }, grey).unwrap()
}

/// A square whose blocks have these levels, `side / 8` pixels a block.
fn blocks(levels: [u8; BITS], side: usize) -> Vec<u8> {
    let block = side / GRID;
    (0..side * side).map(|at| levels[at / side / block * GRID + at % side / block]).collect()
}

/// The transforms of the whole image, as the reference does them: the model of the replay by blocks.
fn whole_image_replay(square: &[u8], side: usize) -> u64 {
    let mut values: Vec<f64> = square.iter().map(|pixel| f64::from(*pixel) / 255.0).collect();
    forward(&mut values, side);
    values[0] *= 0.0;
    inverse(&mut values, side);
    let block = side / GRID;
    let averages: Vec<f64> = (0..BITS)
        .map(|at| {
            let (top, left) = (at / GRID * block, at % GRID * block);
            let mut values: Vec<f64> =
                (0..block * block).map(|at| values[(top + at / block) * side + left + at % block]).collect();
            forward(&mut values, block);
            values[0]
        })
        .collect();
    let mut sorted = averages.clone();
    sorted.sort_unstable_by(f64::total_cmp);
    let median = (sorted[31] + sorted[32]) / 2.0;
    pack(averages.iter().map(|average| *average > median))
}

#[test]
fn the_square_is_the_largest_power_of_two_within_the_image_and_at_least_eight() {
    for (width, height, expected) in [
        (1, 1, 8),
        (1, 16_384, 8),
        (7, 900, 8),
        (8, 8, 8),
        (15, 15, 8),
        (16, 15, 8),
        (16, 16, 16),
        (1023, 1024, 512),
        (1024, 1024, 1024),
        (3000, 2500, 2048),
    ] {
        assert_eq!(square_side(Dimensions { width, height }), expected, "{width} x {height}");
    }
}

#[test]
fn bits_are_row_major_and_the_first_is_the_most_significant() {
    let rising: [u8; BITS] = std::array::from_fn(|at| at as u8);
    let first_bright: [u8; BITS] = std::array::from_fn(|at| if at == 0 { 200 } else { at as u8 });
    for (levels, expected) in [
        (rising, 0x0000_0000_ffff_ffff),
        (rising.map(|level| 63 - level), 0xffff_ffff_0000_0000),
        (first_bright, 0x8000_0000_7fff_ffff),
    ] {
        for side in [8, 32] {
            let square = image(side, side, blocks(levels, side as usize));
            assert_eq!(wavelet_hash(&square).to_bits(), expected, "{side}");
        }
    }
}

#[test]
fn a_tie_at_the_median_is_seen_and_only_there() {
    let rising: [u8; BITS] = std::array::from_fn(|at| at as u8);
    let with = |from: usize, to: usize| {
        let mut levels = rising;
        levels[from] = levels[to];
        levels
    };
    for (levels, verdict) in
        [(rising, false), (with(31, 32), true), (with(0, 1), false), (with(62, 63), false)]
    {
        assert_eq!(hash_by_sums(&blocks(levels, 16), 16) == Err(Tie), verdict, "{levels:?}");
    }
    assert_eq!(hash_by_sums(&[200; 64], 8), Err(Tie), "a flat image");
}

#[test]
fn an_image_of_one_pixel_has_the_hash_that_the_reference_gives_it() {
    for level in 0..=255 {
        assert_eq!(wavelet_hash(&image(1, 1, vec![level])).to_bits(), 0, "{level}");
    }
}

#[test]
fn sixteen_bit_grey_differs_from_the_reference_which_clips_at_255() {
    let file = include_bytes!("../../tests/images/grey_16_bit.png");
    let scaled = decode(file, &DecodeLimits::default()).unwrap();
    let ours = wavelet_hash(&scaled);
    let eight_bit = decode(include_bytes!("../../tests/images/grey.png"), &DecodeLimits::default()).unwrap();
    assert_eq!(ours, wavelet_hash(&eight_bit), "the upper bytes make the same image");
    let reference: PerceptualHash = "00000000f3e3c78f".parse().unwrap();
    assert!(ours.distance(reference) > 8, "the reference sees a nearly white image: {ours} {reference}");
}

#[test]
fn an_inverted_image_has_the_complement_as_its_hash() {
    let grey: Vec<u8> = (0..64 * 64_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let inverted = grey.iter().map(|level| 255 - level).collect();
    let (hash, complement) = (wavelet_hash(&image(64, 64, grey)), wavelet_hash(&image(64, 64, inverted)));
    assert_eq!(hash.distance(complement), 64);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn where_nothing_ties_the_replay_agrees_with_the_sums(
        log in 3_u32..7, seed: u64,
    ) {
        let side = 1_usize << log;
        let square = scatter(side * side, seed, 256);
        if let Ok(bits) = hash_by_sums(&square, side) {
            prop_assert_eq!(bits, hash_by_replay(&square, side));
            prop_assert_eq!(bits.count_ones(), 32);
        }
    }

    #[test]
    fn the_replay_by_blocks_is_the_replay_of_the_whole_image(log in 3_u32..7, seed: u64, levels in 1_u64..4) {
        let side = 1_usize << log;
        let square = scatter(side * side, seed, levels);
        prop_assert_eq!(hash_by_replay(&square, side), whole_image_replay(&square, side));
    }

    #[test]
    fn every_size_has_a_hash(width in 1_u32..80, height in 1_u32..80, seed: u64) {
        let grey = scatter((width * height) as usize, seed, 256);
        let once = wavelet_hash(&image(width, height, grey.clone()));
        prop_assert_eq!(once, wavelet_hash(&image(width, height, grey)));
    }
}

/// Levels that look random: `count` of them, each below `levels`, spread to a byte.
fn scatter(count: usize, seed: u64, levels: u64) -> Vec<u8> {
    let spread = 255 / (levels - 1).max(1);
    let mut state = seed | 1;
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 40) % levels * spread) as u8
        })
        .collect()
}
