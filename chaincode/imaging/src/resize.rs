//! Resizing a grey plane exactly as Pillow 13 does with its Lanczos filter.
//!
//! Two passes of 8-bit pixels with weights of 22 binary places; the result of each pass is rounded and clamped to a
//! byte. Weights are computed in `f64` with the sine of `libm`, then rounded, so they are the same on every machine.
//! No other resampler of an image library gives these bytes, and single bytes decide bits of a hash at a tie.

use crate::decoding::Dimensions;

/// Binary places of a weight.
const WEIGHT_BITS: u32 = 22;

/// Half the width of the filter in pixels of the coarser side.
const LOBES: f64 = 3.0;

/// For each output position, which input positions count and how much.
struct Weights {
    /// First input position of each output position.
    first: Vec<usize>,
    /// Where the weights of each output position end in `weights`; they begin where the previous ones end.
    end: Vec<usize>,
    weights: Vec<i32>,
}

impl Weights {
    /// The weights from a side of `input` pixels to one of `output`.
    fn new(input: u32, output: u32) -> Self {
        let scale = f64::from(input) / f64::from(output);
        let filter_scale = scale.max(1.0);
        let support = LOBES * filter_scale;
        let mut this = Self { first: Vec::new(), end: Vec::new(), weights: Vec::new() };
        let mut raw = Vec::new();
        for position in 0..output {
            let center = (f64::from(position) + 0.5) * scale;
            // A cast from f64 saturates: what is below 0 becomes 0.
            let first = (center - support + 0.5) as u32;
            let end = ((center + support + 0.5) as u32).min(input);
            raw.clear();
            raw.extend((first..end).map(|at| {
                let offset = f64::from(at - first) + f64::from(first) - center + 0.5;
                lanczos(offset * (1.0 / filter_scale))
            }));
            let sum: f64 = raw.iter().fold(0.0, |sum, weight| sum + weight);
            let normalised = raw.iter().map(|weight| if sum == 0.0 { *weight } else { weight / sum });
            this.weights.extend(normalised.map(fixed_point));
            this.first.push(first as usize);
            this.end.push(this.weights.len());
        }
        this
    }

    /// First input position and weights of every output position.
    fn iter(&self) -> impl Iterator<Item = (usize, &[i32])> {
        let begin = std::iter::once(&0).chain(&self.end);
        self.first
            .iter()
            .zip(begin.zip(&self.end))
            .map(|(first, (begin, end))| (*first, &self.weights[*begin..*end]))
    }
}

/// Rounds half away from zero to 22 binary places.
fn fixed_point(weight: f64) -> i32 {
    let scaled = weight * f64::from(1_u32 << WEIGHT_BITS);
    (if weight < 0.0 { scaled - 0.5 } else { scaled + 0.5 }) as i32
}

/// The Lanczos filter of three lobes.
fn lanczos(x: f64) -> f64 {
    if (-LOBES..LOBES).contains(&x) { sinc(x) * sinc(x / LOBES) } else { 0.0 }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 {
        return 1.0;
    }
    let angle = x * std::f64::consts::PI;
    libm::sin(angle) / angle
}

/// The byte for a weighted sum. The sum starts at half a unit, so the shift rounds.
fn to_byte(sum: i32) -> u8 {
    (sum >> WEIGHT_BITS).clamp(0, 255) as u8
}

/// Half a unit of the result. Absolute weights sum to less than 2, so sums stay below 2 * 255 * 2^22 < 2^31.
const HALF: i32 = 1 << (WEIGHT_BITS - 1);

/// The grey plane of `from` resized to `side` x `side`.
///
/// # Panics
/// In debug builds, when `pixels` is not of the size of `from`.
pub(crate) fn to_square(pixels: &[u8], from: Dimensions, side: u32) -> Vec<u8> {
    debug_assert_eq!(pixels.len() as u64, from.pixels(), "one byte a pixel");
    let Dimensions { width, height } = from;
    if is_vertical_first(from, side) {
        let tall = vertical(pixels, width, height, side);
        return horizontal(&tall, width, side);
    }
    let wide = if width == side { pixels.to_vec() } else { horizontal(pixels, width, side) };
    if height == side { wide } else { vertical(&wide, side, height, side) }
}

/// Pillow 13's choice of the first pass. A pass that would change nothing is skipped in either order.
fn is_vertical_first(from: Dimensions, side: u32) -> bool {
    let shrunk_vertically = from.height.saturating_sub(side);
    let shrunk_horizontally = from.width.saturating_sub(side);
    from.width != side && shrunk_vertically > 2 * shrunk_horizontally
}

/// Every row of `width` pixels resized to `side`.
fn horizontal(pixels: &[u8], width: u32, side: u32) -> Vec<u8> {
    let weights = Weights::new(width, side);
    let mut out = Vec::with_capacity(pixels.len() / width as usize * side as usize);
    for row in pixels.chunks_exact(width as usize) {
        out.extend(weights.iter().map(|(first, weights)| {
            let products = row[first..].iter().zip(weights).map(|(pixel, weight)| i32::from(*pixel) * weight);
            to_byte(products.fold(HALF, |sum, product| sum + product))
        }));
    }
    out
}

/// Every column of `height` pixels resized to `side`.
fn vertical(pixels: &[u8], width: u32, height: u32, side: u32) -> Vec<u8> {
    let width = width as usize;
    let mut out = Vec::with_capacity(width * side as usize);
    let mut sums = vec![HALF; width];
    for (first, weights) in Weights::new(height, side).iter() {
        sums.fill(HALF);
        for (row, weight) in pixels[first * width..].chunks_exact(width).zip(weights) {
            for (sum, pixel) in sums.iter_mut().zip(row) {
                *sum += i32::from(*pixel) * weight;
            }
        }
        out.extend(sums.iter().map(|sum| to_byte(*sum)));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(width: u32, height: u32) -> Dimensions {
        Dimensions { width, height }
    }

    #[test]
    fn an_image_of_the_right_size_is_unchanged() {
        let pixels: Vec<u8> = (0..64).collect();
        assert_eq!(to_square(&pixels, size(8, 8), 8), pixels);
    }

    #[test]
    fn a_flat_image_stays_flat_at_every_size() {
        for (width, height, side) in
            [(1, 1, 8), (7, 3, 8), (9, 300, 8), (300, 9, 8), (100, 37, 32), (33, 65, 32)]
        {
            let pixels = vec![255; (width * height) as usize];
            let square = to_square(&pixels, size(width, height), side);
            assert_eq!(square, vec![255; (side * side) as usize], "{width} x {height} to {side}");
        }
    }

    #[test]
    fn weights_of_every_position_sum_to_one_and_stay_below_two() {
        let sizes = (1..700).flat_map(|input| [8, 16, 128, 256].map(|output| (input, output)));
        let large = [(16_384, 8), (3000, 2048), (2049, 2048), (16_383, 8192)];
        for (input, output) in sizes.chain(large).filter(|(input, output)| *output == 8 || input >= output) {
            for (_, weights) in Weights::new(input, output).iter() {
                let sum: i64 = weights.iter().map(|weight| i64::from(*weight)).sum();
                let absolute: i64 = weights.iter().map(|weight| i64::from(weight.abs())).sum();
                let rounding = weights.len() as i64;
                assert!((sum - (1 << WEIGHT_BITS)).abs() <= rounding, "{input} to {output}: {sum}");
                assert!(absolute < 2 << WEIGHT_BITS, "{input} to {output}: {absolute}");
            }
        }
    }

    #[test]
    fn the_vertical_pass_is_first_only_when_it_shrinks_by_more_than_twice_the_other() {
        for (width, height, side, verdict) in [
            (10, 8, 8, false),
            (8, 30, 8, false),
            (9, 10, 8, false),
            (9, 11, 8, true),
            (5, 9, 8, true),
            (5, 8, 8, false),
            (37, 100, 32, true),
            (100, 37, 32, false),
        ] {
            assert_eq!(is_vertical_first(size(width, height), side), verdict, "{width} x {height} to {side}");
        }
    }

    #[test]
    fn overshoot_is_clamped_between_the_passes() {
        let pixels: Vec<u8> = (0..12 * 12).map(|at| if at % 12 < 6 { 0 } else { 255 }).collect();
        let square = to_square(&pixels, size(12, 12), 8);
        let row = &square[..8];
        assert!(square.chunks_exact(8).all(|other| other == row), "rows are alike");
        assert_eq!((row[0], row[7]), (0, 255));
    }

    #[test]
    fn rounding_of_weights_is_half_away_from_zero() {
        let unit = f64::from(1_u32 << WEIGHT_BITS);
        for (weight, expected) in
            [(0.5 / unit, 1), (-0.5 / unit, -1), (0.4 / unit, 0), (-0.4 / unit, 0), (1.0, 1 << 22)]
        {
            assert_eq!(fixed_point(weight), expected, "{weight}");
        }
    }
}
