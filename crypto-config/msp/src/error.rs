//! Faults of configuration: why an organisation's material cannot be used.
//!
//! They are reported to the operator before a port is bound; each names the file or list it found the matter in, what
//! was found and the fix. None quotes a key.

use protocol::{InvalidName, MspId};

use crate::rejection::IdentityRejection;

/// Why an MSP cannot be built from its folder or configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MspError {
    /// A file or list entry is not what its place demands.
    #[error("{msp_id}: {origin}: {reason}")]
    Certificate {
        /// The organisation.
        msp_id: MspId,
        /// The file, or the list and position.
        origin: String,
        /// What is wrong and how to mend it.
        reason: String,
    },
    /// There is no root CA.
    #[error(
        "{msp_id}: cacerts/ holds no certificate; put the organisation's root CA certificate (PEM) there"
    )]
    NoRootCa {
        /// The organisation.
        msp_id: MspId,
    },
    /// There are more certificates than any organisation has.
    #[error("{msp_id}: {count} certificates of CAs and admins; the limit is {limit}")]
    TooManyCertificates {
        /// The organisation.
        msp_id: MspId,
        /// How many were found.
        count: usize,
        /// The greatest number allowed.
        limit: usize,
    },
    /// `config.yaml` cannot be used.
    #[error("{msp_id}: config.yaml: {reason}")]
    ConfigYaml {
        /// The organisation.
        msp_id: MspId,
        /// What is wrong and how to mend it.
        reason: String,
    },
    /// A role's OU names a CA that is not among the MSP's CAs.
    #[error(
        "{msp_id}: the {role} OU names a CA certificate that is not in cacerts/ or intermediatecerts/; name one of those, or leave the certificate out to allow every CA of the MSP"
    )]
    UnknownCertifier {
        /// The organisation.
        msp_id: MspId,
        /// The role.
        role: protocol::Role,
    },
    /// Two MSPs trust the same issuing CA, so either organisation could speak for the other.
    #[error("{first} and {second} share the {kind} CA {subject}; give each organisation its own issuing CA")]
    SharedCa {
        /// One organisation.
        first: MspId,
        /// The other.
        second: MspId,
        /// `identity` or `TLS`.
        kind: &'static str,
        /// The CA's subject.
        subject: String,
    },
    /// Two configurations bear one name.
    #[error("MSP {msp_id} is configured twice")]
    DuplicateMsp {
        /// The name.
        msp_id: MspId,
    },
    /// `keystore/` has keys, none of which is the certificate's.
    #[error(
        "{msp_id}: no key in keystore/ matches the certificate {certificate} (SKI {ski}); found {}; copy the key that was made for this certificate into keystore/",
        keys(found)
    )]
    NoMatchingKey {
        /// The organisation.
        msp_id: MspId,
        /// The certificate's file.
        certificate: String,
        /// SHA-256 of the certificate's public point, hex.
        ski: String,
        /// Each key file with its SKI or why it cannot be read.
        found: Vec<String>,
    },
    /// The folder is of an organisation, not of a node or user, and a signer was asked for.
    #[error("{msp_id}: this MSP folder cannot sign: {reason}")]
    NoSigner {
        /// The organisation.
        msp_id: MspId,
        /// What is missing.
        reason: String,
    },
    /// A TLS certificate stands where the signing certificate belongs.
    #[error(
        "{msp_id}: {certificate} is a TLS certificate: a CA in tlscacerts/ issued it; put the signing certificate into signcerts/ and its key into keystore/, and name this one in the settings of TLS"
    )]
    TlsCertificateSigns {
        /// The organisation.
        msp_id: MspId,
        /// The certificate's file.
        certificate: String,
    },
    /// A signing certificate stands where the TLS certificate belongs.
    #[error(
        "{msp_id}: the certificate of {subject} is a signing certificate: a CA in cacerts/ issued it; name the TLS certificate (tls/server.crt or tls/client.crt) and its key"
    )]
    SigningCertificateForTls {
        /// The organisation.
        msp_id: MspId,
        /// The certificate's subject.
        subject: String,
    },
    /// No TLS CA of the organisation issued the TLS certificate, so no other node would believe it.
    #[error(
        "{msp_id}: the TLS certificate of {subject} is signed by no TLS CA of the MSP (its issuer field says {issuer}); take one that a CA in tlscacerts/ or tlsintermediatecerts/ issued"
    )]
    ForeignTlsCa {
        /// The organisation.
        msp_id: MspId,
        /// The certificate's subject.
        subject: String,
        /// The certificate's issuer field.
        issuer: String,
    },
    /// The folder's own certificate would be refused by its own MSP.
    #[error("{msp_id}: {certificate} would be refused by its own MSP: {rejection}")]
    SignerRejected {
        /// The organisation.
        msp_id: MspId,
        /// The certificate's file.
        certificate: String,
        /// The reason, which is the whole of the matter and stands in the text.
        rejection: Box<IdentityRejection>,
    },
    /// The organisation's name cannot be used.
    #[error(transparent)]
    Name(#[from] InvalidName),
}

/// Why a message was not signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SigningError {
    /// The key's holder could not sign.
    #[error("the key of {msp_id} cannot sign: {reason}")]
    KeyFault {
        /// The signer's organisation.
        msp_id: MspId,
        /// What the key's holder said.
        reason: String,
    },
}

fn keys(found: &[String]) -> String {
    match found {
        [] => "no keys".to_owned(),
        [one] => format!("1 key: {one}"),
        many => format!("{} keys: {}", many.len(), many.join(", ")),
    }
}
