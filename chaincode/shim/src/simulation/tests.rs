//! What a run records, and where it is stopped.

use std::sync::atomic::{AtomicBool, Ordering};

use protocol::{BlockNumber, ChaincodeName, MspId, Poi, Role, TxNumber};

use super::*;
use crate::state::StateFault;

struct Memory(BTreeMap<String, (Bytes, Version)>);

impl StateReader for Memory {
    fn value(&self, namespace: &str, key: &str) -> Result<Option<(Bytes, Version)>, StateFault> {
        assert_eq!(namespace, "cc");
        Ok(self.0.get(key).cloned())
    }

    fn values(
        &self,
        _: &str,
        start: &str,
        end: &str,
        limit: usize,
    ) -> Result<Vec<(String, Bytes, Version)>, StateFault> {
        let inside = self.0.range(start.to_owned()..).filter(|(key, _)| end.is_empty() || key.as_str() < end);
        Ok(inside.take(limit).map(|(key, (value, version))| (key.clone(), value.clone(), *version)).collect())
    }
}

struct Switch(AtomicBool);

impl Deadline for Switch {
    fn is_over(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

fn version(block: u64) -> Version {
    Version { block_number: BlockNumber(block), tx_number: TxNumber(0) }
}

fn simulation(limits: SimulationLimits) -> Simulation {
    let state = ["a", "b", "c", "d"]
        .iter()
        .zip(1..)
        .map(|(key, block)| ((*key).to_owned(), (Bytes::from(format!("value of {key}")), version(block))));
    Simulation::new(invocation(), Arc::new(Memory(state.collect())), Arc::new(NoDeadline), limits)
}

fn invocation() -> Invocation {
    Invocation {
        channel: ChannelId::new("ch").expect("valid"),
        chaincode: ChaincodeName::new("cc").expect("valid"),
        tx_id: TxId::of(b"n", b"c"),
        args: vec![Bytes::from_static(b"Fn"), Bytes::from_static(b"x")],
        transient: BTreeMap::from([("secret".to_owned(), vec![1])]),
        creator: Creator {
            msp_id: MspId::new("AMSP").expect("valid"),
            poi: Poi::from_digest([0; 32]),
            roles: vec![Role::Member],
            attributes: BTreeMap::new(),
        },
        timestamp_ms: 1,
        reports: None,
        examination: None,
    }
}

#[test]
fn reads_are_recorded_once_with_the_version_seen_first_and_writes_are_not_seen() {
    let mut stub = simulation(SimulationLimits::default());
    assert_eq!(stub.state("a").expect("read"), Some(Bytes::from_static(b"value of a")));
    stub.put_state("a", Bytes::from_static(b"new")).expect("write");
    assert_eq!(stub.state("a").expect("read"), Some(Bytes::from_static(b"value of a")));
    assert_eq!(stub.state("missing").expect("read"), None);
    stub.delete_state("z").expect("delete");
    stub.put_state("z", Bytes::from_static(b"back")).expect("the last write wins");
    let set = &stub.finish().rwset.namespaces[0];
    assert_eq!(set.name, "cc");
    let reads: Vec<_> = set.reads.iter().map(|read| (read.key.as_str(), read.version)).collect();
    assert_eq!(reads, [("a", Some(version(1))), ("missing", None)]);
    let writes: Vec<_> = set.writes.iter().map(|write| (write.key.as_str(), write.value.is_some())).collect();
    assert_eq!(writes, [("a", true), ("z", true)]);
}

#[test]
fn a_range_records_exactly_what_was_seen() {
    // start, end, limit -> keys, recorded end, exhausted
    let rows: &[(&str, &str, usize, &[&str], &str, bool)] = &[
        ("a", "c", 10, &["a", "b"], "c", true),
        ("", "", 10, &["a", "b", "c", "d"], "", true),
        ("a", "", 2, &["a", "b"], "b\0", false),
        ("a", "", 4, &["a", "b", "c", "d"], "", true),
        ("x", "", 5, &[], "", true),
        ("a", "", 0, &[], "a", false),
    ];
    for (start, end, limit, keys, recorded_end, exhausted) in rows {
        let mut stub = simulation(SimulationLimits::default());
        let found = stub.range(start, end, *limit).expect("range");
        assert_eq!(found.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), *keys);
        let query = &stub.finish().rwset.namespaces[0].ranges[0];
        assert_eq!(
            (query.end.as_str(), query.exhausted),
            (*recorded_end, *exhausted),
            "{start}..{end} by {limit}"
        );
    }
}

#[test]
fn every_budget_stops_the_run() {
    let limits = SimulationLimits { entries_max: 2, written_bytes_max: 10, read_bytes_max: 25 };
    type Run = fn(&mut Simulation) -> Result<(), StubError>;
    let rows: &[(&str, Run, &str)] = &[
        ("three reads", |s| ["a", "a", "a"].iter().try_for_each(|k| s.state(k).map(|_| ())), "reads"),
        (
            "three keys of a range",
            |s| s.range("", "", 9).map(|_| ()).and(s.range("", "", 9).map(|_| ())),
            "reads",
        ),
        ("long values", |s| s.put_state("k", Bytes::from_static(b"0123456789")), "bytes written"),
        ("three writes", |s| ["a", "b", "c"].iter().try_for_each(|k| s.delete_state(k)), "writes"),
    ];
    for (name, run, what) in rows {
        let error = run(&mut simulation(limits)).expect_err(name);
        assert!(error.to_string().contains(what), "{name}: {error}");
    }
}

#[test]
fn bad_keys_and_a_passed_deadline_are_refused() {
    let mut stub = simulation(SimulationLimits::default());
    for key in ["", &"k".repeat(4097)] {
        assert!(matches!(stub.put_state(key, Bytes::new()), Err(StubError::BadKey { .. })));
        assert!(matches!(stub.state(key), Err(StubError::BadKey { .. })));
    }
    let over = Arc::new(Switch(AtomicBool::new(false)));
    let mut stub = Simulation::new(
        invocation(),
        Arc::new(Memory(BTreeMap::new())),
        over.clone(),
        SimulationLimits::default(),
    );
    assert!(stub.state("a").is_ok());
    over.0.store(true, Ordering::Relaxed);
    assert!(matches!(stub.state("a"), Err(StubError::DeadlineExceeded)));
    assert!(matches!(stub.put_state("a", Bytes::new()), Err(StubError::DeadlineExceeded)));
}

#[test]
fn a_run_that_touches_nothing_leaves_an_empty_set_and_shows_no_transient_data() {
    let stub = simulation(SimulationLimits::default());
    assert_eq!((stub.function(), stub.args().len()), ("Fn", 1));
    assert_eq!(stub.transient("secret"), Some(&[1][..]));
    assert!(!format!("{:?}", invocation()).contains("secret"));
    assert_eq!(stub.finish().rwset, ReadWriteSet::empty());
}
