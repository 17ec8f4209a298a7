//! A node's own TLS certificate and key.
//!
//! The key never leaves rustls' signer, and neither errors nor `Debug` output hold a byte of it.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use protocol::Digest;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::config::provider;
use crate::error::IdentityError;
use crate::peer_certificate::PeerCertificate;

/// A certificate chain (leaf first) with the leaf's private key. Cheap to clone.
#[derive(Clone)]
pub struct TlsIdentity {
    certified: Arc<CertifiedKey>,
    leaf: PeerCertificate,
}

impl TlsIdentity {
    /// Reads a chain (leaf first) and the leaf's key, both PEM, and checks that they belong together.
    ///
    /// # Errors
    /// [`IdentityError`] names what is wrong with which of the two.
    pub fn from_pem(cert_chain: &[u8], key: &[u8]) -> Result<Self, IdentityError> {
        let chain = CertificateDer::pem_slice_iter(cert_chain)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| IdentityError::Certificate { reason: error.to_string() })?;
        let Some(first) = chain.first() else {
            return Err(IdentityError::NoCertificate { bytes: cert_chain.len() });
        };
        let leaf = PeerCertificate::of(first)
            .map_err(|error| IdentityError::Certificate { reason: error.to_string() })?;
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|error| IdentityError::Key { reason: error.to_string() })?;
        let certified = CertifiedKey::from_der(chain, key, provider()).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => IdentityError::Mismatch,
            other => IdentityError::Key { reason: other.to_string() },
        })?;
        Ok(Self { certified: Arc::new(certified), leaf })
    }

    /// The leaf's DER.
    #[must_use]
    pub fn certificate_der(&self) -> &Bytes {
        &self.leaf.der
    }

    /// SHA-256 of the leaf's SubjectPublicKeyInfo, as others see it in [`PeerCertificate::spki`].
    #[must_use]
    pub fn spki(&self) -> Digest {
        self.leaf.spki
    }

    pub(crate) fn certified(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified)
    }
}

impl fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsIdentity").field("spki", &self.leaf.spki).finish_non_exhaustive()
    }
}
