//! A batch: changes of several families that become visible and durable together or not at all.

use bytes::Bytes;
use rocksdb::WriteBatch;

/// Most bytes of keys and values in one batch: a block of the greatest size with all it writes, several times over, and
/// far below the engine's own limit of 4 GiB.
pub const BATCH_BYTES_MAX: usize = 512 << 20;

/// When a write counts as done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// On the disk: it survives a power cut.
    Synced,
    /// Handed to the operating system: it survives the process, not the machine.
    Unsynced,
}

#[derive(Clone, Debug)]
pub(crate) enum Change {
    Put { family: &'static str, key: Bytes, value: Bytes },
    Delete { family: &'static str, key: Bytes },
    DeleteRange { family: &'static str, start: Bytes, end: Bytes },
}

impl Change {
    pub(crate) const fn family(&self) -> &'static str {
        match self {
            Self::Put { family, .. } | Self::Delete { family, .. } | Self::DeleteRange { family, .. } => {
                family
            }
        }
    }

    pub(crate) fn apply(&self, batch: &mut WriteBatch, family: &rocksdb::ColumnFamily) {
        match self {
            Self::Put { key, value, .. } => batch.put_cf(family, key, value),
            Self::Delete { key, .. } => batch.delete_cf(family, key),
            Self::DeleteRange { start, end, .. } => batch.delete_range_cf(family, start, end),
        }
    }
}

/// Changes in the order they were added; a later one of the same key wins.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    changes: Vec<Change>,
    bytes: usize,
}

impl Batch {
    /// A batch without changes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a key.
    pub fn put(&mut self, family: &'static str, key: impl Into<Bytes>, value: impl Into<Bytes>) {
        let (key, value) = (key.into(), value.into());
        self.bytes = self.bytes.saturating_add(key.len()).saturating_add(value.len());
        self.changes.push(Change::Put { family, key, value });
    }

    /// Removes a key, which need not exist.
    pub fn delete(&mut self, family: &'static str, key: impl Into<Bytes>) {
        let key = key.into();
        self.bytes = self.bytes.saturating_add(key.len());
        self.changes.push(Change::Delete { family, key });
    }

    /// Removes the keys from `start` (inclusive) to `end` (exclusive).
    pub fn delete_range(&mut self, family: &'static str, start: impl Into<Bytes>, end: impl Into<Bytes>) {
        let (start, end) = (start.into(), end.into());
        self.bytes = self.bytes.saturating_add(start.len()).saturating_add(end.len());
        self.changes.push(Change::DeleteRange { family, start, end });
    }

    /// How many changes it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Bytes of its keys and values.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn changes(&self) -> &[Change] {
        &self.changes
    }
}
