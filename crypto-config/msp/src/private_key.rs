//! A private key in memory: reads it, signs with it.
//!
//! It stays inside the cryptographic library, which zeroes it; it is never printed, copied out or logged. The nonce of an
//! ECDSA signature is drawn by the library: it enters no verdict and no hash that nodes compare. Ed25519 draws none.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair},
};

use crate::{certificate::ski, ecdsa, pem};

/// A private key of one of the types that identities have.
pub(crate) enum PrivateKey {
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl PrivateKey {
    /// Reads the first private key of a PEM text. The error quotes nothing of it.
    pub(crate) fn read(text: &[u8]) -> Result<Self, String> {
        let file = pem::read(text).map_err(|error| error.to_string())?;
        for block in &file.blocks {
            let key = match block.label.as_str() {
                "PRIVATE KEY" => pkcs8(&block.contents),
                "EC PRIVATE KEY" => {
                    EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, &block.contents)
                        .ok()
                        .map(Self::P256)
                }
                "ENCRYPTED PRIVATE KEY" => {
                    return Err("the key is encrypted; store it unencrypted as PKCS#8".to_owned());
                }
                _ => continue,
            };
            let unsupported = "it is not an ECDSA P-256 or Ed25519 private key; other types do not sign here";
            return key.ok_or_else(|| unsupported.to_owned());
        }
        Err("it holds no PEM private key (BEGIN PRIVATE KEY or BEGIN EC PRIVATE KEY)".to_owned())
    }

    /// The public point: uncompressed, or the 32 bytes of Ed25519.
    pub(crate) fn point(&self) -> &[u8] {
        match self {
            Self::P256(key) => key.public_key().as_ref(),
            Self::Ed25519(key) => key.public_key().as_ref(),
        }
    }

    /// Fabric's name of the key: SHA-256 of its public point, hex.
    pub(crate) fn ski(&self) -> String {
        ski(self.point())
    }

    /// Signs `message`: ECDSA over its SHA-256 (DER, low s), or Ed25519 over the message itself (64 bytes).
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::P256(key) => {
                #[expect(clippy::expect_used, reason = "a checked P-256 key signs every message")]
                let signature = key.sign(&SystemRandom::new(), message).expect("a checked P-256 key signs");
                let mut fixed = [0_u8; 64];
                // The fixed form is r ‖ s of 32 bytes each, by the algorithm that the key was read with.
                fixed.copy_from_slice(signature.as_ref());
                ecdsa::low_s_der(&fixed)
            }
            Self::Ed25519(key) => key.sign(message).as_ref().to_vec(),
        }
    }
}

/// PKCS#8 of either type; version 1, as Go and OpenSSL write Ed25519 keys, as well as version 2.
fn pkcs8(der: &[u8]) -> Option<PrivateKey> {
    let p256 = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).ok().map(PrivateKey::P256);
    p256.or_else(|| Ed25519KeyPair::from_pkcs8(der).ok().map(PrivateKey::Ed25519))
}
