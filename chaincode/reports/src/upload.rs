//! Upload: what the uploader claims must be what the endorsing peer found.

use protocol::MspId;
use serde::{Deserialize, Serialize};
use shim::{ChaincodeError, Examination, Stub};

use crate::access::{put, share_with};
use crate::admission::judge;
use crate::record::{ReportRecord, ReportState, cid_key, poi_text, report_key};

/// Longest modality, media type or pseudonym.
const TEXT_BYTES_MAX: usize = 128;
/// Organisations that one upload may be shared with.
const SHARES_MAX: usize = 64;

/// The argument of `UploadReport`, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UploadClaim {
    /// Root CID of the sealed file.
    pub cid: String,
    /// SHA-256(data key ‖ plaintext), hex.
    pub binding: String,
    /// Media type, such as `image/png`.
    pub media_type: String,
    /// DICOM modality, such as `CR`.
    pub modality: String,
    /// Wavelet hash, 16 hex digits.
    pub perceptual_hash: String,
    /// Bytes of the plaintext.
    pub size: u64,
    /// Bytes of the sealed file.
    pub sealed_size: u64,
    /// Pseudonym of the patient, hex, or empty.
    pub patient_ref: String,
    /// Organisations that may open the report from the start.
    pub share_with: Vec<MspId>,
}

/// Checks the claim and writes the report's record, its CID's index entry and its grants.
pub(crate) fn upload(stub: &mut dyn Stub, claim: &UploadClaim) -> Result<ReportRecord, ChaincodeError> {
    check_form(claim)?;
    let found = stub.examination().ok_or_else(|| {
        ChaincodeError::malformed(
            "the proposal carries no data key: put it into the transient fields data_key and content_cid, and name the \
             endorsing organisations",
        )
    })?;
    compare(claim, found)?;
    let admission = judge(stub.reports_config(), &claim.modality, found.perceptual_hash)?;
    // Recorded in the one spelling in which they were found, whatever the claim's.
    let (binding, perceptual_hash) = (found.binding.clone(), format!("{:016x}", found.perceptual_hash));
    if stub.state(&cid_key(&claim.cid))?.is_some() {
        return Err(ChaincodeError::conflict(format!("the sealed file {} is already recorded", claim.cid)));
    }
    let owner = stub.creator().msp_id.clone();
    let record = ReportRecord {
        report_id: stub.tx_id().clone(),
        poi: poi_text(&stub.creator().poi),
        patient_ref: claim.patient_ref.clone(),
        modality: claim.modality.clone(),
        media_type: claim.media_type.clone(),
        size: claim.size,
        sealed_size: claim.sealed_size,
        cid: claim.cid.clone(),
        binding,
        perceptual_hash,
        admission,
        custodians: stub.reports_config().map(|config| config.custodians.clone()).unwrap_or_default(),
        state: ReportState::Active,
        uploaded_at_ms: stub.timestamp_ms(),
        owner,
    };
    put(stub, &report_key(&record.report_id), &record)?;
    put(stub, &cid_key(&record.cid), &record.report_id)?;
    for msp_id in &claim.share_with {
        share_with(stub, &record, msp_id, true)?;
    }
    Ok(record)
}

fn check_form(claim: &UploadClaim) -> Result<(), ChaincodeError> {
    let modality_rule = |text: &str| {
        !text.is_empty()
            && text.len() <= 16
            && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
    };
    let hex = |text: &str, digits: usize| text.len() == digits && text.bytes().all(|b| b.is_ascii_hexdigit());
    let rules = [
        (modality_rule(&claim.modality), "modality", "1 to 16 capital letters or digits, such as CR"),
        (hex(&claim.binding, 64), "binding", "64 hex digits"),
        (hex(&claim.perceptual_hash, 16), "perceptual_hash", "16 hex digits"),
        (
            claim.patient_ref.is_empty() || hex(&claim.patient_ref, 64),
            "patient_ref",
            "64 hex digits, or nothing",
        ),
        (!claim.cid.is_empty() && claim.cid.len() <= TEXT_BYTES_MAX, "cid", "1 to 128 characters"),
        (claim.share_with.len() <= SHARES_MAX, "share_with", "at most 64 organisations"),
    ];
    match rules.iter().find(|(kept, ..)| !kept) {
        Some((_, field, rule)) => Err(ChaincodeError::malformed(format!("field {field} must be {rule}"))),
        None => Ok(()),
    }
}

/// Every claimed fact must equal the one found; the message names claim and finding.
fn compare(claim: &UploadClaim, found: &Examination) -> Result<(), ChaincodeError> {
    let hash = format!("{:016x}", found.perceptual_hash);
    let rows = [
        ("cid", claim.cid.clone(), found.cid.clone()),
        ("binding", claim.binding.to_lowercase(), found.binding.clone()),
        ("perceptual_hash", claim.perceptual_hash.to_lowercase(), hash),
        ("media_type", claim.media_type.clone(), found.media_type.clone()),
        ("size", claim.size.to_string(), found.size.to_string()),
        ("sealed_size", claim.sealed_size.to_string(), found.sealed_size.to_string()),
    ];
    match rows.into_iter().find(|(_, claimed, found)| claimed != found) {
        Some((field, claimed, found)) => Err(ChaincodeError::unacceptable(format!(
            "the claimed {field} {claimed} is not what the sealed file holds: {found}"
        ))),
        None => Ok(()),
    }
}
