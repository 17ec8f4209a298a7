//! The compiled verifier of one organisation: from a certificate to a verified identity.
//!
//! Order of the checks: form, key type, end-entity rules, chain, roles, and at last time. All but time depend on the
//! bytes and the configuration only. Revocation is not decided here: the ledger knows it.

use std::{fmt, sync::Arc};

use protocol::{MspConfig, MspId, Poi};

use crate::{
    certificate::Certificate,
    chain::{BadCa, CaTree, Issuer, OriginOf},
    error::MspError,
    identity::{Certified, VerifiedIdentity},
    key::SignatureKey,
    pem,
    rejection::IdentityRejection,
    roles::RoleRules,
};

/// CA and admin certificates of one organisation; far above any real one.
const CERTIFICATES_MAX: usize = 256;
/// First byte of a DER certificate, which no PEM text begins with.
const DER_SEQUENCE: u8 = 0x30;

/// One organisation's verifier.
pub struct Msp {
    msp_id: MspId,
    cas: CaTree,
    tls_cas: CaTree,
    roles: RoleRules,
}

impl Msp {
    /// Compiles the verifier.
    ///
    /// # Errors
    /// [`MspError`] names the list and the certificate that cannot be used: no root, not a CA, an intermediate that
    /// leads to no root, a role's OU with an unknown CA, too many certificates.
    pub fn new(config: &MspConfig) -> Result<Self, MspError> {
        Self::with_origins(config, &|list, at| format!("{list} certificate {}", at + 1))
    }

    /// [`Msp::new`] with names for the entries of the configuration's lists, so that a folder's errors name files.
    pub(crate) fn with_origins(config: &MspConfig, origin_of: &OriginOf<'_>) -> Result<Self, MspError> {
        let msp_id = config.msp_id.clone();
        let lists = [
            &config.root_certs,
            &config.intermediate_certs,
            &config.admin_certs,
            &config.tls_root_certs,
            &config.tls_intermediate_certs,
        ];
        let count = lists.iter().map(|list| list.len()).sum();
        if count > CERTIFICATES_MAX {
            return Err(MspError::TooManyCertificates { msp_id, count, limit: CERTIFICATES_MAX });
        }
        if config.root_certs.is_empty() {
            return Err(MspError::NoRootCa { msp_id });
        }
        let bad = |BadCa { origin, reason }| MspError::Certificate { msp_id: msp_id.clone(), origin, reason };
        let roots = ("cacerts", &config.root_certs[..]);
        let intermediates = ("intermediatecerts", &config.intermediate_certs[..]);
        let cas = CaTree::new(roots, intermediates, origin_of).map_err(bad)?;
        let roots = ("tlscacerts", &config.tls_root_certs[..]);
        let intermediates = ("tlsintermediatecerts", &config.tls_intermediate_certs[..]);
        let tls_cas = CaTree::new(roots, intermediates, origin_of).map_err(bad)?;
        let roles = RoleRules::new(config, &cas, origin_of)?;
        Ok(Self { msp_id, cas, tls_cas, roles })
    }

    /// The organisation.
    #[must_use]
    pub fn msp_id(&self) -> &MspId {
        &self.msp_id
    }

    /// The identity of `certificate` (DER, or exactly one PEM block) at `at_ms` Unix milliseconds.
    ///
    /// # Errors
    /// [`IdentityRejection`] with the first rule that the certificate breaks.
    pub fn identify(&self, certificate: &[u8], at_ms: u64) -> Result<VerifiedIdentity, IdentityRejection> {
        self.certify(certificate)?.at(at_ms)
    }

    /// The time-independent part of [`Msp::identify`]: form, chain, roles, key.
    ///
    /// # Errors
    /// Every [`IdentityRejection`] but expiry.
    pub fn certify(&self, certificate: &[u8]) -> Result<Arc<Certified>, IdentityRejection> {
        let certificate = parse_der_or_pem(certificate)?;
        let subject = || certificate.subject_text.clone();
        if certificate.is_ca {
            return Err(IdentityRejection::CaAsIdentity { subject: subject() });
        }
        if certificate.key_usage.is_some_and(|usage| !usage.digital_signature) {
            return Err(IdentityRejection::KeyUsage { subject: subject() });
        }
        if let Some(oid) = certificate.unknown_critical.clone() {
            return Err(IdentityRejection::CriticalExtension { subject: subject(), oid });
        }
        let key = certificate.key.as_ref().map_err(Clone::clone).and_then(SignatureKey::new);
        let key = key.map_err(|found| IdentityRejection::UnsupportedKey { subject: subject(), found })?;
        let msp_id = self.msp_id.clone();
        let issuer = match self.cas.issuer_of(&certificate) {
            Issuer::Found(ca) => ca,
            Issuer::Internal(ca) => {
                let issuer = ca.certificate.subject_text.clone();
                return Err(IdentityRejection::InternalCa { msp_id, subject: subject(), issuer });
            }
            Issuer::Unknown => {
                let issuer = certificate.issuer_text.clone();
                return Err(IdentityRejection::ForeignCa { msp_id, subject: subject(), issuer });
            }
        };
        let roles = self.roles.roles_of(&msp_id, &certificate, issuer)?;
        Ok(Arc::new(Certified::new(msp_id, roles, key, certificate)))
    }

    /// Whether a TLS CA of this organisation issued the certificate.
    pub(crate) fn has_issued_tls(&self, certificate: &Certificate) -> bool {
        !certificate.is_ca && matches!(self.tls_cas.issuer_of(certificate), Issuer::Found(_))
    }

    /// Asks that a TLS certificate (DER) is of this organisation: that a TLS CA issued it, and that it is no signing
    /// certificate. An MSP without TLS CAs leaves the first to its channel. Run at a node's start: what fails here would
    /// fail at every connection.
    ///
    /// # Errors
    /// [`MspError::SigningCertificateForTls`], [`MspError::ForeignTlsCa`], [`MspError::Certificate`].
    pub fn check_tls(&self, certificate: &[u8]) -> Result<(), MspError> {
        let msp_id = self.msp_id.clone();
        let certificate = Certificate::parse(certificate).map_err(|reason| MspError::Certificate {
            msp_id: msp_id.clone(),
            origin: "the TLS certificate".to_owned(),
            reason,
        })?;
        if self.has_issued_tls(&certificate) {
            return Ok(());
        }
        let subject = certificate.subject_text.clone();
        if matches!(self.cas.issuer_of(&certificate), Issuer::Found(_)) {
            return Err(MspError::SigningCertificateForTls { msp_id, subject });
        }
        if self.tls_cas.issuing().next().is_none() {
            return Ok(());
        }
        Err(MspError::ForeignTlsCa { msp_id, subject, issuer: certificate.issuer_text })
    }

    /// CAs that may issue, by kind, for the check that no two organisations share one.
    pub(crate) fn issuing_cas(&self) -> [(&'static str, &CaTree); 2] {
        [("identity", &self.cas), ("TLS", &self.tls_cas)]
    }
}

impl fmt::Debug for Msp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Msp").field("msp_id", &self.msp_id).finish_non_exhaustive()
    }
}

/// The PoI of a signing certificate, PEM or DER, whoever issued it.
///
/// # Errors
/// [`IdentityRejection::Malformed`]: it is not exactly one certificate.
pub fn poi_of(certificate: &[u8]) -> Result<Poi, IdentityRejection> {
    parse_der_or_pem(certificate).map(|certificate| certificate.poi)
}

fn parse_der_or_pem(certificate: &[u8]) -> Result<Certificate, IdentityRejection> {
    let malformed = |what: String| IdentityRejection::Malformed { what };
    if certificate.first() == Some(&DER_SEQUENCE) {
        return Certificate::parse(certificate).map_err(malformed);
    }
    let file = pem::read(certificate).map_err(|error| malformed(error.to_string()))?;
    let [block] = file.blocks.as_slice() else {
        return Err(malformed(format!(
            "{} PEM blocks; exactly one certificate is needed",
            file.blocks.len()
        )));
    };
    if block.label != "CERTIFICATE" {
        let label: String = block.label.chars().take(40).collect();
        return Err(malformed(format!("a PEM block '{label}'; a CERTIFICATE is needed")));
    }
    if file.has_other_text {
        return Err(malformed("text outside the PEM block; remove it".to_owned()));
    }
    Certificate::parse(&block.contents).map_err(malformed)
}
