//! Public keys and the one function that verifies with them, for messages and for certificates alike.
//!
//! A key is taken only in one encoding (named curve and uncompressed point; RFC 8410 and canonical point for Ed25519),
//! because the PoI is a hash of that encoding and one key must have one PoI. Identities sign with P-256 or Ed25519;
//! authorities may have P-384 keys besides.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1,
    EcdsaVerificationAlgorithm, ParsedPublicKey, UnparsedPublicKey,
};

use crate::{
    ecdsa,
    ed25519::{self, Ed25519Key},
    identity::SignatureClaim,
    rejection::SignatureRejection,
};

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
/// SubjectPublicKeyInfo of an Ed25519 key up to its 32 bytes (RFC 8410).
const ED25519_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Algorithm identifiers by which an unsupported key is named: id-ecPublicKey, rsaEncryption.
const EC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const RSA_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// id-Ed25519: of keys and of signatures (RFC 8410).
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

/// ecdsa-with-SHA256 and ecdsa-with-SHA384 (RFC 5758).
const ECDSA_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
const ECDSA_SHA384: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03];

/// A public key in its one accepted encoding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PublicKey {
    /// The uncompressed point.
    P256(Vec<u8>),
    /// The uncompressed point.
    P384(Vec<u8>),
    Ed25519(Ed25519Key),
}

impl PublicKey {
    /// Reads a SubjectPublicKeyInfo; the error names the key type that was found. `algorithm` is the content of its
    /// algorithm identifier's OID.
    pub(crate) fn from_spki(spki: &[u8], algorithm: &[u8]) -> Result<Self, String> {
        if let Some(key) = spki.strip_prefix(&ED25519_PREFIX) {
            return Ed25519Key::from_bytes(key).map(Self::Ed25519).map_err(str::to_owned);
        }
        if let Some(point) = uncompressed(spki, &P256_PREFIX, P256_POINT_BYTES) {
            return Ok(Self::P256(point));
        }
        if let Some(point) = uncompressed(spki, &P384_PREFIX, P384_POINT_BYTES) {
            return Ok(Self::P384(point));
        }
        Err(match algorithm {
            EC_KEY => "an elliptic curve key of another curve or point form".to_owned(),
            RSA_KEY => "RSA".to_owned(),
            ED25519 => "an Ed25519 key in another form than RFC 8410's".to_owned(),
            other => format!("algorithm {other:02x?}"),
        })
    }

    /// The point's bytes: what a key identifier is the hash of.
    pub(crate) fn point(&self) -> &[u8] {
        match self {
            Self::P256(point) | Self::P384(point) => point,
            Self::Ed25519(key) => key.as_bytes(),
        }
    }

    /// Whether `signature` over `message` was made by this key with the certificate signature algorithm `oid`.
    /// Certificates may carry a high s: nobody compares certificates by their bytes.
    pub(crate) fn has_signed_certificate(&self, oid: &[u8], message: &[u8], signature: &[u8]) -> bool {
        let (algorithm, point): (&EcdsaVerificationAlgorithm, _) = match (self, oid) {
            (Self::P256(point), ECDSA_SHA256) => (&ECDSA_P256_SHA256_ASN1, point),
            (Self::P256(point), ECDSA_SHA384) => (&ECDSA_P256_SHA384_ASN1, point),
            (Self::P384(point), ECDSA_SHA256) => (&ECDSA_P384_SHA256_ASN1, point),
            (Self::P384(point), ECDSA_SHA384) => (&ECDSA_P384_SHA384_ASN1, point),
            (Self::Ed25519(key), ED25519) => return key.verify(message, signature).is_ok(),
            _ => return false,
        };
        UnparsedPublicKey::new(algorithm, point).verify(message, signature).is_ok()
    }
}

fn uncompressed(spki: &[u8], prefix: &[u8], length: usize) -> Option<Vec<u8>> {
    let point = spki.strip_prefix(prefix)?;
    (point.len() == length && point.first() == Some(&UNCOMPRESSED)).then(|| point.to_vec())
}

/// An identity's key, parsed once and kept.
#[derive(Clone, Debug)]
pub(crate) enum SignatureKey {
    P256(ParsedPublicKey),
    Ed25519(Ed25519Key),
}

impl SignatureKey {
    /// The key that identities sign with; the error names the key type or fault found.
    pub(crate) fn new(key: &PublicKey) -> Result<Self, String> {
        match key {
            PublicKey::P256(point) => ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point)
                .map(Self::P256)
                .map_err(|_| "a P-256 key whose point is not on the curve".to_owned()),
            PublicKey::P384(_) => Err("ECDSA P-384".to_owned()),
            PublicKey::Ed25519(key) => Ok(Self::Ed25519(*key)),
        }
    }

    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureRejection> {
        match self {
            Self::P256(key) => {
                ecdsa::check(signature)?;
                key.verify_sig(message, signature).map_err(|_| SignatureRejection::BadSignature)
            }
            Self::Ed25519(key) => key.verify(message, signature),
        }
    }
}

/// The verdict on each claim, in their order: what its key's `verify` says of it alone. Ed25519 signatures are verified
/// together; ECDSA has no such way.
pub(crate) fn verify_all(claims: &[SignatureClaim<'_>]) -> Vec<Result<(), SignatureRejection>> {
    let together = claims.iter().filter_map(|claim| match claim.identity.key() {
        SignatureKey::Ed25519(key) => {
            Some(ed25519::Claim { key, message: claim.message, signature: claim.signature })
        }
        SignatureKey::P256(_) => None,
    });
    let mut together = ed25519::verify_all(&together.collect::<Vec<_>>()).into_iter();
    let verdicts = claims.iter().map(|claim| {
        let key = claim.identity.key();
        let verdict = match key {
            SignatureKey::Ed25519(_) => together.next(),
            SignatureKey::P256(_) => None,
        };
        verdict.unwrap_or_else(|| key.verify(&claim.message.concat(), claim.signature))
    });
    verdicts.collect()
}
