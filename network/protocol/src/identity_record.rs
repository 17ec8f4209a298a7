//! An identity as the namespace `_identity` of the world state holds it.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::identity::{MspId, Poi, Role};
use crate::ids::{BlockNumber, Digest};

/// Whether an identity may act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IdentityStatus {
    /// It may create and endorse transactions.
    Active,
    /// It may not, from the transaction after the revocation on.
    Revoked,
}

/// The value under [`IdentityRecord::key`] in the namespace [`IdentityRecord::NAMESPACE`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityRecord {
    /// Version of this type's encoding.
    pub version: u16,
    /// Its organisation.
    pub msp_id: MspId,
    /// SHA-256 of its signing key.
    pub poi: Poi,
    /// Its roles, sorted.
    pub roles: Vec<Role>,
    /// Its signing certificate, PEM.
    pub certificate: Bytes,
    /// SHA-256 of the SubjectPublicKeyInfo of each of its TLS certificates, sorted.
    pub tls_spki: Vec<Digest>,
    /// Whether it may act.
    pub status: IdentityStatus,
    /// The blocks of each change, ascending. A transaction's own write lacks the last: no endorser knows the block in which
    /// it will stand, and validation adds it.
    pub changed_at: Vec<BlockNumber>,
}

impl IdentityRecord {
    /// The version that this release writes.
    pub const VERSION: u16 = 1;
    /// The namespace of identities.
    pub const NAMESPACE: &'static str = "_identity";

    /// The key of an identity: `MSP/PoI in hex`. An MSP id holds no `/`.
    #[must_use]
    pub fn key(msp_id: &MspId, poi: &Poi) -> String {
        format!("{msp_id}/{poi}")
    }
}
