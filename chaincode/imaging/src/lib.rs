//! Images and their perceptual hash: what an endorsing peer decides about the picture inside a report.
//!
//! It decodes PNG and JPEG under limits, computes the 64-bit wavelet hash, compares it with a channel's references
//! and says whether the channel's admission rule accepts it. It is a function of bytes and configuration only: two
//! peers with the same self-test id reach the same verdict. It never reads a clock, a file or a name; it never
//! looks at metadata (EXIF rotation, gamma, colour profiles), and its errors never quote content of an image.
//!
//! # The wavelet hash
//!
//! The paper validates reports by a wavelet hash and the Hamming distance (Fig. 2, Eq. 1-4). Its reference
//! implementation is `whash` of Python's ImageHash 4.3.2 on Pillow 13, and this crate gives the same 64 bits.
//!
//! 1. **Grey.** `L = (19595 R + 38470 G + 7471 B + 2^15) >> 16`, the rounded weights of BT.601. Transparency is
//!    dropped, not blended; a palette is looked up first; one bit is 0 or 255; CMYK passes through RGB. Samples of
//!    16 bits keep their upper 8. For grey of 16 bits this is **a stated deviation**: ImageHash clips at 255 there,
//!    which turns a radiograph white and leaves nothing to compare.
//! 2. **Square.** `s` is the largest power of two not above the shorter side, at least 8. The image is resized to
//!    `s` x `s` (its aspect ratio is lost) by Pillow's 8-bit Lanczos filter of three lobes: weights normalised in
//!    `f64`, rounded half away from zero to 22 binary places, sums rounded and clamped to 8 bits after each of the
//!    two passes. A pass that would change nothing is skipped. The vertical pass goes first if and only if it
//!    shrinks, and by more than twice what the horizontal pass shrinks: Pillow 13's order, which shows in the bits.
//! 3. **Wavelet.** ImageHash takes the Haar transform down to one pixel, removes that average, transforms back, and
//!    goes down again to 8 x 8. Removing the average shifts all 64 values alike, so in exact arithmetic they order
//!    as the integer sums of the 8 x 8 blocks of `(s/8)^2` pixels, and integers are what is computed here.
//! 4. **Bits.** A bit is set where its value is above the median, the mean of the 32nd and 33rd in order: in
//!    integers, where `2 * sum > sum_32 + sum_33`. Without a tie exactly 32 bits are set and all distances are even.
//! 5. **Ties.** Where the 32nd and 33rd sums are equal (white pages, saturated or tiny images), ImageHash compares
//!    rounding noise, up to 31 bits of it. To agree there too, the `f64` operations of its transform are replayed in
//!    their order. Rust never fuses a multiplication with an addition, so the noise is the same on every machine.
//!    An image of 1 x 1 px is such a tie and has a defined hash.
//! 6. **Text.** Row by row, the first bit the most significant, as 16 lower-case hexadecimal digits.
//!
//! The only function of a mathematics library is the sine of the weights; it comes from `libm`, not from the
//! platform. JPEG decoders may differ by one grey level, so against the Python reference a JPEG is allowed a
//! distance of 2; between peers it is 0, since all run this decoder, which [`self_test`] covers.
//!
//! # What a comparison says
//!
//! Two unrelated balanced hashes agree in half of their bits with probability 0.6, so the paper's threshold of 0.5
//! (profile `paper-50`) accepts nearly everything. Profile `calibrated` asks the three best of at least twenty
//! references of the same modality for a mean of 0.74, and still turns away about one radiograph in eight: use it
//! to warn. A hash is a picture of 8 x 8 px: publishing it shows that much, and links copies of an image.

mod admission;
mod decoding;
mod error;
mod jpeg;
mod luma;
mod media_type;
mod perceptual_hash;
mod png;
mod resize;
mod self_test;
mod similarity;
mod wavelet;

pub use admission::{
    Action, AdmissionError, AdmissionRule, Combine, REFERENCE_ID_BYTES_MAX, REFERENCES_MAX, Reference,
    ReferenceMatch, Verdict,
};
pub use decoding::{DecodeLimits, Image, decode};
pub use error::ImagingError;
pub use media_type::MediaType;
pub use perceptual_hash::{PerceptualHash, PerceptualHashError};
pub use self_test::{SELF_TEST_ID, self_test};
pub use similarity::{Similarity, SimilarityError};
pub use wavelet::wavelet_hash;
