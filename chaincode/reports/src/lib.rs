//! The report chaincode: which reports exist, who may open them, and who did.
//!
//! It runs on endorsing peers, after the peer fetched a report's sealed bytes, opened them and examined the image. It
//! compares what the uploader claims with what was found, applies the channel's admission rule, and keeps three kinds of
//! records in the namespace `reports`: the report, grants, openings. It never sees a plaintext or a key, and it never
//! refuses a report for its likeness to another report.
//!
//! A grant that stands here is not yet a right: other hospitals can endorse what they like. The custodian of a key looks
//! up who created the grant's transaction (`endorsing::release`).

mod access;
mod admission;
mod chaincode;
mod record;
mod upload;

pub use admission::{AdmissionRecord, VerdictRecord};
pub use chaincode::Reports;
pub use record::{
    Grant, Opening, ReportPage, ReportRecord, ReportState, cid_key, grant_key, opening_key, report_key,
};
pub use upload::UploadClaim;

/// Name and namespace of the chaincode.
pub const NAME: &str = "reports";
/// Its version.
pub const VERSION: &str = "1.0";
/// Transient field with the 32 bytes of the data key.
pub const TRANSIENT_DATA_KEY: &str = "data_key";
/// Transient field with the text of the CID that the data key opens.
pub const TRANSIENT_CID: &str = "content_cid";
