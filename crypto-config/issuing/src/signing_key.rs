//! ECDSA keys on P-256: the keys of certificates, of TLS, and of authorities.
//!
//! Private keys are PKCS#8 PEM, as Fabric's `priv_sk` is; they are wiped when dropped and never printed.
//! Signatures are DER with the lower of the two possible `s`, which is the only form that Fabric and Consilium
//! accept in messages; certificates carry it too, so that no reader has to rewrite one before comparing it.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, ParsedPublicKey,
};
use rcgen::{PKCS_ECDSA_P256_SHA256, PublicKeyData, SignatureAlgorithm, SigningKey};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::IssuingError;
use crate::armor;
use crate::der::{INTEGER, SEQUENCE, element};

/// Length of an uncompressed point: 0x04, x, y.
const POINT_LENGTH: usize = 65;
/// SubjectPublicKeyInfo of a P-256 key up to the point: id-ecPublicKey, prime256v1, BIT STRING.
const SPKI_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// Order of the group of P-256 (SEC 2, 2.4.2), big-endian.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
    0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// A public key on P-256, known to be a point of the curve.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey {
    point: [u8; POINT_LENGTH],
}

impl PublicKey {
    /// Returns the key that a DER SubjectPublicKeyInfo holds.
    ///
    /// # Errors
    /// [`IssuingError::UnsupportedKey`] for any other algorithm or form, or a point that is not on the curve.
    pub fn from_spki_der(spki: &[u8]) -> Result<Self, IssuingError> {
        let unsupported = IssuingError::UnsupportedKey {
            what: "public key",
            needed: "an ECDSA key on P-256 with an uncompressed point",
        };
        let Some(point) = spki.strip_prefix(SPKI_PREFIX.as_slice()).and_then(|rest| rest.try_into().ok())
        else {
            return Err(unsupported);
        };
        let key = Self { point };
        if ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key.point).is_err() {
            return Err(unsupported);
        }
        Ok(key)
    }

    /// Returns the DER SubjectPublicKeyInfo; its SHA-256 is the PoI of whoever holds the key.
    pub fn spki_der(&self) -> Vec<u8> {
        [SPKI_PREFIX.as_slice(), &self.point].concat()
    }

    /// Returns the key identifier of our authorities: SHA-256 of the uncompressed point, 32 bytes as in Fabric.
    pub fn key_identifier(&self) -> [u8; 32] {
        Sha256::digest(self.point).into()
    }

    /// True when `signature` (DER) over `message` was made with this key.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, self.point)
            .is_ok_and(|key| key.verify_sig(message, signature).is_ok())
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
        &self.point
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

/// A private key on P-256 with its public key.
pub struct SigningKeyPair {
    pair: EcdsaKeyPair,
    pkcs8: Zeroizing<Vec<u8>>,
    public: PublicKey,
}

impl SigningKeyPair {
    /// Returns a fresh pair.
    ///
    /// # Errors
    /// [`IssuingError::Library`] when the system gives no random numbers.
    pub fn generate() -> Result<Self, IssuingError> {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .map_err(|_| IssuingError::Library { action: "draw a signing key" })?;
        Self::from_pkcs8(Zeroizing::new(document.as_ref().to_vec()))
    }

    /// Returns the pair of a PKCS#8 PEM (`BEGIN PRIVATE KEY`).
    ///
    /// # Errors
    /// [`IssuingError::TooLong`], [`IssuingError::NotPem`], or [`IssuingError::UnsupportedKey`] for another kind of key.
    pub fn from_pem(text: &str) -> Result<Self, IssuingError> {
        Self::from_pkcs8(armor::open(text, "private key", armor::PRIVATE_KEY)?)
    }

    fn from_pkcs8(pkcs8: Zeroizing<Vec<u8>>) -> Result<Self, IssuingError> {
        let unsupported =
            IssuingError::UnsupportedKey { what: "private key", needed: "an ECDSA key on P-256 in PKCS#8" };
        let Ok(pair) = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8) else {
            return Err(unsupported);
        };
        let Ok(point) = pair.public_key().as_ref().try_into() else {
            return Err(unsupported);
        };
        Ok(Self { pair, pkcs8, public: PublicKey { point } })
    }

    /// Returns the private key as PKCS#8 PEM, wiped when dropped.
    pub fn private_pem(&self) -> Zeroizing<String> {
        armor::close(&self.pkcs8, armor::PRIVATE_KEY)
    }

    /// Returns the public key.
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// Returns the DER signature over SHA-256 of `message`, with the lower `s`.
    fn low_s_signature(&self, message: &[u8]) -> Option<Vec<u8>> {
        let fixed = self.pair.sign(&SystemRandom::new(), message).ok()?;
        let (r, s) = fixed.as_ref().split_at_checked(32)?;
        let s = lower_half(s.try_into().ok()?);
        Some(element(SEQUENCE, &[integer(r), integer(&s)].concat()))
    }
}

impl fmt::Debug for SigningKeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKeyPair").field("public", &self.public).finish_non_exhaustive()
    }
}

impl PublicKeyData for SigningKeyPair {
    fn der_bytes(&self) -> &[u8] {
        self.public.der_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.public.algorithm()
    }
}

impl SigningKey for SigningKeyPair {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.low_s_signature(message).ok_or(rcgen::Error::RemoteKeyError)
    }
}

/// Returns the smaller of `s` and `order - s`: both verify.
fn lower_half(s: [u8; 32]) -> [u8; 32] {
    let mut negated = [0; 32];
    let mut borrow = 0_i16;
    for i in (0..32).rev() {
        let difference = i16::from(ORDER[i]) - i16::from(s[i]) - borrow;
        borrow = i16::from(difference < 0);
        negated[i] = difference.rem_euclid(256) as u8;
    }
    s.min(negated)
}

/// Returns a positive INTEGER in its shortest form.
fn integer(big_endian: &[u8]) -> Vec<u8> {
    let digits: Vec<u8> = big_endian.iter().copied().skip_while(|digit| *digit == 0).collect();
    let needs_sign = digits.first().is_none_or(|digit| *digit >= 0x80);
    let mut content = vec![0; usize::from(needs_sign)];
    content.extend(digits);
    element(INTEGER, &content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::der::Reader;

    #[test]
    fn a_pair_survives_its_pem_and_shows_nothing_of_it() {
        let pair = SigningKeyPair::generate().unwrap();
        let pem = pair.private_pem();
        let read = SigningKeyPair::from_pem(&pem).unwrap();
        assert_eq!(read.public_key(), pair.public_key());
        assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----\n"));
        let shown = format!("{pair:?}");
        assert!(shown.len() < 80 && shown.contains("PublicKey("), "{shown}");
    }

    #[test]
    fn every_signature_verifies_and_has_the_lower_s() {
        let pair = SigningKeyPair::generate().unwrap();
        for i in 0..64_u8 {
            let signature = pair.sign(&[i]).unwrap();
            assert!(pair.public_key().verifies(&[i], &signature));
            assert!(!pair.public_key().verifies(&[i, i], &signature));
            let sequence = Reader::new(&signature).next(SEQUENCE).unwrap();
            let mut numbers = Reader::new(sequence.content);
            numbers.next(INTEGER).unwrap();
            let s = numbers.next(INTEGER).unwrap().content;
            let mut padded = [0; 32];
            let digits = s.strip_prefix(&[0]).unwrap_or(s);
            padded[32 - digits.len()..].copy_from_slice(digits);
            assert_eq!(lower_half(padded), padded);
        }
    }

    #[test]
    fn of_a_number_and_its_negative_the_smaller_is_taken() {
        let mut one = [0; 32];
        one[31] = 1;
        let mut order_less_one = ORDER;
        order_less_one[31] -= 1;
        assert_eq!(lower_half(one), one);
        assert_eq!(lower_half(order_less_one), one);
    }

    #[test]
    fn numbers_are_written_in_their_shortest_form() {
        let table: [(&[u8], &[u8]); 5] = [
            (&[0, 0, 5], &[2, 1, 5]),
            (&[0x7f], &[2, 1, 0x7f]),
            (&[0x80], &[2, 2, 0, 0x80]),
            (&[0, 0xff, 1], &[2, 3, 0, 0xff, 1]),
            (&[0, 0], &[2, 1, 0]),
        ];
        for (digits, verdict) in table {
            assert_eq!(integer(digits), verdict);
        }
    }

    #[test]
    fn keys_of_another_kind_are_refused_by_name() {
        let mut off_curve = SigningKeyPair::generate().unwrap().public_key().spki_der();
        off_curve[40] ^= 1;
        let ed25519 =
            [&[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00][..], &[9; 32]]
                .concat();
        for spki in [off_curve, ed25519, vec![], SPKI_PREFIX.to_vec()] {
            let error = PublicKey::from_spki_der(&spki).unwrap_err().to_string();
            assert!(error.contains("P-256"), "{error}");
        }
        let not_a_key = armor::close(&[1, 2, 3], armor::PRIVATE_KEY);
        assert!(SigningKeyPair::from_pem(&not_a_key).unwrap_err().to_string().contains("P-256"));
    }
}
