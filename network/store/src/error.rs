//! What goes wrong with a store, told apart by what the operator has to do: free space, stop the other process, restore
//! from the network, install a release. Texts name the path and the family, never a key or a value.

use std::fmt;
use std::path::{Path, PathBuf};

use rocksdb::ErrorKind;
use thiserror::Error;

/// What the store was doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Opening the folder.
    Open,
    /// Reading a key or a range.
    Read,
    /// Writing a batch.
    Write,
    /// Writing memory to table files.
    Flush,
    /// Making a copy of the whole store.
    Checkpoint,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Read => "read",
            Self::Write => "write",
            Self::Flush => "flush",
            Self::Checkpoint => "checkpoint",
        })
    }
}

/// What the engine reported, in its own words.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct EngineError(String);

/// A fault of a store.
#[derive(Debug, Error)]
pub enum StoreError {
    /// There is no store and none was to be created.
    #[error("there is no {purpose} store in {path}: check the configured path, or create it first")]
    Absent {
        /// The folder.
        path: PathBuf,
        /// What the store was to hold.
        purpose: String,
    },
    /// A store is there although a new one was to be created.
    #[error("{path} already holds a store: choose an empty folder or open what is there")]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// The folder cannot be created or read.
    #[error("the folder {path} of the store cannot be used: check that its parent exists and is writable")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system reported.
        #[source]
        source: std::io::Error,
    },
    /// Another process, or another part of this one, has the store open.
    #[error("the store {path} is in use by another process: stop it first, two nodes cannot share a folder")]
    Locked {
        /// The folder.
        path: PathBuf,
        /// What the engine reported.
        #[source]
        source: EngineError,
    },
    /// The folder was written by a release with another layout.
    #[error(
        "the store {path} has layout {found}, written by release {release}; this release knows layout {known}: \
         run release {release} or newer"
    )]
    OtherLayout {
        /// The folder.
        path: PathBuf,
        /// The layout on disk.
        found: u32,
        /// The layout that the caller knows.
        known: u32,
        /// The release that wrote it.
        release: String,
    },
    /// The folder belongs to something else.
    #[error("the store {path} holds {found}, not {wanted}: two configured paths are mixed up")]
    OtherPurpose {
        /// The folder.
        path: PathBuf,
        /// What the folder holds.
        found: String,
        /// What was to be opened.
        wanted: String,
    },
    /// A database that this program did not make.
    #[error("the folder {path} holds a database without a layout record: it was not made by this program")]
    Foreign {
        /// The folder.
        path: PathBuf,
    },
    /// A family that the caller did not declare.
    #[error("the store {path} has no family {family:?}")]
    UnknownFamily {
        /// The folder.
        path: PathBuf,
        /// The name asked for or found on disk.
        family: String,
    },
    /// A batch over the limit; nothing was written.
    #[error("a batch of {bytes} bytes for the store {path} exceeds the limit of {limit} bytes")]
    BatchTooLarge {
        /// The folder.
        path: PathBuf,
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The reserve of free space is reached; nothing was written.
    #[error(
        "{available} bytes are free for the store {path}, less than the reserve of {reserve}: free space or enlarge \
         the disk"
    )]
    SpaceReserve {
        /// The folder.
        path: PathBuf,
        /// Free bytes.
        available: u64,
        /// The reserve.
        reserve: u64,
    },
    /// The disk is full.
    #[error(
        "{operation} of family {family:?} in the store {path} failed because the disk is full: free space and restart"
    )]
    DiskFull {
        /// The folder.
        path: PathBuf,
        /// The family, or `*` for several.
        family: String,
        /// What was done.
        operation: Operation,
        /// What the engine reported.
        #[source]
        source: EngineError,
    },
    /// The bytes on disk are not those that were written.
    #[error(
        "{operation} of family {family:?} in the store {path} met damaged data: check the disk, then restore the \
         folder or let the node fetch everything anew"
    )]
    Corrupt {
        /// The folder.
        path: PathBuf,
        /// The family, or `*` where it is not known.
        family: String,
        /// What was done.
        operation: Operation,
        /// What the engine or the check reported.
        #[source]
        source: EngineError,
    },
    /// The system refused a read or a write.
    #[error(
        "{operation} of family {family:?} in the store {path} failed: the system refused the file operation"
    )]
    Io {
        /// The folder.
        path: PathBuf,
        /// The family, or `*` for several.
        family: String,
        /// What was done.
        operation: Operation,
        /// What the engine reported.
        #[source]
        source: EngineError,
    },
    /// Anything else the engine reports.
    #[error("{operation} of family {family:?} in the store {path} failed")]
    Engine {
        /// The folder.
        path: PathBuf,
        /// The family, or `*` for several.
        family: String,
        /// What was done.
        operation: Operation,
        /// What the engine reported.
        #[source]
        source: EngineError,
    },
}

impl StoreError {
    /// Sorts what the engine reported. `family` is `*` where several or none are concerned.
    pub(crate) fn of(path: &Path, family: &str, operation: Operation, error: &rocksdb::Error) -> Self {
        let (path, family) = (path.to_owned(), family.to_owned());
        let source = EngineError(error.to_string());
        let text = &source.0;
        let is_lock = text.contains("While lock file") || text.contains("lock hold by current process");
        match error.kind() {
            ErrorKind::IOError if is_lock => Self::Locked { path, source },
            _ if text.contains("No space left on device") || text.contains("Disk quota exceeded") => {
                Self::DiskFull { path, family, operation, source }
            }
            ErrorKind::Corruption => Self::Corrupt { path, family, operation, source },
            ErrorKind::IOError => Self::Io { path, family, operation, source },
            _ => Self::Engine { path, family, operation, source },
        }
    }

    /// The disk in memory has crashed since the store was opened.
    pub(crate) fn crashed(path: &Path) -> Self {
        Self::Io {
            path: path.to_owned(),
            family: "*".to_owned(),
            operation: Operation::Write,
            source: EngineError("the disk has crashed".to_owned()),
        }
    }

    /// A value that this program wrote and cannot read back, although the engine's own checksum holds.
    #[must_use]
    pub fn unreadable(path: &Path, family: &str, reason: impl fmt::Display) -> Self {
        Self::Corrupt {
            path: path.to_owned(),
            family: family.to_owned(),
            operation: Operation::Read,
            source: EngineError(reason.to_string()),
        }
    }

    /// Whether the data on disk is damaged, so that trying again cannot help.
    #[must_use]
    pub const fn is_corruption(&self) -> bool {
        matches!(self, Self::Corrupt { .. })
    }

    /// Whether the fault ends when somebody frees space.
    #[must_use]
    pub const fn is_full_disk(&self) -> bool {
        matches!(self, Self::DiskFull { .. } | Self::SpaceReserve { .. })
    }
}
