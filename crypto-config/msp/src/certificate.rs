//! Reads one X.509 certificate into the facts that the rules of this crate look at.
//!
//! Reading checks form only: one DER certificate without trailing bytes, no extension twice, none that fails to parse.
//! Who signed it, and what it may do, is decided in `chain`, `roles` and `verifier`. Structure: RFC 5280.

use std::collections::BTreeMap;

use bytes::Bytes;
use protocol::{Digest, Poi};
use serde::Deserialize;
use x509_parser::{
    certificate::X509Certificate,
    extensions::{ParsedExtension, X509Extension},
    prelude::FromDer,
    time::ASN1Time,
    x509::{AttributeTypeAndValue, X509Name},
};

use crate::key::PublicKey;

/// The largest certificate that is read; real ones have about 1 kB.
pub(crate) const CERTIFICATE_BYTES_MAX: usize = 16 << 10;
/// Names in error texts are cut here, so that a hostile subject cannot fill a log.
const NAME_CHARS_MAX: usize = 200;

/// Contents of object identifiers (without tag and length).
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25];
const SUBJECT_ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 0x11];
/// 1.2.3.4.5.6.7.8.1: attributes as Fabric CA writes them.
const FABRIC_CA_ATTRIBUTES: &[u8] = &[0x2a, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x01];

/// What the key usage extension allows, where it is present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyUsage {
    pub(crate) digital_signature: bool,
    pub(crate) certificate_sign: bool,
}

/// The facts of one certificate.
#[derive(Clone, Debug)]
pub(crate) struct Certificate {
    pub(crate) der: Bytes,
    /// Raw bytes that the issuer signed.
    tbs: Vec<u8>,
    signature_algorithm: Vec<u8>,
    signature: Vec<u8>,
    /// Whether what follows the signed bytes is in the one form that ECDSA and Ed25519 certificates have.
    has_plain_signature: bool,
    /// Raw DER names: compared byte by byte, as Fabric does.
    pub(crate) issuer: Vec<u8>,
    pub(crate) subject: Vec<u8>,
    pub(crate) issuer_text: String,
    pub(crate) subject_text: String,
    pub(crate) common_name: Option<String>,
    pub(crate) organizational_units: Vec<String>,
    pub(crate) poi: Poi,
    /// The key, or the name of its unsupported type.
    pub(crate) key: Result<PublicKey, String>,
    pub(crate) not_before_ms: u64,
    pub(crate) not_after_ms: u64,
    pub(crate) is_ca: bool,
    pub(crate) path_length: Option<u32>,
    pub(crate) key_usage: Option<KeyUsage>,
    /// The first critical extension that this crate does not understand.
    pub(crate) unknown_critical: Option<String>,
    pub(crate) attributes: BTreeMap<String, String>,
}

impl Certificate {
    /// Reads `der`; the error says what is wrong with it.
    pub(crate) fn parse(der: &[u8]) -> Result<Self, String> {
        let certificate = parse_x509(der)?;
        check_extensions(&certificate)?;
        let constraints = certificate.basic_constraints().map_err(|error| error.to_string())?;
        let key_usage = certificate.key_usage().map_err(|error| error.to_string())?;
        let spki = &certificate.tbs_certificate.subject_pki;
        let subject = &certificate.tbs_certificate.subject;
        let issuer = &certificate.tbs_certificate.issuer;
        let validity = &certificate.tbs_certificate.validity;
        Ok(Self {
            der: Bytes::copy_from_slice(der),
            tbs: certificate.tbs_certificate.as_ref().to_vec(),
            signature_algorithm: certificate.signature_algorithm.algorithm.as_bytes().to_vec(),
            signature: certificate.signature_value.data.to_vec(),
            has_plain_signature: has_plain_signature(der, &certificate),
            issuer: issuer.as_raw().to_vec(),
            subject: subject.as_raw().to_vec(),
            issuer_text: text(issuer),
            subject_text: text(subject),
            common_name: values(subject.iter_common_name()).into_iter().next(),
            organizational_units: values(subject.iter_organizational_unit()),
            poi: Poi::from_digest(Digest::of(spki.raw).0),
            key: PublicKey::from_spki(spki.raw, spki.algorithm.algorithm.as_bytes()),
            not_before_ms: unix_ms(validity.not_before),
            not_after_ms: unix_ms(validity.not_after),
            is_ca: constraints.as_ref().is_some_and(|extension| extension.value.ca),
            path_length: constraints.as_ref().and_then(|extension| extension.value.path_len_constraint),
            key_usage: key_usage.map(|extension| KeyUsage {
                digital_signature: extension.value.digital_signature(),
                certificate_sign: extension.value.key_cert_sign(),
            }),
            unknown_critical: unknown_critical(certificate.extensions()),
            attributes: attributes(certificate.extensions()),
        })
    }

    /// Whether `issuer` bears the issuer's name and its key signed this certificate's raw bytes.
    pub(crate) fn is_signed_by(&self, issuer: &Self) -> bool {
        self.issuer == issuer.subject
            && self.has_plain_signature
            && issuer.key.as_ref().is_ok_and(|key| {
                key.has_signed_certificate(&self.signature_algorithm, &self.tbs, &self.signature)
            })
    }

    pub(crate) fn is_self_issued(&self) -> bool {
        self.issuer == self.subject
    }

    /// Fabric's subject key identifier: SHA-256 of the point, hex.
    pub(crate) fn ski(&self) -> String {
        self.key.as_ref().map_or_else(|found| found.clone(), |key| ski(key.point()))
    }
}

/// SHA-256 of a point (uncompressed, or the 32 bytes of Ed25519), hex: the name that Fabric gives to a key.
pub(crate) fn ski(point: &[u8]) -> String {
    Digest::of(point).to_string()
}

/// SHA-256 of the SubjectPublicKeyInfo of a DER certificate of any key type: the PoI of a signing certificate, the
/// `tls_spki` entry of a TLS certificate.
///
/// # Errors
/// [`IdentityRejection::Malformed`](crate::IdentityRejection::Malformed) where `der` is not one certificate.
pub fn spki_sha256(der: &[u8]) -> Result<[u8; 32], crate::IdentityRejection> {
    let certificate = parse_x509(der).map_err(|what| crate::IdentityRejection::Malformed { what })?;
    Ok(Digest::of(certificate.tbs_certificate.subject_pki.raw).0)
}

fn parse_x509(der: &[u8]) -> Result<X509Certificate<'_>, String> {
    if der.len() > CERTIFICATE_BYTES_MAX {
        return Err(format!("a certificate of {} bytes; the limit is {CERTIFICATE_BYTES_MAX}", der.len()));
    }
    let (rest, certificate) =
        X509Certificate::from_der(der).map_err(|_| "it is not a DER X.509 certificate".to_owned())?;
    if !rest.is_empty() {
        return Err(format!("{} bytes follow the certificate", rest.len()));
    }
    if certificate.signature_algorithm != certificate.tbs_certificate.signature {
        return Err("its two signature algorithm fields differ".to_owned());
    }
    Ok(certificate)
}

/// Whether the bytes after the signed part are exactly an algorithm without parameters (RFC 5758, RFC 8410) and a bit
/// string of whole bytes. The parser is more lenient there, and no signature covers those bytes.
fn has_plain_signature(der: &[u8], certificate: &X509Certificate<'_>) -> bool {
    let header = match der.get(1) {
        Some(0x81) => 3,
        Some(0x82) => 4,
        _ => 2,
    };
    let oid = certificate.signature_algorithm.algorithm.as_bytes();
    let signature = &certificate.signature_value.data;
    let (Ok(oid_length), Ok(length)) = (u8::try_from(oid.len()), u8::try_from(signature.len())) else {
        return false;
    };
    if oid_length > 0x70 || length > 0x70 {
        return false;
    }
    let algorithm = [&[0x30, oid_length + 2, 0x06, oid_length], oid].concat();
    let expected = [&algorithm[..], &[0x03, length + 1, 0x00], signature].concat();
    der.get(header + certificate.tbs_certificate.as_ref().len()..) == Some(&expected[..])
}

fn check_extensions(certificate: &X509Certificate<'_>) -> Result<(), String> {
    let extensions = certificate.extensions();
    for (at, extension) in extensions.iter().enumerate() {
        if extensions[..at].iter().any(|earlier| earlier.oid == extension.oid) {
            return Err(format!("extension {} appears twice", extension.oid.to_id_string()));
        }
        if let ParsedExtension::ParseError { .. } = extension.parsed_extension() {
            return Err(format!("extension {} cannot be read", extension.oid.to_id_string()));
        }
    }
    Ok(())
}

fn unknown_critical(extensions: &[X509Extension<'_>]) -> Option<String> {
    let known = [BASIC_CONSTRAINTS, KEY_USAGE, EXTENDED_KEY_USAGE, SUBJECT_ALTERNATIVE_NAME];
    let mut critical = extensions.iter().filter(|extension| extension.critical);
    let unknown = critical.find(|extension| !known.contains(&extension.oid.as_bytes()))?;
    Some(unknown.oid.to_id_string())
}

#[derive(Deserialize)]
struct AttributeExtension {
    attrs: BTreeMap<String, String>,
}

/// Fabric CA's attributes; text that is not its JSON stands for no attributes.
fn attributes(extensions: &[X509Extension<'_>]) -> BTreeMap<String, String> {
    extensions
        .iter()
        .find(|extension| extension.oid.as_bytes() == FABRIC_CA_ATTRIBUTES)
        .and_then(|extension| serde_json::from_slice::<AttributeExtension>(extension.value).ok())
        .map(|extension| extension.attrs)
        .unwrap_or_default()
}

fn values<'a>(attributes: impl Iterator<Item = &'a AttributeTypeAndValue<'a>>) -> Vec<String> {
    attributes.filter_map(|attribute| attribute.as_str().ok()).map(str::to_owned).collect()
}

fn text(name: &X509Name<'_>) -> String {
    let text = name.to_string();
    if text.is_empty() {
        return "an empty name".to_owned();
    }
    text.chars().filter(|character| !character.is_control()).take(NAME_CHARS_MAX).collect()
}

/// Unix milliseconds; times before 1970 are 0.
fn unix_ms(time: ASN1Time) -> u64 {
    u64::try_from(time.timestamp()).unwrap_or(0).saturating_mul(1_000)
}
