//! Draws the Shepp-Logan phantom: ten ellipses that stand for a head in tomography. It is no X-ray of anybody.
//!
//! The ellipses are those of Shepp and Logan (IEEE Trans. Nucl. Sci. 21, 1974) with the contrasts that Toft (1996) gave
//! them to be seen on a screen.

use crate::png;

/// Pixels of a side.
pub const SIDE: u32 = 512;

/// An ellipse in the square from -1 to 1: brightness added, half axes, centre, rotation in degrees.
type Ellipse = (f64, f64, f64, f64, f64, f64);

const ELLIPSES: [Ellipse; 10] = [
    (1.0, 0.69, 0.92, 0.0, 0.0, 0.0),
    (-0.8, 0.6624, 0.874, 0.0, -0.0184, 0.0),
    (-0.2, 0.11, 0.31, 0.22, 0.0, -18.0),
    (-0.2, 0.16, 0.41, -0.22, 0.0, 18.0),
    (0.1, 0.21, 0.25, 0.0, 0.35, 0.0),
    (0.1, 0.046, 0.046, 0.0, 0.1, 0.0),
    (0.1, 0.046, 0.046, 0.0, -0.1, 0.0),
    (0.1, 0.046, 0.023, -0.08, -0.605, 0.0),
    (0.1, 0.023, 0.023, 0.0, -0.606, 0.0),
    (0.1, 0.023, 0.046, 0.06, -0.605, 0.0),
];

/// The phantom as a PNG file.
pub fn png() -> Vec<u8> {
    let place = |step: u32| (f64::from(step) + 0.5) / f64::from(SIDE) * 2.0 - 1.0;
    let positions = (0..SIDE).flat_map(|row| (0..SIDE).map(move |column| (place(column), -place(row))));
    let pixels: Vec<u8> = positions.map(|(x, y)| brightness(x, y)).collect();
    png::grey(SIDE, &pixels)
}

fn brightness(x: f64, y: f64) -> u8 {
    let inside = ELLIPSES.iter().filter(|ellipse| contains(ellipse, x, y));
    let sum: f64 = inside.map(|(brightness, ..)| brightness).sum();
    // Within 0 and 255 by the clamp; a fraction is cut.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=255")]
    let level = (sum.clamp(0.0, 1.0) * 255.0).round() as u8;
    level
}

fn contains((_, a, b, x0, y0, degrees): &Ellipse, x: f64, y: f64) -> bool {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let (x, y) = (x - x0, y - y0);
    let (along, across) = (x * cos + y * sin, y * cos - x * sin);
    (along / a).powi(2) + (across / b).powi(2) <= 1.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use imaging::{DecodeLimits, decode, wavelet_hash};

    #[test]
    fn the_phantom_is_a_png_that_endorsers_can_read() {
        let image = decode(&png(), &DecodeLimits::default()).unwrap();
        assert_eq!((image.width(), image.height()), (SIDE, SIDE));
        let at = |x: usize, y: usize| image.grey()[y * SIDE as usize + x];
        // Outside, the skull, the brain, a ventricle.
        let middle = SIDE as usize / 2;
        assert_eq!((at(2, 2), at(middle, 22)), (0, 255));
        assert_eq!((at(middle, 66), at(middle + 56, middle)), (51, 0));
        assert_ne!(wavelet_hash(&image).to_bits(), 0);
    }

    #[test]
    fn it_is_drawn_alike_every_time() {
        assert_eq!(png(), png());
    }
}
