//! Proof tokens: values that exist only because a check succeeded.
//!
//! [`Certified`] means that a certificate chains to its MSP and has roles there (no time involved: callers may cache
//! it by bytes). [`VerifiedIdentity`] means besides that it was valid at a time. [`VerifiedSignature`] means that this
//! identity signed a message. None can be made outside this crate, so that a policy cannot be fed unchecked claims.
//! Whether an identity is registered or revoked is not known here: that is the ledger's knowledge.

use std::{collections::BTreeMap, fmt, sync::Arc};

use protocol::{MspId, Poi, Role};

use crate::{
    certificate::Certificate,
    key::{self, SignatureKey},
    rejection::{IdentityRejection, SignatureRejection},
};

/// A certificate that chains to its MSP, with its roles and its parsed key: everything but expiry.
pub struct Certified {
    msp_id: MspId,
    roles: Vec<Role>,
    key: SignatureKey,
    certificate: Certificate,
}

impl Certified {
    pub(crate) fn new(msp_id: MspId, roles: Vec<Role>, key: SignatureKey, certificate: Certificate) -> Self {
        Self { msp_id, roles, key, certificate }
    }

    /// The identity, if its certificate is valid at `at_ms` (Unix milliseconds; both ends included).
    ///
    /// # Errors
    /// [`IdentityRejection::ExpiredCertificate`] and [`IdentityRejection::NotYetValid`].
    pub fn at(self: &Arc<Self>, at_ms: u64) -> Result<VerifiedIdentity, IdentityRejection> {
        let Certificate { not_before_ms, not_after_ms, subject_text, .. } = &self.certificate;
        if at_ms < *not_before_ms {
            let subject = subject_text.clone();
            return Err(IdentityRejection::NotYetValid { subject, not_before_ms: *not_before_ms, at_ms });
        }
        if at_ms > *not_after_ms {
            let subject = subject_text.clone();
            return Err(IdentityRejection::ExpiredCertificate {
                subject,
                not_after_ms: *not_after_ms,
                at_ms,
            });
        }
        Ok(VerifiedIdentity { certified: Arc::clone(self) })
    }

    /// The organisation.
    #[must_use]
    pub fn msp_id(&self) -> &MspId {
        &self.msp_id
    }

    /// SHA-256 of the certificate's SubjectPublicKeyInfo.
    #[must_use]
    pub fn poi(&self) -> Poi {
        self.certificate.poi
    }

    /// The roles, sorted; `Member` is always among them.
    #[must_use]
    pub fn roles(&self) -> &[Role] {
        &self.roles
    }

    /// DER of the certificate.
    #[must_use]
    pub fn certificate_der(&self) -> &[u8] {
        &self.certificate.der
    }
}

impl fmt::Debug for Certified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certified")
            .field("msp_id", &self.msp_id)
            .field("poi", &self.certificate.poi)
            .field("roles", &self.roles)
            .finish_non_exhaustive()
    }
}

/// An identity whose certificate was checked against its MSP and was valid at the time asked about.
///
/// Two are equal when organisation and key are: a renewed certificate is the same identity. Cloning is cheap.
#[derive(Clone)]
pub struct VerifiedIdentity {
    certified: Arc<Certified>,
}

impl VerifiedIdentity {
    /// The organisation.
    #[must_use]
    pub fn msp_id(&self) -> &MspId {
        &self.certified.msp_id
    }

    /// SHA-256 of the certificate's SubjectPublicKeyInfo.
    #[must_use]
    pub fn poi(&self) -> Poi {
        self.certified.certificate.poi
    }

    /// The roles, sorted; `Member` is always among them.
    #[must_use]
    pub fn roles(&self) -> &[Role] {
        &self.certified.roles
    }

    /// Whether the identity has `role`.
    #[must_use]
    pub fn has_role(&self, role: Role) -> bool {
        self.certified.roles.contains(&role)
    }

    /// The first common name of the certificate's subject, or an empty text.
    #[must_use]
    pub fn subject_common_name(&self) -> &str {
        self.certified.certificate.common_name.as_deref().unwrap_or_default()
    }

    /// The end of the certificate's validity, Unix milliseconds.
    #[must_use]
    pub fn not_after_ms(&self) -> u64 {
        self.certified.certificate.not_after_ms
    }

    /// Attributes that Fabric CA wrote into the certificate (extension 1.2.3.4.5.6.7.8.1); empty where there are none
    /// or they are not its JSON.
    #[must_use]
    pub fn attributes(&self) -> &BTreeMap<String, String> {
        &self.certified.certificate.attributes
    }

    /// DER of the certificate.
    #[must_use]
    pub fn certificate_der(&self) -> &[u8] {
        &self.certified.certificate.der
    }

    /// The time-independent part, to be cached by callers.
    #[must_use]
    pub fn certified(&self) -> &Arc<Certified> {
        &self.certified
    }

    /// Proof that this identity signed `message`: ECDSA P-256 with SHA-256 (strict DER, low s), or Ed25519 (ZIP 215).
    ///
    /// # Errors
    /// [`SignatureRejection`]: malformed, high s, or not made by this key over this message.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<VerifiedSignature, SignatureRejection> {
        self.certified.key.verify(message, signature)?;
        Ok(VerifiedSignature { identity: self.clone() })
    }

    pub(crate) fn key(&self) -> &SignatureKey {
        &self.certified.key
    }
}

/// A signature that is to be verified: who is said to have signed what.
#[derive(Clone, Copy, Debug)]
pub struct SignatureClaim<'a> {
    /// Who.
    pub identity: &'a VerifiedIdentity,
    /// What: two parts that follow each other, so that nobody joins large messages before their turn.
    pub message: [&'a [u8]; 2],
    /// The signature.
    pub signature: &'a [u8],
}

/// The verdict on each claim, in their order: the same as [`VerifiedIdentity::verify`] gives it alone. Ed25519 signatures
/// are verified together, the faster the fewer keys made them.
#[must_use]
pub fn verify_all(claims: &[SignatureClaim<'_>]) -> Vec<Result<VerifiedSignature, SignatureRejection>> {
    let verdicts = claims.iter().zip(key::verify_all(claims));
    let signed = |claim: &SignatureClaim<'_>| VerifiedSignature { identity: claim.identity.clone() };
    verdicts.map(|(claim, verdict)| verdict.map(|()| signed(claim))).collect()
}

impl PartialEq for VerifiedIdentity {
    fn eq(&self, other: &Self) -> bool {
        self.msp_id() == other.msp_id() && self.poi() == other.poi()
    }
}

impl Eq for VerifiedIdentity {}

impl fmt::Debug for VerifiedIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedIdentity")
            .field("msp_id", self.msp_id())
            .field("poi", &self.poi())
            .field("roles", &self.roles())
            .finish_non_exhaustive()
    }
}

/// Proof that an identity signed the message that its holder checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedSignature {
    identity: VerifiedIdentity,
}

impl VerifiedSignature {
    /// For a signature that held before.
    pub(crate) fn remembered(identity: &VerifiedIdentity) -> Self {
        Self { identity: identity.clone() }
    }

    /// Who signed.
    #[must_use]
    pub fn identity(&self) -> &VerifiedIdentity {
        &self.identity
    }
}
