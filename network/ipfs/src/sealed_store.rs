//! The sealed-block store: blocks by CID in RocksDB, and one entry a DAG.
//!
//! A DAG is *staged* while its upload is under way and *kept* once the ledger records it; staged DAGs of uploads that
//! never commit are swept. Blocks of one DAG are written without a sync and its entry with one: both lie in one
//! write-ahead log, so an entry on disk means that every block is. Two seals never share a block, since each has a fresh
//! key; a DAG's blocks go when its entry goes.

use bytes::Bytes;
use offchain::{BlockSink, Cid, DagWalk, Next};
use protocol::codec;
use protocol::limits::REPORT_BYTES_MAX;
use serde::{Deserialize, Serialize};
use store::{Batch, Durability, FamilyKind, FamilySpec, KeyRange, Order, Read, Store};

use crate::error::SealedStoreError;

const BLOCKS: &str = "sealed-blocks";
const DAGS: &str = "sealed-dags";

/// The families that the store must be opened with.
pub const SEALED_FAMILIES: [FamilySpec; 2] =
    [FamilySpec { name: BLOCKS, kind: FamilyKind::Blob }, FamilySpec { name: DAGS, kind: FamilyKind::Small }];

/// Bytes of an entry.
const ENTRY_BYTES_MAX: usize = 1 << 10;
/// DAGs looked at in one sweep.
const SWEEP_MAX: usize = 10_000;
/// Most that age adds to a report.
const SEALED_BYTES_MAX: u64 = REPORT_BYTES_MAX + (REPORT_BYTES_MAX >> 10);

/// The entry of a DAG.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Version of this type's encoding.
    pub version: u16,
    /// Bytes of the sealed file.
    pub sealed_size: u64,
    /// When it was staged, milliseconds since 1970.
    pub staged_at_ms: u64,
    /// Whether the ledger records it.
    pub is_kept: bool,
}

impl Held {
    /// The version that this release writes.
    pub const VERSION: u16 = 1;
}

/// Sealed blocks of a node, in a store that was opened with [`SEALED_FAMILIES`].
#[derive(Clone, Debug)]
pub struct SealedStore {
    store: Store,
}

impl SealedStore {
    /// Wraps an open store.
    #[must_use]
    pub const fn new(store: Store) -> Self {
        Self { store }
    }

    /// Begins to receive a DAG's blocks.
    #[must_use]
    pub fn stage(&self) -> StagedDag {
        StagedDag { store: self.store.clone(), written: Vec::new() }
    }

    /// A block's bytes, after their hash was checked.
    ///
    /// # Errors
    /// [`SealedStoreError::Missing`], [`SealedStoreError::Damaged`] with what differs, or the store's fault.
    pub fn block(&self, cid: Cid) -> Result<Bytes, SealedStoreError> {
        let block = self.store.get(BLOCKS, &cid.to_bytes())?.ok_or(SealedStoreError::Missing { cid })?;
        cid.verify(&block).map_err(|cause| SealedStoreError::Damaged { cid, cause })?;
        Ok(block)
    }

    /// The entry of the DAG with this root; `None` where it is not held.
    ///
    /// # Errors
    /// The store's fault, or an entry that is not readable.
    pub fn held(&self, root: Cid) -> Result<Option<Held>, SealedStoreError> {
        match self.store.get(DAGS, &root.to_bytes())? {
            Some(bytes) => decode(&bytes).map(Some),
            None => Ok(None),
        }
    }

    /// The roots of all DAGs that are held, ascending, at most `limit`.
    ///
    /// # Errors
    /// The store's fault, or an entry that is not readable.
    pub fn all(&self, limit: usize) -> Result<Vec<(Cid, Held)>, SealedStoreError> {
        let entries = self.store.scan(DAGS, &KeyRange::all(), Order::Ascending, limit)?;
        entries.into_iter().map(|(key, value)| Ok((cid_of(&key)?, decode(&value)?))).collect()
    }

    /// Marks a DAG as recorded by the ledger, so that no sweep takes it. Nothing happens where it is not held.
    ///
    /// # Errors
    /// The store's fault.
    pub fn keep(&self, root: Cid) -> Result<(), SealedStoreError> {
        let Some(held) = self.held(root)? else { return Ok(()) };
        if held.is_kept {
            return Ok(());
        }
        let mut batch = Batch::new();
        batch.put(DAGS, root.to_bytes().to_vec(), codec::encode(&Held { is_kept: true, ..held }));
        Ok(self.store.write(&batch, Durability::Synced)?)
    }

    /// Removes a DAG's entry and every block of it that is here. A second call does nothing.
    ///
    /// # Errors
    /// The store's fault.
    pub fn remove(&self, root: Cid) -> Result<(), SealedStoreError> {
        let mut batch = Batch::new();
        batch.delete(DAGS, root.to_bytes().to_vec());
        batch.delete(BLOCKS, root.to_bytes().to_vec());
        let mut walk = DagWalk::new(root, SEALED_BYTES_MAX);
        // A block that is missing or damaged hides what is below it; what is known goes.
        while let Next::Want(cid) = walk.next() {
            let Ok(block) = self.block(cid) else { break };
            batch.delete(BLOCKS, cid.to_bytes().to_vec());
            if walk.supply(cid, block).is_err() {
                break;
            }
        }
        Ok(self.store.write(&batch, Durability::Synced)?)
    }

    /// Removes DAGs that were staged before `before_ms` and never kept; returns how many.
    ///
    /// # Errors
    /// The store's fault.
    pub fn sweep(&self, before_ms: u64) -> Result<usize, SealedStoreError> {
        let stale: Vec<Cid> = self
            .all(SWEEP_MAX)?
            .into_iter()
            .filter(|(_, held)| !held.is_kept && held.staged_at_ms < before_ms)
            .map(|(root, _)| root)
            .collect();
        for root in &stale {
            self.remove(*root)?;
        }
        Ok(stale.len())
    }

    /// Reads every block of a DAG and checks hash, form and sizes; returns the bytes of the sealed file.
    ///
    /// # Errors
    /// The first block that is missing or damaged, by name.
    pub fn verify(&self, root: Cid) -> Result<u64, SealedStoreError> {
        let mut walk = DagWalk::new(root, SEALED_BYTES_MAX);
        while let Next::Want(cid) = walk.next() {
            walk.supply(cid, self.block(cid)?)?;
        }
        Ok(walk.given_bytes())
    }
}

/// A DAG on its way into the store. Dropped unfinished, it leaves nothing behind.
#[derive(Debug)]
pub struct StagedDag {
    store: Store,
    written: Vec<Cid>,
}

impl StagedDag {
    /// Makes the DAG durable: after this call every block and the entry are on disk.
    ///
    /// # Errors
    /// The store's fault; the DAG is not held then.
    pub fn finish(mut self, root: Cid, sealed_size: u64, now_ms: u64) -> Result<(), SealedStoreError> {
        let held = Held { version: Held::VERSION, sealed_size, staged_at_ms: now_ms, is_kept: false };
        let mut batch = Batch::new();
        batch.put(DAGS, root.to_bytes().to_vec(), codec::encode(&held));
        self.store.write(&batch, Durability::Synced)?;
        self.written.clear();
        Ok(())
    }
}

impl BlockSink for &mut StagedDag {
    type Error = SealedStoreError;

    fn put(&mut self, cid: Cid, block: Bytes) -> Result<(), SealedStoreError> {
        let mut batch = Batch::new();
        batch.put(BLOCKS, cid.to_bytes().to_vec(), block);
        self.store.write(&batch, Durability::Unsynced)?;
        self.written.push(cid);
        Ok(())
    }
}

impl Drop for StagedDag {
    fn drop(&mut self) {
        let mut batch = Batch::new();
        for cid in &self.written {
            batch.delete(BLOCKS, cid.to_bytes().to_vec());
        }
        if !batch.is_empty() {
            // Where this fails the disk fails: the blocks stay until the store is repaired, and nothing refers to them.
            let _ = self.store.write(&batch, Durability::Unsynced);
        }
    }
}

fn decode(bytes: &[u8]) -> Result<Held, SealedStoreError> {
    let unreadable =
        |error: codec::DecodeError| SealedStoreError::Build(format!("an entry is not readable: {error}"));
    let held: Held = codec::decode(bytes, ENTRY_BYTES_MAX).map_err(unreadable)?;
    codec::expect_version("Held", held.version, Held::VERSION).map_err(unreadable)?;
    Ok(held)
}

fn cid_of(key: &[u8]) -> Result<Cid, SealedStoreError> {
    Cid::from_bytes(key)
        .map_err(|error| SealedStoreError::Build(format!("a key of the sealed store is no CID: {error}")))
}
