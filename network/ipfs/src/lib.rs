//! Sealed reports off-chain: how they are made, kept, opened, and how their keys move.
//!
//! A report is sealed as an `age` v1 file to one fresh X25519 identity, the [`DataKey`]; any vendor's `age` opens it. Its
//! bytes become a UnixFS DAG of profile `unixfs-v1-2025`, whose blocks [`SealedStore`] keeps by CID: synced before the CID
//! is returned, their hash checked on every read. Keys travel by HPKE to a hospital's KEM key.
//!
//! Everything streams: memory is a few chunks, whatever the report's size. Nothing here decides who may have what; that
//! is the release rule's work. This crate owns the packages `age` and `hpke`. The store is CID-compatible, not a bitswap
//! peer: a stock IPFS node cannot dial it.

mod data_key;
mod error;
mod key_wrap;
mod opening;
mod sealed_store;
mod sealing;

pub use data_key::DataKey;
pub use error::{OpenError, SealError, SealedStoreError};
pub use key_wrap::{KemPrivateKey, KeyWrapError, unwrap_key, wrap_key};
pub use opening::{Opened, open};
pub use sealed_store::{Held, SEALED_FAMILIES, SealedStore, StagedDag};
pub use sealing::{Sealed, seal};
