//! Opening a folder: every check that can fail a start happens here, before anything of the caller is read.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use rocksdb::{Cache, ColumnFamilyDescriptor, DB, DBRecoveryMode, LogLevel, Options};

use crate::error::{Operation, StoreError};
use crate::family::{FamilyKind, FamilySpec};
use crate::layout::{self, OWN_FAMILY};
use crate::options::{StoreOptions, WalRecovery};

/// The log is written to table files at the latest at this size, which bounds the time that a restart takes.
const WAL_BYTES_MAX: u64 = 64 << 20;
/// The engine's own log files, of a size and number that do not fill a disk.
const INFO_LOG_BYTES: usize = 1 << 20;
const INFO_LOG_FILES: usize = 3;
/// One thread to flush and one to compact: a node has one writer.
const BACKGROUND_JOBS: i32 = 2;
/// The least buffer of one family; below it the store would make tiny files.
const FAMILY_BUFFER_BYTES_MIN: usize = 1 << 20;

/// Opens or creates the database of a folder with exactly the families given and the store's own.
pub(crate) fn open(path: &Path, families: &[FamilySpec], options: &StoreOptions) -> Result<DB, StoreError> {
    let engine = engine_options(options);
    if path.join("CURRENT").exists() {
        if options.refuse_existing {
            return Err(StoreError::Exists { path: path.to_owned() });
        }
        refuse_unknown_families(path, families, &engine, options)?;
    } else if options.create_if_missing {
        create_folder(path)?;
    } else {
        return Err(StoreError::Absent { path: path.to_owned(), purpose: options.purpose.to_owned() });
    }
    let db = DB::open_cf_descriptors(&engine, path, descriptors(families, options))
        .map_err(|error| StoreError::of(path, "*", Operation::Open, &error))?;
    layout::check_or_write(&db, path, options)?;
    tracing::debug!(path = %path.display(), purpose = options.purpose, "store opened");
    Ok(db)
}

/// Only the owner may enter: the folder holds world state, and for a peer sealed reports.
fn create_folder(path: &Path) -> Result<(), StoreError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| StoreError::Folder { path: path.to_owned(), source })
}

/// A family on disk that the caller does not know is a newer release's or a mix-up; the layout record says which.
fn refuse_unknown_families(
    path: &Path,
    families: &[FamilySpec],
    engine: &Options,
    options: &StoreOptions,
) -> Result<(), StoreError> {
    let fault = |error: rocksdb::Error| StoreError::of(path, "*", Operation::Open, &error);
    let on_disk = DB::list_cf(engine, path).map_err(fault)?;
    let is_known = |name: &String| name == OWN_FAMILY || families.iter().any(|family| family.name == name);
    let Some(unknown) = on_disk.iter().find(|name| !is_known(name)) else { return Ok(()) };
    let reader = DB::open_cf_for_read_only(engine, path, [OWN_FAMILY], false).map_err(fault)?;
    layout::check(&reader, path, options)?;
    Err(StoreError::UnknownFamily { path: path.to_owned(), family: unknown.clone() })
}

fn engine_options(options: &StoreOptions) -> Options {
    let mut engine = Options::default();
    engine.create_if_missing(options.create_if_missing);
    engine.create_missing_column_families(true);
    engine.set_paranoid_checks(true);
    engine.set_wal_recovery_mode(match options.wal_recovery {
        // Only an incomplete last record is dropped; a wrong checksum anywhere is an error. The engine's default would
        // silently drop acknowledged blocks behind the first damaged byte.
        WalRecovery::TornTail => DBRecoveryMode::TolerateCorruptedTailRecords,
        WalRecovery::UpToFirstDamage => DBRecoveryMode::PointInTime,
    });
    engine.set_max_total_wal_size(WAL_BYTES_MAX);
    engine.set_db_write_buffer_size(options.write_buffer_bytes);
    engine.set_max_open_files(i32::try_from(options.open_files_max).unwrap_or(i32::MAX));
    engine.set_max_background_jobs(BACKGROUND_JOBS);
    engine.set_log_level(LogLevel::Warn);
    engine.set_max_log_file_size(INFO_LOG_BYTES);
    engine.set_keep_log_file_num(INFO_LOG_FILES);
    engine.set_stats_dump_period_sec(0);
    engine.set_stats_persist_period_sec(0);
    engine
}

fn descriptors(families: &[FamilySpec], options: &StoreOptions) -> Vec<ColumnFamilyDescriptor> {
    let cache = Cache::new_lru_cache(options.cache_bytes);
    let buffer_bytes = (options.write_buffer_bytes / 2).max(FAMILY_BUFFER_BYTES_MIN);
    let own = FamilySpec { name: OWN_FAMILY, kind: FamilyKind::Small };
    std::iter::once(&own)
        .chain(families)
        .map(|family| ColumnFamilyDescriptor::new(family.name, family.kind.options(&cache, buffer_bytes)))
        .collect()
}
