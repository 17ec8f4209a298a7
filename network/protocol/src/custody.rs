//! Messages by which data keys move: from the owner's peer to other custodians, and from a custodian to a reader's peer.
//! No message holds a key in the clear.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::ids::{ChannelId, TxId};

/// A data key, encrypted by HPKE (RFC 9180, base mode, X25519, HKDF-SHA256, ChaCha20-Poly1305) to a hospital's KEM key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedKey {
    /// The encapsulated key, 32 bytes.
    pub encapsulated: Bytes,
    /// The encrypted data key with its tag, 48 bytes.
    pub ciphertext: Bytes,
}

/// A reader's peer asks a custodian for a report's key. Signed with [`crate::SigningDomain::KeyRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRequest {
    /// Version of this type's encoding.
    pub version: u16,
    /// The channel.
    pub channel: ChannelId,
    /// The report, which is the tx id of its upload.
    pub report_id: TxId,
    /// The `OpenReport` transaction that recorded the opening.
    pub open_tx_id: TxId,
}

/// A custodian's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyRelease {
    /// The key, to the asking hospital's KEM key; info = channel ‖ CID ‖ tx id of the opening.
    Released(SealedKey),
    /// Refused by the release rule; the clause that failed, in words.
    Refused(String),
    /// This node has no such key or has not reached the record yet: ask another, or again.
    Unavailable(String),
}

/// The owner's peer hands a key to another custodian. Signed with [`crate::SigningDomain::KeyDeposit`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyDeposit {
    /// Version of this type's encoding.
    pub version: u16,
    /// The channel.
    pub channel: ChannelId,
    /// The report.
    pub report_id: TxId,
    /// The key, to the custodian's KEM key; info = channel ‖ CID ‖ report id.
    pub key: SealedKey,
}
