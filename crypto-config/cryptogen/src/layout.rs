//! Where everything lies: Fabric's folders, and `kem/` beside `msp/` at each organisation's root.
//!
//! This is the only place that spells these names for writing.

use std::path::{Path, PathBuf};

use crate::organization::{Kind, Organization};

/// Public half of an organisation's KEM key, within `kem/`.
pub const KEM_PUBLIC: &str = "public.pem";
/// Private half of an organisation's KEM key, within `kem/`.
pub const KEM_PRIVATE: &str = "private.pem";
/// An authority's private key, within `ca/` and `tlsca/`.
pub const AUTHORITY_KEY: &str = "priv_sk";
/// A signing key, within an `msp/`.
pub const SIGNING_KEY: &str = "keystore/priv_sk";
/// Administrators by certificate, within an `msp/`; empty where roles tell who they are.
pub const ADMINS: &str = "admincerts";
/// What an `msp/` says about roles.
pub const NODE_OUS: &str = "config.yaml";
/// The TLS authority's certificate, within a `tls/`.
pub const TLS_ROOT: &str = "ca.crt";

/// An organisation's folder.
pub struct OrganizationFolder {
    root: PathBuf,
    nodes: &'static str,
}

impl OrganizationFolder {
    /// The folder of `organization` below `output`.
    pub fn new(output: &Path, organization: &Organization) -> Self {
        let (half, nodes) = match organization.kind {
            Kind::Orderer => ("ordererOrganizations", "orderers"),
            Kind::Peer => ("peerOrganizations", "peers"),
        };
        Self { root: output.join(half).join(&organization.domain), nodes }
    }

    /// True when the organisation has a folder already.
    pub fn is_there(&self) -> bool {
        self.root.is_dir()
    }

    /// The signing authority.
    pub fn ca(&self) -> PathBuf {
        self.root.join("ca")
    }

    /// The TLS authority.
    pub fn tlsca(&self) -> PathBuf {
        self.root.join("tlsca")
    }

    /// The key to which others seal.
    pub fn kem(&self) -> PathBuf {
        self.root.join("kem")
    }

    /// What the organisation shows to others.
    pub fn msp(&self) -> PathBuf {
        self.root.join("msp")
    }

    /// All nodes, a folder each.
    pub fn nodes(&self) -> PathBuf {
        self.root.join(self.nodes)
    }

    /// All users, a folder each.
    pub fn users(&self) -> PathBuf {
        self.root.join("users")
    }
}

/// File name of a certificate.
pub fn certificate_name(common_name: &str) -> String {
    format!("{common_name}-cert.pem")
}

/// Names of a TLS certificate and key within a `tls/`.
pub fn tls_names(serves: bool) -> (&'static str, &'static str) {
    if serves { ("server.crt", "server.key") } else { ("client.crt", "client.key") }
}

/// The text of `config.yaml`: roles by organisational unit, under the certificate of `ca_name`.
pub fn node_ous(ca_name: &str) -> String {
    let certificate = certificate_name(ca_name);
    let mut text = "NodeOUs:\n    Enable: true\n".to_owned();
    for (kind, unit) in [("Client", "client"), ("Peer", "peer"), ("Admin", "admin"), ("Orderer", "orderer")] {
        text += &format!(
            "    {kind}OUIdentifier:\n        Certificate: cacerts/{certificate}\n        \
             OrganizationalUnitIdentifier: {unit}\n"
        );
    }
    text
}
