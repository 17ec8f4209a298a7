//! Reads, ranges, batches and snapshots.

use std::ops::ControlFlow;

use store::{Batch, Durability, KeyRange, Order, Read, Store};

use crate::{open, put};

fn filled(path: &std::path::Path) -> Store {
    let store = open(path);
    for key in ["a", "ab", "b", "ba", "c"] {
        put(&store, "state", key, &key.to_uppercase());
    }
    store
}

fn keys(view: &impl Read, range: &KeyRange, order: Order, limit: usize) -> String {
    let entries = view.scan("state", range, order, limit).expect("scans");
    let keys: Vec<_> = entries.iter().map(|(key, _)| String::from_utf8_lossy(key).into_owned()).collect();
    keys.join(" ")
}

#[test]
fn a_scan_returns_its_range_in_order_up_to_its_limit() {
    let folder = tempfile::tempdir().expect("tempdir");
    let store = filled(folder.path());
    let rows: &[(&str, KeyRange, Order, usize, &str)] = &[
        ("all", KeyRange::all(), Order::Ascending, 9, "a ab b ba c"),
        ("all, backwards", KeyRange::all(), Order::Descending, 9, "c ba b ab a"),
        ("the end is exclusive", KeyRange::between(*b"ab", *b"ba"), Order::Ascending, 9, "ab b"),
        ("backwards too", KeyRange::between(*b"ab", *b"ba"), Order::Descending, 9, "b ab"),
        ("from a key on", KeyRange::from(*b"b"), Order::Ascending, 9, "b ba c"),
        ("a prefix", KeyRange::prefix(*b"b"), Order::Ascending, 9, "b ba"),
        ("a limit", KeyRange::all(), Order::Ascending, 2, "a ab"),
        ("a limit, backwards", KeyRange::prefix(*b"b"), Order::Descending, 1, "ba"),
        ("limit 0", KeyRange::all(), Order::Ascending, 0, ""),
        ("an inverted range", KeyRange::between(*b"c", *b"a"), Order::Ascending, 9, ""),
        ("an empty range", KeyRange::between(*b"a", *b"a"), Order::Ascending, 9, ""),
        ("beyond the end", KeyRange::from(*b"d"), Order::Descending, 9, ""),
    ];
    for (name, range, order, limit, expected) in rows {
        assert_eq!(keys(&store, range, *order, *limit), *expected, "{name}");
    }
}

#[test]
fn many_keys_come_back_in_the_order_asked() {
    let folder = tempfile::tempdir().expect("tempdir");
    let store = filled(folder.path());
    for asked in [["a", "b", "x"], ["x", "b", "a"]] {
        let values = store.multi_get("state", &asked).expect("reads");
        let expected: Vec<_> = asked.iter().map(|key| (*key != "x").then(|| key.to_uppercase())).collect();
        let values: Vec<_> =
            values.into_iter().map(|value| value.map(|v| String::from_utf8_lossy(&v).into_owned())).collect();
        assert_eq!(values, expected);
    }
    assert!(store.multi_get::<&str>("state", &[]).expect("reads").is_empty());
}

#[test]
fn a_batch_applies_in_order_and_across_families() {
    let folder = tempfile::tempdir().expect("tempdir");
    let store = filled(folder.path());
    let mut batch = Batch::new();
    assert!(batch.is_empty());
    batch.delete("state", "a");
    batch.put("state", "a", "again");
    batch.put("state", "ab", "gone");
    batch.delete("state", "ab");
    batch.delete_range("state", "b", "c");
    batch.put("small", "x", "y");
    assert_eq!((batch.len(), batch.bytes()), (6, 1 + 6 + 6 + 2 + 2 + 2));
    store.write(&batch, Durability::Unsynced).expect("writes");
    assert_eq!(keys(&store, &KeyRange::all(), Order::Ascending, 9), "a c");
    assert_eq!(store.get("state", b"a").expect("reads").as_deref(), Some(&b"again"[..]));
    assert!(store.exists("small", b"x").expect("reads"));
}

#[test]
fn a_snapshot_sees_one_moment_from_every_thread() {
    let folder = tempfile::tempdir().expect("tempdir");
    let store = filled(folder.path());
    let snapshot = store.snapshot();
    let mut batch = Batch::new();
    batch.delete("state", "a");
    batch.put("state", "b", "new");
    batch.put("state", "d", "new");
    store.write(&batch, Durability::Synced).expect("writes");
    store.flush().expect("flushes");
    let reader = std::thread::spawn(move || {
        assert_eq!(keys(&snapshot, &KeyRange::all(), Order::Ascending, 9), "a ab b ba c");
        assert_eq!(keys(&snapshot, &KeyRange::all(), Order::Descending, 1), "c");
        assert_eq!(snapshot.get("state", b"b").expect("reads").as_deref(), Some(&b"B"[..]));
        let values = snapshot.multi_get("state", &["a", "d"]).expect("reads");
        assert!(values[0].is_some() && values[1].is_none());
        assert!(!snapshot.exists("state", b"d").expect("reads"));
    });
    reader.join().expect("the reader's claims hold");
    assert_eq!(keys(&store, &KeyRange::all(), Order::Ascending, 9), "ab b ba c d");
}

#[test]
fn a_walk_ends_where_its_reader_breaks_off() {
    let folder = tempfile::tempdir().expect("tempdir");
    let store = filled(folder.path());
    let mut seen = 0;
    store
        .walk("state", &KeyRange::all(), Order::Ascending, |key, _| {
            seen += 1;
            if key == b"b" { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .expect("walks");
    assert_eq!(seen, 3);
}

#[test]
fn large_values_live_in_blob_files_and_read_back() {
    let folder = tempfile::tempdir().expect("tempdir");
    let store = open(folder.path());
    let value = bytes::Bytes::from((0..2 << 20).map(|n: u32| n.to_le_bytes()[1]).collect::<Vec<u8>>());
    let mut batch = Batch::new();
    batch.put("blob", "large", value.clone());
    batch.put("blob", "little", "value");
    store.write(&batch, Durability::Synced).expect("writes");
    store.flush().expect("flushes");
    let is_blob_file = |entry: &std::fs::DirEntry| {
        entry.path().extension().is_some_and(|extension| extension == "blob")
            && entry.metadata().is_ok_and(|metadata| metadata.len() >= 2 << 20)
    };
    let files = std::fs::read_dir(folder.path()).expect("lists");
    assert_eq!(files.filter_map(Result::ok).filter(is_blob_file).count(), 1);
    assert_eq!(store.get("blob", b"large").expect("reads"), Some(value));
}
