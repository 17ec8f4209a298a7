//! A node's or user's own key and certificate: what signs.
//!
//! The key is ECDSA P-256 or Ed25519, as the certificate says. ECDSA signatures have a low s, as every verifier here
//! demands.

use std::fmt;

use bytes::Bytes;
use protocol::{
    MspId, Poi,
    fabric::{Message, SerializedIdentity},
};

use crate::{
    certificate::Certificate,
    error::{MspError, SigningError},
    pem,
    private_key::PrivateKey,
};

/// Something that signs for an identity: a key in memory, later a key in hardware.
pub trait Signer: Send + Sync {
    /// Signs `message`: ECDSA P-256 over its SHA-256 (DER, low s), or Ed25519 (64 bytes).
    ///
    /// # Errors
    /// [`SigningError`] when the key's holder cannot sign.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningError>;

    /// Bytes of the identity's `SerializedIdentity`, as they stand in `creator` and `endorser` fields.
    fn serialized_identity(&self) -> Bytes;

    /// The identity's organisation.
    fn msp_id(&self) -> &MspId;
}

/// A private key in memory together with its certificate.
pub struct SigningIdentity {
    msp_id: MspId,
    serialized: Bytes,
    certificate_der: Bytes,
    poi: Poi,
    key: PrivateKey,
}

impl SigningIdentity {
    /// Joins a PEM certificate and its PEM private key (PKCS#8, or SEC 1 `EC PRIVATE KEY`).
    ///
    /// # Errors
    /// [`MspError::Certificate`] where either cannot be read, [`MspError::NoMatchingKey`] where they do not belong
    /// together. Whether an MSP accepts the certificate is asked of [`Msp`](crate::Msp).
    pub fn from_pem(msp_id: MspId, cert_pem: &[u8], key_pem: &[u8]) -> Result<Self, MspError> {
        let fault = |origin: &str, reason: String| MspError::Certificate {
            msp_id: msp_id.clone(),
            origin: origin.to_owned(),
            reason,
        };
        let signcert = SignCert::read(cert_pem).map_err(|reason| fault("the certificate", reason))?;
        let key = PrivateKey::read(key_pem).map_err(|reason| fault("the private key", reason))?;
        if !signcert.matches(&key) {
            return Err(MspError::NoMatchingKey {
                msp_id,
                certificate: signcert.certificate.subject_text.clone(),
                ski: signcert.certificate.ski(),
                found: vec![format!("SKI {}", key.ski())],
            });
        }
        Ok(Self::new(msp_id, signcert, key))
    }

    pub(crate) fn new(msp_id: MspId, signcert: SignCert, key: PrivateKey) -> Self {
        let SignCert { certificate, pem } = signcert;
        let identity = SerializedIdentity { mspid: msp_id.as_str().to_owned(), id_bytes: pem };
        Self {
            msp_id,
            serialized: identity.encode_to_vec().into(),
            certificate_der: certificate.der,
            poi: certificate.poi,
            key,
        }
    }

    /// Signs `message`: ECDSA P-256 over its SHA-256 (DER, low s), or Ed25519 (64 bytes).
    ///
    /// # Panics
    /// Never with a key that this type accepted; the library reports only failures to allocate.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.key.sign(message)
    }

    /// Bytes of the identity's `SerializedIdentity`: MSP id and the PEM certificate as on disk.
    #[must_use]
    pub fn serialized(&self) -> Bytes {
        self.serialized.clone()
    }

    /// The organisation.
    #[must_use]
    pub fn msp_id(&self) -> &MspId {
        &self.msp_id
    }

    /// SHA-256 of the certificate's SubjectPublicKeyInfo.
    #[must_use]
    pub fn poi(&self) -> Poi {
        self.poi
    }

    /// DER of the certificate.
    #[must_use]
    pub fn certificate_der(&self) -> &Bytes {
        &self.certificate_der
    }
}

impl Signer for SigningIdentity {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningError> {
        Ok(Self::sign(self, message))
    }

    fn serialized_identity(&self) -> Bytes {
        self.serialized()
    }

    fn msp_id(&self) -> &MspId {
        &self.msp_id
    }
}

impl fmt::Debug for SigningIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningIdentity")
            .field("msp_id", &self.msp_id)
            .field("poi", &self.poi)
            .finish_non_exhaustive()
    }
}

/// A signing certificate with its PEM text as on disk.
pub(crate) struct SignCert {
    pub(crate) certificate: Certificate,
    pub(crate) pem: Bytes,
}

impl SignCert {
    /// Reads the first certificate of a PEM text; CA certificates may follow it.
    pub(crate) fn read(text: &[u8]) -> Result<Self, String> {
        let file = pem::read(text).map_err(|error| error.to_string())?;
        let block = file.blocks.iter().find(|block| block.label == "CERTIFICATE");
        let block = block.ok_or("it holds no PEM certificate (BEGIN CERTIFICATE)")?;
        let certificate = Certificate::parse(&block.contents)?;
        Ok(Self { certificate, pem: Bytes::copy_from_slice(&text[block.span.clone()]) })
    }

    pub(crate) fn matches(&self, key: &PrivateKey) -> bool {
        self.certificate.key.as_ref().is_ok_and(|public| public.point() == key.point())
    }
}
