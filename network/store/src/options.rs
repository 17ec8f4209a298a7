//! How a store is opened: what it is, whether it may be created, how much memory it may use, what a damaged log means.

use crate::space::SpaceGuard;

/// What to do with a write-ahead log that is damaged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WalRecovery {
    /// Drop an incomplete last record, which is a write that was never acknowledged; report any other damage.
    #[default]
    TornTail,
    /// Keep everything before the first damage and drop the rest, acknowledged writes included. Only for a node that an
    /// operator told to fetch the rest from the network again.
    UpToFirstDamage,
}

/// How to open a store.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// What the store holds, such as `ledger`: a folder of another purpose is refused.
    pub purpose: &'static str,
    /// The layout of keys and values that the caller writes; a folder with another one is refused.
    pub layout: u32,
    /// Whether a missing store is created.
    pub create_if_missing: bool,
    /// Whether an existing store is refused.
    pub refuse_existing: bool,
    /// Bytes of all memtables together.
    pub write_buffer_bytes: usize,
    /// Bytes of the cache that all families share, indexes and filters included.
    pub cache_bytes: usize,
    /// Files that may be open at once.
    pub open_files_max: u32,
    /// What a damaged log means.
    pub wal_recovery: WalRecovery,
    /// The reserve of free space, if one is to be kept.
    pub space: Option<SpaceGuard>,
}

impl StoreOptions {
    /// Options for a small node: 12 MiB of memtables and an 8 MiB cache, so that an idle peer stays below 40 MB in all.
    #[must_use]
    pub const fn new(purpose: &'static str, layout: u32) -> Self {
        Self {
            purpose,
            layout,
            create_if_missing: true,
            refuse_existing: false,
            write_buffer_bytes: 12 << 20,
            cache_bytes: 8 << 20,
            open_files_max: 512,
            wal_recovery: WalRecovery::TornTail,
            space: None,
        }
    }
}
