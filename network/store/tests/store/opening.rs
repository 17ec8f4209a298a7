//! What a start refuses, each with the words that tell the operator what to do.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use store::{
    BATCH_BYTES_MAX, Batch, Durability, FamilyKind, FamilySpec, Read, SpaceGuard, Store, StoreError,
    StoreOptions,
};

use crate::{FAMILIES, open, options, put};

#[test]
fn a_new_folder_is_for_its_owner_only_and_opens_again() {
    let folder = tempfile::tempdir().expect("tempdir");
    let path = folder.path().join("a/b");
    assert!(!Store::is_in(&path));
    put(&open(&path), "small", "key", "value");
    assert!(Store::is_in(&path));
    assert_eq!(fs::metadata(&path).expect("metadata").permissions().mode() & 0o777, 0o700);
    assert_eq!(open(&path).get("small", b"key").expect("reads").as_deref(), Some(&b"value"[..]));
}

#[test]
fn a_second_opener_is_refused_with_the_path() {
    let folder = tempfile::tempdir().expect("tempdir");
    let path = folder.path().join("store");
    let first = open(&path);
    let error = Store::open(&path, &FAMILIES, options()).expect_err("locked");
    assert!(matches!(error, StoreError::Locked { .. }), "{error:?}");
    assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    drop(first);
    open(&path);
}

#[test]
fn a_snapshot_keeps_the_store_open() {
    let folder = tempfile::tempdir().expect("tempdir");
    let store = open(folder.path());
    put(&store, "small", "key", "value");
    let snapshot = store.snapshot();
    drop(store);
    assert!(snapshot.exists("small", b"key").expect("reads"));
    assert!(matches!(
        Store::open(folder.path(), &FAMILIES, options()).expect_err("held"),
        StoreError::Locked { .. }
    ));
    drop(snapshot);
    open(folder.path());
}

#[test]
fn other_folders_are_refused_by_kind() {
    let folder = tempfile::tempdir().expect("tempdir");
    let path = folder.path().join("store");
    let absent = Store::open(&path, &FAMILIES, StoreOptions { create_if_missing: false, ..options() });
    assert!(matches!(absent.expect_err("absent"), StoreError::Absent { .. }));
    assert!(!path.exists(), "a refused start creates nothing");
    drop(open(&path));
    let rows: &[(&str, StoreOptions, &str)] = &[
        ("must be new", StoreOptions { refuse_existing: true, ..options() }, "already holds a store"),
        ("a newer layout known", StoreOptions::new("test", 2), "layout 1, written by release 0."),
        ("another purpose", StoreOptions::new("sealed blocks", 1), "holds test, not sealed blocks"),
    ];
    for (name, options, words) in rows {
        let error = Store::open(&path, &FAMILIES, options.clone()).expect_err(name);
        assert!(error.to_string().contains(words), "{name}: {error}");
    }
    open(&path);
}

#[test]
fn a_layout_of_a_newer_release_names_that_release() {
    let folder = tempfile::tempdir().expect("tempdir");
    let newer = [&FAMILIES[..], &[FamilySpec { name: "later", kind: FamilyKind::Small }]].concat();
    drop(Store::open(folder.path(), &newer, StoreOptions::new("test", 7)).expect("opens"));
    let error = Store::open(folder.path(), &FAMILIES, options()).expect_err("newer");
    assert!(matches!(error, StoreError::OtherLayout { found: 7, known: 1, .. }), "{error:?}");
    let wanted = format!("run release {} or newer", env!("CARGO_PKG_VERSION"));
    assert!(error.to_string().contains(&wanted), "{error}");
}

#[test]
fn a_family_that_nobody_declared_is_an_error() {
    let folder = tempfile::tempdir().expect("tempdir");
    drop(open(folder.path()));
    let error = Store::open(folder.path(), &FAMILIES[..2], options()).expect_err("unknown on disk");
    assert!(matches!(&error, StoreError::UnknownFamily { family, .. } if family == "blob"), "{error:?}");
    let store = open(folder.path());
    assert!(matches!(store.get("none", b"key"), Err(StoreError::UnknownFamily { .. })));
    let mut batch = Batch::new();
    batch.put("small", "key", "value");
    batch.put("none", "key", "value");
    assert!(matches!(store.write(&batch, Durability::Synced), Err(StoreError::UnknownFamily { .. })));
    assert!(!store.exists("small", b"key").expect("reads"), "nothing of a refused batch is written");
}

#[test]
fn a_family_may_be_added_by_a_later_release() {
    let folder = tempfile::tempdir().expect("tempdir");
    drop(Store::open(folder.path(), &FAMILIES[..1], options()).expect("opens"));
    put(&open(folder.path()), "blob", "key", "value");
}

#[test]
fn a_file_in_the_way_is_a_fault_of_the_folder() {
    let folder = tempfile::tempdir().expect("tempdir");
    let path = folder.path().join("file");
    fs::write(&path, b"").expect("writes");
    let error = Store::open(&path.join("store"), &FAMILIES, options()).expect_err("no folder");
    assert!(matches!(error, StoreError::Folder { .. }), "{error:?}");
}

#[test]
fn the_limit_of_a_batch_and_the_reserve_of_space_are_kept_before_writing() {
    let folder = tempfile::tempdir().expect("tempdir");
    let free = Arc::new(AtomicU64::new(100));
    let seen = Arc::clone(&free);
    let guard = SpaceGuard::new(90, move |_| Ok(seen.load(Ordering::SeqCst)));
    let store = Store::open(folder.path(), &FAMILIES, StoreOptions { space: Some(guard), ..options() })
        .expect("opens");
    let mut batch = Batch::new();
    batch.put("small", "0123456789", "x");
    let error = store.write(&batch, Durability::Synced).expect_err("11 bytes leave 89");
    assert!(error.is_full_disk() && !error.is_corruption(), "{error:?}");
    free.store(101, Ordering::SeqCst);
    store.write(&batch, Durability::Synced).expect("11 bytes leave 90");

    let value = bytes::Bytes::from(vec![0; BATCH_BYTES_MAX / 8]);
    let mut large = Batch::new();
    for key in 0..9_u8 {
        large.put("blob", vec![key], value.clone());
    }
    let error = store.write(&large, Durability::Synced).expect_err("over the limit");
    assert!(matches!(error, StoreError::BatchTooLarge { .. }), "{error:?}");
    assert!(
        store.scan("blob", &store::KeyRange::all(), store::Order::Ascending, 9).expect("reads").is_empty()
    );
}

#[test]
fn a_checkpoint_is_a_store_of_its_own() {
    let folder = tempfile::tempdir().expect("tempdir");
    let (path, copy) = (folder.path().join("store"), folder.path().join("copy"));
    let store = open(&path);
    put(&store, "small", "key", "before");
    store.checkpoint(&copy).expect("copies");
    put(&store, "small", "key", "after");
    assert!(store.checkpoint(&copy).is_err(), "a copy never replaces what is there");
    let copied = open(&copy);
    assert_eq!(copied.get("small", b"key").expect("reads").as_deref(), Some(&b"before"[..]));
}
