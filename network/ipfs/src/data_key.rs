//! The data key: 32 secret bytes, an X25519 scalar, to which one report is sealed.

use std::fmt;
use std::str::FromStr;

use bech32::{ToBase32, Variant};
use secrecy::ExposeSecret;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::error::OpenError;

/// What stands before the data of age's text form of an identity.
const HUMAN_READABLE_PART: &str = "age-secret-key-";

/// A report's key. It is never shown and never logged; its memory is wiped.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct DataKey([u8; 32]);

impl DataKey {
    /// Takes 32 bytes that another node or the client handed over.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Takes the bytes of a transient field.
    ///
    /// # Errors
    /// [`OpenError::KeyLength`] where there are not 32.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, OpenError> {
        bytes.try_into().map(Self).map_err(|_| OpenError::KeyLength { bytes: bytes.len() })
    }

    /// The 32 bytes, for a transient field, a binding or a wrapping.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Draws a fresh key.
    ///
    /// # Errors
    /// The operating system's, where it gives no randomness.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// The key as age's identity.
    ///
    /// # Errors
    /// [`OpenError::Key`] where age does not take it.
    pub(crate) fn identity(&self) -> Result<age::x25519::Identity, OpenError> {
        let text = bech32::encode(HUMAN_READABLE_PART, self.0.to_base32(), Variant::Bech32)
            .map_err(|error| OpenError::Key { cause: error.to_string() })?;
        let text = Zeroizing::new(text.to_uppercase());
        age::x25519::Identity::from_str(&text).map_err(|cause| OpenError::Key { cause: cause.to_owned() })
    }

    /// age's text form of the key, `AGE-SECRET-KEY-1…`, for a person who opens a sealed file with another tool.
    ///
    /// # Errors
    /// [`OpenError::Key`] where age does not take it.
    pub fn age_text(&self) -> Result<Zeroizing<String>, OpenError> {
        Ok(Zeroizing::new(self.identity()?.to_string().expose_secret().to_owned()))
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_scalar_of_ages_identity_and_is_never_shown() {
        let key = DataKey::from_bytes([0x2a; 32]);
        let text = key.age_text().expect("age takes it");
        assert!(text.starts_with("AGE-SECRET-KEY-1"));
        let (_, data, _) = bech32::decode(&text).expect("bech32");
        assert_eq!(<Vec<u8> as bech32::FromBase32>::from_base32(&data).expect("bytes"), [0x2a; 32]);
        assert_eq!(format!("{key:?}"), "DataKey(..)");
        assert_ne!(DataKey::generate().expect("random"), DataKey::generate().expect("random"));
        assert!(matches!(DataKey::from_slice(&[1; 31]), Err(OpenError::KeyLength { bytes: 31 })));
    }
}
