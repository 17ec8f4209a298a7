//! What the channel's configuration says of chaincodes and of the admission of reports.

use serde::{Deserialize, Serialize};

use crate::identity::MspId;
use crate::ids::ChaincodeName;

/// A chaincode as the channel runs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChaincodeDefinition {
    /// Its name and namespace.
    pub name: ChaincodeName,
    /// Its version, a free text that all peers share.
    pub version: String,
    /// Grows by one with each change of the definition.
    pub sequence: u64,
    /// Endorsement policy: text of a signature policy or of an implicit-meta policy. Empty means the channel's default,
    /// `MAJORITY Endorsement`.
    pub endorsement_policy: String,
    /// Result of the perceptual hash's self-test that every endorser must reproduce; empty where none applies.
    pub self_test_id: String,
}

/// One reference image's hash, with where it came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReferenceHash {
    /// Short name, unique within its modality.
    pub id: String,
    /// The 64-bit wavelet hash.
    pub hash: u64,
    /// Where the image came from.
    pub source: String,
    /// Its licence.
    pub licence: String,
}

/// How a modality's uploads are judged by likeness to reference reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdmissionConfig {
    /// DICOM modality, such as `CR`.
    pub modality: String,
    /// The profile in force: `paper-50` or `calibrated`.
    pub profile: String,
    /// Whether a refused verdict refuses the upload; otherwise it warns.
    pub refuse: bool,
    /// The references, sorted by id.
    pub references: Vec<ReferenceHash>,
}

/// Who checks an upload: any `required` of `organizations`, the uploader's own counted, at least one other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkers {
    /// How many organisations endorse an upload.
    pub required: u32,
    /// The organisations that may check, in the order in which they are asked.
    pub organizations: Vec<MspId>,
}

/// The channel's rules for reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportsConfig {
    /// Who checks uploads.
    pub checkers: Checkers,
    /// Organisations that keep data keys beside a report's owner.
    pub custodians: Vec<MspId>,
    /// Organisations that keep sealed bytes beside owner and checkers.
    pub holders: Vec<MspId>,
    /// Rules by modality, sorted.
    pub admission: Vec<AdmissionConfig>,
}
