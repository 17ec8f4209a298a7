//! `consortium.yaml` as its user writes it.
//!
//! This is the user's view; `passage` turns it into a channel's configuration. A key that is not known is an error, so
//! that a misspelt `DifficultyBits` does not quietly give another channel. Names are those of Fabric's `configtx.yaml`
//! where it has the thing.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Consortium {
    /// Every organisation of which a profile may speak.
    pub organizations: Vec<OrganizationEntry>,
    /// Channels by the name of their profile.
    pub profiles: BTreeMap<String, Profile>,
}

/// An organisation.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct OrganizationEntry {
    /// The name by which profiles speak of it.
    pub name: String,
    /// Its MSP id.
    #[serde(rename = "ID")]
    pub id: String,
    /// Its MSP folder; the identities to register lie beside it.
    #[serde(rename = "MSPDir")]
    pub msp_dir: String,
    /// Public half of the key to which data keys are sealed; absent for an organisation without peers.
    pub kem_file: Option<String>,
    /// Where its peers listen, `host:port`.
    #[serde(default)]
    pub peers: Vec<String>,
    /// Its own policies by name.
    #[serde(default)]
    pub policies: BTreeMap<String, String>,
}

/// A channel.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Profile {
    /// Names of its organisations; absent for all.
    pub organizations: Option<Vec<String>>,
    /// What every node must know; absent for all that this release knows, or for those in force where a channel is changed.
    pub capabilities: Option<Vec<String>>,
    /// How it orders.
    pub orderer: OrdererSection,
    /// Policies by path.
    #[serde(default)]
    pub policies: BTreeMap<String, String>,
    /// What it executes.
    #[serde(default)]
    pub chaincodes: Vec<ChaincodeEntry>,
    /// The rules for reports; absent on a channel without them.
    pub reports: Option<ReportsSection>,
    /// `registered` (the default) or `open`.
    pub identities: Option<String>,
}

/// How a channel orders.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct OrdererSection {
    /// The nodes that order, by number.
    pub consenters: Vec<ConsenterEntry>,
    /// When a block is full.
    pub batch_size: BatchSizeSection,
    /// Longest wait of an envelope for its block.
    pub batch_timeout: String,
    /// Proof-of-work difficulty.
    #[serde(default)]
    pub difficulty_bits: u8,
}

/// A node that orders.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct ConsenterEntry {
    /// MSP id of its organisation.
    #[serde(rename = "MSPID")]
    pub msp_id: String,
    /// Where it listens.
    pub host: String,
    /// Where it listens.
    pub port: u16,
    /// File of its signing certificate.
    pub identity: String,
    /// File of the TLS certificate that it serves with.
    #[serde(rename = "ServerTLSCert")]
    pub server_tls_cert: String,
    /// File of the TLS certificate that it calls others with; it must hold the same key.
    #[serde(rename = "ClientTLSCert")]
    pub client_tls_cert: Option<String>,
}

/// When a block is full.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct BatchSizeSection {
    /// Most envelopes.
    pub max_message_count: u32,
    /// Most bytes.
    pub absolute_max_bytes: String,
    /// Bytes after which it is cut.
    pub preferred_max_bytes: String,
}

/// What a channel executes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct ChaincodeEntry {
    /// Name and namespace.
    pub name: String,
    /// Version.
    pub version: String,
    /// Endorsement policy; absent for the channel's.
    pub policy: Option<String>,
}

/// The rules for reports.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct ReportsSection {
    /// Who checks uploads.
    pub checkers: CheckersSection,
    /// MSP ids that keep data keys beside a report's owner.
    #[serde(default)]
    pub custodians: Vec<String>,
    /// MSP ids that keep sealed bytes beside owner and checkers.
    #[serde(default)]
    pub holders: Vec<String>,
    /// Rules by modality.
    #[serde(default)]
    pub admission: Vec<AdmissionEntry>,
}

/// Who checks uploads.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct CheckersSection {
    /// How many.
    pub required: u32,
    /// MSP ids, in the order in which they are asked.
    pub organizations: Vec<String>,
}

/// How a modality's uploads are judged.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct AdmissionEntry {
    /// DICOM's name of it.
    pub modality: String,
    /// `calibrated` or `paper-50`.
    pub profile: String,
    /// What a refused verdict does: `warn` or `refuse`.
    pub refuse: String,
    /// Hashes of reference images.
    #[serde(default)]
    pub references: Vec<ReferenceEntry>,
}

/// A reference image's hash.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReferenceEntry {
    /// Short name.
    pub id: String,
    /// 16 hexadecimal digits.
    pub hash: String,
    /// Where the image came from.
    pub source: String,
    /// Its licence.
    pub licence: String,
}

/// Returns what `text` spells; the error names the key and, where the parser knows it, the line.
pub fn parse(text: &str) -> Result<Consortium, String> {
    serde_yaml_ng::from_str(text).map_err(|error| error.to_string())
}
