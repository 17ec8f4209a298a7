//! How a store is opened: what it is, whether it may be created, how much memory it may use, what a damaged log means.

use crate::space::SpaceGuard;

/// What to do with a write-ahead log that is damaged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WalRecovery {
    /// Drop an incomplete last record, which is a write that was never acknowledged; report any other damage.
    ///
    /// One damage looks the same and is not told apart: the log is written in blocks of 32 KiB, and where a record of the
    /// last block claims more bytes than the file has (a flipped bit of its length), the engine takes it for torn and drops it
    /// with all that follows, synced writes included. A torn write cannot do that, a bad disk can. All families go back
    /// together, so the store is whole, but older. A peer's ledger is delivered its blocks again. An orderer may have
    /// acknowledged the entries that are gone: while other consenters of a majority have them nothing is lost, and the leader
    /// sends them again. A vote that is gone nobody sends again, and the node may vote twice in a term. A peer's custody may
    /// lose a data key, or the record to whom a key was released. The node itself cannot know. A mark outside the log would
    /// tell, at the price of a second fsync for every write.
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
