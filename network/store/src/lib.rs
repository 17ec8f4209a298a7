//! RocksDB behind a small synchronous face: what every node keeps on disk.
//!
//! A [`Store`] is one folder with named families of keys. It is written by [`Batch`]es, each applied whole or not at all
//! and, with [`Durability::Synced`], on the disk before the call returns. It is read directly or through a [`Snapshot`],
//! an owned view of one moment that any thread may hold; both offer the methods of [`Read`]. [`BlockStore`] keeps a chain
//! of blocks in two of the families, for peers and orderers alike, and judges nothing but the chain's own links.
//!
//! Nothing here knows a channel's rules, and nothing here is asynchronous: callers in an async runtime use a thread that
//! may block. This crate owns the package `rocksdb`; no other crate names it.

mod batch;
mod block_fault;
mod block_index;
mod block_store;
mod error;
mod family;
mod key_range;
mod layout;
mod memory;
mod opening;
mod options;
mod read;
mod snapshot;
mod space;
mod store;

pub use batch::{BATCH_BYTES_MAX, Batch, Durability};
pub use block_fault::BlockFault;
pub use block_index::{BLOCK_FAMILIES, IndexedTransaction, Tip};
pub use block_store::{BlockStore, StagedBlock};
pub use error::{EngineError, Operation, StoreError};
pub use family::{FamilyKind, FamilySpec};
pub use key_range::{KeyRange, Order};
pub use memory::MemoryDisk;
pub use options::{StoreOptions, WalRecovery};
pub use read::{Entry, Read, View};
pub use snapshot::Snapshot;
pub use space::SpaceGuard;
pub use store::Store;
