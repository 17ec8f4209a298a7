//! The records that the ledger keeps of a report, as JSON, and their keys.

use protocol::{MspId, Poi, TxId};
use serde::{Deserialize, Serialize};

use crate::admission::AdmissionRecord;

/// Whether a report is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReportState {
    /// In use.
    Active,
    /// Replaced by a later one.
    Superseded,
    /// Withdrawn by its uploader.
    Retracted,
    /// Key and sealed bytes are gone.
    Erased,
}

/// A report's record. The report's bytes are elsewhere; only their sealed form has a CID.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportRecord {
    /// The tx id of the upload.
    pub report_id: TxId,
    /// Organisation of the uploader, the owner.
    pub owner: MspId,
    /// Proof of identity of the uploader, hex.
    pub poi: String,
    /// Pseudonym of the patient: HMAC under a key that the owner keeps, hex; empty where none was named.
    pub patient_ref: String,
    /// DICOM modality, such as `CR`.
    pub modality: String,
    /// Media type, such as `image/png`.
    pub media_type: String,
    /// Bytes of the plaintext.
    pub size: u64,
    /// Bytes of the sealed file.
    pub sealed_size: u64,
    /// Root CID of the sealed file.
    pub cid: String,
    /// SHA-256(data key ‖ plaintext), hex.
    pub binding: String,
    /// Wavelet hash, 16 hex digits.
    pub perceptual_hash: String,
    /// What the admission rules said.
    pub admission: AdmissionRecord,
    /// Organisations that keep the data key beside the owner.
    pub custodians: Vec<MspId>,
    /// Whether it is in use.
    pub state: ReportState,
    /// The uploader's clock, milliseconds since 1970.
    pub uploaded_at_ms: u64,
}

/// Some of the channel's reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportPage {
    /// The reports, by id.
    pub records: Vec<ReportRecord>,
    /// Where the next page begins; empty where this is the last one.
    pub bookmark: String,
}

/// A right to open a report, given to an organisation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The report.
    pub report_id: TxId,
    /// Who may open it.
    pub msp_id: MspId,
    /// Whether it is live; an unshared grant stays as a record.
    pub live: bool,
    /// The transaction that last changed it.
    pub tx_id: TxId,
    /// Organisation that created that transaction.
    pub by_msp: MspId,
    /// Proof of identity of its creator, hex.
    pub by_poi: String,
}

/// The record of an opening: written before any key moves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// The report.
    pub report_id: TxId,
    /// The transaction.
    pub tx_id: TxId,
    /// Organisation of the reader.
    pub msp_id: MspId,
    /// Proof of identity of the reader, hex.
    pub poi: String,
    /// Why.
    pub purpose: String,
    /// The reader's clock, milliseconds since 1970.
    pub opened_at_ms: u64,
}

/// Key of a report's record.
#[must_use]
pub fn report_key(report_id: &TxId) -> String {
    format!("report/{report_id}")
}

/// Key of a grant.
#[must_use]
pub fn grant_key(report_id: &TxId, msp_id: &MspId) -> String {
    format!("grant/{report_id}/{msp_id}")
}

/// Key of an opening.
#[must_use]
pub fn opening_key(report_id: &TxId, tx_id: &TxId) -> String {
    format!("open/{report_id}/{tx_id}")
}

/// Key of the index from a CID to its report.
#[must_use]
pub fn cid_key(cid: &str) -> String {
    format!("cid/{cid}")
}

/// First and end key of all keys that begin with `prefix`, which ends with `/`.
pub(crate) fn range_of(prefix: &str) -> (String, String) {
    // '0' follows '/' in ASCII, so the end is the first key that no longer has the prefix.
    let stem = prefix.strip_suffix('/').unwrap_or(prefix);
    (format!("{stem}/"), format!("{stem}0"))
}

/// PoI as it stands in records.
pub(crate) fn poi_text(poi: &Poi) -> String {
    poi.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// These texts lie in the ledger's state and enter its hashes: fields and their order are a format.
    #[test]
    fn the_bytes_of_records_are_frozen() {
        let id: TxId = "ab".repeat(32).parse().expect("an id");
        let msp = |name: &str| MspId::new(name).expect("a name");
        let admission = AdmissionRecord {
            profile_in_force: "calibrated".into(),
            outcome: "accepted".into(),
            verdicts: vec![],
        };
        let report = ReportRecord {
            report_id: id.clone(),
            owner: msp("A"),
            poi: "p".into(),
            patient_ref: "r".into(),
            modality: "CR".into(),
            media_type: "image/png".into(),
            size: 1,
            sealed_size: 2,
            cid: "c".into(),
            binding: "b".into(),
            perceptual_hash: "h".into(),
            admission,
            custodians: vec![msp("B")],
            state: ReportState::Active,
            uploaded_at_ms: 3,
        };
        let (by_poi, tx_id) = ("p".to_owned(), id.clone());
        let grant =
            Grant { report_id: id.clone(), msp_id: msp("B"), live: true, tx_id, by_msp: msp("A"), by_poi };
        let (poi, purpose) = ("p".to_owned(), "why".to_owned());
        let opening = Opening {
            report_id: id.clone(),
            tx_id: id.clone(),
            msp_id: msp("B"),
            poi,
            purpose,
            opened_at_ms: 4,
        };
        let rows = [
            (
                serde_json::to_string(&report),
                format!(
                    r#"{{"report_id":"{id}","owner":"A","poi":"p","patient_ref":"r","modality":"CR","media_type":"image/png","size":1,"sealed_size":2,"cid":"c","binding":"b","perceptual_hash":"h","admission":{{"profile_in_force":"calibrated","outcome":"accepted","verdicts":[]}},"custodians":["B"],"state":"active","uploaded_at_ms":3}}"#
                ),
            ),
            (
                serde_json::to_string(&grant),
                format!(
                    r#"{{"report_id":"{id}","msp_id":"B","live":true,"tx_id":"{id}","by_msp":"A","by_poi":"p"}}"#
                ),
            ),
            (
                serde_json::to_string(&opening),
                format!(
                    r#"{{"report_id":"{id}","tx_id":"{id}","msp_id":"B","poi":"p","purpose":"why","opened_at_ms":4}}"#
                ),
            ),
        ];
        for (found, golden) in rows {
            assert_eq!(found.expect("a record is JSON"), golden);
        }
    }
}
