//! The store: one open folder, shared by whoever holds a clone.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rocksdb::checkpoint::Checkpoint;
use rocksdb::{DB, WriteBatch, WriteOptions};

use crate::batch::{BATCH_BYTES_MAX, Batch, Durability};
use crate::error::{Operation, StoreError};
use crate::family::FamilySpec;
use crate::memory::{MemoryDisk, MemoryEngine};
use crate::opening;
use crate::options::StoreOptions;
use crate::read::{Read, Source, View, family_of};
use crate::snapshot::Snapshot;
use crate::space::SpaceGuard;

/// What lies below a store.
pub(crate) enum Engine {
    /// RocksDB in a folder.
    Files(DB),
    /// A disk in memory.
    Memory(MemoryEngine),
}

pub(crate) struct Inner {
    pub(crate) engine: Engine,
    pub(crate) path: PathBuf,
    families: Vec<FamilySpec>,
    space: Option<SpaceGuard>,
}

/// An open folder of families. Clones share it; it closes with the last clone and the last snapshot.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

impl Store {
    /// Opens the store in `path`, or creates it with mode 0700 where the options allow that.
    ///
    /// # Errors
    /// [`StoreError::Absent`], [`StoreError::Exists`], [`StoreError::Folder`], [`StoreError::Locked`],
    /// [`StoreError::OtherLayout`], [`StoreError::OtherPurpose`], [`StoreError::Foreign`],
    /// [`StoreError::UnknownFamily`] for a family on disk that is not in `families`, [`StoreError::Corrupt`] for a log that
    /// is damaged elsewhere than in an incomplete last record, and the engine's other faults.
    pub fn open(path: &Path, families: &[FamilySpec], options: StoreOptions) -> Result<Self, StoreError> {
        let db = opening::open(path, families, &options)?;
        let (engine, families) = (Engine::Files(db), families.to_vec());
        let inner = Inner { engine, path: path.to_owned(), families, space: options.space };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Opens the store on a disk in memory, which is as it was left.
    #[must_use]
    pub fn in_memory(disk: &MemoryDisk, families: &[FamilySpec]) -> Self {
        let engine = Engine::Memory(disk.open(families));
        let (path, families) = (PathBuf::from("memory"), families.to_vec());
        Self { inner: Arc::new(Inner { engine, path, families, space: None }) }
    }

    /// How long a sync takes in simulated time; `None` for files, whose writes take real time themselves.
    #[must_use]
    pub fn simulated_wait(&self) -> Option<Duration> {
        match &self.inner.engine {
            Engine::Files(_) => None,
            Engine::Memory(memory) => Some(memory.wait()),
        }
    }

    /// Whether a folder holds a store, open or not.
    #[must_use]
    pub fn is_in(path: &Path) -> bool {
        path.join("CURRENT").exists()
    }

    /// Applies a batch, whole or not at all.
    ///
    /// # Errors
    /// [`StoreError::BatchTooLarge`], [`StoreError::SpaceReserve`] and [`StoreError::UnknownFamily`] before anything is
    /// written; else [`StoreError::DiskFull`], [`StoreError::Io`], [`StoreError::Corrupt`]. After a failed write to the log
    /// the engine refuses further writes until the store is opened again.
    pub fn write(&self, batch: &Batch, durability: Durability) -> Result<(), StoreError> {
        let Inner { engine, path, space, .. } = &*self.inner;
        if batch.bytes() > BATCH_BYTES_MAX {
            return Err(StoreError::BatchTooLarge {
                path: path.clone(),
                bytes: batch.bytes(),
                limit: BATCH_BYTES_MAX,
            });
        }
        if let Some(guard) = space {
            guard.check(path, batch.bytes())?;
        }
        let db = match engine {
            Engine::Files(db) => db,
            Engine::Memory(memory) if memory.write(batch, durability) => return Ok(()),
            Engine::Memory(_) => return Err(StoreError::crashed(path)),
        };
        let mut changes = WriteBatch::default();
        for change in batch.changes() {
            change.apply(&mut changes, family_of(db, path, change.family())?);
        }
        let mut options = WriteOptions::default();
        options.set_sync(durability == Durability::Synced);
        db.write_opt(changes, &options).map_err(|error| self.fault(Operation::Write, &error))
    }

    /// Puts everything written so far on the disk, as table files; the log can then be dropped.
    ///
    /// # Errors
    /// [`StoreError::DiskFull`], [`StoreError::Io`].
    pub fn flush(&self) -> Result<(), StoreError> {
        let Engine::Files(db) = &self.inner.engine else {
            return self.write(&Batch::new(), Durability::Synced);
        };
        for family in &self.inner.families {
            let handle = family_of(db, &self.inner.path, family.name)?;
            db.flush_cf(handle).map_err(|error| self.fault(Operation::Flush, &error))?;
        }
        Ok(())
    }

    /// An owned view of this moment.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::of(Arc::clone(&self.inner))
    }

    /// Makes a copy of the store as it is now in `target`, which must not exist. On the same file system files are linked,
    /// not copied; writers go on meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Io`] where the target exists or cannot be made, [`StoreError::DiskFull`]; [`StoreError::Absent`] for a
    /// store in memory, which has no files.
    pub fn checkpoint(&self, target: &Path) -> Result<(), StoreError> {
        let fault = |error: rocksdb::Error| self.fault(Operation::Checkpoint, &error);
        let Engine::Files(db) = &self.inner.engine else {
            let path = self.inner.path.clone();
            return Err(StoreError::Absent { path, purpose: "checkpoint's".to_owned() });
        };
        Checkpoint::new(db).map_err(fault)?.create_checkpoint(target).map_err(fault)
    }

    fn fault(&self, operation: Operation, error: &rocksdb::Error) -> StoreError {
        StoreError::of(&self.inner.path, "*", operation, error)
    }
}

impl Read for Store {
    fn view(&self) -> View<'_> {
        View { source: Source::now(&self.inner), path: &self.inner.path }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("path", &self.inner.path).finish_non_exhaustive()
    }
}
