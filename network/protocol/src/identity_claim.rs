//! What an organisation states of a key when it registers or renews an identity: the argument of the system chaincode.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::codec::{self, DecodeError};
use crate::identity::{MspId, Poi};
use crate::ids::{ChannelId, Digest};
use crate::limits::IDENTITY_BYTES_MAX;

/// What a claim is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityAction {
    /// A key that the ledger does not hold yet.
    Register,
    /// Another certificate or other TLS keys for a key that the ledger holds.
    Renew,
}

/// What a proof is good for. It enters the proof, so that a proof for one never serves the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProofScope {
    /// A registration; a key is registered once only.
    Registration,
    /// Every renewal on the channel: the rules of version 1.0.
    Renewal,
    /// The renewal of a record with so many changes, and no later one, since every change raises the number.
    RenewalAfter(u64),
}

impl ProofScope {
    /// The text that stands before what is signed.
    #[must_use]
    pub const fn prefix(self) -> &'static [u8] {
        match self {
            Self::Registration => b"consilium register identity v1\0",
            Self::Renewal => b"consilium renew identity v1\0",
            Self::RenewalAfter(_) => b"consilium renew identity v2\0",
        }
    }
}

/// A key with its certificate, its TLS keys, and the proof that whoever holds the private key agrees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityClaim {
    /// Version of this type's encoding.
    pub version: u16,
    /// The organisation.
    pub msp_id: MspId,
    /// The signing certificate, one PEM block.
    pub certificate: Bytes,
    /// SHA-256 of the SubjectPublicKeyInfo of each TLS certificate that belongs to the identity, sorted.
    pub tls_spki: Vec<Digest>,
    /// Signature by the certificate's key over [`IdentityClaim::proven_bytes`].
    pub proof: Bytes,
}

impl IdentityClaim {
    /// The version that this release writes.
    pub const VERSION: u16 = 1;
    /// TLS keys of one identity: a node has two, a user one for each device.
    pub const TLS_KEYS_MAX: usize = 16;
    /// Bytes of a claim: a certificate, the digests, a signature.
    pub const BYTES_MAX: usize = IDENTITY_BYTES_MAX + (4 << 10);

    /// The bytes that the key signs: the scope's prefix, then MessagePack of
    /// `[channel, MSP id, PoI, SHA-256(certificate), TLS keys]`, with the number of changes as a sixth part where the scope
    /// has one. The channel keeps a proof from being shown elsewhere, the number from being shown again.
    #[must_use]
    pub fn proven_bytes(&self, scope: ProofScope, channel: &ChannelId, poi: &Poi) -> Vec<u8> {
        let certificate = Digest::of(&self.certificate);
        let content = match scope {
            ProofScope::Registration | ProofScope::Renewal => {
                codec::encode(&(channel, &self.msp_id, poi, certificate, &self.tls_spki))
            }
            ProofScope::RenewalAfter(changes) => {
                codec::encode(&(channel, &self.msp_id, poi, certificate, &self.tls_spki, changes))
            }
        };
        [scope.prefix(), &content[..]].concat()
    }

    /// The canonical bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads a claim; whether it holds is judged elsewhere.
    ///
    /// # Errors
    /// [`DecodeError`] as [`codec::decode_canonical`], and for an unknown version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let claim: Self = codec::decode_canonical(bytes, Self::BYTES_MAX)?;
        codec::expect_version("IdentityClaim", claim.version, Self::VERSION)?;
        Ok(claim)
    }
}
