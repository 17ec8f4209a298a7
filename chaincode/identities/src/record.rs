//! A record as it is read from the state, and as it is shown.

use bytes::Bytes;
use protocol::{IdentityRecord, IdentityStatus, MspId, Poi, Role, codec};
use serde::{Deserialize, Serialize};
use shim::{ChaincodeError, Stub};

/// A record holds one certificate, a few digests and its changes.
const RECORD_BYTES_MAX: usize = 64 << 10;

/// An identity for clients: JSON, digests in hex.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownIdentity {
    /// Its organisation.
    pub msp_id: MspId,
    /// SHA-256 of its signing key, hex.
    pub poi: String,
    /// Its roles, sorted.
    pub roles: Vec<Role>,
    /// Whether it may act.
    pub status: IdentityStatus,
    /// SHA-256 of the key of each of its TLS certificates, hex.
    pub tls_spki: Vec<String>,
    /// The blocks of each change; the answer of a change lacks the block in which that change will stand.
    pub changed_at: Vec<u64>,
    /// Its signing certificate, PEM.
    pub certificate: String,
}

impl ShownIdentity {
    /// The record for clients.
    #[must_use]
    pub fn of(record: IdentityRecord) -> Self {
        Self {
            msp_id: record.msp_id,
            poi: record.poi.to_string(),
            roles: record.roles,
            status: record.status,
            tls_spki: record.tls_spki.iter().map(ToString::to_string).collect(),
            changed_at: record.changed_at.iter().map(|number| number.0).collect(),
            certificate: String::from_utf8_lossy(&record.certificate).into_owned(),
        }
    }
}

/// The committed record of an identity.
pub(crate) fn read(
    stub: &mut dyn Stub,
    msp_id: &MspId,
    poi: &Poi,
) -> Result<Option<IdentityRecord>, ChaincodeError> {
    let key = IdentityRecord::key(msp_id, poi);
    stub.state(&key)?.map(|value| decode(&key, &value)).transpose()
}

/// A record of the state.
pub(crate) fn decode(key: &str, value: &[u8]) -> Result<IdentityRecord, ChaincodeError> {
    let record: Result<IdentityRecord, _> = codec::decode(value, RECORD_BYTES_MAX);
    let record = record.and_then(|record| {
        codec::expect_version("IdentityRecord", record.version, IdentityRecord::VERSION).map(|()| record)
    });
    record.map_err(|error| ChaincodeError {
        status: 500,
        message: format!("the record {key} on this peer is not readable: {error}"),
    })
}

/// JSON of a result. Texts, numbers and lists always serialise.
pub(crate) fn json<T: Serialize>(value: &T) -> Bytes {
    serde_json::to_vec(value).unwrap_or_default().into()
}
