//! Blocks as they come from the orderers, through validation over the ledger's own snapshot and into the ledger; beside
//! it the same chain over validation's state in memory, which must reach the same verdicts and the same commit hash.
#![allow(clippy::expect_used, reason = "tests")]

#[path = "../../validation/tests/fixture/mod.rs"]
mod fixture;

use std::path::Path;

use bytes::Bytes;
use fixture::{Chain, HOSPITALS, NOW_MS, Network, Tx, namespace, range, read, version, write};
use ledger::{CommittedBlock, HistoryEntry, Ledger, LedgerFault};
use protocol::fabric::Timestamp;
use protocol::{BlockNumber, KvWrite, NamespaceSet, TxNumber, TxValidationCode as Code, Version};
use shim::KeyModification;
use validation::{StateReader, ValidatedBlock, check_link, examine, validate_block, validate_genesis};

fn genesis(network: &Network) -> ValidatedBlock {
    validate_genesis(configtx::genesis_block(&network.config, NOW_MS)).expect("the fixture holds")
}

fn create(path: &Path, network: &Network) -> Ledger {
    Ledger::create(path, &genesis(network)).expect("creates")
}

/// Validates the next block of envelopes over a snapshot of the ledger.
fn validate(ledger: &Ledger, chain: &Chain, network: &Network, envelopes: &[Bytes]) -> ValidatedBlock {
    let block = chain.next_block(network, envelopes.to_vec());
    let at_ms = block.header.timestamp_ms;
    let examined = (0..)
        .zip(&block.envelopes)
        .map(|(number, envelope)| examine(TxNumber(number), envelope, &chain.bundle, at_ms))
        .collect();
    let ordered = check_link(block, &ledger.last_header(), &chain.bundle).expect("the block follows");
    validate_block(ordered, examined, &chain.bundle, &ledger.snapshot(), ledger.info().commit_hash)
        .expect("the ledger is readable")
}

/// Commits the next block of envelopes to both.
fn commit(ledger: &Ledger, chain: &mut Chain, network: &Network, envelopes: &[Bytes]) -> CommittedBlock {
    let validated = validate(ledger, chain, network, envelopes);
    let in_memory = chain.validate(network, envelopes.to_vec()).expect("the memory is readable");
    assert_eq!(validated.codes(), in_memory.codes());
    assert_eq!(validated.commit_hash(), in_memory.commit_hash());
    chain.commit(&in_memory);
    let committed = ledger.commit(validated).expect("commits");
    assert_eq!(committed.info(), &ledger.info());
    committed
}

fn basic(set: NamespaceSet) -> Vec<NamespaceSet> {
    vec![NamespaceSet { name: "basic".into(), ..set }]
}

fn writes(keys: &[&str]) -> NamespaceSet {
    NamespaceSet { writes: keys.iter().map(|key| write(key)).collect(), ..namespace("basic") }
}

fn reads(key: &str, at: Option<Version>) -> NamespaceSet {
    NamespaceSet { reads: vec![read(key, at)], ..namespace("basic") }
}

#[test]
fn a_genesis_block_registers_its_identities_and_its_configuration() {
    let folder = tempfile::tempdir().expect("tempdir");
    let network = Network::new();
    drop(create(folder.path(), &network));
    let ledger = Ledger::open(folder.path()).expect("opens");
    let genesis = genesis(&network);
    assert_eq!((ledger.info().height, ledger.info().commit_hash), (1, genesis.commit_hash()));
    assert_eq!((*ledger.config()).clone(), network.config);
    assert_eq!(ledger.codes(BlockNumber(0)).expect("reads"), Some(vec![Code::Valid]));
    let snapshot = ledger.snapshot();
    for hospital in HOSPITALS {
        let user = network.identity(hospital, "user");
        let record = snapshot.identity(user.msp_id(), &user.poi()).expect("reads").expect("is registered");
        assert_eq!((record.msp_id, record.poi), (user.msp_id().clone(), user.poi()));
    }
    for write in genesis.writes() {
        let (value, at) = snapshot.get(&write.namespace, &write.key).expect("reads").expect("is there");
        assert_eq!((Some(value), at), (write.value.clone(), write.version));
        let history = ledger.history(&write.namespace, &write.key, 9).expect("reads");
        assert_eq!(history, [HistoryEntry { version: write.version, is_delete: false }]);
    }
    let again = Ledger::create(&folder.path().join("other"), &genesis).map(|ledger| ledger.info());
    assert_eq!(again.expect("creates"), ledger.info());
}

#[test]
fn a_ledger_reaches_the_verdicts_of_a_state_in_memory() {
    let folder = tempfile::tempdir().expect("tempdir");
    let network = Network::new();
    let mut ledger = create(folder.path(), &network);
    let mut chain = Chain::new(&network);
    let tx = |nonce: &str, set: NamespaceSet| Tx::new(&network, nonce, basic(set)).envelope();
    let scan = |found: &[(&str, Version)]| NamespaceSet {
        ranges: vec![range("a", "c", found)],
        ..namespace("basic")
    };
    let delete =
        NamespaceSet { writes: vec![KvWrite { key: "a".into(), value: None }], ..namespace("basic") };
    let first = tx("1", writes(&["a", "b"]));
    let ab = [("a", version(1, 0)), ("b", version(2, 0))];
    let blocks: Vec<(Vec<Bytes>, Vec<Code>)> = vec![
        (vec![first.clone(), tx("2", reads("a", None))], vec![Code::Valid, Code::MvccReadConflict]),
        (
            vec![tx("3", writes(&["b"])), first, Bytes::from_static(b"junk"), tx("2", writes(&["z"]))],
            vec![Code::Valid, Code::DuplicateTxid, Code::BadPayload, Code::DuplicateTxid],
        ),
        (
            vec![tx("4", scan(&ab)), tx("5", scan(&ab[..1])), tx("6", delete), tx("7", scan(&ab))],
            vec![Code::Valid, Code::PhantomReadConflict, Code::Valid, Code::PhantomReadConflict],
        ),
        (
            vec![
                tx("8", scan(&ab[1..])),
                tx("9", reads("a", None)),
                tx("10", reads("b", Some(version(1, 0)))),
            ],
            vec![Code::Valid, Code::Valid, Code::MvccReadConflict],
        ),
        (vec![], vec![]),
    ];
    for (number, (envelopes, codes)) in (1..).zip(blocks) {
        let committed = commit(&ledger, &mut chain, &network, &envelopes);
        assert_eq!(committed.validated().codes(), codes, "block {number}");
        assert_eq!(ledger.codes(BlockNumber(number)).expect("reads"), Some(codes));
        for summary in committed.validated().transactions() {
            let Some(tx_id) = summary.tx_id.as_ref().filter(|_| summary.code != Code::DuplicateTxid) else {
                continue;
            };
            let location = ledger.transaction(tx_id).expect("reads").expect("is indexed");
            assert_eq!(
                (location.number.0, location.tx_number, location.code),
                (number, summary.number, summary.code)
            );
            let envelope = ledger.envelope(location.number, location.tx_number).expect("reads");
            assert_eq!(envelope.as_ref(), envelopes.get(location.tx_number.0 as usize));
        }
        drop(ledger);
        ledger = Ledger::open(folder.path()).expect("opens");
        assert_eq!(&ledger.info(), committed.info());
    }
    let found = StateReader::range(&ledger.snapshot(), "basic", "", "", 9).expect("reads");
    assert_eq!(found, [("b".to_owned(), version(2, 0))]);
}

#[test]
fn the_history_keeps_what_a_later_transaction_of_the_block_overwrote() {
    let folder = tempfile::tempdir().expect("tempdir");
    let network = Network::new();
    let ledger = create(folder.path(), &network);
    let mut chain = Chain::new(&network);
    let envelopes = ["1", "2"].map(|nonce| Tx::new(&network, nonce, basic(writes(&["key"]))).envelope());
    commit(&ledger, &mut chain, &network, &envelopes);
    let entry = |place| HistoryEntry { version: version(1, place), is_delete: false };
    assert_eq!(ledger.history("basic", "key", 9).expect("reads"), [entry(1), entry(0)]);
    assert_eq!(ledger.snapshot().version("basic", "key").expect("reads"), Some(version(1, 1)));
}

#[test]
fn a_keys_modifications_hold_what_each_transaction_wrote_and_when_its_client_signed() {
    let folder = tempfile::tempdir().expect("tempdir");
    let network = Network::new();
    let ledger = create(folder.path(), &network);
    let mut chain = Chain::new(&network);
    let tx = |nonce: &str, value: Option<&'static [u8]>, seconds| {
        let write = KvWrite { key: "key".into(), value: value.map(Bytes::from_static) };
        let set = NamespaceSet { writes: vec![write, write_other()], ..namespace("basic") };
        let mut tx = Tx::new(&network, nonce, basic(set));
        tx.header.timestamp = Some(Timestamp { seconds, nanos: 250_000_000 });
        tx
    };
    let stale = NamespaceSet { reads: vec![read("key", None)], ..writes(&["key"]) };
    let blocks = [
        vec![tx("1", Some(b"one"), 1), tx("2", Some(b"two"), 2)],
        vec![Tx::new(&network, "stale", basic(stale)), tx("3", None, 3)],
        vec![tx("4", Some(b"four"), 4)],
    ];
    for block in &blocks {
        let envelopes: Vec<Bytes> = block.iter().map(Tx::envelope).collect();
        commit(&ledger, &mut chain, &network, &envelopes);
    }
    let change = |block: usize, place: usize, value: Option<&'static [u8]>, seconds| KeyModification {
        tx_id: blocks[block - 1][place].id(),
        value: value.map(Bytes::from_static),
        timestamp_ms: seconds * 1_000_u64 + 250,
        version: version(block as u64, place as u32),
    };
    let all = [
        change(3, 0, Some(b"four"), 4),
        change(2, 1, None, 3),
        change(1, 1, Some(b"two"), 2),
        change(1, 0, Some(b"one"), 1),
    ];
    let snapshot = ledger.snapshot();
    let read = |before, limit| snapshot.modifications(("basic", "key"), before, limit).expect("reads");
    assert_eq!(read(None, 9), all);
    assert_eq!(read(None, 3), all[..3]);
    assert_eq!(read(Some(version(2, 1)), 9), all[2..]);
    assert_eq!(read(Some(version(1, 1)), 1), all[3..]);
    assert!(read(Some(version(1, 0)), 9).is_empty());
    assert!(snapshot.modifications(("basic", "ke"), None, 9).expect("reads").is_empty());
}

fn write_other() -> KvWrite {
    write("key2")
}

#[test]
fn a_validated_block_is_committed_once() {
    let folder = tempfile::tempdir().expect("tempdir");
    let network = Network::new();
    let ledger = create(folder.path(), &network);
    let chain = Chain::new(&network);
    let validated = validate(&ledger, &chain, &network, &[]);
    ledger.commit(validated.clone()).expect("commits");
    let info = ledger.info();
    assert!(matches!(ledger.commit(validated), Err(LedgerFault::Block(_))));
    assert!(matches!(ledger.commit(genesis(&network)), Err(LedgerFault::Block(_))));
    assert_eq!(ledger.info(), info);
}
