//! The sealed-block store: blocks by CID in RocksDB, one entry a DAG, and who refers to which block.
//!
//! A DAG is *staged* while its upload is under way and *kept* once the ledger records it; staged DAGs of uploads that
//! never commit are swept. Blocks of one DAG are written without a sync and its entry with one: both lie in one
//! write-ahead log, so an entry on disk means that every block is.
//!
//! Two seals never share a block, since each has a fresh key. But whoever holds ciphertext can build another root over
//! the same leaves, so a block belongs to whoever refers to it: each staging has a random id, its *referrer*, under which
//! every block that it wrote is noted in the block's own batch. A block goes only with its last referrer. What a killed
//! process left half written is found by its staging entry, which is as old as its first block.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use offchain::{BlockSink, Cid, DagWalk, Next};
use protocol::codec;
use protocol::limits::REPORT_BYTES_MAX;
use serde::{Deserialize, Serialize};
use store::{Batch, Durability, FamilyKind, FamilySpec, KeyRange, Order, Read, Store};

use crate::error::SealedStoreError;

const BLOCKS: &str = "sealed-blocks";
const DAGS: &str = "sealed-dags";
/// Referrer to what is known of a DAG that is not kept.
const STAGED: &str = "sealed-staged";
/// CID, then referrer; no value.
const REFERENCES: &str = "sealed-references";
/// Referrer, then CID; no value.
const BLOCKS_OF: &str = "sealed-blocks-of";

/// The families that the store must be opened with.
pub const SEALED_FAMILIES: [FamilySpec; 5] = [
    FamilySpec { name: BLOCKS, kind: FamilyKind::Blob },
    FamilySpec { name: DAGS, kind: FamilyKind::Small },
    FamilySpec { name: STAGED, kind: FamilyKind::Small },
    FamilySpec { name: REFERENCES, kind: FamilyKind::Small },
    FamilySpec { name: BLOCKS_OF, kind: FamilyKind::Small },
];

/// Bytes of an entry.
const ENTRY_BYTES_MAX: usize = 1 << 10;
/// Staged DAGs read at a time.
const SWEEP_PAGE: usize = 1_000;
/// Most that age adds to a report.
const SEALED_BYTES_MAX: u64 = REPORT_BYTES_MAX + (REPORT_BYTES_MAX >> 10);

/// The random id of one staging.
type Referrer = [u8; 16];

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
    /// Under which its blocks are noted.
    referrer: Referrer,
}

impl Held {
    /// The version that this release writes.
    pub const VERSION: u16 = 1;
}

/// A staging that is under way, or a DAG that is staged and not kept.
#[derive(Serialize, Deserialize)]
struct Staging {
    version: u16,
    /// `None` until the DAG is finished.
    root: Option<Cid>,
    staged_at_ms: u64,
}

impl Staging {
    const VERSION: u16 = 1;
}

/// Sealed blocks of a node, in a store that was opened with [`SEALED_FAMILIES`]. Clones share one lock; make one of a
/// store, and clones of it.
#[derive(Clone, Debug)]
pub struct SealedStore {
    store: Store,
    /// Held over every read that decides a write. It guards the stagings that this process has under way.
    under_way: Arc<Mutex<BTreeSet<Referrer>>>,
}

impl SealedStore {
    /// Wraps an open store.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store, under_way: Arc::default() }
    }

    /// Begins to receive a DAG's blocks.
    #[must_use]
    pub fn stage(&self) -> StagedDag {
        StagedDag { sealed: self.clone(), referrer: None }
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
        let _writing = self.lock();
        let Some(held) = self.held(root)? else { return Ok(()) };
        if held.is_kept {
            return Ok(());
        }
        let mut batch = Batch::new();
        batch.delete(STAGED, held.referrer.to_vec());
        batch.put(DAGS, root.to_bytes().to_vec(), codec::encode(&Held { is_kept: true, ..held }));
        Ok(self.store.write(&batch, Durability::Synced)?)
    }

    /// Removes a DAG, kept or not: its entry and every block of it that no other DAG refers to. A second call does
    /// nothing.
    ///
    /// # Errors
    /// The store's fault.
    pub fn remove(&self, root: Cid) -> Result<(), SealedStoreError> {
        let _writing = self.lock();
        let Some(held) = self.held(root)? else { return Ok(()) };
        self.remove_locked(root, &held)
    }

    /// Removes DAGs that were staged before `before_ms`, were never kept and are not needed, and what killed processes
    /// left unfinished; returns how many DAGs it removed. `is_needed` is asked about every such DAG before it goes.
    ///
    /// # Errors
    /// The store's fault.
    pub fn sweep(
        &self,
        before_ms: u64,
        mut is_needed: impl FnMut(Cid) -> bool,
    ) -> Result<usize, SealedStoreError> {
        let mut removed = 0;
        let mut range = KeyRange::all();
        loop {
            let page = self.store.scan(STAGED, &range, Order::Ascending, SWEEP_PAGE)?;
            let Some((last, _)) = page.last() else { return Ok(removed) };
            range = KeyRange::from([&last[..], &[0]].concat());
            for (key, value) in &page {
                let (referrer, staging) = (referrer_of(key)?, staging_of(value)?);
                removed += usize::from(match staging.root {
                    None => self.remove_unfinished(referrer)?,
                    Some(root) if staging.staged_at_ms < before_ms && !is_needed(root) => {
                        self.remove_stale(root, referrer)?
                    }
                    Some(_) => false,
                });
            }
        }
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

    /// Removes a staged DAG unless it was kept or staged anew since it was looked at.
    fn remove_stale(&self, root: Cid, referrer: Referrer) -> Result<bool, SealedStoreError> {
        let _writing = self.lock();
        match self.held(root)? {
            Some(held) if !held.is_kept && held.referrer == referrer => {
                self.remove_locked(root, &held)?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Removes a staging that nobody finishes: this process does not have it under way, so an earlier one had.
    fn remove_unfinished(&self, referrer: Referrer) -> Result<bool, SealedStoreError> {
        let under_way = self.lock();
        let entry = self.store.get(STAGED, &referrer)?;
        let is_unfinished = match entry {
            Some(entry) => staging_of(&entry)?.root.is_none(),
            None => false,
        };
        if !is_unfinished || under_way.contains(&referrer) {
            return Ok(false);
        }
        let mut batch = Batch::new();
        self.release(&mut batch, referrer)?;
        self.store.write(&batch, Durability::Unsynced)?;
        Ok(true)
    }

    /// Under the lock: removes a DAG that is held.
    fn remove_locked(&self, root: Cid, held: &Held) -> Result<(), SealedStoreError> {
        let mut batch = Batch::new();
        batch.delete(DAGS, root.to_bytes().to_vec());
        self.release(&mut batch, held.referrer)?;
        Ok(self.store.write(&batch, Durability::Synced)?)
    }

    /// Under the lock: what removes a referrer, and each block that nobody else refers to.
    fn release(&self, batch: &mut Batch, referrer: Referrer) -> Result<(), SealedStoreError> {
        batch.delete(STAGED, referrer.to_vec());
        for (key, _) in
            self.store.scan(BLOCKS_OF, &KeyRange::prefix(referrer), Order::Ascending, usize::MAX)?
        {
            let cid = &key[referrer.len().min(key.len())..];
            let reference = [cid, &referrer].concat();
            let mut is_shared = false;
            self.store.walk(REFERENCES, &KeyRange::prefix(cid), Order::Ascending, |other, _| {
                is_shared = other != reference;
                if is_shared { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })?;
            if !is_shared {
                batch.delete(BLOCKS, cid.to_vec());
            }
            batch.delete(REFERENCES, reference);
            batch.delete(BLOCKS_OF, key);
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<Referrer>> {
        // What a panic left is what the store holds, which is whole; a referrer more in the set is swept by the next start.
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A DAG on its way into the store. Dropped unfinished, it leaves nothing behind.
#[derive(Debug)]
pub struct StagedDag {
    sealed: SealedStore,
    /// Of the first block on, until the DAG is finished.
    referrer: Option<Referrer>,
}

impl StagedDag {
    /// Makes the DAG durable: after this call every block and the entry are on disk. Where a DAG of this root is held
    /// already, it stays as kept as it was.
    ///
    /// # Errors
    /// The store's fault; the DAG is not held then.
    pub fn finish(mut self, root: Cid, sealed_size: u64, now_ms: u64) -> Result<(), SealedStoreError> {
        let (referrer, _) = self.referrer()?;
        let sealed = self.sealed.clone();
        let mut under_way = sealed.lock();
        let standing = sealed.held(root)?;
        let is_kept = standing.as_ref().is_some_and(|standing| standing.is_kept);
        let mut batch = Batch::new();
        if let Some(standing) = standing {
            sealed.release(&mut batch, standing.referrer)?;
        }
        let held = Held { version: Held::VERSION, sealed_size, staged_at_ms: now_ms, is_kept, referrer };
        batch.put(DAGS, root.to_bytes().to_vec(), codec::encode(&held));
        if is_kept {
            batch.delete(STAGED, referrer.to_vec());
        } else {
            batch.put(STAGED, referrer.to_vec(), staging(Some(root), now_ms));
        }
        sealed.store.write(&batch, Durability::Synced)?;
        under_way.remove(&referrer);
        self.referrer = None;
        Ok(())
    }

    /// The staging's id, and whether it is new.
    fn referrer(&mut self) -> Result<(Referrer, bool), SealedStoreError> {
        if let Some(referrer) = self.referrer {
            return Ok((referrer, false));
        }
        let mut referrer = Referrer::default();
        getrandom::fill(&mut referrer)
            .map_err(|error| SealedStoreError::Randomness { cause: error.to_string() })?;
        self.referrer = Some(referrer);
        Ok((referrer, true))
    }
}

impl BlockSink for &mut StagedDag {
    type Error = SealedStoreError;

    fn put(&mut self, cid: Cid, block: Bytes) -> Result<(), SealedStoreError> {
        let (referrer, is_new) = self.referrer()?;
        let cid = cid.to_bytes();
        let mut batch = Batch::new();
        batch.put(BLOCKS, cid.to_vec(), block);
        batch.put(REFERENCES, [&cid[..], &referrer].concat(), Bytes::new());
        batch.put(BLOCKS_OF, [&referrer[..], &cid].concat(), Bytes::new());
        let mut under_way = self.sealed.lock();
        if is_new {
            batch.put(STAGED, referrer.to_vec(), staging(None, 0));
            under_way.insert(referrer);
        }
        Ok(self.sealed.store.write(&batch, Durability::Unsynced)?)
    }
}

impl Drop for StagedDag {
    fn drop(&mut self) {
        let Some(referrer) = self.referrer else { return };
        let mut under_way = self.sealed.lock();
        under_way.remove(&referrer);
        let mut batch = Batch::new();
        // Where this fails the disk fails: the next sweep finds the staging that nobody has under way.
        if self.sealed.release(&mut batch, referrer).is_ok() {
            let _ = self.sealed.store.write(&batch, Durability::Unsynced);
        }
    }
}

fn staging(root: Option<Cid>, staged_at_ms: u64) -> Vec<u8> {
    codec::encode(&Staging { version: Staging::VERSION, root, staged_at_ms })
}

fn unreadable(error: &dyn std::fmt::Display) -> SealedStoreError {
    SealedStoreError::Build(format!("an entry is not readable: {error}"))
}

fn staging_of(bytes: &[u8]) -> Result<Staging, SealedStoreError> {
    let staging: Staging = codec::decode(bytes, ENTRY_BYTES_MAX).map_err(|error| unreadable(&error))?;
    codec::expect_version("Staging", staging.version, Staging::VERSION)
        .map_err(|error| unreadable(&error))?;
    Ok(staging)
}

fn decode(bytes: &[u8]) -> Result<Held, SealedStoreError> {
    let held: Held = codec::decode(bytes, ENTRY_BYTES_MAX).map_err(|error| unreadable(&error))?;
    codec::expect_version("Held", held.version, Held::VERSION).map_err(|error| unreadable(&error))?;
    Ok(held)
}

fn referrer_of(key: &[u8]) -> Result<Referrer, SealedStoreError> {
    Referrer::try_from(key)
        .map_err(|_| SealedStoreError::Build("a key of the staged DAGs is no referrer".to_owned()))
}

fn cid_of(key: &[u8]) -> Result<Cid, SealedStoreError> {
    Cid::from_bytes(key)
        .map_err(|error| SealedStoreError::Build(format!("a key of the sealed store is no CID: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_on_disk_are_frozen_and_a_newer_release_is_named() {
        let held = Held { version: 1, sealed_size: 700, staged_at_ms: 5, is_kept: true, referrer: [9; 16] };
        // [version, bytes of the sealed file, time, kept, referrer]
        let golden = [&[0x95, 1, 0xcd, 0x02, 0xbc, 5, 0xc3, 0xdc, 0, 16][..], &[9; 16]].concat();
        assert_eq!(codec::encode(&held), golden);
        let root = Cid::of_raw(b"leaf");
        // [version, root, time]
        let golden = [&[0x93, 1, 0xc4, 36][..], &root.to_bytes(), &[5]].concat();
        assert_eq!(staging(Some(root), 5), golden);
        assert_eq!(staging(None, 0), [0x93, 1, 0xc0, 0]);
        let error = decode(&codec::encode(&Held { version: 2, ..held })).expect_err("newer").to_string();
        assert!(error.contains("newer release"), "{error}");
    }
}
