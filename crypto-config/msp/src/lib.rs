//! Who may act: X.509 identities of organisations, their roles, and what they signed.
//!
//! [`MspFolder`] reads an MSP folder; [`Msp`] and [`MspSet`] turn certificates into [`VerifiedIdentity`];
//! [`VerifiedIdentity::verify`] turns signatures into [`VerifiedSignature`], the only thing that policies accept;
//! [`SigningIdentity`] signs; [`verify_all`] verifies many at once. Everything here is a function of its arguments: time is passed in, folders arrive as bytes.
//!
//! What is deliberately absent: revocation and registration (the ledger's), TLS (`transport`'s), issuing (`issuing`'s).

mod certificate;
mod chain;
mod ecdsa;
mod ed25519;
mod error;
mod folder;
mod hashing;
mod identity;
mod key;
mod known_signatures;
mod node_ous;
mod pem;
mod private_key;
mod rejection;
mod roles;
mod set;
mod signing;
mod verifier;

pub use certificate::spki_sha256;
pub use ed25519::Ed25519Key;
pub use error::{MspError, SigningError};
pub use folder::MspFolder;
pub use identity::{Certified, SignatureClaim, VerifiedIdentity, VerifiedSignature, verify_all};
pub use known_signatures::KnownSignatures;
pub use rejection::{IdentityRejection, SignatureRejection};
pub use set::MspSet;
pub use signing::{Signer, SigningIdentity};
pub use verifier::{Msp, poi_of};
