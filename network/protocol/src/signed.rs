//! A request between nodes, signed by the asking identity, for one purpose.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// What a signed request is for. The domain enters the signature, so that one request never passes for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SigningDomain {
    /// A peer asks a custodian for a data key.
    KeyRequest,
    /// The owner's peer hands a data key to another custodian.
    KeyDeposit,
    /// A peer asks for sealed blocks.
    BlockRequest,
    /// A user asks the own peer to seal a report.
    Seal,
    /// A user asks the own peer for an opened report.
    Download,
    /// A user asks the own peer to verify a report.
    Verify,
    /// A consenter's share of a block's signatures.
    SignatureShare,
    /// A user asks the own peer whether a file was uploaded before.
    Uploaded,
}

impl SigningDomain {
    /// The text that stands before the payload where it is signed.
    #[must_use]
    pub const fn prefix(self) -> &'static [u8] {
        match self {
            Self::KeyRequest => b"consilium key request v1\0",
            Self::KeyDeposit => b"consilium key deposit v1\0",
            Self::BlockRequest => b"consilium block request v1\0",
            Self::Seal => b"consilium seal v1\0",
            Self::Download => b"consilium download v1\0",
            Self::Verify => b"consilium verify v1\0",
            Self::SignatureShare => b"consilium signature share v1\0",
            Self::Uploaded => b"consilium uploaded v1\0",
        }
    }
}

/// A payload with its signer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedRequest {
    /// What it is for.
    pub domain: SigningDomain,
    /// MessagePack of the request.
    pub payload: Bytes,
    /// Serialised identity of the signer.
    pub signer: Bytes,
    /// Signature over [`SignedRequest::signed_bytes`].
    pub signature: Bytes,
}

impl SignedRequest {
    /// The bytes that are signed: the domain's prefix, then the payload.
    #[must_use]
    pub fn signed_bytes(domain: SigningDomain, payload: &[u8]) -> Vec<u8> {
        [domain.prefix(), payload].concat()
    }
}
