//! Files that a power cut or a bad disk leaves behind. A torn last record is a write that nobody was told had succeeded,
//! so it is dropped in silence; everything else must show.

use std::fs;
use std::path::{Path, PathBuf};

use store::{Batch, Durability, KeyRange, Order, Read, Store, StoreError, StoreOptions, WalRecovery};

use crate::{FAMILIES, open, options, put};

/// The write-ahead log that holds something.
fn log_file(path: &Path) -> PathBuf {
    files(path, "log").into_iter().max_by_key(|file| length(file)).expect("a log")
}

fn files(path: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).expect("lists").map(|entry| entry.expect("lists").path());
    entries.filter(|file| file.extension().is_some_and(|found| found == extension)).collect()
}

fn length(file: &Path) -> u64 {
    fs::metadata(file).expect("metadata").len()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("creates");
    for entry in fs::read_dir(from).expect("lists") {
        let entry = entry.expect("lists");
        fs::copy(entry.path(), to.join(entry.file_name())).expect("copies");
    }
}

fn flip(file: &Path, offset: usize) {
    let mut bytes = fs::read(file).expect("reads");
    bytes[offset] ^= 0x40;
    fs::write(file, bytes).expect("writes");
}

/// Three synced records in a log; returns where each of them ends.
fn three_records(path: &Path) -> Vec<usize> {
    let store = open(path);
    (0..3)
        .map(|number| {
            put(&store, "small", &format!("key {number}"), &"value".repeat(20));
            usize::try_from(length(&log_file(path))).expect("fits")
        })
        .collect()
}

fn keys(store: &Store) -> usize {
    store.scan("small", &KeyRange::all(), Order::Ascending, 9).expect("scans").len()
}

#[test]
fn a_torn_last_record_is_dropped_whole_at_every_length() {
    let folder = tempfile::tempdir().expect("tempdir");
    let path = folder.path().join("store");
    let ends = three_records(&path);
    for cut in (ends[1]..=ends[2]).step_by(7).chain([ends[1] + 1, ends[2] - 1, ends[2]]) {
        let torn = folder.path().join(format!("torn at {cut}"));
        copy(&path, &torn);
        let log = log_file(&torn);
        let bytes = fs::read(&log).expect("reads");
        fs::write(&log, &bytes[..cut]).expect("writes");
        let store = open(&torn);
        assert_eq!(keys(&store), if cut == ends[2] { 3 } else { 2 }, "cut at {cut}");
        put(&store, "small", "later", "value");
        drop(store);
        assert_eq!(keys(&open(&torn)), if cut == ends[2] { 4 } else { 3 }, "written after a cut at {cut}");
    }
}

#[test]
fn a_damaged_record_before_the_last_stops_the_start() {
    let folder = tempfile::tempdir().expect("tempdir");
    let path = folder.path().join("store");
    let ends = three_records(&path);
    for offset in [ends[0] - 30, ends[0] + 30, ends[1] - 10] {
        let damaged = folder.path().join(format!("damaged at {offset}"));
        copy(&path, &damaged);
        flip(&log_file(&damaged), offset);
        let error = Store::open(&damaged, &FAMILIES, options()).expect_err("damaged");
        assert!(error.is_corruption() && !error.is_full_disk(), "{error:?}");
        assert!(error.to_string().contains(&damaged.display().to_string()), "{error}");
        let salvage = StoreOptions { wal_recovery: WalRecovery::UpToFirstDamage, ..options() };
        let store = Store::open(&damaged, &FAMILIES, salvage).expect("an operator may salvage");
        assert!(keys(&store) < 3);
    }
}

#[test]
fn a_damaged_table_is_reported_when_it_is_read() {
    let folder = tempfile::tempdir().expect("tempdir");
    let store = open(folder.path());
    let mut batch = Batch::new();
    for number in 0..2_000_u32 {
        batch.put("small", format!("key {number:05}"), number.to_le_bytes().repeat(8));
    }
    store.write(&batch, Durability::Synced).expect("writes");
    store.flush().expect("flushes");
    drop(store);
    for table in files(folder.path(), "sst") {
        if length(&table) > 8_000 {
            flip(&table, 3_000);
        }
    }
    let outcome = Store::open(folder.path(), &FAMILIES, options())
        .and_then(|store| store.scan("small", &KeyRange::all(), Order::Ascending, 3_000));
    assert!(matches!(outcome, Err(StoreError::Corrupt { .. })), "{outcome:?}");
}

#[test]
fn a_damaged_blob_is_reported_when_it_is_read() {
    let folder = tempfile::tempdir().expect("tempdir");
    let store = open(folder.path());
    let mut batch = Batch::new();
    batch.put("blob", "key", vec![7; 100_000]);
    store.write(&batch, Durability::Synced).expect("writes");
    store.flush().expect("flushes");
    drop(store);
    let blobs = files(folder.path(), "blob");
    assert_eq!(blobs.len(), 1);
    flip(&blobs[0], 50_000);
    let outcome = open(folder.path()).get("blob", b"key");
    assert!(matches!(outcome, Err(StoreError::Corrupt { .. })), "{outcome:?}");
}
