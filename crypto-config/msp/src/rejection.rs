//! Why an identity or a signature is refused: values that are judged, stored and sent, never faults of a node.
//!
//! The texts name what was found and what would be accepted. They hold certificate subjects and issuers (pseudonyms in
//! this network), never keys or messages.

use protocol::MspId;

/// Why a certificate does not speak for an organisation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityRejection {
    /// The serialised identity is larger than any real one.
    #[error("the identity has {bytes} bytes; the limit is {limit}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The greatest size allowed.
        limit: usize,
    },
    /// The bytes are not a serialised identity with exactly one X.509 certificate.
    #[error("the identity is malformed: {what}")]
    Malformed {
        /// What was found.
        what: String,
    },
    /// The identity names an organisation that the channel does not have.
    #[error("MSP {msp_id} is unknown here; known are {}", join(known))]
    UnknownMsp {
        /// The name in the identity.
        msp_id: String,
        /// The organisations of the channel, sorted.
        known: Vec<MspId>,
    },
    /// No CA of the MSP signed the certificate.
    #[error(
        "certificate of {subject} is signed by no CA of {msp_id} (its issuer field says {issuer}); enrol it with a CA in cacerts/ or intermediatecerts/ of {msp_id}"
    )]
    ForeignCa {
        /// The MSP whose CAs were tried.
        msp_id: MspId,
        /// The certificate's subject.
        subject: String,
        /// The certificate's issuer field.
        issuer: String,
    },
    /// The certificate was signed by a CA that has intermediate CAs below it; only CAs at the end of the tree issue
    /// identities (Fabric's rule).
    #[error(
        "certificate of {subject} is signed by {issuer}, which issues intermediate CAs of {msp_id} and so may not issue identities; enrol it with an intermediate CA"
    )]
    InternalCa {
        /// The MSP.
        msp_id: MspId,
        /// The certificate's subject.
        subject: String,
        /// The CA's subject.
        issuer: String,
    },
    /// A CA certificate was presented as an identity.
    #[error("certificate of {subject} is a CA certificate; a CA cannot act as an identity")]
    CaAsIdentity {
        /// The certificate's subject.
        subject: String,
    },
    /// The key may not sign.
    #[error(
        "certificate of {subject} has a key usage without digitalSignature; reissue it with digitalSignature"
    )]
    KeyUsage {
        /// The certificate's subject.
        subject: String,
    },
    /// The key is of a type that this release cannot verify.
    #[error(
        "certificate of {subject} has an unsupported key type ({found}); use ECDSA P-256 with an uncompressed point, or Ed25519"
    )]
    UnsupportedKey {
        /// The certificate's subject.
        subject: String,
        /// What the certificate holds.
        found: String,
    },
    /// An extension must be understood and is not.
    #[error("certificate of {subject} has the critical extension {oid}, which is not understood here")]
    CriticalExtension {
        /// The certificate's subject.
        subject: String,
        /// The extension.
        oid: String,
    },
    /// The certificate does not carry exactly one of the MSP's role OUs.
    #[error("certificate of {subject} carries {} of the role OUs of {msp_id}: its OUs are [{}], and exactly one of [{}] is needed, issued by the CA that the MSP names for it", count(*matched), found.join(", "), expected.join(", "))]
    WrongOu {
        /// The MSP.
        msp_id: MspId,
        /// The certificate's subject.
        subject: String,
        /// How many role OUs matched.
        matched: usize,
        /// The certificate's OUs.
        found: Vec<String>,
        /// The MSP's role OUs.
        expected: Vec<String>,
    },
    /// The certificate had ended at the time asked about.
    #[error("certificate of {subject} expired at {not_after_ms} ms, before {at_ms} ms; renew it")]
    ExpiredCertificate {
        /// The certificate's subject.
        subject: String,
        /// The end of its validity, Unix milliseconds.
        not_after_ms: u64,
        /// The time asked about, Unix milliseconds.
        at_ms: u64,
    },
    /// The certificate had not begun at the time asked about.
    #[error(
        "certificate of {subject} is valid from {not_before_ms} ms, after {at_ms} ms; check the clock of its CA"
    )]
    NotYetValid {
        /// The certificate's subject.
        subject: String,
        /// The begin of its validity, Unix milliseconds.
        not_before_ms: u64,
        /// The time asked about, Unix milliseconds.
        at_ms: u64,
    },
}

/// Why a signature does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureRejection {
    /// The bytes are not a strictly encoded DER signature (ECDSA), or not 64 bytes (Ed25519).
    #[error("the signature is malformed: {what}")]
    Malformed {
        /// What was found.
        what: &'static str,
    },
    /// The ECDSA signature's s lies in the upper half of the curve's order; it could be changed by anybody.
    #[error("the signature has a high s; normalise s to the lower half of the curve's order before sending")]
    HighS,
    /// The signature was not made by this key over this message.
    #[error("the signature does not verify with the certificate's key over this message")]
    BadSignature,
}

fn join(names: &[MspId]) -> String {
    if names.is_empty() {
        return "no organisations".to_owned();
    }
    names.iter().map(MspId::as_str).collect::<Vec<_>>().join(", ")
}

fn count(matched: usize) -> String {
    if matched == 0 { "none".to_owned() } else { matched.to_string() }
}
