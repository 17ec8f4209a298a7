//! Entries of the custody on disk: each begins with its version, and one of a newer release is refused by name.

use protocol::codec::{self, DecodeError};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The version of every entry that this release writes.
pub(super) const VERSION: u16 = 1;
/// Bytes of one entry: a CID, a sealed key, the custodians who confirmed.
pub(super) const ENTRY_BYTES_MAX: usize = 64 << 10;

/// An entry that begins with its version.
pub(super) trait Entry: Serialize + DeserializeOwned {
    /// What an error calls it.
    const NAME: &'static str;

    /// The version that it begins with.
    fn version(&self) -> u16;
}

/// Reads an entry.
///
/// # Errors
/// [`DecodeError`] for bytes that are none, and for an entry of a newer release.
pub(super) fn read<T: Entry>(bytes: &[u8]) -> Result<T, DecodeError> {
    let entry: T = codec::decode(bytes, ENTRY_BYTES_MAX)?;
    codec::expect_version(T::NAME, entry.version(), VERSION)?;
    Ok(entry)
}
