//! The 64-bit wavelet hash: block sums in integers, and a replay in floating point where these tie.
//!
//! The crate's documentation tells the algorithm. The replay transforms one block at a time and the 8 x 8 averages
//! on their own: every coefficient depends on its own 2 x 2 values only, so this is the operation sequence of the
//! whole-image transform in a 64th of its memory.

use crate::decoding::Dimensions;
use crate::{Image, PerceptualHash, resize};

/// Blocks a side; the hash has this number squared of bits.
const GRID: usize = 8;
const BITS: usize = GRID * GRID;

/// The Haar coefficient as the Python library writes it; the last digit matters to the noise that is replayed.
#[expect(clippy::approx_constant, reason = "the constant of the reference, not the best value of 1/sqrt(2)")]
const HAAR: f64 = 0.707_106_781_186_547_6;

/// The wavelet hash of an image, equal to that of Python ImageHash 4.3.2 on Pillow 13.
///
/// It depends on the grey plane alone, and is defined for every size from 1 x 1.
#[must_use]
pub fn wavelet_hash(image: &Image) -> PerceptualHash {
    let dimensions = Dimensions { width: image.width(), height: image.height() };
    let side = square_side(dimensions);
    let square = resize::to_square(image.grey(), dimensions, side);
    let bits =
        hash_by_sums(&square, side as usize).unwrap_or_else(|Tie| hash_by_replay(&square, side as usize));
    PerceptualHash::from_bits(bits)
}

/// The largest power of two not above the shorter side, at least the side of the grid.
fn square_side(Dimensions { width, height }: Dimensions) -> u32 {
    let shorter = width.min(height).max(GRID as u32);
    1 << shorter.ilog2()
}

/// The two middle block sums are equal, so integers cannot tell what the reference answers.
#[derive(Debug, PartialEq, Eq)]
struct Tie;

/// The bits by exact block sums.
fn hash_by_sums(square: &[u8], side: usize) -> Result<u64, Tie> {
    let block = side / GRID;
    let mut sums = [0_u64; BITS];
    for (row_sums, rows) in sums.chunks_exact_mut(GRID).zip(square.chunks_exact(side * block)) {
        for row in rows.chunks_exact(side) {
            for (sum, pixels) in row_sums.iter_mut().zip(row.chunks_exact(block)) {
                *sum += pixels.iter().map(|pixel| u64::from(*pixel)).sum::<u64>();
            }
        }
    }
    let mut sorted = sums;
    sorted.sort_unstable();
    let (low, high) = (sorted[BITS / 2 - 1], sorted[BITS / 2]);
    if low == high {
        return Err(Tie);
    }
    Ok(pack(sums.iter().map(|sum| 2 * sum > low + high)))
}

/// The bits by the floating-point operations of the reference, in its order.
fn hash_by_replay(square: &[u8], side: usize) -> u64 {
    let block_side = side / GRID;
    let mut block = vec![0.0; block_side * block_side];
    let mut averages = [0.0; BITS];
    for (at, average) in averages.iter_mut().enumerate() {
        load(&mut block, square, side, at);
        forward(&mut block, block_side);
        *average = block[0];
    }
    forward(&mut averages, GRID);
    averages[0] *= 0.0;
    inverse(&mut averages, GRID);
    for (at, average) in averages.iter_mut().enumerate() {
        load(&mut block, square, side, at);
        forward(&mut block, block_side);
        block[0] = *average;
        inverse(&mut block, block_side);
        forward(&mut block, block_side);
        *average = block[0];
    }
    let mut sorted = averages;
    sorted.sort_unstable_by(f64::total_cmp);
    let median = (sorted[BITS / 2 - 1] + sorted[BITS / 2]) / 2.0;
    pack(averages.iter().map(|average| *average > median))
}

/// First bit to the most significant place.
fn pack(bits: impl Iterator<Item = bool>) -> u64 {
    bits.fold(0, |packed, bit| packed << 1 | u64::from(bit))
}

/// Copies block `at` of the grid as values from 0 to 1.
fn load(block: &mut [f64], square: &[u8], side: usize, at: usize) {
    let block_side = side / GRID;
    let (top, left) = (at / GRID * block_side, at % GRID * block_side);
    for (values, pixels) in block.chunks_exact_mut(block_side).zip(square[top * side..].chunks_exact(side)) {
        for (value, pixel) in values.iter_mut().zip(&pixels[left..]) {
            *value = f64::from(*pixel) / 255.0;
        }
    }
}

/// Haar analysis in place, down to one average at index 0. The coefficients of a level lie `stride` apart.
fn forward(values: &mut [f64], side: usize) {
    let mut stride = 1;
    while stride < side {
        for_each_quad(values, side, stride, |[p00, p01, p10, p11]| {
            let (average_left, detail_left) = (HAAR * p10 + HAAR * p00, -HAAR * p10 + HAAR * p00);
            let (average_right, detail_right) = (HAAR * p11 + HAAR * p01, -HAAR * p11 + HAAR * p01);
            [
                HAAR * average_right + HAAR * average_left,
                -HAAR * average_right + HAAR * average_left,
                HAAR * detail_right + HAAR * detail_left,
                -HAAR * detail_right + HAAR * detail_left,
            ]
        });
        stride *= 2;
    }
}

/// Haar synthesis in place: undoes [`forward`] but for rounding.
fn inverse(values: &mut [f64], side: usize) {
    let mut stride = side / 2;
    while stride > 0 {
        for_each_quad(values, side, stride, |[average, across, down, both]| {
            let (average_left, average_right) =
                (HAAR * average + HAAR * across, HAAR * average + -HAAR * across);
            let (detail_left, detail_right) = (HAAR * down + HAAR * both, HAAR * down + -HAAR * both);
            [
                HAAR * average_left + HAAR * detail_left,
                HAAR * average_right + HAAR * detail_right,
                HAAR * average_left + -HAAR * detail_left,
                HAAR * average_right + -HAAR * detail_right,
            ]
        });
        stride /= 2;
    }
}

/// Replaces each 2 x 2 values that lie `stride` apart: upper left, upper right, lower left, lower right.
fn for_each_quad(values: &mut [f64], side: usize, stride: usize, step: impl Fn([f64; 4]) -> [f64; 4]) {
    for row in (0..side).step_by(2 * stride) {
        for column in (0..side).step_by(2 * stride) {
            let upper = row * side + column;
            let lower = upper + stride * side;
            let at = [upper, upper + stride, lower, lower + stride];
            let replaced = step(at.map(|index| values[index]));
            for (index, value) in at.into_iter().zip(replaced) {
                values[index] = value;
            }
        }
    }
}

#[cfg(test)]
mod tests;
