//! The public keys of certificates: ECDSA on P-256, or Ed25519.
//!
//! A key stands in a certificate in one form only (uncompressed point; RFC 8410), because the PoI of its holder is a hash
//! of that form. Ed25519 keys are read, and their signatures verified, by `msp`'s one rule.

use std::fmt;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ParsedPublicKey};
use msp::Ed25519Key;
use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PublicKeyData, SignatureAlgorithm};
use sha2::{Digest, Sha256};

use crate::IssuingError;

/// Length of an uncompressed point: 0x04, x, y.
const POINT_LENGTH: usize = 65;
/// SubjectPublicKeyInfo of a P-256 key up to the point: id-ecPublicKey, prime256v1, BIT STRING.
const P256_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// SubjectPublicKeyInfo of an Ed25519 key up to its 32 bytes: id-Ed25519, BIT STRING.
const ED25519_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// ecdsa-with-SHA256 as an AlgorithmIdentifier (RFC 5758).
const ECDSA_WITH_SHA256: &[u8] = &[0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
/// id-Ed25519 as an AlgorithmIdentifier (RFC 8410).
const ED25519: &[u8] = &[0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70];

/// The kinds of keys that sign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyAlgorithm {
    /// ECDSA on P-256 with SHA-256.
    #[default]
    Ecdsa,
    /// Ed25519.
    Ed25519,
}

impl fmt::Display for KeyAlgorithm {
    /// The name that Fabric's templates use.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ecdsa => "ecdsa",
            Self::Ed25519 => "ed25519",
        })
    }
}

/// A public key, known to be a point of its curve.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(Point);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Point {
    P256([u8; POINT_LENGTH]),
    Ed25519(Ed25519Key),
}

impl PublicKey {
    /// Returns the key that a DER SubjectPublicKeyInfo holds.
    ///
    /// # Errors
    /// [`IssuingError::UnsupportedKey`] for any other algorithm or form, or what is no point of the curve.
    pub fn from_spki_der(spki: &[u8]) -> Result<Self, IssuingError> {
        let ed25519 = || Self::ed25519(spki.strip_prefix(ED25519_PREFIX.as_slice())?);
        let p256 = || Self::p256(spki.strip_prefix(P256_PREFIX.as_slice())?);
        p256().or_else(ed25519).ok_or(IssuingError::UnsupportedKey {
            what: "public key",
            needed: "an ECDSA key on P-256 with an uncompressed point, or an Ed25519 key,",
        })
    }

    /// The key of an uncompressed point of P-256.
    pub(crate) fn p256(point: &[u8]) -> Option<Self> {
        let point: [u8; POINT_LENGTH] = point.try_into().ok()?;
        ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).ok()?;
        Some(Self(Point::P256(point)))
    }

    /// The key of 32 bytes of Ed25519.
    pub(crate) fn ed25519(bytes: &[u8]) -> Option<Self> {
        Ed25519Key::from_bytes(bytes).ok().map(|key| Self(Point::Ed25519(key)))
    }

    /// Returns the kind of key.
    pub fn key_algorithm(&self) -> KeyAlgorithm {
        match &self.0 {
            Point::P256(_) => KeyAlgorithm::Ecdsa,
            Point::Ed25519(_) => KeyAlgorithm::Ed25519,
        }
    }

    /// Returns the DER SubjectPublicKeyInfo; its SHA-256 is the PoI of whoever holds the key.
    pub fn spki_der(&self) -> Vec<u8> {
        let prefix = match &self.0 {
            Point::P256(_) => P256_PREFIX.as_slice(),
            Point::Ed25519(_) => ED25519_PREFIX.as_slice(),
        };
        [prefix, self.der_bytes()].concat()
    }

    /// Returns the key identifier of our authorities: SHA-256 of the point (uncompressed; the 32 bytes of Ed25519), 32
    /// bytes as in Fabric.
    pub fn key_identifier(&self) -> [u8; 32] {
        Sha256::digest(self.der_bytes()).into()
    }

    /// True when `signature` (DER; 64 bytes of Ed25519) over `message` was made with this key.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.0 {
            Point::P256(point) => ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point)
                .is_ok_and(|key| key.verify_sig(message, signature).is_ok()),
            Point::Ed25519(key) => key.verify(message, signature).is_ok(),
        }
    }

    /// The AlgorithmIdentifier (DER) of the signatures that this key makes.
    pub(crate) fn signature_algorithm(&self) -> &'static [u8] {
        match self.key_algorithm() {
            KeyAlgorithm::Ecdsa => ECDSA_WITH_SHA256,
            KeyAlgorithm::Ed25519 => ED25519,
        }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.key_identifier();
        write!(f, "PublicKey({a:02x}{b:02x}{c:02x}{d:02x}..)")
    }
}

impl PublicKeyData for PublicKey {
    fn der_bytes(&self) -> &[u8] {
        match &self.0 {
            Point::P256(point) => point,
            Point::Ed25519(key) => key.as_bytes(),
        }
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        match self.key_algorithm() {
            KeyAlgorithm::Ecdsa => &PKCS_ECDSA_P256_SHA256,
            KeyAlgorithm::Ed25519 => &PKCS_ED25519,
        }
    }
}
