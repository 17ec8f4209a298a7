//! A channel's configuration: the content of a genesis or configuration block.
//!
//! Lists that have an order of their own (consenters, checkers) keep it; all others are sorted, so that equal
//! configurations have equal bytes. What the rules mean is decided in `configtx`.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::chaincode::{ChaincodeDefinition, ReportsConfig};
use crate::codec::{self, DecodeError};
use crate::identity::{MspConfig, MspId, Poi, Role};
use crate::ids::{ChannelId, Digest};
use crate::limits::CONFIG_BYTES_MAX;

/// Names a format or rule that every node of the channel must know, such as `V1_0`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Capability(pub String);

/// Where a node listens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Endpoint {
    /// DNS name or IP address; a certificate of the node must carry it.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// An organisation of the channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Organization {
    /// Its MSP; `msp.msp_id` is the organisation's name.
    pub msp: MspConfig,
    /// X25519 public key to which data keys are sealed; `None` for an organisation without peers.
    pub kem_public_key: Option<Digest>,
    /// Where its peers listen.
    pub peers: Vec<Endpoint>,
    /// The organisation's policies by name (`Readers`, `Writers`, `Admins`, `Endorsement`), as text.
    pub policies: BTreeMap<String, String>,
}

/// A node that orders. Its number is its place in the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consenter {
    /// Its organisation.
    pub msp_id: MspId,
    /// Where it listens.
    pub endpoint: Endpoint,
    /// Signing certificate, PEM: blocks are verified with it.
    pub identity_cert: Bytes,
    /// SHA-256 of its TLS certificate's SubjectPublicKeyInfo.
    pub tls_spki: Digest,
}

/// When a block is cut.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchConfig {
    /// Most envelopes in a block.
    pub max_message_count: u32,
    /// Most bytes of envelopes in a block; a larger envelope is refused.
    pub absolute_max_bytes: u32,
    /// Bytes after which a block is cut.
    pub preferred_max_bytes: u32,
    /// Longest wait of an envelope for its block, in milliseconds.
    pub timeout_ms: u32,
}

/// How the channel orders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrdererConfig {
    /// The consenters, by number.
    pub consenters: Vec<Consenter>,
    /// When a block is cut.
    pub batch: BatchConfig,
    /// Proof-of-work difficulty, 0 to 24 leading zero bits.
    pub difficulty_bits: u8,
}

/// Whether creators and endorsers must be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IdentityRule {
    /// Only identities that the ledger holds as active.
    Registered,
    /// Every identity whose certificate chains to an MSP of the channel.
    Open,
}

/// An identity that the genesis block registers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisteredIdentity {
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
}

/// Everything that a channel's members agreed on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelConfig {
    /// Version of this type's encoding.
    pub version: u16,
    /// The channel.
    pub channel: ChannelId,
    /// 0 in the genesis block, one more with each change.
    pub sequence: u64,
    /// What nodes must know, sorted.
    pub capabilities: Vec<Capability>,
    /// The organisations, sorted by MSP id.
    pub organizations: Vec<Organization>,
    /// How the channel orders.
    pub orderer: OrdererConfig,
    /// The channel's policies by path, such as `/Channel/Application/Endorsement`, as text.
    pub policies: BTreeMap<String, String>,
    /// The chaincodes, sorted by name.
    pub chaincodes: Vec<ChaincodeDefinition>,
    /// The rules for reports; `None` on a channel without them.
    pub reports: Option<ReportsConfig>,
    /// Whether identities must be registered.
    pub identities: IdentityRule,
    /// Identities that block 0 registers, sorted by (MSP id, PoI); empty in later configuration blocks.
    pub first_identities: Vec<RegisteredIdentity>,
}

impl ChannelConfig {
    /// The version that this release writes.
    pub const VERSION: u16 = 1;

    /// The canonical bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads a configuration; its rules are checked by `configtx`.
    ///
    /// # Errors
    /// [`DecodeError`] as [`codec::decode_canonical`], and for an unknown version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let config: Self = codec::decode_canonical(bytes, CONFIG_BYTES_MAX)?;
        codec::expect_version("ChannelConfig", config.version, Self::VERSION)?;
        Ok(config)
    }

    /// The organisation of that MSP id.
    #[must_use]
    pub fn organization(&self, msp_id: &MspId) -> Option<&Organization> {
        self.organizations.iter().find(|organization| organization.msp.msp_id == *msp_id)
    }

    /// The definition of that chaincode.
    #[must_use]
    pub fn chaincode(&self, name: &str) -> Option<&ChaincodeDefinition> {
        self.chaincodes.iter().find(|definition| definition.name.as_str() == name)
    }
}
