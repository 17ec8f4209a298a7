//! The store against real folders: opening, reading, torn and damaged files, chains of blocks, and a sequential model.
#![allow(clippy::expect_used, reason = "tests")]

mod blocks;
mod damage;
mod memory;
mod model;
mod opening;
mod reading;

use std::path::Path;

use store::{Batch, Durability, FamilyKind, FamilySpec, Store, StoreOptions};

/// The families of these tests.
const FAMILIES: [FamilySpec; 3] = [
    FamilySpec { name: "small", kind: FamilyKind::Small },
    FamilySpec { name: "state", kind: FamilyKind::State },
    FamilySpec { name: "blob", kind: FamilyKind::Blob },
];

fn options() -> StoreOptions {
    StoreOptions::new("test", 1)
}

fn open(path: &Path) -> Store {
    Store::open(path, &FAMILIES, options()).expect("opens")
}

fn put(store: &Store, family: &'static str, key: &str, value: &str) {
    let mut batch = Batch::new();
    batch.put(family, key.to_owned(), value.to_owned());
    store.write(&batch, Durability::Synced).expect("writes");
}
