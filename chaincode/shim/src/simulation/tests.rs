//! What a run records, and where it is stopped.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use protocol::{BlockNumber, ChaincodeName, ChannelId, MspId, Poi, Role, TxId, TxNumber};

use super::*;
use crate::chaincode::Stub as _;
use crate::composite_key::create_composite_key;
use crate::invocation::Creator;
use crate::state::{KeyModification, StateFault};

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
        version: "1.0".to_owned(),
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
        organization: None,
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
        let mut stub = simulation(limits);
        let error = run(&mut stub).expect_err(name);
        assert!(error.to_string().contains(what), "{name}: {error}");
        // Whoever goes on regardless is told the same at every call, and adds nothing.
        let told = [
            stub.state("a").map(drop),
            stub.put_state("q", Bytes::new()),
            stub.delete_state("r"),
            stub.range("", "", 1).map(drop),
            stub.state_by_range_with_pagination(("", ""), 1, "").map(drop),
            stub.state_by_partial_composite_key("type", &[], 1).map(drop),
            stub.history_for_key("a", 1).map(drop),
            stub.set_event("event", Bytes::new()),
        ];
        for (place, told) in told.into_iter().enumerate() {
            assert!(told.expect_err(name).to_string().contains(what), "{name}: call {place}");
        }
        assert!(stub.ended().is_some_and(|ended| ended.to_string() == error.to_string()), "{name}");
        assert!(stub.writes.len() <= 3 && stub.event.is_none(), "{name}");
    }
}

#[test]
fn a_run_that_goes_on_after_its_end_is_unwound_with_its_reason() {
    let over = Arc::new(Switch(AtomicBool::new(true)));
    type Call = fn(&mut Simulation) -> Option<StubError>;
    let rows: &[(&str, Call)] = &[
        ("a read", |s| s.state("a").err()),
        ("a write without a key", |s| s.put_state("", Bytes::new()).err()),
        ("a range from a composite key", |s| s.range("\0", "", 1).err()),
        ("a page outside", |s| s.state_by_range_with_pagination(("b", "c"), 1, "x").err()),
        ("parts with the reserved character", |s| s.state_by_partial_composite_key("\0", &[], 1).err()),
        ("an event", |s| s.set_event("e", Bytes::new()).err()),
    ];
    for (name, call) in rows {
        let mut stub = Simulation::new(
            invocation(),
            Arc::new(Memory(BTreeMap::new())),
            over.clone(),
            SimulationLimits::default(),
        );
        let mut calls = 0;
        let looping = std::panic::AssertUnwindSafe(|| {
            while calls < 1_000 {
                call(&mut stub).expect("an error");
                calls += 1;
            }
        });
        let unwound = std::panic::catch_unwind(looping).expect_err(name);
        let RunOver(reason) = *unwound.downcast().expect(name);
        assert!(matches!(reason, StubError::DeadlineExceeded), "{name}: {reason}");
        // The call that ended it, and those of one that does not heed it.
        assert_eq!(calls, 101, "{name}");
    }
}

#[test]
fn a_flaw_of_one_call_does_not_end_the_run() {
    let mut stub = simulation(SimulationLimits::default());
    stub.put_state("", Bytes::new()).expect_err("no key");
    stub.put_state("k", Bytes::from(vec![0; VALUE_BYTES_MAX + 1])).expect_err("too large");
    stub.set_event("e", Bytes::from(vec![0; VALUE_BYTES_MAX + 1])).expect_err("too large");
    stub.put_state("k", Bytes::from_static(b"in parts")).expect("it may go on");
    assert!(stub.ended().is_none());
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

/// Many keys; it counts the values that it hands out, and notes each scan.
struct Counting {
    keys: usize,
    value: Bytes,
    handed_out: AtomicUsize,
    scans: Mutex<Vec<(String, usize)>>,
}

impl Counting {
    fn new(keys: usize, value_bytes: usize) -> Arc<Self> {
        let value = Bytes::from(vec![1; value_bytes]);
        Arc::new(Self { keys, value, handed_out: AtomicUsize::new(0), scans: Mutex::default() })
    }

    fn key(number: usize) -> String {
        format!("key{number:05}")
    }

    fn all(&self) -> Vec<(String, Version)> {
        (0..self.keys).map(|number| (Self::key(number), version(number as u64))).collect()
    }
}

impl StateReader for Counting {
    fn value(&self, _: &str, _: &str) -> Result<Option<(Bytes, Version)>, StateFault> {
        Ok(None)
    }

    fn values(
        &self,
        _: &str,
        start: &str,
        end: &str,
        limit: usize,
    ) -> Result<Vec<(String, Bytes, Version)>, StateFault> {
        self.scans.lock().expect("no panic").push((start.to_owned(), limit));
        let inside = self
            .all()
            .into_iter()
            .filter(|(key, _)| key.as_str() >= start && (end.is_empty() || key.as_str() < end));
        let found: Vec<_> =
            inside.take(limit).map(|(key, version)| (key, self.value.clone(), version)).collect();
        self.handed_out.fetch_add(found.len(), Ordering::Relaxed);
        Ok(found)
    }
}

fn over(state: &Arc<Counting>, deadline: Arc<dyn Deadline>, limits: SimulationLimits) -> Simulation {
    let state: Arc<dyn StateReader> = Arc::<Counting>::clone(state);
    Simulation::new(invocation(), state, deadline, limits)
}

#[test]
fn pages_of_a_range_record_what_one_scan_would() {
    // keys in the state, limit -> keys found, exhausted
    let rows = [
        (0, 10, 0, true),
        (99, 1_000, 99, true),
        (100, 1_000, 100, true),
        (100, 100, 100, true),
        (101, 100, 100, false),
        (250, 99, 99, false),
        (250, 199, 199, false),
        (250, 200, 200, false),
        (250, 249, 249, false),
        (250, 250, 250, true),
        (250, 0, 0, false),
        (250, usize::MAX, 250, true),
    ];
    for (keys, limit, count, exhausted) in rows {
        let state = Counting::new(keys, 3);
        let mut stub = over(&state, Arc::new(NoDeadline), SimulationLimits::default());
        let found = stub.range("k", "", limit).expect("within the budget");
        let expected = &state.all()[..count];
        assert!(
            found.iter().map(|(key, _)| key).eq(expected.iter().map(|(key, _)| key)),
            "{keys} by {limit}"
        );
        let end = if exhausted {
            String::new()
        } else {
            expected.last().map_or_else(|| "k".to_owned(), |last| format!("{}\0", last.0))
        };
        let query =
            RangeQuery { start: "k".to_owned(), end, exhausted, digest: RangeQuery::digest_of(expected) };
        assert_eq!(stub.finish().rwset.namespaces[0].ranges, [query], "{keys} by {limit}");
        assert!(state.scans.lock().expect("no panic").iter().all(|(_, wanted)| *wanted <= PAGE_KEYS));
    }
}

#[test]
fn a_range_over_its_budget_reads_one_value_too_many_and_over_its_time_one_page_at_most() {
    let limits = SimulationLimits { read_bytes_max: 150_000, ..SimulationLimits::default() };
    let state = Counting::new(5_000, 1_000);
    let error = over(&state, Arc::new(NoDeadline), limits).range("", "", usize::MAX).expect_err("too much");
    assert!(error.to_string().contains("bytes read"), "{error}");
    assert_eq!(state.handed_out.load(Ordering::Relaxed), 151);
    // Large values: no page is read that could not fit.
    let limits = SimulationLimits { read_bytes_max: 64 << 20, ..SimulationLimits::default() };
    let state = Counting::new(100, 8 << 20);
    let error = over(&state, Arc::new(NoDeadline), limits).range("", "", usize::MAX).expect_err("too much");
    assert!(error.to_string().contains("bytes read"), "{error}");
    assert_eq!(state.handed_out.load(Ordering::Relaxed), 9, "eight fit, the ninth ends it");

    /// Over after it was asked so many times.
    struct Asked(AtomicUsize);

    impl Deadline for Asked {
        fn is_over(&self) -> bool {
            self.0.fetch_add(1, Ordering::Relaxed) >= 3
        }
    }
    let state = Counting::new(5_000, 1);
    let mut stub = over(&state, Arc::new(Asked(AtomicUsize::new(0))), SimulationLimits::default());
    assert!(matches!(stub.range("", "", usize::MAX), Err(StubError::DeadlineExceeded)));
    assert_eq!(state.handed_out.load(Ordering::Relaxed), FIRST_PAGE + 2 * PAGE_KEYS);
}

#[test]
fn pages_follow_each_other_by_bookmark_and_are_recorded_as_seen() {
    let state = Counting::new(7, 1);
    let mut stub = over(&state, Arc::new(NoDeadline), SimulationLimits::default());
    let mut bookmark = String::new();
    let rows = [
        // keys of the page, bookmark behind it, recorded end
        (&["key00000", "key00001", "key00002"][..], "key00003", "key00002\0"),
        (&["key00003", "key00004", "key00005"], "key00006", "key00005\0"),
        (&["key00006"], "", "key9"),
    ];
    for (keys, next, _) in rows {
        let page = stub.state_by_range_with_pagination(("", "key9"), 3, &bookmark).expect("a page");
        assert_eq!(page.records.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), keys);
        assert_eq!(page.bookmark, next);
        bookmark = page.bookmark;
    }
    let ranges = &stub.finish().rwset.namespaces[0].ranges;
    let ends: Vec<&str> = ranges.iter().map(|range| range.end.as_str()).collect();
    assert_eq!(ends, rows.map(|(_, _, end)| end));
    for bookmark in ["a", "key9", "z"] {
        let mut stub = over(&state, Arc::new(NoDeadline), SimulationLimits::default());
        let page = stub.state_by_range_with_pagination(("b", "key9"), 3, bookmark);
        assert!(matches!(page, Err(StubError::BadBookmark { .. })), "{bookmark}");
    }
}

#[test]
fn a_run_pages_or_writes_and_never_does_both() {
    let value = || Bytes::from_static(b"v");
    let mut writes_first = simulation(SimulationLimits::default());
    writes_first.put_state("k", value()).expect("a write");
    let page = writes_first.state_by_range_with_pagination(("", ""), 1, "");
    assert!(matches!(page, Err(StubError::PagedWrite)));
    let mut pages_first = simulation(SimulationLimits::default());
    pages_first.state_by_range_with_pagination(("", ""), 1, "").expect("a page");
    for written in [pages_first.put_state("k", value()), pages_first.delete_state("k")] {
        assert!(matches!(written, Err(StubError::PagedWrite)));
    }
    pages_first.state("a").expect("it may read");
    assert!(pages_first.finish().rwset.namespaces[0].writes.is_empty());
}

#[test]
fn plain_ranges_hold_no_composite_keys_and_partial_ones_no_plain_keys() {
    let composite = |attributes: &[&str]| create_composite_key("color", attributes).expect("a key");
    let keys =
        [composite(&["blue", "a"]), composite(&["blue", "b"]), composite(&["red", "c"]), "a".to_owned()];
    let state = keys.iter().map(|key| (key.clone(), (Bytes::new(), version(1)))).collect();
    let state: Arc<dyn StateReader> = Arc::new(Memory(state));
    let mut stub = Simulation::new(invocation(), state, Arc::new(NoDeadline), SimulationLimits::default());
    let found = |records: Vec<(String, Bytes)>| records.into_iter().map(|(key, _)| key).collect::<Vec<_>>();
    assert_eq!(found(stub.range("", "", 9).expect("plain")), keys[3..]);
    let rows: &[(&[&str], &[String])] =
        &[(&["blue"], &keys[..2]), (&["red"], &keys[2..3]), (&[], &keys[..3]), (&["bl"], &[])];
    for (attributes, expected) in rows {
        let records = stub.state_by_partial_composite_key("color", attributes, 9).expect("a range");
        assert_eq!(found(records), **expected, "{attributes:?}");
    }
    assert!(matches!(stub.range(&keys[0], "", 9), Err(StubError::CompositeBound { .. })));
}

/// A key that was changed in each block.
struct Changed {
    blocks: u64,
    asked: Mutex<Vec<(Option<u64>, usize)>>,
}

impl StateReader for Changed {
    fn value(&self, _: &str, _: &str) -> Result<Option<(Bytes, Version)>, StateFault> {
        Ok(None)
    }

    fn values(
        &self,
        _: &str,
        _: &str,
        _: &str,
        _: usize,
    ) -> Result<Vec<(String, Bytes, Version)>, StateFault> {
        Ok(Vec::new())
    }

    fn history(
        &self,
        _: &str,
        key: &str,
        before: Option<Version>,
        limit: usize,
    ) -> Result<Vec<KeyModification>, StateFault> {
        assert_eq!(key, "k");
        let before = before.map(|version| version.block_number.0);
        self.asked.lock().expect("no panic").push((before, limit));
        let newest_first = (0..before.unwrap_or(self.blocks)).rev().take(limit);
        let change = |block| KeyModification {
            tx_id: TxId::of(b"n", b"c"),
            value: Some(Bytes::from_static(b"0123456789")),
            timestamp_ms: block,
            version: version(block),
        };
        Ok(newest_first.map(change).collect())
    }
}

#[test]
fn a_history_comes_newest_first_within_the_budget_and_enters_no_read_set() {
    let state = Arc::new(Changed { blocks: 40, asked: Mutex::default() });
    let over = |limits| {
        let state: Arc<dyn StateReader> = Arc::<Changed>::clone(&state);
        Simulation::new(invocation(), state, Arc::new(NoDeadline), limits)
    };
    for (limit, expected) in [(usize::MAX, 40), (20, 20), (16, 16), (1, 1), (0, 0)] {
        let mut stub = over(SimulationLimits::default());
        let found = stub.history_for_key("k", limit).expect("a history");
        let times: Vec<u64> = found.iter().map(|change| change.timestamp_ms).collect();
        assert_eq!(times, (40 - expected..40).rev().collect::<Vec<_>>(), "at most {limit}");
        assert_eq!(stub.finish().rwset, ReadWriteSet::empty());
    }
    assert!(state.asked.lock().expect("no panic").iter().all(|(_, wanted)| *wanted <= 16));
    let error = over(SimulationLimits { read_bytes_max: 200, ..SimulationLimits::default() })
        .history_for_key("k", usize::MAX)
        .expect_err("21 values of 10 bytes");
    assert!(error.to_string().contains("bytes read"), "{error}");
    let mut without = simulation(SimulationLimits::default());
    assert!(matches!(without.history_for_key("a", 1), Err(StubError::State(_))), "no history is kept there");
}
