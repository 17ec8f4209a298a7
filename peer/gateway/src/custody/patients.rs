//! Pseudonyms of patients: HMAC under a random key of the patient, which only the hospital has.
//!
//! The same patient has the same pseudonym on a channel, another one on another channel, and nobody without the key can
//! try names. The patient's name is not on disk: its entry is found under an HMAC with a random key of this store, and
//! both kinds of keys lie sealed to the hospital's KEM key.

use ipfs::DataKey;
use protocol::{ChannelId, SealedKey, TxId};
use serde::{Deserialize, Serialize};

use super::entry::{Entry, VERSION};
use super::hmac::hmac_sha256;
use super::vault::{Custody, CustodyError, PATIENTS, SecretPurpose};

/// The key under which the index key lies; patients' entries have 32 bytes of HMAC.
const INDEX_KEY: &[u8] = b"index";

#[derive(Serialize, Deserialize)]
struct SecretEntry {
    version: u16,
    sealed: SealedKey,
}

impl Entry for SecretEntry {
    const NAME: &'static str = "SecretEntry";

    fn version(&self) -> u16 {
        self.version
    }
}

impl Custody {
    /// The pseudonym of a patient on a channel, 64 hex digits; empty for an empty name. A patient who is new gets a key,
    /// which is on disk when this returns.
    ///
    /// # Errors
    /// The store's fault, or no randomness.
    pub fn patient_ref(&self, channel: &ChannelId, patient: &str) -> Result<String, CustodyError> {
        let patient = patient.trim();
        if patient.is_empty() {
            return Ok(String::new());
        }
        let _writing = self.lock();
        let index = self.secret(INDEX_KEY, &purpose("patients' index", INDEX_KEY))?;
        let place = hmac_sha256(index.as_bytes(), patient.as_bytes());
        let key = self.secret(&place, &purpose("patient", &place))?;
        Ok(hex::encode(hmac_sha256(key.as_bytes(), channel.as_str().as_bytes())))
    }

    /// The secret at a place, drawn where there is none yet.
    pub(super) fn secret(&self, place: &[u8], purpose: &SecretPurpose) -> Result<DataKey, CustodyError> {
        if let Some(entry) = self.entry::<SecretEntry>(PATIENTS, place)? {
            return self.open_own(&entry.sealed, purpose);
        }
        let secret =
            DataKey::generate().map_err(|error| CustodyError::Randomness { cause: error.to_string() })?;
        let sealed = self.seal_to_self(&secret, purpose)?;
        self.put(PATIENTS, place.to_vec(), &SecretEntry { version: VERSION, sealed })?;
        Ok(secret)
    }
}

#[expect(clippy::expect_used, reason = "the name is a constant that keeps the rule")]
pub(super) fn purpose(label: &'static str, place: &[u8]) -> SecretPurpose {
    // No data key is ever sealed for a channel of that name with that label in the place of a CID.
    let channel = ChannelId::new("local.patients").expect("a valid channel name");
    SecretPurpose { channel, label, id: TxId::of(place, b"") }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use protocol::codec;

    use super::*;

    #[test]
    fn the_bytes_on_disk_are_frozen() {
        let sealed =
            SealedKey { encapsulated: Bytes::from_static(&[1, 2]), ciphertext: Bytes::from_static(&[3]) };
        let bytes = codec::encode(&SecretEntry { version: VERSION, sealed });
        // [version, [encapsulated key, ciphertext]]
        assert_eq!(hex::encode(bytes), "920192c4020102c40103");
    }
}
