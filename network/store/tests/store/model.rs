//! The store against a sequential model: batches, snapshots, flushes and restarts in any order.

use std::collections::BTreeMap;

use proptest::prelude::*;
use store::{Batch, Durability, KeyRange, Order, Read, Snapshot};

use crate::open;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

#[derive(Clone, Debug)]
enum Step {
    Write(Vec<(Vec<u8>, Option<Vec<u8>>)>),
    Flush,
    Restart,
    Snapshot,
}

fn step() -> impl Strategy<Value = Step> {
    let key = prop::collection::vec(0_u8..4, 0..3);
    let value = prop::option::of(prop::collection::vec(any::<u8>(), 0..20));
    prop_oneof![
        6 => prop::collection::vec((key, value), 0..6).prop_map(Step::Write),
        1 => Just(Step::Flush),
        1 => Just(Step::Restart),
        2 => Just(Step::Snapshot),
    ]
}

fn content(view: &impl Read) -> Model {
    let entries = view.scan("state", &KeyRange::all(), Order::Ascending, usize::MAX).expect("scans");
    entries.into_iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
}

fn check(view: &impl Read, model: &Model) {
    assert_eq!(content(view), *model);
    for key in [vec![], vec![0], vec![1, 1], vec![3]] {
        assert_eq!(view.get("state", &key).expect("reads").as_deref(), model.get(&key).map(Vec::as_slice));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_store_does_what_a_sorted_map_does(steps in prop::collection::vec(step(), 1..25)) {
        let folder = tempfile::tempdir().expect("tempdir");
        let mut store = open(folder.path());
        let mut model = Model::new();
        let mut snapshots: Vec<(Snapshot, Model)> = Vec::new();
        for step in steps {
            match step {
                Step::Write(changes) => {
                    let mut batch = Batch::new();
                    for (key, value) in changes {
                        match value {
                            Some(value) => {
                                batch.put("state", key.clone(), value.clone());
                                model.insert(key, value);
                            }
                            None => {
                                batch.delete("state", key.clone());
                                model.remove(&key);
                            }
                        }
                    }
                    store.write(&batch, Durability::Unsynced).expect("writes");
                }
                Step::Flush => store.flush().expect("flushes"),
                Step::Restart => {
                    for (snapshot, then) in snapshots.drain(..) {
                        check(&snapshot, &then);
                    }
                    drop(store);
                    store = open(folder.path());
                }
                Step::Snapshot => snapshots.push((store.snapshot(), model.clone())),
            }
            check(&store, &model);
        }
        for (snapshot, then) in &snapshots {
            check(snapshot, then);
        }
    }
}
