//! Makes the keys and certificates by which organisations, nodes and users are known.
//!
//! Decides what stands in every certificate of a Consilium network: the contents are those that Hyperledger
//! Fabric's `cryptogen` writes (ECDSA P-256 with SHA-256 or Ed25519, ten years), so that either side reads the other's folders.
//! It is the one pure crate that may draw random numbers; the time comes in as an argument, and bytes come in and
//! go out as PEM text. It never touches a file, never asks a clock and never judges whether somebody may act:
//! that is `msp`'s part.
//!
//! Two kinds of keys live here: [`SigningKeyPair`] for certificates and TLS, and [`KemKeyPair`], an X25519 pair
//! to which data keys are sealed. They are never the same key, so that opening reports and signing
//! transactions can be revoked apart.

mod armor;
mod authority;
mod certificate;
mod der;
mod error;
mod extensions;
mod kem;
mod public_key;
mod signing_key;
mod subject;

pub use authority::{CaProfile, CertificateAuthority, IdentityProfile, TlsProfile};
pub use certificate::Certificate;
pub use error::IssuingError;
pub use extensions::SubjectAltName;
pub use kem::{KemKeyPair, KemPrivateKey, KemPublicKey};
pub use public_key::{KeyAlgorithm, PublicKey};
pub use signing_key::SigningKeyPair;
pub use subject::Subject;
