//! The port through which an upload's image is looked at.

use futures_util::future::BoxFuture;
use imaging::{DecodeLimits, MediaType};

use super::error::ImageError;

/// What stands in an image, as far as a peer needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadImage {
    /// Media type by content.
    pub media_type: MediaType,
    /// 64-bit wavelet hash.
    pub perceptual_hash: u64,
}

/// Decodes and hashes images.
pub trait ImageReader: Send + Sync {
    /// Media type and hash of the image in `file`.
    ///
    /// # Errors
    /// [`ImageError`] says whether the file is at fault.
    fn read<'a>(
        &'a self,
        file: &'a [u8],
        limits: &'a DecodeLimits,
    ) -> BoxFuture<'a, Result<ReadImage, ImageError>>;
}
