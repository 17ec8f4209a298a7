//! Public keys and the one function that verifies with them, for messages and for certificates alike.
//!
//! A key is taken only in one encoding (named curve, uncompressed point), because the PoI is a hash of that encoding and
//! one key must have one PoI. The set of types is open: Ed25519 (ZIP 215) is a later step and today is refused by name.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1,
    EcdsaVerificationAlgorithm, ParsedPublicKey, UnparsedPublicKey,
};

use crate::{ecdsa, rejection::SignatureRejection};

/// SubjectPublicKeyInfo of a P-256 key up to its uncompressed point (RFC 5480).
const P256_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
const P256_POINT_BYTES: usize = 65;
/// The same for P-384.
const P384_PREFIX: [u8; 23] = [
    0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81,
    0x04, 0x00, 0x22, 0x03, 0x62, 0x00,
];
const P384_POINT_BYTES: usize = 97;
const UNCOMPRESSED: u8 = 4;

/// Algorithm identifiers by which an unsupported key is named: id-ecPublicKey, rsaEncryption, id-Ed25519.
const EC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const RSA_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const ED25519_KEY: &[u8] = &[0x2b, 0x65, 0x70];

/// ecdsa-with-SHA256 and ecdsa-with-SHA384 (RFC 5758).
const ECDSA_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
const ECDSA_SHA384: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyType {
    P256,
    P384,
}

/// A public key in its one accepted encoding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PublicKey {
    pub(crate) key_type: KeyType,
    pub(crate) point: Vec<u8>,
}

impl PublicKey {
    /// Reads a SubjectPublicKeyInfo; the error names the key type that was found. `algorithm` is the content of its
    /// algorithm identifier's OID.
    pub(crate) fn from_spki(spki: &[u8], algorithm: &[u8]) -> Result<Self, String> {
        let rows = [
            (&P256_PREFIX[..], P256_POINT_BYTES, KeyType::P256),
            (&P384_PREFIX[..], P384_POINT_BYTES, KeyType::P384),
        ];
        for (prefix, length, key_type) in rows {
            match spki.strip_prefix(prefix) {
                Some(point) if point.len() == length && point.first() == Some(&UNCOMPRESSED) => {
                    return Ok(Self { key_type, point: point.to_vec() });
                }
                _ => {}
            }
        }
        Err(match algorithm {
            EC_KEY => "an elliptic curve key of another curve or point form".to_owned(),
            RSA_KEY => "RSA".to_owned(),
            ED25519_KEY => "Ed25519".to_owned(),
            other => format!("algorithm {other:02x?}"),
        })
    }

    /// Whether `signature` over `message` was made by this key with the certificate signature algorithm `oid`.
    /// Certificates may carry a high s: nobody compares certificates by their bytes.
    pub(crate) fn has_signed_certificate(&self, oid: &[u8], message: &[u8], signature: &[u8]) -> bool {
        let algorithm: &EcdsaVerificationAlgorithm = match (self.key_type, oid) {
            (KeyType::P256, ECDSA_SHA256) => &ECDSA_P256_SHA256_ASN1,
            (KeyType::P256, ECDSA_SHA384) => &ECDSA_P256_SHA384_ASN1,
            (KeyType::P384, ECDSA_SHA256) => &ECDSA_P384_SHA256_ASN1,
            (KeyType::P384, ECDSA_SHA384) => &ECDSA_P384_SHA384_ASN1,
            _ => return false,
        };
        UnparsedPublicKey::new(algorithm, &self.point).verify(message, signature).is_ok()
    }
}

/// An identity's key, parsed once and kept.
#[derive(Clone, Debug)]
pub(crate) enum SignatureKey {
    P256(ParsedPublicKey),
}

impl SignatureKey {
    /// The key that identities sign with; the error names the key type or fault found.
    pub(crate) fn new(key: &PublicKey) -> Result<Self, String> {
        match key.key_type {
            KeyType::P256 => ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &key.point)
                .map(Self::P256)
                .map_err(|_| "a P-256 key whose point is not on the curve".to_owned()),
            KeyType::P384 => Err("ECDSA P-384".to_owned()),
        }
    }

    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureRejection> {
        match self {
            Self::P256(key) => {
                ecdsa::check(signature)?;
                key.verify_sig(message, signature).map_err(|_| SignatureRejection::BadSignature)
            }
        }
    }
}
