//! Which files this hospital has sealed: known by a keyed digest, so that the same file is noticed before it is sealed again.
//!
//! An entry is found under an HMAC of the file's digest with a random key of this store, which lies sealed to the
//! hospital's KEM key: who has the disk alone cannot try files. It tells the CIDs under which the file was sealed, which
//! are no secret; whether one of them became a report is for the ledger to say. Nothing of this leaves the peer.

use protocol::{ChannelId, Digest};
use serde::{Deserialize, Serialize};

use super::entry::{Entry, VERSION};
use super::hmac::hmac_sha256;
use super::patients::purpose;
use super::vault::{Custody, CustodyError, UPLOADS};

/// The key in the family of patients' secrets under which the digests' key lies.
const DIGESTS_KEY: &[u8] = b"uploads";
/// CIDs that are remembered of one file, the newest ones.
const CIDS_MAX: usize = 16;

#[derive(Serialize, Deserialize)]
struct FileEntry {
    version: u16,
    cids: Vec<String>,
}

impl Entry for FileEntry {
    const NAME: &'static str = "FileEntry";

    fn version(&self) -> u16 {
        self.version
    }
}

impl Custody {
    /// Remembers that a file with that SHA-256 was sealed under a CID for a channel. It is on disk when this returns.
    ///
    /// # Errors
    /// The store's fault, or no randomness.
    pub fn remember_file(&self, channel: &ChannelId, digest: &Digest, cid: &str) -> Result<(), CustodyError> {
        let _writing = self.lock();
        let place = self.place_of_file(channel, digest)?;
        let known = self.entry::<FileEntry>(UPLOADS, &place)?;
        let mut cids = known.map(|entry| entry.cids).unwrap_or_default();
        cids.push(cid.to_owned());
        let cids = cids.split_off(cids.len().saturating_sub(CIDS_MAX));
        self.put(UPLOADS, place.to_vec(), &FileEntry { version: VERSION, cids })
    }

    /// The CIDs under which a file was sealed for a channel, the newest last.
    ///
    /// # Errors
    /// The store's fault, or no randomness.
    pub fn sealings_of_file(
        &self,
        channel: &ChannelId,
        digest: &Digest,
    ) -> Result<Vec<String>, CustodyError> {
        let _writing = self.lock();
        let place = self.place_of_file(channel, digest)?;
        Ok(self.entry::<FileEntry>(UPLOADS, &place)?.map(|entry| entry.cids).unwrap_or_default())
    }

    fn place_of_file(&self, channel: &ChannelId, digest: &Digest) -> Result<[u8; 32], CustodyError> {
        let key = self.secret(DIGESTS_KEY, &purpose("uploads' digests", DIGESTS_KEY))?;
        let message = [channel.as_str().as_bytes(), &[0], digest.as_bytes()].concat();
        Ok(hmac_sha256(key.as_bytes(), &message))
    }
}

#[cfg(test)]
mod tests {
    use protocol::codec;

    use super::*;

    #[test]
    fn the_bytes_on_disk_are_frozen() {
        let bytes = codec::encode(&FileEntry { version: VERSION, cids: vec!["b".to_owned()] });
        // [version, [CIDs]]
        assert_eq!(hex::encode(bytes), "920191a162");
    }
}
