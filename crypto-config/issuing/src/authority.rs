//! Certificate authorities: what they put into a certificate, and for how long.
//!
//! Contents are Fabric's (`cryptogen`, release 3.1), apart from two values that no reader depends on: signatures
//! have the lower `s`, and the key identifier is the SHA-256 of the public point. Validity begins five minutes before the nearest full minute, so that a machine whose clock is a
//! little behind accepts a certificate at once, and ends 3650 days later. An authority knows no state: what it
//! has issued, and whether somebody may ask, others decide.

use rcgen::{CertificateParams, DistinguishedName, IsCa, Issuer, SerialNumber};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use crate::extensions::{Purpose, authority_key_identifier, subject_alt_names, subject_key_identifier};
use crate::subject::Naming;
use crate::{Certificate, IssuingError, KeyAlgorithm, PublicKey, SigningKeyPair, Subject, SubjectAltName};

const MINUTE_MS: u64 = 60_000;
const BACKDATED_SECONDS: i64 = 5 * 60;
const VALID_SECONDS: i64 = 3650 * 24 * 60 * 60;

/// What an authority says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaProfile {
    /// For instance `ca.org1.example.com`.
    pub common_name: String,
    /// The organisation, by its domain.
    pub organization: String,
    /// Unit of the organisation, if it names one; it stays in the authority's own certificate.
    pub organizational_unit: Option<String>,
    /// Where the organisation is.
    pub subject: Subject,
}

/// A signing identity to be certified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityProfile {
    /// Common name: `peer0.org1.example.com`, `User1@org1.example.com`.
    pub name: String,
    /// The role by which `msp` classifies it (`peer`, `orderer`, `admin`, `client`), where NodeOUs are on.
    pub organizational_unit: Option<String>,
    /// Where the organisation is.
    pub subject: Subject,
}

/// A TLS key to be certified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsProfile {
    /// Common name, the same as the identity's.
    pub name: String,
    /// The names under which it serves; none for somebody who only calls.
    pub sans: Vec<SubjectAltName>,
    /// Where the organisation is.
    pub subject: Subject,
}

/// An authority: its certificate and its private key.
#[derive(Debug)]
pub struct CertificateAuthority {
    certificate: Certificate,
    issuer: Issuer<'static, SigningKeyPair>,
}

impl CertificateAuthority {
    /// Returns a new authority with a fresh key on P-256 and a self-signed certificate.
    ///
    /// # Errors
    /// [`IssuingError::UnfitName`], [`IssuingError::TimeOutOfRange`], or a failure of the libraries.
    pub fn create(profile: &CaProfile, now_ms: u64) -> Result<Self, IssuingError> {
        Self::create_for(profile, KeyAlgorithm::Ecdsa, now_ms)
    }

    /// Returns a new authority with a fresh key of that kind and a self-signed certificate.
    ///
    /// # Errors
    /// As [`CertificateAuthority::create`].
    pub fn create_for(
        profile: &CaProfile,
        algorithm: KeyAlgorithm,
        now_ms: u64,
    ) -> Result<Self, IssuingError> {
        let key = SigningKeyPair::generate_for(algorithm)?;
        let name = profile.subject.named(&Naming {
            common_name: &profile.common_name,
            organization: Some(&profile.organization),
            organizational_unit: profile.organizational_unit.as_deref(),
        })?;
        let mut params = parameters(name, Purpose::Authority, now_ms)?;
        params.custom_extensions.push(subject_key_identifier(&key.public_key().key_identifier()));
        let built = params
            .self_signed(&key)
            .map_err(|source| IssuingError::Build { subject: profile.common_name.clone(), source })?;
        Self::assemble(Certificate::from_der(built.der())?, key)
    }

    /// Returns the authority of a certificate and its PKCS#8 key, both PEM.
    ///
    /// # Errors
    /// [`IssuingError::KeyMismatch`], [`IssuingError::NotAnAuthority`], or what reading either text answers.
    pub fn load(certificate_pem: &str, key_pem: &str) -> Result<Self, IssuingError> {
        Self::assemble(Certificate::from_pem(certificate_pem)?, SigningKeyPair::from_pem(key_pem)?)
    }

    fn assemble(certificate: Certificate, key: SigningKeyPair) -> Result<Self, IssuingError> {
        let subject = certificate.common_name();
        if certificate.public_key() != key.public_key() {
            return Err(IssuingError::KeyMismatch { subject });
        }
        if !certificate.is_authority() {
            return Err(IssuingError::NotAnAuthority { subject });
        }
        let issuer = Issuer::from_ca_cert_der(&certificate.der().into(), key)
            .map_err(|source| IssuingError::Build { subject, source })?;
        Ok(Self { certificate, issuer })
    }

    /// Returns the authority's own certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Returns the authority's private key as PKCS#8 PEM, wiped when dropped.
    pub fn private_pem(&self) -> Zeroizing<String> {
        self.issuer.key().private_pem()
    }

    /// Returns a certificate by which `key` signs transactions under the profile's name.
    ///
    /// # Errors
    /// [`IssuingError::UnfitName`], [`IssuingError::TimeOutOfRange`], or a failure of the libraries.
    pub fn issue_identity(
        &self,
        profile: &IdentityProfile,
        key: &PublicKey,
        now_ms: u64,
    ) -> Result<Certificate, IssuingError> {
        let name = profile.subject.named(&Naming {
            common_name: &profile.name,
            organization: None,
            organizational_unit: profile.organizational_unit.as_deref(),
        })?;
        let mut params = parameters(name, Purpose::Identity, now_ms)?;
        params.custom_extensions.push(authority_key_identifier(&self.certificate.key_identifier()));
        self.sign(&params, key, &profile.name)
    }

    /// Returns a certificate by which `key` serves and calls over TLS under the profile's names.
    ///
    /// # Errors
    /// As [`CertificateAuthority::issue_identity`].
    pub fn issue_tls(
        &self,
        profile: &TlsProfile,
        key: &PublicKey,
        now_ms: u64,
    ) -> Result<Certificate, IssuingError> {
        let naming = Naming { common_name: &profile.name, organization: None, organizational_unit: None };
        let mut params = parameters(profile.subject.named(&naming)?, Purpose::Tls, now_ms)?;
        params.custom_extensions.push(authority_key_identifier(&self.certificate.key_identifier()));
        if !profile.sans.is_empty() {
            params.custom_extensions.push(subject_alt_names(&profile.sans));
        }
        self.sign(&params, key, &profile.name)
    }

    fn sign(
        &self,
        params: &CertificateParams,
        key: &PublicKey,
        subject: &str,
    ) -> Result<Certificate, IssuingError> {
        let built = params
            .signed_by(key, &self.issuer)
            .map_err(|source| IssuingError::Build { subject: subject.to_owned(), source })?;
        let certificate = Certificate::from_der(built.der())?;
        // Chains are built by comparing names byte for byte, and rcgen writes the issuer's name anew: a name
        // with repeated attributes, which only a foreign authority has, would come out shorter.
        if certificate.issuer() != self.certificate.subject() {
            return Err(IssuingError::UnfitName {
                name: self.certificate.common_name(),
                detail: "the authority's name has repeated attributes and cannot be written into what it issues",
            });
        }
        Ok(certificate)
    }
}

/// Returns what all certificates share: a random serial number, ten years, and the purpose's extensions.
fn parameters(
    name: DistinguishedName,
    purpose: Purpose,
    now_ms: u64,
) -> Result<CertificateParams, IssuingError> {
    let (not_before, not_after) = validity(now_ms).ok_or(IssuingError::TimeOutOfRange { now_ms })?;
    let mut params = CertificateParams::default();
    params.not_before = not_before;
    params.not_after = not_after;
    params.serial_number = Some(serial_number()?);
    params.distinguished_name = name;
    params.is_ca = IsCa::NoCa;
    params.custom_extensions = purpose.extensions();
    Ok(params)
}

/// Returns the first and the last moment of a certificate that is made at `now_ms`.
fn validity(now_ms: u64) -> Option<(OffsetDateTime, OffsetDateTime)> {
    let minutes = now_ms.checked_add(MINUTE_MS / 2)? / MINUTE_MS;
    let first_seconds = i64::try_from(minutes).ok()?.checked_mul(60)?.checked_sub(BACKDATED_SECONDS)?;
    let last_seconds = first_seconds.checked_add(VALID_SECONDS)?;
    if first_seconds < 0 {
        return None;
    }
    let first = OffsetDateTime::from_unix_timestamp(first_seconds).ok()?;
    let last = OffsetDateTime::from_unix_timestamp(last_seconds).ok()?;
    Some((first, last))
}

/// Returns 16 random bytes, of which the first lies between 0x40 and 0x7f: positive, and always of full length.
fn serial_number() -> Result<SerialNumber, IssuingError> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| IssuingError::Library { action: "draw a serial number" })?;
    bytes[0] = bytes[0] & 0x3f | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

#[cfg(test)]
mod tests;
