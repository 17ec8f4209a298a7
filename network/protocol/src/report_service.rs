//! What a hospital's own users ask of their peer: to seal a file, to hand out an opened report, to verify one.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::ids::{BlockNumber, ChannelId, Digest, TxId};
use crate::signed::SignedRequest;

/// Describes the file that follows. It names a patient and must never be logged.
#[derive(Clone, Serialize, Deserialize)]
pub struct SealDescription {
    /// The channel.
    pub channel: ChannelId,
    /// The hospital's own name of the patient; only the pseudonym made from it leaves the peer.
    pub patient: String,
    /// DICOM modality, such as `CR`.
    pub modality: String,
    /// The file's size in bytes.
    pub size: u64,
}

/// A message of the upload stream: first the description, then the file's bytes.
#[derive(Clone, Serialize, Deserialize)]
pub enum SealRequest {
    /// What follows: a [`SealDescription`], signed with [`crate::SigningDomain::Seal`].
    Begin(SignedRequest),
    /// The next bytes of the file.
    Chunk(Bytes),
}

/// The result of sealing. It holds the data key and must never be logged.
#[derive(Clone, Serialize, Deserialize)]
pub struct SealedReport {
    /// Root CID of the sealed bytes, text.
    pub cid: String,
    /// The data key, 32 bytes: goes into the proposal's transient field `data_key`.
    #[serde(with = "serde_bytes")]
    pub data_key: [u8; 32],
    /// SHA-256(data key ‖ plaintext), hex.
    pub binding: String,
    /// Media type, such as `image/png`.
    pub media_type: String,
    /// Wavelet hash, 16 hex digits.
    pub perceptual_hash: String,
    /// Bytes of the plaintext.
    pub size: u64,
    /// Bytes of the sealed file.
    pub sealed_size: u64,
    /// Pseudonym of the patient on this channel, hex: HMAC under a key that only the hospital has. Empty if no patient
    /// was named.
    pub patient_ref: String,
}

/// Asks the own peer whether this hospital uploaded a file before. Signed with [`crate::SigningDomain::Uploaded`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadedRequest {
    /// Version of this type's encoding.
    pub version: u16,
    /// The channel.
    pub channel: ChannelId,
    /// SHA-256 of the file. It goes to the own peer only, and must never be logged: who has the file knows it by this.
    pub digest: Digest,
}

impl UploadedRequest {
    /// The version that this release writes.
    pub const VERSION: u16 = 1;
}

/// A report by which a file was uploaded before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadedBefore {
    /// The report.
    pub report_id: TxId,
    /// The uploader's clock, milliseconds since 1970.
    pub uploaded_at_ms: u64,
}

/// Asks the own peer to fetch, open and hand out a report whose opening is on the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DownloadRequest {
    /// The channel.
    pub channel: ChannelId,
    /// The report.
    pub report_id: TxId,
    /// The `OpenReport` transaction of the asking user.
    pub open_tx_id: TxId,
}

/// A message of the download stream.
#[derive(Clone, Serialize, Deserialize)]
pub enum DownloadEvent {
    /// What the peer is doing, for a person.
    Progress(String),
    /// The next bytes of the plaintext. They are trustworthy only after [`DownloadEvent::Verified`].
    Chunk(Bytes),
    /// All bytes were sent, and their binding is the one on the ledger.
    Verified {
        /// SHA-256(data key ‖ plaintext), hex.
        binding: String,
        /// Bytes of the plaintext.
        size: u64,
    },
}

/// Asks the own peer to verify a report's transaction, blocks and sealed bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyRequest {
    /// The channel.
    pub channel: ChannelId,
    /// The report.
    pub report_id: TxId,
}

/// One thing that was compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyFinding {
    /// What was compared, such as `data_hash of block 7`.
    pub subject: String,
    /// Whether it agreed.
    pub holds: bool,
    /// What was found, where it did not agree.
    pub detail: String,
}

/// The result of a verification: valid if every finding holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyReport {
    /// The block of the report's transaction.
    pub block_number: Option<BlockNumber>,
    /// Everything that was compared, in order.
    pub findings: Vec<VerifyFinding>,
}
