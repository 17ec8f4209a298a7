//! Keys that sign: of identities, of TLS, and of authorities.
//!
//! Private keys are PKCS#8 PEM, as Fabric's `priv_sk` is (version 1 for Ed25519, which Go and OpenSSL write and all read);
//! they are wiped when dropped and never printed. ECDSA signatures are DER with the lower of the two possible `s`, which
//! is the only form that Fabric and Consilium accept in messages; certificates carry it too, so that no reader has to
//! rewrite one before comparing it.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use rcgen::{PublicKeyData, SignatureAlgorithm, SigningKey};
use zeroize::Zeroizing;

use crate::armor;
use crate::der::{INTEGER, SEQUENCE, element};
use crate::{IssuingError, KeyAlgorithm, PublicKey};

/// Order of the group of P-256 (SEC 2, 2.4.2), big-endian.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
    0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// A private key with its public key.
pub struct SigningKeyPair {
    pair: Pair,
    pkcs8: Zeroizing<Vec<u8>>,
    public: PublicKey,
}

enum Pair {
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl SigningKeyPair {
    /// Returns a fresh pair on P-256: what TLS, which browsers speak too, always has.
    ///
    /// # Errors
    /// [`IssuingError::Library`] when the system gives no random numbers.
    pub fn generate() -> Result<Self, IssuingError> {
        Self::generate_for(KeyAlgorithm::Ecdsa)
    }

    /// Returns a fresh pair of that kind.
    ///
    /// # Errors
    /// [`IssuingError::Library`] when the system gives no random numbers.
    pub fn generate_for(algorithm: KeyAlgorithm) -> Result<Self, IssuingError> {
        let random = SystemRandom::new();
        let document = match algorithm {
            KeyAlgorithm::Ecdsa => EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random),
            KeyAlgorithm::Ed25519 => Ed25519KeyPair::generate_pkcs8v1(&random),
        };
        let document = document.map_err(|_| IssuingError::Library { action: "draw a signing key" })?;
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
        let (pair, public) =
            p256(&pkcs8).or_else(|| ed25519(&pkcs8)).ok_or(IssuingError::UnsupportedKey {
                what: "private key",
                needed: "an ECDSA key on P-256, or an Ed25519 key, in PKCS#8",
            })?;
        Ok(Self { pair, pkcs8, public })
    }

    /// Returns the private key as PKCS#8 PEM, wiped when dropped.
    pub fn private_pem(&self) -> Zeroizing<String> {
        armor::close(&self.pkcs8, armor::PRIVATE_KEY)
    }

    /// Returns the public key.
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn signature(&self, message: &[u8]) -> Option<Vec<u8>> {
        match &self.pair {
            Pair::P256(pair) => low_s_signature(pair, message),
            Pair::Ed25519(pair) => pair.try_sign(message).ok().map(|signature| signature.as_ref().to_vec()),
        }
    }
}

fn p256(pkcs8: &[u8]) -> Option<(Pair, PublicKey)> {
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).ok()?;
    let public = PublicKey::p256(pair.public_key().as_ref())?;
    Some((Pair::P256(pair), public))
}

fn ed25519(pkcs8: &[u8]) -> Option<(Pair, PublicKey)> {
    let pair = Ed25519KeyPair::from_pkcs8(pkcs8).ok()?;
    let public = PublicKey::ed25519(pair.public_key().as_ref())?;
    Some((Pair::Ed25519(pair), public))
}

/// Returns the DER signature over SHA-256 of `message`, with the lower `s`.
fn low_s_signature(pair: &EcdsaKeyPair, message: &[u8]) -> Option<Vec<u8>> {
    let fixed = pair.sign(&SystemRandom::new(), message).ok()?;
    let (r, s) = fixed.as_ref().split_at_checked(32)?;
    let s = lower_half(s.try_into().ok()?);
    Some(element(SEQUENCE, &[integer(r), integer(&s)].concat()))
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
        self.signature(message).ok_or(rcgen::Error::RemoteKeyError)
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
        for algorithm in [KeyAlgorithm::Ecdsa, KeyAlgorithm::Ed25519] {
            let pair = SigningKeyPair::generate_for(algorithm).unwrap();
            let pem = pair.private_pem();
            let read = SigningKeyPair::from_pem(&pem).unwrap();
            assert_eq!(read.public_key(), pair.public_key());
            assert_eq!(read.public_key().key_algorithm(), algorithm);
            assert_eq!(PublicKey::from_spki_der(&pair.public_key().spki_der()).unwrap(), *pair.public_key());
            assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----\n"));
            let shown = format!("{pair:?}");
            assert!(shown.len() < 80 && shown.contains("PublicKey("), "{shown}");
        }
    }

    #[test]
    fn an_ed25519_signature_has_64_bytes_and_is_this_keys_alone() {
        let pair = SigningKeyPair::generate_for(KeyAlgorithm::Ed25519).unwrap();
        let (other, p256) = (
            SigningKeyPair::generate_for(KeyAlgorithm::Ed25519).unwrap(),
            SigningKeyPair::generate().unwrap(),
        );
        let signature = pair.sign(b"message").unwrap();
        assert_eq!(signature.len(), 64);
        assert!(pair.public_key().verifies(b"message", &signature));
        let rows = [
            (pair.public_key(), &b"massage"[..], &signature[..]),
            (pair.public_key(), b"message", &signature[..63]),
            (other.public_key(), b"message", &signature),
            (p256.public_key(), b"message", &signature),
        ];
        for (key, message, signature) in rows {
            assert!(!key.verifies(message, signature), "{key:?}");
        }
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
        let spki_of = |algorithm| SigningKeyPair::generate_for(algorithm).unwrap().public_key().spki_der();
        let mut off_curve = spki_of(KeyAlgorithm::Ecdsa);
        off_curve[40] ^= 1;
        // The neutral point: anybody can sign for it.
        let mut small_order = spki_of(KeyAlgorithm::Ed25519);
        small_order[12..].fill(0);
        small_order[12] = 1;
        let x25519 = {
            let mut spki = spki_of(KeyAlgorithm::Ed25519);
            spki[8] = 0x6e;
            spki
        };
        for spki in [&off_curve[..], &small_order, &x25519, &[], &off_curve[..26], &x25519[..12]] {
            let error = PublicKey::from_spki_der(spki).unwrap_err().to_string();
            assert!(error.contains("P-256") && error.contains("Ed25519"), "{error}");
        }
        let not_a_key = armor::close(&[1, 2, 3], armor::PRIVATE_KEY);
        assert!(SigningKeyPair::from_pem(&not_a_key).unwrap_err().to_string().contains("P-256"));
    }
}
