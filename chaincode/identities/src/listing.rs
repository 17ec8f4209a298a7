//! An organisation's records, page by page in the order of their PoIs.

use bytes::Bytes;
use protocol::{IdentityRecord, MspId, Poi};
use serde::{Deserialize, Serialize};
use shim::{ChaincodeError, Stub};

use crate::record::{ShownIdentity, decode, json};

/// Records of one page: with certificates about a megabyte.
pub const IDENTITIES_LISTED_MAX: usize = 500;

/// A page of records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityPage {
    /// The records.
    pub identities: Vec<ShownIdentity>,
    /// The PoI after which to ask for the next page; `None` on the last.
    pub next: Option<String>,
}

/// The records of an organisation that follow a PoI.
pub(crate) fn list(stub: &mut dyn Stub, msp_id: &MspId, after: Option<Poi>) -> Result<Bytes, ChaincodeError> {
    // Keys are `MSP/PoI`, and `0` follows `/`: nothing of another organisation lies between.
    let start = match after {
        Some(poi) => format!("{}\0", IdentityRecord::key(msp_id, &poi)),
        None => format!("{msp_id}/"),
    };
    let found = stub.range(&start, &format!("{msp_id}0"), IDENTITIES_LISTED_MAX)?;
    let is_full = found.len() == IDENTITIES_LISTED_MAX;
    let records = found.iter().map(|(key, value)| decode(key, value).map(ShownIdentity::of));
    let identities = records.collect::<Result<Vec<_>, _>>()?;
    let next = identities.last().filter(|_| is_full).map(|last| last.poi.clone());
    Ok(json(&IdentityPage { identities, next }))
}
