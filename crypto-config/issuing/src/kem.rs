//! X25519 keys to which a hospital's data keys are sealed (the KEM keys of key custody).
//!
//! They stand apart from signing keys: whoever opens reports need not be able to sign, and either can be replaced
//! alone. Written as PKCS#8 and SubjectPublicKeyInfo PEM (RFC 8410), so `openssl pkey` reads them. Private keys
//! are wiped when dropped and never printed. What is sealed to them, and when it may be opened, is decided elsewhere.

use std::fmt;

use aws_lc_rs::agreement::{PrivateKey, X25519};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::IssuingError;
use crate::armor;
use crate::der::{BIT_STRING, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, Reader, SEQUENCE};

const KEY_LENGTH: usize = 32;
/// id-X25519, 1.3.101.110.
const X25519_OID: [u8; 3] = [0x2b, 0x65, 0x6e];
/// PKCS#8 version 0, id-X25519, and the headers of the two octet strings around the key.
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x6e, 0x04, 0x22, 0x04, 0x20];
/// SubjectPublicKeyInfo up to the key.
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x6e, 0x03, 0x21, 0x00];

/// The key to which others seal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KemPublicKey([u8; KEY_LENGTH]);

impl KemPublicKey {
    /// Returns the key of a SubjectPublicKeyInfo PEM (`BEGIN PUBLIC KEY`).
    ///
    /// # Errors
    /// [`IssuingError::TooLong`], [`IssuingError::NotPem`], [`IssuingError::Malformed`], or
    /// [`IssuingError::UnsupportedKey`] for another kind of key.
    pub fn from_pem(text: &str) -> Result<Self, IssuingError> {
        const WHAT: &str = "KEM public key";
        let der = armor::open(text, WHAT, armor::PUBLIC_KEY)?;
        let (oid, key) =
            read_public(&der).map_err(|detail| IssuingError::Malformed { what: WHAT, detail })?;
        key_bytes(oid, key, WHAT).map(Self)
    }

    /// Returns the SubjectPublicKeyInfo PEM.
    pub fn pem(&self) -> String {
        armor::close(&[SPKI_PREFIX.as_slice(), &self.0].concat(), armor::PUBLIC_KEY).to_string()
    }

    /// Returns the 32 bytes of RFC 7748.
    pub fn as_bytes(&self) -> &[u8; KEY_LENGTH] {
        &self.0
    }
}

/// The key by which a hospital opens what was sealed to it.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct KemPrivateKey([u8; KEY_LENGTH]);

impl KemPrivateKey {
    /// Returns the key of a PKCS#8 PEM (`BEGIN PRIVATE KEY`).
    ///
    /// # Errors
    /// As [`KemPublicKey::from_pem`].
    pub fn from_pem(text: &str) -> Result<Self, IssuingError> {
        const WHAT: &str = "KEM private key";
        let der = armor::open(text, WHAT, armor::PRIVATE_KEY)?;
        let (oid, key) =
            read_private(&der).map_err(|detail| IssuingError::Malformed { what: WHAT, detail })?;
        key_bytes(oid, key, WHAT).map(Self)
    }

    /// Returns the PKCS#8 PEM, wiped when dropped.
    pub fn pem(&self) -> Zeroizing<String> {
        let der = Zeroizing::new([PKCS8_PREFIX.as_slice(), &self.0].concat());
        armor::close(&der, armor::PRIVATE_KEY)
    }

    /// Returns the public key that belongs to it.
    ///
    /// # Errors
    /// [`IssuingError::Library`], which no 32 bytes are known to cause.
    pub fn public_key(&self) -> Result<KemPublicKey, IssuingError> {
        let failed = || IssuingError::Library { action: "compute an X25519 public key" };
        let key = PrivateKey::from_private_key(&X25519, &self.0).map_err(|_| failed())?;
        let public = key.compute_public_key().map_err(|_| failed())?;
        public.as_ref().try_into().map(KemPublicKey).map_err(|_| failed())
    }

    /// Hands out the 32 bytes of RFC 7748, for the cipher alone.
    pub fn expose(&self) -> &[u8; KEY_LENGTH] {
        &self.0
    }
}

impl fmt::Debug for KemPrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KemPrivateKey(..)")
    }
}

/// A hospital's KEM key, both halves.
#[derive(Debug)]
pub struct KemKeyPair {
    private: KemPrivateKey,
    public: KemPublicKey,
}

impl KemKeyPair {
    /// Returns a fresh pair.
    ///
    /// # Errors
    /// [`IssuingError::Library`] when the system gives no random numbers.
    pub fn generate() -> Result<Self, IssuingError> {
        let mut private = KemPrivateKey([0; KEY_LENGTH]);
        aws_lc_rs::rand::fill(&mut private.0)
            .map_err(|_| IssuingError::Library { action: "draw a KEM key" })?;
        Self::from_private(private)
    }

    /// Returns the pair of a private key.
    ///
    /// # Errors
    /// As [`KemPrivateKey::public_key`].
    pub fn from_private(private: KemPrivateKey) -> Result<Self, IssuingError> {
        let public = private.public_key()?;
        Ok(Self { private, public })
    }

    /// Returns the private key.
    pub fn private_key(&self) -> &KemPrivateKey {
        &self.private
    }

    /// Returns the public key.
    pub fn public_key(&self) -> &KemPublicKey {
        &self.public
    }

    /// Returns the private key as PKCS#8 PEM, wiped when dropped.
    pub fn private_pem(&self) -> Zeroizing<String> {
        self.private.pem()
    }

    /// Returns the public key as SubjectPublicKeyInfo PEM.
    pub fn public_pem(&self) -> String {
        self.public.pem()
    }
}

/// Returns the algorithm and the key of a SubjectPublicKeyInfo.
fn read_public(der: &[u8]) -> Result<(&[u8], &[u8]), &'static str> {
    let mut outer = Reader::new(der);
    let whole = outer.next(SEQUENCE)?;
    outer.finish()?;
    let mut fields = Reader::new(whole.content);
    let oid = Reader::new(fields.next(SEQUENCE)?.content).next(OBJECT_IDENTIFIER)?.content;
    let key = fields.next(BIT_STRING)?.content.strip_prefix(&[0]).ok_or("its bit string has unused bits")?;
    fields.finish()?;
    Ok((oid, key))
}

/// Returns the algorithm and the key of a PKCS#8 (RFC 5958; attributes and the public key, if any, are passed over).
fn read_private(der: &[u8]) -> Result<(&[u8], &[u8]), &'static str> {
    let mut outer = Reader::new(der);
    let whole = outer.next(SEQUENCE)?;
    outer.finish()?;
    let mut fields = Reader::new(whole.content);
    fields.next(INTEGER)?;
    let oid = Reader::new(fields.next(SEQUENCE)?.content).next(OBJECT_IDENTIFIER)?.content;
    let wrapped = fields.next(OCTET_STRING)?.content;
    // Kinds of keys other than X25519 hold something else here; the caller names them by their algorithm.
    let key = Reader::new(wrapped).next(OCTET_STRING).map_or(wrapped, |inner| inner.content);
    Ok((oid, key))
}

fn key_bytes(oid: &[u8], key: &[u8], what: &'static str) -> Result<[u8; KEY_LENGTH], IssuingError> {
    if oid != X25519_OID {
        return Err(IssuingError::UnsupportedKey { what, needed: "an X25519 key" });
    }
    key.try_into().map_err(|_| IssuingError::Malformed { what, detail: "an X25519 key has 32 bytes" })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::SigningKeyPair;

    /// RFC 7748, section 6.1: Alice's keys.
    const ALICE_PRIVATE: [u8; 32] = [
        0x77, 0x07, 0x6d, 0x0a, 0x73, 0x18, 0xa5, 0x7d, 0x3c, 0x16, 0xc1, 0x72, 0x51, 0xb2, 0x66, 0x45, 0xdf,
        0x4c, 0x2f, 0x87, 0xeb, 0xc0, 0x99, 0x2a, 0xb1, 0x77, 0xfb, 0xa5, 0x1d, 0xb9, 0x2c, 0x2a,
    ];
    const ALICE_PUBLIC: [u8; 32] = [
        0x85, 0x20, 0xf0, 0x09, 0x89, 0x30, 0xa7, 0x54, 0x74, 0x8b, 0x7d, 0xdc, 0xb4, 0x3e, 0xf7, 0x5a, 0x0d,
        0xbf, 0x3a, 0x0d, 0x26, 0x38, 0x1a, 0xf4, 0xeb, 0xa4, 0xa9, 0x8e, 0xaa, 0x9b, 0x4e, 0x6a,
    ];

    #[test]
    fn the_public_key_is_that_of_rfc_7748() {
        let pair = KemKeyPair::from_private(KemPrivateKey(ALICE_PRIVATE)).unwrap();
        assert_eq!(pair.public_key().as_bytes(), &ALICE_PUBLIC);
    }

    #[test]
    fn a_pair_survives_its_pem() {
        let pair = KemKeyPair::generate().unwrap();
        let private = KemPrivateKey::from_pem(&pair.private_pem()).unwrap();
        assert_eq!(private.expose(), pair.private_key().expose());
        assert_eq!(&KemPublicKey::from_pem(&pair.public_pem()).unwrap(), pair.public_key());
        assert_eq!(&private.public_key().unwrap(), pair.public_key());
        assert_ne!(KemKeyPair::generate().unwrap().public_key(), pair.public_key());
    }

    #[test]
    fn a_private_key_is_not_printed() {
        let pair = KemKeyPair::from_private(KemPrivateKey(ALICE_PRIVATE)).unwrap();
        let shown = format!("{pair:?} {:?}", pair.private_key());
        assert!(shown.contains("KemPrivateKey(..)") && !shown.contains("119, 7"), "{shown}");
    }

    #[test]
    fn keys_of_another_kind_or_length_are_refused_by_name() {
        let signing = SigningKeyPair::generate().unwrap();
        let short = armor::close(
            &[0x30, 0x0f, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x6e, 4, 3, 4, 1, 9],
            armor::PRIVATE_KEY,
        );
        let pair = KemKeyPair::generate().unwrap();
        let table: [(&str, &str); 4] = [
            (&signing.private_pem(), "an X25519 key is needed"),
            (&short, "an X25519 key has 32 bytes"),
            (&pair.public_pem(), "its label is `PUBLIC KEY`"),
            ("nothing", "no complete PEM block"),
        ];
        for (text, verdict) in table {
            let error = KemPrivateKey::from_pem(text).unwrap_err().to_string();
            assert!(error.contains(verdict), "{error}");
        }
        let certified = armor::close(&signing.public_key().spki_der(), armor::PUBLIC_KEY);
        let error = KemPublicKey::from_pem(&certified).unwrap_err().to_string();
        assert!(error.contains("an X25519 key is needed"), "{error}");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = KemPrivateKey::from_pem(&armor::close(&bytes, armor::PRIVATE_KEY));
            let _ = KemPublicKey::from_pem(&armor::close(&bytes, armor::PUBLIC_KEY));
        }
    }
}
