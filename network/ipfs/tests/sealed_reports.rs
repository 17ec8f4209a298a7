//! A report's way through sealing, store and opening, and everything that may go wrong on it.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use ipfs::{
    DataKey, OpenError, SEALED_FAMILIES, Sealed, SealedStore, SealedStoreError, StagedDag, open, seal,
};
use offchain::{BindingHasher, BlockSink as _, Cid, DagBuilder, DagWalk, Next};
use proptest::prelude::*;
use store::{Batch, Durability, Read, Store, StoreOptions};

struct World {
    store: Store,
    sealed: SealedStore,
    _folder: tempfile::TempDir,
}

fn world() -> World {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(
        &folder.path().join("db"),
        &SEALED_FAMILIES,
        StoreOptions::new("sealed reports of a test", 1),
    )
    .expect("opens");
    World { sealed: SealedStore::new(store.clone()), store, _folder: folder }
}

fn stored(world: &World, plaintext: &[u8]) -> Sealed {
    let mut staged = world.sealed.stage();
    let sealed = seal(plaintext, &mut staged).expect("seals");
    staged.finish(sealed.cid, sealed.sealed_size, 1_000).expect("is stored");
    sealed
}

fn opened(world: &World, cid: Cid, key: &DataKey) -> Result<Vec<u8>, OpenError> {
    let mut plaintext = Vec::new();
    let block = |cid| world.sealed.block(cid).map_err(|error| OpenError::Source { cause: error.to_string() });
    open(cid, key, block, &mut plaintext, 64 << 20).map(|_| plaintext)
}

#[test]
fn a_report_opens_to_its_bytes_with_its_key_only() {
    let world = world();
    for size in [0_usize, 1, 65_536, 1 << 20, (3 << 20) + 17] {
        let plaintext: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
        let sealed = stored(&world, &plaintext);
        assert_eq!(sealed.size, size as u64);
        assert_eq!(world.sealed.verify(sealed.cid).expect("intact"), sealed.sealed_size);
        assert_eq!(opened(&world, sealed.cid, &sealed.data_key).expect("opens"), plaintext);
        let mut binding = BindingHasher::new(sealed.data_key.as_bytes());
        binding.update(&plaintext);
        assert_eq!(binding.finish(), sealed.binding);
        let error =
            opened(&world, sealed.cid, &DataKey::generate().expect("random")).expect_err("another key");
        assert!(matches!(error, OpenError::WrongKey), "{error}");
        let again = stored(&world, &plaintext);
        assert_ne!(again.cid, sealed.cid, "sealing is not convergent");
    }
}

#[test]
fn a_plaintext_over_the_limit_is_refused_while_it_is_read() {
    let world = world();
    let sealed = stored(&world, &[7; 100_000]);
    let block = |cid| world.sealed.block(cid).map_err(|error| OpenError::Source { cause: error.to_string() });
    let error = open(sealed.cid, &sealed.data_key, block, std::io::sink(), 99_999).expect_err("too large");
    assert!(matches!(error, OpenError::TooLarge { limit: 99_999 }), "{error}");
}

#[test]
fn one_changed_or_missing_byte_is_found_and_named() {
    let world = world();
    let sealed = stored(&world, &[7; 2 << 20]);
    let family = SEALED_FAMILIES[0].name;
    let blocks =
        world.store.scan(family, &store::KeyRange::all(), store::Order::Ascending, 100).expect("scan");
    assert_eq!(blocks.len(), 4, "three leaves and a root");
    for (key, block) in blocks {
        let cid = Cid::from_bytes(&key).expect("a CID");
        let mut changed = block.to_vec();
        changed[block.len() / 2] ^= 1;
        put(&world, &key, Some(Bytes::from(changed)));
        let error = world.sealed.verify(sealed.cid).expect_err("changed");
        assert!(matches!(&error, SealedStoreError::Damaged { cid: named, .. } if *named == cid), "{error}");
        let error = opened(&world, sealed.cid, &sealed.data_key).expect_err("changed");
        assert!(error.to_string().contains(&cid.to_string()), "{error}");
        put(&world, &key, None);
        let error = world.sealed.verify(sealed.cid).expect_err("missing");
        assert!(matches!(error, SealedStoreError::Missing { cid: named } if named == cid), "{error}");
        put(&world, &key, Some(block));
    }
    assert!(world.sealed.verify(sealed.cid).is_ok());
}

fn put(world: &World, key: &Bytes, value: Option<Bytes>) {
    let mut batch = Batch::new();
    match value {
        Some(value) => batch.put(SEALED_FAMILIES[0].name, key.clone(), value),
        None => batch.delete(SEALED_FAMILIES[0].name, key.clone()),
    }
    world.store.write(&batch, Durability::Synced).expect("written");
}

#[test]
fn what_is_never_finished_or_never_kept_is_gone() {
    let world = world();
    let family = SEALED_FAMILIES[0].name;
    let count = || {
        world.store.scan(family, &store::KeyRange::all(), store::Order::Ascending, 100).expect("scan").len()
    };
    {
        let mut staged = world.sealed.stage();
        seal(&[1_u8; 1000][..], &mut staged).expect("seals");
        assert_eq!(count(), 1);
    }
    assert_eq!(count(), 0, "a dropped upload leaves nothing");
    let kept = stored(&world, &[1; 1000]);
    let stale = stored(&world, &[2; 1000]);
    world.sealed.keep(kept.cid).expect("kept");
    assert_eq!(world.sealed.sweep(1_000, |_| false).expect("sweeps"), 0, "nothing is older");
    assert_eq!(world.sealed.sweep(1_001, |_| true).expect("sweeps"), 0, "somebody needs it");
    assert_eq!(world.sealed.sweep(1_001, |_| false).expect("sweeps"), 1);
    assert!(world.sealed.held(stale.cid).expect("reads").is_none());
    assert!(world.sealed.held(kept.cid).expect("reads").expect("held").is_kept);
    assert_eq!(count(), 1);
    world.sealed.remove(kept.cid).expect("removed");
    world.sealed.remove(kept.cid).expect("a second time does nothing");
    assert_eq!(count(), 0);
}

/// A holder can build another root over leaves that it was given. Whatever becomes of that DAG, the first keeps its blocks.
#[test]
fn a_foreign_root_over_the_same_leaves_never_takes_them_away() {
    let world = world();
    let victim = stored(&world, &[5; (2 << 20) + 77]);
    world.sealed.keep(victim.cid).expect("kept");
    let mut walk = DagWalk::new(victim.cid, u64::MAX);
    let mut bytes = Vec::new();
    while let Next::Want(cid) = walk.next() {
        let leaf = walk.supply(cid, world.sealed.block(cid).expect("held")).expect("intact");
        bytes.push(leaf.unwrap_or_default());
    }
    let shared = bytes[1].clone();
    let foreign = |staged: &mut StagedDag| {
        let mut blocks = Vec::new();
        let mut builder = DagBuilder::new(|cid, block| -> Result<(), std::convert::Infallible> {
            blocks.push((cid, block));
            Ok(())
        });
        builder.push(&shared).expect("built");
        builder.push(b"and more").expect("built");
        let root = builder.finish().expect("built");
        for (cid, block) in blocks {
            (&mut *staged).put(cid, block).expect("stored");
        }
        root
    };
    type End = fn(&World, Cid);
    let ends: [(&str, End); 4] = [
        ("removed", |world, root| world.sealed.remove(root).expect("removed")),
        ("swept", |world, _| assert_eq!(world.sealed.sweep(u64::MAX, |_| false).expect("sweeps"), 1)),
        ("kept and removed", |world, root| {
            world.sealed.keep(root).expect("kept");
            world.sealed.remove(root).expect("removed");
        }),
        ("staged twice and removed", |world, root| world.sealed.remove(root).expect("removed")),
    ];
    let intact = || world.sealed.verify(victim.cid).expect("intact");
    let before = intact();
    {
        let mut staged = world.sealed.stage();
        let root = foreign(&mut staged);
        assert_ne!(root.cid, victim.cid);
        assert!(world.sealed.block(Cid::of_raw(&shared)).is_ok(), "a shared leaf");
    }
    assert_eq!(intact(), before, "dropped");
    for (name, end) in ends {
        for _ in 0..if name.contains("twice") { 2 } else { 1 } {
            let mut staged = world.sealed.stage();
            let root = foreign(&mut staged);
            staged.finish(root.cid, root.size, 5).expect("finished");
        }
        let mut staged = world.sealed.stage();
        let root = foreign(&mut staged);
        drop(staged);
        assert!(world.sealed.verify(root.cid).is_ok(), "{name}: held until its end");
        end(&world, root.cid);
        assert!(world.sealed.held(root.cid).expect("reads").is_none(), "{name}");
        assert_eq!(intact(), before, "{name}");
    }
    world.sealed.remove(victim.cid).expect("removed");
    for family in SEALED_FAMILIES {
        let left = world.store.scan(family.name, &store::KeyRange::all(), store::Order::Ascending, 9);
        assert!(left.expect("scan").is_empty(), "{} is empty at the end", family.name);
    }
}

#[test]
fn a_kept_dag_that_is_staged_again_stays_kept() {
    let world = world();
    let sealed = stored(&world, &[5; 100]);
    world.sealed.keep(sealed.cid).expect("kept");
    let block = world.sealed.block(sealed.cid).expect("held");
    let mut staged = world.sealed.stage();
    (&mut staged).put(sealed.cid, block).expect("stored");
    staged.finish(sealed.cid, sealed.sealed_size, 1).expect("finished");
    assert_eq!(world.sealed.sweep(u64::MAX, |_| false).expect("sweeps"), 0);
    assert_eq!(world.sealed.verify(sealed.cid).expect("intact"), sealed.sealed_size);
}

/// A killed process runs no destructor: its blocks are there at the next start, and no entry names a root of them.
#[test]
fn what_a_killed_process_left_unfinished_is_swept_and_what_is_under_way_is_not() {
    let world = world();
    let mut killed = world.sealed.stage();
    let of_killed = seal(&[1_u8; 1000][..], &mut killed).expect("seals");
    std::mem::forget(killed);
    let restarted = SealedStore::new(world.store.clone());
    let mut under_way = restarted.stage();
    let sealed = seal(&[2_u8; 1000][..], &mut under_way).expect("seals");
    assert_eq!(restarted.sweep(0, |_| false).expect("sweeps"), 1);
    assert!(restarted.block(of_killed.cid).is_err());
    under_way.finish(sealed.cid, sealed.sealed_size, 1_000).expect("finishes");
    assert_eq!(restarted.sweep(0, |_| false).expect("sweeps"), 0);
    assert_eq!(restarted.verify(sealed.cid).expect("intact"), sealed.sealed_size);
}

/// More kept DAGs than a sweep reads at a time hid the staged ones that came after them.
#[test]
fn a_sweep_finds_every_staged_dag_among_many_kept_ones() {
    let world = world();
    let put = |number: u32, keep: bool| {
        let block = Bytes::copy_from_slice(&number.to_be_bytes());
        let cid = Cid::of_raw(&block);
        let mut staged = world.sealed.stage();
        (&mut staged).put(cid, block).expect("stored");
        staged.finish(cid, 4, 1).expect("finished");
        if keep {
            world.sealed.keep(cid).expect("kept");
        }
    };
    (0..50).for_each(|number| put(number, true));
    (50..1_100).for_each(|number| put(number, false));
    assert_eq!(world.sealed.sweep(2, |_| false).expect("sweeps"), 1_050);
    assert_eq!(world.sealed.all(usize::MAX).expect("reads").len(), 50);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn changed_sealed_bytes_never_open(size in 1_usize..200_000, at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let mut sealed_bytes = Vec::new();
        let mut blocks = std::collections::BTreeMap::new();
        let sealed = seal(&vec![3_u8; size][..], |cid: Cid, block: Bytes| {
            sealed_bytes.extend_from_slice(&block);
            blocks.insert(cid.to_string(), block);
            Ok::<(), std::io::Error>(())
        }).expect("seals");
        prop_assert_eq!(blocks.len(), 1);
        // The DAG of changed bytes is valid; age must refuse them.
        let place = at.index(sealed_bytes.len());
        sealed_bytes[place] ^= 1 << bit;
        let cid = Cid::of_raw(&sealed_bytes);
        let bytes = Bytes::from(sealed_bytes);
        let outcome = open(cid, &sealed.data_key, |_| Ok(bytes.clone()), std::io::sink(), 1 << 30);
        prop_assert!(outcome.is_err(), "byte {} changed and it opened", place);
    }
}
