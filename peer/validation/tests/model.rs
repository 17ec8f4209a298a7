//! Validation against a sequential model: a map and the rule that a transaction commits if what it read still holds.
//!
//! Every transaction is simulated against a state of some blocks ago, as endorsers would; the model runs the same
//! transactions one after the other. Verdicts, states and commit hashes must agree.
#![allow(clippy::expect_used, reason = "tests")]

mod fixture;

use std::collections::BTreeMap;

use bytes::Bytes;
use fixture::{Chain, Network, Tx, namespace, version};
use proptest::prelude::*;
use protocol::{KvRead, KvWrite, NamespaceSet, RangeQuery, TxValidationCode, Version};

/// The model's state: value and version by key.
type Map = BTreeMap<String, (Bytes, Version)>;

/// What one transaction does to keys `k0` to `k5`.
#[derive(Clone, Debug)]
struct Step {
    reads: Vec<u8>,
    scan: Option<(u8, u8)>,
    /// Key and value; `None` deletes.
    writes: BTreeMap<u8, Option<u8>>,
    /// How many blocks old the simulated state is.
    staleness: usize,
    /// Whether the policy is met.
    is_endorsed: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0..6_u8;
    (
        proptest::collection::btree_set(key.clone(), 0..3),
        proptest::option::of((key.clone(), 0..8_u8)),
        proptest::collection::btree_map(key, proptest::option::of(any::<u8>()), 0..3),
        0..3_usize,
        proptest::bool::weighted(0.9),
    )
        .prop_map(|(reads, scan, writes, staleness, is_endorsed)| Step {
            reads: reads.into_iter().collect(),
            scan,
            writes,
            staleness,
            is_endorsed,
        })
}

fn key(number: u8) -> String {
    format!("k{number}")
}

/// The bounds of a scan: `k7` stands for no end, and `k6` for a key beyond all.
fn bounds((start, end): (u8, u8)) -> (String, String) {
    (key(start), if end == 7 { String::new() } else { key(end) })
}

fn scan(map: &Map, (start, end): &(String, String)) -> Vec<(String, Version)> {
    let inside = |key: &String| key >= start && (end.is_empty() || key < end);
    map.iter().filter(|(key, _)| inside(key)).map(|(key, (_, version))| (key.clone(), *version)).collect()
}

fn simulate(step: &Step, state: &Map) -> NamespaceSet {
    let reads = step.reads.iter().map(|number| {
        let key = key(*number);
        KvRead { version: state.get(&key).map(|(_, version)| *version), key }
    });
    let ranges = step.scan.map(|scanned| {
        let bounds = bounds(scanned);
        let digest = RangeQuery::digest_of(&scan(state, &bounds));
        RangeQuery { start: bounds.0, end: bounds.1, exhausted: true, digest }
    });
    let writes = step.writes.iter().map(|(number, value)| KvWrite {
        key: key(*number),
        value: value.map(|byte| Bytes::copy_from_slice(&[byte])),
    });
    NamespaceSet {
        reads: reads.collect(),
        ranges: ranges.into_iter().collect(),
        writes: writes.collect(),
        ..namespace("basic")
    }
}

/// What the model says of a step that was simulated against `then`, and runs `now`.
fn judge(step: &Step, then: &Map, now: &Map) -> TxValidationCode {
    let version_of = |map: &Map, number: u8| map.get(&key(number)).map(|(_, version)| *version);
    if !step.is_endorsed {
        TxValidationCode::EndorsementPolicyFailure
    } else if step.reads.iter().any(|number| version_of(then, *number) != version_of(now, *number)) {
        TxValidationCode::MvccReadConflict
    } else if step.scan.is_some_and(|scanned| scan(then, &bounds(scanned)) != scan(now, &bounds(scanned))) {
        TxValidationCode::PhantomReadConflict
    } else {
        TxValidationCode::Valid
    }
}

fn apply(step: &Step, at: Version, map: &mut Map) {
    for (number, value) in &step.writes {
        match value {
            Some(byte) => drop(map.insert(key(*number), (Bytes::copy_from_slice(&[*byte]), at))),
            None => drop(map.remove(&key(*number))),
        }
    }
}

fn network() -> &'static Network {
    static NETWORK: std::sync::OnceLock<Network> = std::sync::OnceLock::new();
    NETWORK.get_or_init(Network::new)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn blocks_agree_with_running_their_transactions_one_by_one(
        blocks in proptest::collection::vec(proptest::collection::vec(step(), 0..6), 1..5),
    ) {
        let network = network();
        let (mut chain, mut twin) = (Chain::new(network), Chain::new(network));
        let mut states: Vec<Map> = vec![Map::new()];
        for (number, steps) in (1_u64..).zip(&blocks) {
            let mut now = states.last().expect("never empty").clone();
            let (mut envelopes, mut expected) = (Vec::new(), Vec::new());
            for (place, step) in (0_u32..).zip(steps) {
                let then = &states[states.len() - 1 - step.staleness.min(states.len() - 1)];
                let mut tx = Tx::new(network, &format!("{number}/{place}"), vec![simulate(step, then)]);
                if !step.is_endorsed {
                    tx.endorsers.truncate(1);
                }
                envelopes.push(tx.envelope());
                let code = judge(step, then, &now);
                if code == TxValidationCode::Valid {
                    apply(step, version(number, place), &mut now);
                }
                expected.push(code);
            }
            let block = chain.validate(network, envelopes.clone()).expect("readable");
            prop_assert_eq!(block.codes(), &expected[..]);
            let other = twin.validate(network, envelopes).expect("readable");
            prop_assert_eq!(block.commit_hash(), other.commit_hash());
            chain.commit(&block);
            twin.commit(&other);
            let found: Map = chain.state.keys.iter()
                .filter(|((namespace, _), _)| namespace == "basic")
                .map(|((_, key), value)| (key.clone(), value.clone()))
                .collect();
            prop_assert_eq!(&found, &now);
            states.push(now);
        }
    }
}
