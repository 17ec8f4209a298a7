//! From bytes to a grey image, under limits.
//!
//! It decides whether bytes are a PNG or JPEG file that may be looked at, in this order: length, signature, whole
//! file, claimed dimensions, memory, pixels. Each refusal comes before the cost that it prevents. Rotation by EXIF,
//! gamma and colour profiles are never applied: the hash is of the stored pixels, as in the Python reference.

use crate::{ImagingError, MediaType, jpeg, png};

/// What a file may cost. The check is `<=` everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Length of the file.
    pub encoded_bytes_max: u64,
    /// Width and height that its header claims, each.
    pub side_max: u32,
    /// Width times height that its header claims.
    pub pixels_max: u64,
    /// Memory for pixels as stored, and for the coefficients of a JPEG of several scans; the file (for JPEG a copy too), one grey
    /// byte a pixel and at most 64 MiB of side data come on top.
    pub working_bytes_max: u64,
}

impl Default for DecodeLimits {
    /// 256 MiB of file, 16,384 px a side, 100 million pixels, 512 MiB to work in: above any radiograph, and within
    /// what a worker process may be given.
    fn default() -> Self {
        Self {
            encoded_bytes_max: 256 << 20,
            side_max: 16_384,
            pixels_max: 100_000_000,
            working_bytes_max: 512 << 20,
        }
    }
}

/// Width and height that a header claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dimensions {
    pub(crate) width: u32,
    pub(crate) height: u32,
}

impl Dimensions {
    /// Their product.
    pub(crate) fn pixels(self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }
}

impl DecodeLimits {
    /// Judges claimed dimensions.
    fn check_dimensions(&self, media_type: MediaType, dimensions: Dimensions) -> Result<(), ImagingError> {
        let Dimensions { width, height } = dimensions;
        if width == 0 || height == 0 {
            return Err(ImagingError::NoPixels { media_type, width, height });
        }
        if width.max(height) > self.side_max {
            return Err(ImagingError::SideTooLong { width, height, side_max: self.side_max });
        }
        if dimensions.pixels() > self.pixels_max {
            return Err(ImagingError::TooManyPixels { width, height, pixels_max: self.pixels_max });
        }
        Ok(())
    }

    /// Judges what decoding will take.
    pub(crate) fn check_working_bytes(&self, media_type: MediaType, bytes: u64) -> Result<(), ImagingError> {
        let bytes_max = self.working_bytes_max;
        if bytes > bytes_max {
            Err(ImagingError::WorkingTooLarge { media_type, bytes, bytes_max })
        } else {
            Ok(())
        }
    }
}

/// A decoded image: its grey plane and what its file said about itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Image {
    media_type: MediaType,
    dimensions: Dimensions,
    /// One byte a pixel, row by row; its length is width times height.
    grey: Vec<u8>,
}

impl Image {
    /// An image of the given grey plane, if its length fits the dimensions and is not 0.
    pub(crate) fn from_grey(media_type: MediaType, dimensions: Dimensions, grey: Vec<u8>) -> Option<Self> {
        let fits = !grey.is_empty() && grey.len() as u64 == dimensions.pixels();
        fits.then_some(Self { media_type, dimensions, grey })
    }

    /// The format of the file, by its first bytes; `as_str()` gives `image/png` or `image/jpeg`.
    #[must_use]
    pub fn media_type(&self) -> MediaType {
        self.media_type
    }

    /// Pixels in a row, as stored.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.dimensions.width
    }

    /// Rows, as stored.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.dimensions.height
    }

    /// Grey levels, one byte a pixel, row by row.
    #[must_use]
    pub fn grey(&self) -> &[u8] {
        &self.grey
    }
}

/// Shows dimensions only: the pixels are a patient's.
impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Image({}, {} x {} px)", self.media_type, self.dimensions.width, self.dimensions.height)
    }
}

/// The grey image in a PNG or JPEG file; of an animation, the first frame.
///
/// The result depends on the bytes and limits alone. Bytes after the end of the image are ignored.
///
/// # Errors
/// `Empty`, `EncodedTooLarge`, `UnsupportedMediaType`; `Truncated` when the file stops before its end mark;
/// `NoPixels`, `SideTooLong`, `TooManyPixels` by its header alone; `WorkingTooLarge` before pixels are read;
/// `Malformed` and `Unsupported` by what its decoder finds.
pub fn decode(bytes: &[u8], limits: &DecodeLimits) -> Result<Image, ImagingError> {
    let length = bytes.len() as u64;
    if length > limits.encoded_bytes_max {
        return Err(ImagingError::EncodedTooLarge { bytes: length, bytes_max: limits.encoded_bytes_max });
    }
    let media_type = MediaType::sniff(bytes)?;
    let (dimensions, grey) = match media_type {
        MediaType::Png => {
            let dimensions = png::dimensions(bytes)?;
            limits.check_dimensions(media_type, dimensions)?;
            (dimensions, png::grey(bytes, dimensions, limits)?)
        }
        MediaType::Jpeg => {
            let frame = jpeg::frame(bytes)?;
            limits.check_dimensions(media_type, frame.dimensions)?;
            (frame.dimensions, jpeg::grey(bytes, frame, limits)?)
        }
    };
    Image::from_grey(media_type, dimensions, grey).ok_or_else(|| {
        ImagingError::malformed(media_type, "its pixels do not fill the dimensions in its header")
    })
}

#[cfg(test)]
mod tests;
