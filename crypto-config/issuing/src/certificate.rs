//! An X.509 certificate as far as issuing needs to look into it.
//!
//! Splits a certificate into the parts that tell who issued it to whom and for which key. It does not judge it:
//! expiry, revocation, roles and chains are the business of `msp`. Structure: RFC 5280, section 4.1.

use std::fmt;

use crate::armor;
use crate::der::{
    BIT_STRING, BOOLEAN, Element, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, Reader, SEQUENCE, SET,
};
use crate::extensions::subject_alt_names_value;
use crate::{IssuingError, PublicKey, SubjectAltName};

const VERSION_TAG: u8 = 0xa0;
const EXTENSIONS_TAG: u8 = 0xa3;

const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const ORGANIZATIONAL_UNIT: &[u8] = &[0x55, 0x04, 0x0b];
const SUBJECT_KEY_IDENTIFIER: &[u8] = &[0x55, 0x1d, 0x0e];
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];

/// A certificate over a P-256 or Ed25519 key.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    signed_part: Vec<u8>,
    signature_algorithm: Vec<u8>,
    signature: Vec<u8>,
    issuer: Vec<u8>,
    subject: Vec<u8>,
    public_key: PublicKey,
    extensions: Vec<Extension>,
}

#[derive(Clone, PartialEq, Eq)]
struct Extension {
    oid: Vec<u8>,
    value: Vec<u8>,
}

impl Certificate {
    /// Returns the certificate of a PEM (`BEGIN CERTIFICATE`).
    ///
    /// # Errors
    /// [`IssuingError::TooLong`], [`IssuingError::NotPem`], [`IssuingError::Malformed`], or
    /// [`IssuingError::UnsupportedKey`] when the certified key is of another kind.
    pub fn from_pem(text: &str) -> Result<Self, IssuingError> {
        Self::from_der(&armor::open(text, "certificate", armor::CERTIFICATE)?)
    }

    /// Returns the certificate of its DER bytes.
    ///
    /// # Errors
    /// As [`Certificate::from_pem`], apart from the PEM.
    pub fn from_der(der: &[u8]) -> Result<Self, IssuingError> {
        let parts = Parts::split(der).map_err(malformed)?;
        check_name(parts.issuer).map_err(malformed)?;
        check_name(parts.subject).map_err(malformed)?;
        Ok(Self {
            der: der.to_vec(),
            signed_part: parts.signed_part.to_vec(),
            signature_algorithm: parts.signature_algorithm.to_vec(),
            signature: parts.signature.to_vec(),
            issuer: parts.issuer.to_vec(),
            subject: parts.subject.to_vec(),
            public_key: PublicKey::from_spki_der(parts.spki)?,
            extensions: parts.extensions,
        })
    }

    /// Returns the DER bytes.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Returns the PEM text, with lines of 64 characters.
    pub fn pem(&self) -> String {
        armor::close(&self.der, armor::CERTIFICATE).to_string()
    }

    /// Returns the certified key.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// Returns the subject's common name, or the empty string if it has none.
    pub fn common_name(&self) -> String {
        attributes(&self.subject, COMMON_NAME).pop().unwrap_or_default()
    }

    /// Returns the subject's organisational units, in the certificate's order.
    pub fn organizational_units(&self) -> Vec<String> {
        attributes(&self.subject, ORGANIZATIONAL_UNIT)
    }

    /// True when the certificate names exactly `names`, in this order.
    pub fn has_subject_alt_names(&self, names: &[SubjectAltName]) -> bool {
        match self.extension(SUBJECT_ALT_NAME) {
            Some(value) => value == subject_alt_names_value(names),
            None => names.is_empty(),
        }
    }

    /// True when the certificate may issue others (basic constraints with CA:TRUE).
    pub fn is_authority(&self) -> bool {
        let Some(value) = self.extension(BASIC_CONSTRAINTS) else { return false };
        let Ok(constraints) = Reader::new(value).next(SEQUENCE) else { return false };
        Reader::new(constraints.content).next(BOOLEAN).is_ok_and(|flag| flag.content == [0xff])
    }

    /// Asks that `authority` issued this certificate: names meet, and the signature is by its key.
    ///
    /// # Errors
    /// [`IssuingError::NotIssued`], saying which check failed.
    pub fn check_issued_by(&self, authority: &Certificate) -> Result<(), IssuingError> {
        let detail = if self.issuer != authority.subject {
            "its issuer has another name"
        } else if self.signature_algorithm != authority.public_key.signature_algorithm() {
            "its issuer's key is of another kind than its signature"
        } else if !authority.public_key.verifies(&self.signed_part, &self.signature) {
            "its issuer has the same name, but another key"
        } else {
            return Ok(());
        };
        Err(IssuingError::NotIssued {
            subject: self.common_name(),
            authority: authority.common_name(),
            detail,
        })
    }

    /// The identifier that issued certificates name as their authority's.
    pub(crate) fn key_identifier(&self) -> Vec<u8> {
        self.extension(SUBJECT_KEY_IDENTIFIER)
            .and_then(|value| Reader::new(value).next(OCTET_STRING).ok())
            .map_or_else(
                || self.public_key.key_identifier().to_vec(),
                |identifier| identifier.content.to_vec(),
            )
    }

    /// The issuer's name as it was written.
    pub(crate) fn issuer(&self) -> &[u8] {
        &self.issuer
    }

    /// The subject's name as it was written.
    pub(crate) fn subject(&self) -> &[u8] {
        &self.subject
    }

    fn extension(&self, oid: &[u8]) -> Option<&[u8]> {
        self.extensions
            .iter()
            .find(|extension| extension.oid == oid)
            .map(|extension| extension.value.as_slice())
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("common_name", &self.common_name())
            .field("public_key", &self.public_key)
            .finish_non_exhaustive()
    }
}

/// The parts of a certificate, still in its bytes.
struct Parts<'a> {
    signed_part: &'a [u8],
    signature_algorithm: &'a [u8],
    signature: &'a [u8],
    issuer: &'a [u8],
    subject: &'a [u8],
    spki: &'a [u8],
    extensions: Vec<Extension>,
}

impl<'a> Parts<'a> {
    fn split(der: &'a [u8]) -> Result<Self, &'static str> {
        let mut outer = Reader::new(der);
        let whole = outer.next(SEQUENCE)?;
        outer.finish()?;
        let mut certificate = Reader::new(whole.content);
        let signed = certificate.next(SEQUENCE)?;
        let signature_algorithm = certificate.next(SEQUENCE)?;
        let signature = certificate.next(BIT_STRING)?;
        certificate.finish()?;

        let mut fields = Reader::new(signed.content);
        fields.next(VERSION_TAG)?;
        fields.next(INTEGER)?;
        if fields.next(SEQUENCE)?.raw != signature_algorithm.raw {
            return Err("it names two different signature algorithms");
        }
        let issuer = fields.next(SEQUENCE)?;
        fields.next(SEQUENCE)?; // validity, which is judged elsewhere
        let subject = fields.next(SEQUENCE)?;
        let spki = fields.next(SEQUENCE)?;
        Ok(Self {
            signed_part: signed.raw,
            signature_algorithm: signature_algorithm.raw,
            signature: signature.content.strip_prefix(&[0]).ok_or("its signature has unused bits")?,
            issuer: issuer.raw,
            subject: subject.raw,
            spki: spki.raw,
            extensions: read_extensions(fields)?,
        })
    }
}

fn read_extensions(mut fields: Reader<'_>) -> Result<Vec<Extension>, &'static str> {
    let mut extensions = Vec::new();
    while !fields.is_at_end() {
        let field = fields.next_any()?;
        if field.tag != EXTENSIONS_TAG {
            continue; // the unique identifiers of X.509 version 2
        }
        let mut list = Reader::new(Reader::new(field.content).next(SEQUENCE)?.content);
        while !list.is_at_end() {
            let mut parts = Reader::new(list.next(SEQUENCE)?.content);
            let oid = parts.next(OBJECT_IDENTIFIER)?.content.to_vec();
            if parts.peek_tag() == Some(BOOLEAN) {
                parts.next(BOOLEAN)?;
            }
            let value = parts.next(OCTET_STRING)?.content.to_vec();
            extensions.push(Extension { oid, value });
        }
    }
    Ok(extensions)
}

/// Asks that each part of a name holds at least one attribute: readers further on take that for granted.
fn check_name(name: &[u8]) -> Result<(), &'static str> {
    let mut parts = Reader::new(Reader::new(name).next(SEQUENCE)?.content);
    while !parts.is_at_end() {
        let mut set = Reader::new(parts.next(SET)?.content);
        let mut attributes = 0;
        while !set.is_at_end() {
            attribute(&mut set)?;
            attributes += 1;
        }
        if attributes == 0 {
            return Err("a name has an empty part");
        }
    }
    Ok(())
}

/// Returns the values of one kind of attribute, in the name's order; the name has been checked.
fn attributes(name: &[u8], oid: &[u8]) -> Vec<String> {
    let mut values = Vec::new();
    let Ok(whole) = Reader::new(name).next(SEQUENCE) else { return values };
    let mut parts = Reader::new(whole.content);
    while let Ok(part) = parts.next(SET) {
        let mut set = Reader::new(part.content);
        while let Ok((kind, value)) = attribute(&mut set) {
            if kind == oid {
                values.push(String::from_utf8_lossy(value.content).into_owned());
            }
        }
    }
    values
}

fn attribute<'a>(set: &mut Reader<'a>) -> Result<(&'a [u8], Element<'a>), &'static str> {
    let mut attribute = Reader::new(set.next(SEQUENCE)?.content);
    let kind = attribute.next(OBJECT_IDENTIFIER)?;
    let value = attribute.next_any()?;
    attribute.finish()?;
    Ok((kind.content, value))
}

fn malformed(detail: &'static str) -> IssuingError {
    IssuingError::Malformed { what: "certificate", detail }
}
