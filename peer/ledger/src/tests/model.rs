//! The ledger against a sorted map that remembers every height.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Ledger, block_commit, create, version, write};

type World = BTreeMap<String, (String, u64)>;

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_snapshot_equals_the_world_at_its_height(
        blocks in prop::collection::vec(
            prop::collection::btree_map("[a-c]{1,2}", prop::option::of("[x-z]{0,3}"), 0..5),
            1..12,
        ),
        restart_at in 0_usize..12,
    ) {
        let folder = tempfile::tempdir().expect("tempdir");
        let mut ledger = create(folder.path());
        let mut world = World::new();
        let mut kept = Vec::new();
        for (place, changes) in blocks.into_iter().enumerate() {
            if place == restart_at {
                kept.clear();
                drop(ledger);
                ledger = Ledger::open(folder.path()).expect("opens");
            }
            let info = ledger.info();
            let number = info.height;
            let writes = changes.iter().map(|(key, value)| write(key, value.as_deref(), version(number, 0)));
            let previous = (info.block_hash, info.commit_hash);
            let commit = block_commit(number, previous, vec![], writes.collect());
            ledger.commit_block(&commit).expect("commits");
            for (key, value) in changes {
                match value {
                    Some(value) => world.insert(key, (value, number)),
                    None => world.remove(&key),
                };
            }
            kept.push((ledger.snapshot(), number + 1, world.clone()));
        }
        for (snapshot, height, world) in &kept {
            prop_assert_eq!(snapshot.height().expect("reads"), *height);
            let make = |key: String, version: protocol::Version, value: &[u8]| {
                (key, (String::from_utf8_lossy(value).into_owned(), version.block_number.0))
            };
            let found = snapshot.scan("cc", ("a", ""), usize::MAX, make).expect("reads");
            let expected: Vec<_> = world.clone().into_iter().collect();
            let found: Vec<_> = found.into_iter().filter(|(key, _)| !key.starts_with("key")).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
