//! The certificate by which the other end of a connection is known.

use std::fmt;

use bytes::Bytes;
use protocol::Digest;
use rustls::pki_types::CertificateDer;
use rustls::server::ParsedCertificate;

/// The leaf certificate that a client proved to hold the key of. Every request carries it as an extension.
#[derive(Clone, PartialEq, Eq)]
pub struct PeerCertificate {
    /// The certificate, DER.
    pub der: Bytes,
    /// SHA-256 of its SubjectPublicKeyInfo: what channel configuration and the ledger know a TLS key by.
    pub spki: Digest,
}

impl PeerCertificate {
    /// Takes the key's digest from a certificate.
    pub(crate) fn of(certificate: &CertificateDer<'_>) -> Result<Self, rustls::Error> {
        let spki = ParsedCertificate::try_from(certificate)?.subject_public_key_info();
        Ok(Self { der: Bytes::copy_from_slice(certificate), spki: Digest::of(spki.as_ref()) })
    }
}

impl fmt::Debug for PeerCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerCertificate").field("spki", &self.spki).finish_non_exhaustive()
    }
}
