//! A node's own wall clock, which can be set while it runs.
//!
//! The node starts with libfaketime in front of the C library, which adds an offset, read from a file at most a second ago,
//! to the time of day. The monotonic clock stays the machine's: a jump changes the date and no time-out.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

/// How long a process believes an offset that it has read, in seconds; after it a jump has reached everybody.
const CACHED_S: u64 = 1;

/// libfaketime for programs with threads, where Debian and its children put it; `None` where it is not installed.
pub(crate) fn library() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").ok()?.flatten().map(|entry| entry.path());
    let found = folders.chain([PathBuf::from("/usr/lib")]);
    found.map(|folder| folder.join("faketime/libfaketimeMT.so.1")).find(|path| path.is_file())
}

/// Has a process that `command` starts follow the offset in `file`.
pub(crate) fn follow(command: &mut Command, file: &Path) -> Result<()> {
    let library = library().context("libfaketime is not installed")?;
    if !file.exists() {
        set(file, 0)?;
    }
    command
        .env("LD_PRELOAD", library)
        .env("FAKETIME_TIMESTAMP_FILE", file)
        .env("FAKETIME_CACHE_DURATION", CACHED_S.to_string())
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .env("DONT_FAKE_MONOTONIC", "1")
        .env("FAKETIME_DISABLE_SHM", "1")
        .env("NO_FAKE_STAT", "1");
    Ok(())
}

/// Sets the offset in a file, in seconds; by renaming, so that nobody reads half of it.
pub(crate) fn set(file: &Path, offset_s: i64) -> Result<()> {
    let new = file.with_extension("new");
    std::fs::write(&new, format!("{offset_s:+}\n"))?;
    std::fs::rename(&new, file).with_context(|| file.display().to_string())
}
