//! The ledger against real folders. Blocks are made by a rule from their number, so that what a ledger of any height must
//! hold is recomputed, never remembered.

mod commit;
mod crash;
mod damage;
mod faults;
mod full_disk;
mod model;
mod reading;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use bytes::Bytes;
use protocol::{
    BatchConfig, Block, BlockHash, BlockHeader, BlockNumber, ChannelConfig, ChannelId, CommitHash,
    IdentityRule, OrdererConfig, Proof, TxId, TxNumber, TxValidationCode, Version, data_hash,
};

use crate::block_commit::{BlockCommit, CommittedTransaction, KeyChange, StateWrite};
use crate::ledger::Ledger;
use crate::opening::LedgerOptions;
use crate::tx_index::TransactionLocation;

const CHANNEL: &str = "reports";
/// The rule's keys repeat, so that blocks overwrite and delete what earlier ones wrote.
const KEYS: u64 = 7;

/// Whether tests that go through many cases go through all of them.
fn is_long() -> bool {
    std::env::var_os("CONSILIUM_LONG").is_some()
}

fn config(channel: &str, sequence: u64) -> ChannelConfig {
    ChannelConfig {
        version: ChannelConfig::VERSION,
        channel: ChannelId::new(channel).expect("valid"),
        sequence,
        capabilities: vec![],
        organizations: vec![],
        orderer: OrdererConfig {
            consenters: vec![],
            batch: BatchConfig {
                max_message_count: 500,
                absolute_max_bytes: 1 << 20,
                preferred_max_bytes: 1 << 20,
                timeout_ms: 100,
            },
            difficulty_bits: 0,
        },
        policies: BTreeMap::new(),
        chaincodes: vec![],
        reports: None,
        identities: IdentityRule::Open,
        first_identities: vec![],
    }
}

fn tx_id(number: u64, place: u32) -> TxId {
    TxId::of(&number.to_be_bytes(), &place.to_be_bytes())
}

fn version(number: u64, place: u32) -> Version {
    Version { block_number: BlockNumber(number), tx_number: TxNumber(place) }
}

fn write(key: &str, value: Option<&str>, version: Version) -> StateWrite {
    let value = value.map(|value| Bytes::copy_from_slice(value.as_bytes()));
    StateWrite { namespace: "cc".into(), key: key.into(), value, version }
}

fn change_of(write: &StateWrite) -> KeyChange {
    let StateWrite { namespace, key, value, version } = write.clone();
    KeyChange { namespace, key, version, is_delete: value.is_none() }
}

/// A block behind `previous` with these transactions; envelopes are made from their ids.
fn block_commit(
    number: u64,
    previous: (BlockHash, CommitHash),
    transactions: Vec<CommittedTransaction>,
    writes: Vec<StateWrite>,
) -> BlockCommit {
    let envelopes: Vec<Bytes> =
        (0..transactions.len()).map(|place| Bytes::from(format!("envelope {number}/{place}"))).collect();
    let header = BlockHeader {
        version: BlockHeader::VERSION,
        channel: ChannelId::new(CHANNEL).expect("valid"),
        number: BlockNumber(number),
        previous_hash: previous.0,
        data_hash: data_hash(&envelopes),
        timestamp_ms: 1_000 + number,
        last_config: BlockNumber(0),
        proof: Proof::default(),
        envelope_count: None,
    };
    let commit_hash = CommitHash::of(&[previous.1.as_bytes(), &header.hash().as_bytes()[..]].concat());
    let block = Block { header, envelopes, signatures: vec![] };
    let bytes = block.to_bytes().into();
    let changes = writes.iter().map(change_of).collect();
    BlockCommit { block, bytes, transactions, writes, changes, commit_hash, config: None }
}

/// The block that the rule makes of a number: one transaction that writes and deletes, one that is invalid, one whose id
/// proves nothing; every fifth block brings a configuration.
fn ruled_block(number: u64, previous: (BlockHash, CommitHash)) -> BlockCommit {
    let transaction = |place, code| CommittedTransaction { tx_id: Some(tx_id(number, place)), code };
    let transactions = vec![
        transaction(0, TxValidationCode::Valid),
        transaction(1, TxValidationCode::MvccReadConflict),
        CommittedTransaction { tx_id: None, code: TxValidationCode::BadPayload },
    ];
    let (written, deleted) = (number % KEYS, (number + 3) % KEYS);
    let writes = vec![
        write(&format!("key {written}"), Some(&format!("value {number}")), version(number, 0)),
        write(&format!("key {deleted}"), None, version(number, 0)),
    ];
    let mut commit = block_commit(number, previous, transactions, writes);
    commit.config = number.is_multiple_of(5).then(|| config(CHANNEL, number / 5));
    commit
}

/// The rule's blocks from genesis on.
fn ruled_blocks() -> impl Iterator<Item = BlockCommit> {
    let mut previous = (BlockHash::ZERO, CommitHash::ZERO);
    (0..).map(move |number| {
        let commit = ruled_block(number, previous);
        previous = (commit.block.header.hash(), commit.commit_hash);
        commit
    })
}

fn create(path: &Path) -> Ledger {
    let genesis = ruled_blocks().next().expect("a genesis block");
    Ledger::begin(path, &genesis, LedgerOptions::default()).expect("creates")
}

/// A ledger of the rule's first `height` blocks.
fn ledger_of(path: &Path, height: usize) -> Ledger {
    let ledger = create(path);
    for commit in ruled_blocks().take(height).skip(1) {
        ledger.commit_block(&commit).expect("commits");
    }
    ledger
}

/// Everything that a ledger says must be what the rule gives for its height.
fn check_against_rule(ledger: &Ledger) {
    let info = ledger.info();
    let height = usize::try_from(info.height).expect("fits");
    let mut state: BTreeMap<String, (Bytes, Version)> = BTreeMap::new();
    let mut keys = BTreeSet::new();
    for commit in ruled_blocks().take(height) {
        let number = commit.block.header.number;
        assert_eq!(ledger.block(number).expect("reads").as_ref(), Some(&commit.bytes));
        assert!(ledger.block_checked(number).expect("checks").is_some());
        assert_eq!(ledger.commit_hash(number).expect("reads"), Some(commit.commit_hash));
        let codes: Vec<_> = commit.transactions.iter().map(|transaction| transaction.code).collect();
        assert_eq!(ledger.codes(number).expect("reads"), Some(codes));
        for (transaction, place) in commit.transactions.iter().zip(0..) {
            let Some(tx_id) = &transaction.tx_id else { continue };
            let location = TransactionLocation { number, tx_number: TxNumber(place), code: transaction.code };
            assert_eq!(ledger.transaction(tx_id).expect("reads"), Some(location));
        }
        for write in &commit.writes {
            keys.insert(write.key.clone());
            match &write.value {
                Some(value) => state.insert(write.key.clone(), (value.clone(), write.version)),
                None => state.remove(&write.key),
            };
        }
        if number.next().0 == info.height {
            assert_eq!((info.block_hash, info.commit_hash), (commit.block.header.hash(), commit.commit_hash));
            assert_eq!(ledger.last_header(), commit.block.header);
        }
    }
    let snapshot = ledger.snapshot();
    assert_eq!(snapshot.height().expect("reads"), info.height);
    let make = |key: String, version, value: &[u8]| (key, (Bytes::copy_from_slice(value), version));
    let found = snapshot.scan("cc", ("", ""), usize::MAX, make).expect("reads");
    assert_eq!(found, state.into_iter().collect::<Vec<_>>());
    let changes: usize = keys.iter().map(|key| ledger.history("cc", key, 9_999).expect("reads").len()).sum();
    assert_eq!(changes, 2 * height, "every block changes two keys");
    assert_eq!(ledger.config().sequence, (info.height - 1) / 5);
    let next = BlockNumber(info.height);
    assert!(ledger.block(next).expect("reads").is_none() && ledger.codes(next).expect("reads").is_none());
    assert!(ledger.transaction(&tx_id(info.height, 0)).expect("reads").is_none());
}
