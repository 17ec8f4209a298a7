//! The layout record: what a folder holds and which release wrote it.
//!
//! It lies in the family `default` under the key `layout` as canonical MessagePack `[version, purpose, layout, release]`.

use std::path::Path;

use protocol::codec;
use rocksdb::DB;
use serde::{Deserialize, Serialize};

use crate::error::{Operation, StoreError};
use crate::options::StoreOptions;

/// The family that is the store's own.
pub(crate) const OWN_FAMILY: &str = "default";
const LAYOUT_KEY: &[u8] = b"layout";
/// A layout record has a short purpose and a short release.
const LAYOUT_BYTES_MAX: usize = 1 << 10;

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct LayoutRecord {
    version: u16,
    purpose: String,
    layout: u32,
    release: String,
}

impl LayoutRecord {
    const VERSION: u16 = 1;
}

/// Compares the folder's record with what the caller knows, or writes it into a folder that is still empty.
pub(crate) fn check_or_write(db: &DB, path: &Path, options: &StoreOptions) -> Result<(), StoreError> {
    if check(db, path, options)? {
        return Ok(());
    }
    // A process that was killed while it created the store leaves a database that nothing was written to.
    if db.latest_sequence_number() != 0 {
        return Err(StoreError::Foreign { path: path.to_owned() });
    }
    let record = LayoutRecord {
        version: LayoutRecord::VERSION,
        purpose: options.purpose.to_owned(),
        layout: options.layout,
        release: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let mut synced = rocksdb::WriteOptions::default();
    synced.set_sync(true);
    db.put_opt(LAYOUT_KEY, codec::encode(&record), &synced)
        .map_err(|error| StoreError::of(path, OWN_FAMILY, Operation::Write, &error))
}

/// Returns whether the folder has a record; an error if it is not the caller's.
pub(crate) fn check(db: &DB, path: &Path, options: &StoreOptions) -> Result<bool, StoreError> {
    let bytes =
        db.get(LAYOUT_KEY).map_err(|error| StoreError::of(path, OWN_FAMILY, Operation::Read, &error))?;
    let Some(bytes) = bytes else { return Ok(false) };
    let record: LayoutRecord = codec::decode(&bytes, LAYOUT_BYTES_MAX)
        .map_err(|error| StoreError::unreadable(path, OWN_FAMILY, error))?;
    if record.purpose != options.purpose {
        return Err(StoreError::OtherPurpose {
            path: path.to_owned(),
            found: record.purpose,
            wanted: options.purpose.to_owned(),
        });
    }
    if record.version != LayoutRecord::VERSION || record.layout != options.layout {
        return Err(StoreError::OtherLayout {
            path: path.to_owned(),
            found: record.layout,
            known: options.layout,
            release: record.release,
        });
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_a_layout_record_are_frozen() {
        let record = LayoutRecord { version: 1, purpose: "ab".into(), layout: 1, release: "0".into() };
        assert_eq!(codec::encode(&record), [0x94, 1, 0xa2, b'a', b'b', 1, 0xa1, b'0']);
    }
}
