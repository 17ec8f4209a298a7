//! Data keys on their way: HPKE (RFC 9180, base mode, X25519, HKDF-SHA256, ChaCha20-Poly1305) to a hospital's KEM key.
//!
//! The info string binds a wrapping to its purpose: channel ‖ CID ‖ transaction, each followed by a zero byte, so that
//! one wrapping never passes for another.

use std::fmt;

use bytes::Bytes;
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use protocol::{ChannelId, SealedKey, TxId};
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::data_key::DataKey;

type Kem25519 = X25519HkdfSha256;

/// A hospital's private KEM key: an X25519 scalar.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct KemPrivateKey([u8; 32]);

impl KemPrivateKey {
    /// Takes the 32 bytes of the scalar.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The public key, as it stands in channel configuration.
    ///
    /// # Errors
    /// [`KeyWrapError`] where the scalar is not one.
    pub fn public(&self) -> Result<[u8; 32], KeyWrapError> {
        let private = <Kem25519 as Kem>::PrivateKey::from_bytes(&self.0).map_err(KeyWrapError::of)?;
        let public = <Kem25519 as Kem>::sk_to_pk(&private).to_bytes();
        let bytes: &[u8] = &public;
        bytes.try_into().map_err(|_| KeyWrapError { cause: "the public key has not 32 bytes".to_owned() })
    }
}

impl fmt::Debug for KemPrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KemPrivateKey(..)")
    }
}

/// Why a key was not wrapped or unwrapped.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "the data key could not be moved: {cause}; the KEM key, the channel, the CID and the transaction must be those of the sender"
)]
pub struct KeyWrapError {
    /// HPKE's reason.
    pub cause: String,
}

impl KeyWrapError {
    fn of(error: hpke::HpkeError) -> Self {
        Self { cause: error.to_string() }
    }
}

/// Encrypts a data key to the hospital with public KEM key `to`, for one transaction.
///
/// # Errors
/// [`KeyWrapError`] where `to` is no X25519 public key.
pub fn wrap_key(
    key: &DataKey,
    to: &[u8; 32],
    channel: &ChannelId,
    cid: &str,
    tx_id: &TxId,
) -> Result<SealedKey, KeyWrapError> {
    let public = <Kem25519 as Kem>::PublicKey::from_bytes(to).map_err(KeyWrapError::of)?;
    let (encapsulated, ciphertext) = hpke::single_shot_seal::<ChaCha20Poly1305, HkdfSha256, Kem25519>(
        &OpModeS::Base,
        &public,
        &info(channel, cid, tx_id),
        key.as_bytes(),
        &[],
    )
    .map_err(KeyWrapError::of)?;
    Ok(SealedKey {
        encapsulated: Bytes::copy_from_slice(&encapsulated.to_bytes()),
        ciphertext: ciphertext.into(),
    })
}

/// Decrypts a data key that was encrypted to the own KEM key for the same channel, CID and transaction.
///
/// # Errors
/// [`KeyWrapError`] where any of them differs or the bytes were changed.
pub fn unwrap_key(
    sealed: &SealedKey,
    own: &KemPrivateKey,
    channel: &ChannelId,
    cid: &str,
    tx_id: &TxId,
) -> Result<DataKey, KeyWrapError> {
    let private = <Kem25519 as Kem>::PrivateKey::from_bytes(&own.0).map_err(KeyWrapError::of)?;
    let encapsulated =
        <Kem25519 as Kem>::EncappedKey::from_bytes(&sealed.encapsulated).map_err(KeyWrapError::of)?;
    let plain = hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, Kem25519>(
        &OpModeR::Base,
        &private,
        &encapsulated,
        &info(channel, cid, tx_id),
        &sealed.ciphertext,
        &[],
    )
    .map_err(KeyWrapError::of)?;
    let plain = Zeroizing::new(plain);
    DataKey::from_slice(&plain).map_err(|error| KeyWrapError { cause: error.to_string() })
}

fn info(channel: &ChannelId, cid: &str, tx_id: &TxId) -> Vec<u8> {
    [channel.as_str().as_bytes(), &[0], cid.as_bytes(), &[0], tx_id.as_str().as_bytes(), &[0]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_arrives_only_with_the_same_recipient_channel_cid_and_transaction() {
        let key = DataKey::from_bytes([7; 32]);
        let [own, other] = [[1; 32], [2; 32]].map(KemPrivateKey::from_bytes);
        let [channel, foreign] = ["reports", "other"].map(|name| ChannelId::new(name).expect("valid"));
        let [tx, tx2] = [TxId::of(b"1", b""), TxId::of(b"2", b"")];
        let sealed = wrap_key(&key, &own.public().expect("a key"), &channel, "cid", &tx).expect("wraps");
        assert_eq!((sealed.encapsulated.len(), sealed.ciphertext.len()), (32, 48));
        // own key, channel, CID, transaction -> arrives
        let rows: &[(&KemPrivateKey, &ChannelId, &str, &TxId, bool)] = &[
            (&own, &channel, "cid", &tx, true),
            (&other, &channel, "cid", &tx, false),
            (&own, &foreign, "cid", &tx, false),
            (&own, &channel, "dic", &tx, false),
            (&own, &channel, "cid", &tx2, false),
        ];
        for (own, channel, cid, tx, arrives) in rows {
            let found = unwrap_key(&sealed, own, channel, cid, tx);
            assert_eq!(found.ok().as_ref(), arrives.then_some(&key), "{channel} {cid}");
        }
        for at in 0..48 {
            let mut changed = sealed.clone();
            let mut bytes = changed.ciphertext.to_vec();
            bytes[at] ^= 1;
            changed.ciphertext = bytes.into();
            assert!(unwrap_key(&changed, &own, &channel, "cid", &tx).is_err(), "byte {at}");
        }
        assert!(
            wrap_key(&key, &[0; 32], &channel, "cid", &tx).is_err(),
            "a small-order public key is refused"
        );
    }
}
