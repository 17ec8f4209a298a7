//! Disks in memory: they read like files, and a crash takes what was not synced, from the end.

use std::ops::ControlFlow;
use std::time::Duration;

use store::{
    Batch, Durability, FamilyKind, FamilySpec, KeyRange, MemoryDisk, Order, Read, Store, StoreError,
};

use crate::{FAMILIES, open};

fn disk() -> MemoryDisk {
    MemoryDisk::new(|| Duration::from_millis(3))
}

fn put(store: &Store, key: &str, durability: Durability) {
    let mut batch = Batch::new();
    batch.put("small", key.to_owned(), format!("value of {key}"));
    store.write(&batch, durability).expect("written");
}

fn keys(store: &impl Read) -> Vec<String> {
    let entries = store.scan("small", &KeyRange::all(), Order::Ascending, 99).expect("scans");
    entries.iter().map(|(key, _)| String::from_utf8_lossy(key).into_owned()).collect()
}

/// Everything that can be asked, of a store with the same content.
fn asked(store: &Store) -> Vec<String> {
    let mut batch = Batch::new();
    for key in ["a", "ab", "b", "ba", "c"] {
        batch.put("small", key, format!("{key}!"));
    }
    batch.delete("small", "ab");
    batch.delete_range("small", "b", "ba");
    batch.put("small", "a", "again");
    store.write(&batch, Durability::Synced).expect("written");
    let ranges =
        [KeyRange::all(), KeyRange::prefix("b"), KeyRange::between("a", "ba"), KeyRange::between("c", "a")];
    let mut answers = Vec::new();
    for range in &ranges {
        for order in [Order::Ascending, Order::Descending] {
            for limit in [0, 1, 9] {
                answers.push(format!("{:?}", store.scan("small", range, order, limit).expect("scans")));
            }
        }
    }
    answers.push(format!("{:?}", store.multi_get("small", &["c", "b", "a"]).expect("reads")));
    answers.push(format!("{:?}", store.get("small", b"ba").expect("reads")));
    answers.push(format!("{:?}", store.exists("small", b"b").expect("reads")));
    let mut walked = Vec::new();
    let look = |key: &[u8], _: &[u8]| {
        walked.push(key.to_vec());
        if walked.len() < 2 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    store.walk("small", &KeyRange::all(), Order::Ascending, look).expect("walks");
    answers.push(format!("{walked:?}"));
    let error = store.get("nobody's", b"a").expect_err("no such family");
    assert!(matches!(error, StoreError::UnknownFamily { .. }), "{error}");
    answers
}

#[test]
fn a_store_in_memory_answers_as_one_in_files() {
    let folder = tempfile::tempdir().expect("tempdir");
    let files = open(&folder.path().join("store"));
    assert_eq!(asked(&Store::in_memory(&disk(), &FAMILIES)), asked(&files));
}

#[test]
fn a_crash_takes_what_was_not_synced_from_the_end() {
    let rows: [(usize, &[&str]); 4] = [
        // kept of the unsynced batches, keys afterwards
        (0, &["a", "b"]),
        (1, &["a", "b", "c"]),
        (2, &["a", "b", "c", "d"]),
        (9, &["a", "b", "c", "d"]),
    ];
    for (kept, verdict) in rows {
        let disk = disk();
        let store = Store::in_memory(&disk, &FAMILIES);
        put(&store, "a", Durability::Unsynced);
        put(&store, "b", Durability::Synced);
        put(&store, "c", Durability::Unsynced);
        put(&store, "d", Durability::Unsynced);
        assert_eq!((keys(&store).len(), disk.unsynced()), (4, 2));
        disk.crash(kept);
        assert_eq!(keys(&Store::in_memory(&disk, &FAMILIES)), verdict, "{kept} kept");
        let mut batch = Batch::new();
        batch.put("small", "e", "late");
        let error = store.write(&batch, Durability::Synced).expect_err("a process that has ended");
        assert!(error.to_string().contains("memory"), "{error}");
        assert_eq!(keys(&Store::in_memory(&disk, &FAMILIES)), verdict, "{kept} kept");
    }
}

#[test]
fn a_snapshot_in_memory_stays_as_it_was() {
    let store = Store::in_memory(&disk(), &FAMILIES);
    put(&store, "a", Durability::Synced);
    let snapshot = store.snapshot();
    put(&store, "b", Durability::Unsynced);
    store.flush().expect("synced");
    assert_eq!((keys(&snapshot).len(), keys(&store).len()), (1, 2));
    assert_eq!(store.simulated_wait(), Some(Duration::from_millis(3)));
    assert!(store.checkpoint(std::path::Path::new("/nowhere")).is_err(), "it has no files");
}

#[test]
fn a_disk_keeps_the_families_of_each_who_opened_it() {
    let disk = disk();
    put(&Store::in_memory(&disk, &FAMILIES), "a", Durability::Synced);
    let other = [FamilySpec { name: "other", kind: FamilyKind::Small }];
    let store = Store::in_memory(&disk, &other);
    assert_eq!(store.get("other", b"a").expect("reads"), None);
    assert_eq!(keys(&store), ["a"]);
}
