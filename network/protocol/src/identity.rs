//! Names of organisations and identities, and an MSP's public material as it stands in channel configuration.
//!
//! Nothing here checks a certificate: that is the `msp` crate's work. Certificates are DER bytes, in the order of the
//! folder they came from (sorted by file name), so that one folder always gives one configuration.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::ids::InvalidName;
use crate::limits::NAME_BYTES_MAX;

/// An organisation's membership service provider, such as `HospitalAMSP`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MspId(String);

impl MspId {
    /// Returns the id if it has 1 to 128 letters, digits, `.`, `-` or `_`.
    ///
    /// # Errors
    /// [`InvalidName`] names the value and the rule.
    pub fn new(name: impl Into<String>) -> Result<Self, InvalidName> {
        let name = name.into();
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.chars().all(allowed) {
            return Err(InvalidName::new("MSP id", &name, "1 to 128 letters, digits, '.', '-' or '_'"));
        }
        Ok(Self(name))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for MspId {
    type Error = InvalidName;

    fn try_from(name: String) -> Result<Self, InvalidName> {
        Self::new(name)
    }
}

impl From<MspId> for String {
    fn from(id: MspId) -> Self {
        id.0
    }
}

impl std::str::FromStr for MspId {
    type Err = InvalidName;

    fn from_str(name: &str) -> Result<Self, InvalidName> {
        Self::new(name)
    }
}

impl fmt::Display for MspId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Proof of identity: SHA-256 of the signing certificate's SubjectPublicKeyInfo (DER). It stays the same when a
/// certificate is renewed with the same key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Poi(#[serde(with = "serde_bytes")] [u8; 32]);

impl Poi {
    /// Wraps a digest that was computed over a SubjectPublicKeyInfo.
    #[must_use]
    pub const fn from_digest(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::str::FromStr for Poi {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let mut digest = [0; 32];
        match hex::decode_to_slice(text, &mut digest) {
            Ok(()) if !text.bytes().any(|byte| byte.is_ascii_uppercase()) => Ok(Self(digest)),
            _ => Err(InvalidName::new("PoI", text, "64 lower-case hex digits")),
        }
    }
}

impl fmt::Display for Poi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Poi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Poi({self})")
    }
}

/// The roles that an MSP gives to an identity; `Member` is held by every identity of the organisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Any identity whose certificate chains to the MSP.
    Member,
    /// An administrator of the organisation.
    Admin,
    /// A user or application.
    Client,
    /// A peer node.
    Peer,
    /// An ordering node.
    Orderer,
}

impl Role {
    /// The role's name in policies and NodeOUs, lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Admin => "admin",
            Self::Client => "client",
            Self::Peer => "peer",
            Self::Orderer => "orderer",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An organisational unit that stands for a role, and the CA that must have issued the certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OuIdentifier {
    /// The OU value in the certificate's subject, such as `peer`.
    pub organizational_unit: String,
    /// DER of the CA certificate that must be in the chain; `None` allows every CA of the MSP.
    pub certificate: Option<Bytes>,
}

/// Fabric's `NodeOUs` section: how roles are read from certificates. Absent in an MSP that names its admins by
/// certificate (`admin_certs`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeOus {
    /// OU of clients.
    pub client: Option<OuIdentifier>,
    /// OU of peers.
    pub peer: Option<OuIdentifier>,
    /// OU of administrators.
    pub admin: Option<OuIdentifier>,
    /// OU of orderers.
    pub orderer: Option<OuIdentifier>,
}

/// The public part of an MSP folder: what a verifier needs to know of an organisation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MspConfig {
    /// Version of this type's encoding.
    pub version: u16,
    /// The organisation.
    pub msp_id: MspId,
    /// `cacerts/`: DER of the roots of identity certificates, at least one.
    pub root_certs: Vec<Bytes>,
    /// `intermediatecerts/`: DER.
    pub intermediate_certs: Vec<Bytes>,
    /// `admincerts/`: DER of certificates that are admins whatever their OU.
    pub admin_certs: Vec<Bytes>,
    /// `tlscacerts/`: DER of the roots of TLS certificates.
    pub tls_root_certs: Vec<Bytes>,
    /// `tlsintermediatecerts/`: DER.
    pub tls_intermediate_certs: Vec<Bytes>,
    /// `config.yaml`'s `NodeOUs`, when enabled.
    pub node_ous: Option<NodeOus>,
}

impl MspConfig {
    /// The version that this release writes.
    pub const VERSION: u16 = 1;

    /// Every CA whose TLS certificates are believed: roots, then intermediates, since nodes send no intermediates.
    pub fn tls_ca_certs(&self) -> impl Iterator<Item = &Bytes> {
        self.tls_root_certs.iter().chain(&self.tls_intermediate_certs)
    }
}
