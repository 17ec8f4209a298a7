//! A ledger that contradicts itself does not open, and says where.

use std::path::Path;

use protocol::{BlockHash, BlockNumber, CommitHash, TxValidationCode};
use store::{Batch, Durability, Read as _, Store};

use super::{Ledger, LedgerOptions, check_against_rule, config, create, ledger_of, ruled_blocks};
use crate::fault::LedgerFault;
use crate::layout::{self, COMMITS, CONFIGS, STATE};
use crate::record::CommitRecord;

/// Changes the files of a closed ledger.
fn tamper(path: &Path, change: impl FnOnce(&Store, &mut Batch)) {
    let store = LedgerOptions::default().open_store(path, false).expect("opens");
    let mut batch = Batch::new();
    change(&store, &mut batch);
    store.write(&batch, Durability::Synced).expect("writes");
}

#[test]
fn contradictions_between_the_records_of_the_last_block_are_named() {
    type Change = fn(&Store, &mut Batch);
    let rows: &[(&str, Change, &str)] = &[
        (
            "no commit record",
            |_, batch| batch.delete(COMMITS, layout::block_key(BlockNumber(2)).to_vec()),
            "has no commit record for block 2",
        ),
        (
            "another block's commit record",
            |_, batch| {
                let record = CommitRecord::new(
                    BlockHash([9; 32]),
                    CommitHash::ZERO,
                    [TxValidationCode::Valid].into_iter(),
                );
                batch.put(COMMITS, layout::block_key(BlockNumber(2)).to_vec(), record.to_bytes());
            },
            "contradicts itself at block 2",
        ),
        (
            "a commit record that is none",
            |_, batch| batch.put(COMMITS, layout::block_key(BlockNumber(2)).to_vec(), "junk"),
            "damaged data",
        ),
        (
            "no configuration",
            |_, batch| batch.delete(CONFIGS, layout::block_key(BlockNumber(0)).to_vec()),
            "has no configuration for block 2",
        ),
        (
            "another channel's configuration",
            |_, batch| {
                batch.put(
                    CONFIGS,
                    layout::block_key(BlockNumber(1)).to_vec(),
                    config("elsewhere", 1).to_bytes(),
                )
            },
            "names channel elsewhere",
        ),
        (
            "a configuration that is none",
            |_, batch| batch.put(CONFIGS, layout::block_key(BlockNumber(1)).to_vec(), "junk"),
            "damaged data",
        ),
        (
            "no last block",
            |_, batch| batch.delete("blocks", layout::block_key(BlockNumber(2)).to_vec()),
            "block 2 is missing",
        ),
        (
            "the block before in its place",
            |store, batch| {
                let bytes = store
                    .get("blocks", &layout::block_key(BlockNumber(1)))
                    .expect("reads")
                    .expect("is there");
                batch.put("blocks", layout::block_key(BlockNumber(2)).to_vec(), bytes);
            },
            "says that it is block 1",
        ),
    ];
    for (name, change, words) in rows {
        let folder = tempfile::tempdir().expect("tempdir");
        drop(ledger_of(folder.path(), 3));
        tamper(folder.path(), change);
        let fault = Ledger::open(folder.path()).expect_err(name);
        assert!(fault.to_string().contains(words), "{name}: {fault}");
        assert!(fault.to_string().contains(&folder.path().display().to_string()), "{name}: {fault}");
    }
}

#[test]
fn only_a_folder_with_a_ledger_opens() {
    let folder = tempfile::tempdir().expect("tempdir");
    let path = folder.path().join("ledger");
    let fault = Ledger::open(&path).expect_err("absent");
    assert!(fault.to_string().contains("there is no ledger store in"), "{fault}");
    let ledger = create(&path);
    assert!(Ledger::open(&path).expect_err("open already").to_string().contains("in use"));
    drop(ledger);
    let genesis = ruled_blocks().next().expect("a block");
    let again = Ledger::begin(&path, &genesis, LedgerOptions::default()).expect_err("exists");
    assert!(matches!(again, LedgerFault::Exists { height: 1, .. }), "{again:?}");
    check_against_rule(&Ledger::open(&path).expect("is untouched"));
}

#[test]
fn an_interrupted_creation_is_taken_up_again() {
    let folder = tempfile::tempdir().expect("tempdir");
    drop(LedgerOptions::default().open_store(folder.path(), true).expect("a store without blocks"));
    let fault = Ledger::open(folder.path()).expect_err("no genesis block");
    assert!(matches!(fault, LedgerFault::Empty { .. }), "{fault:?}");
    check_against_rule(&create(folder.path()));
}

#[test]
fn a_genesis_block_must_be_the_first_and_bring_a_configuration() {
    let folder = tempfile::tempdir().expect("tempdir");
    let mut genesis = ruled_blocks().next().expect("a block");
    genesis.config = None;
    let fault = Ledger::begin(&folder.path().join("a"), &genesis, LedgerOptions::default());
    assert!(matches!(fault.expect_err("none"), LedgerFault::GenesisWithoutConfig { .. }));
    assert!(!folder.path().join("a").exists());
    let fifth = ruled_blocks().nth(5).expect("a block");
    let fault = Ledger::begin(&folder.path().join("b"), &fifth, LedgerOptions::default());
    assert!(matches!(fault.expect_err("not the first"), LedgerFault::Block(_)));
}

#[test]
fn a_damaged_state_value_is_a_fault_of_the_read_not_an_absent_key() {
    let folder = tempfile::tempdir().expect("tempdir");
    drop(ledger_of(folder.path(), 2));
    tamper(folder.path(), |_, batch| batch.put(STATE, layout::state_key("cc", "key 1"), "junk"));
    let ledger = Ledger::open(folder.path()).expect("opens");
    let snapshot = ledger.snapshot();
    assert!(snapshot.get("cc", "key 1").expect_err("damaged").is_corruption());
    assert!(snapshot.scan("cc", ("", ""), 9, |_, _, _| ()).expect_err("damaged").is_corruption());
    let fault = shim::StateReader::value(&snapshot, "cc", "key 1").expect_err("damaged");
    assert!(fault.cause.contains("no state value"), "the cause is told in full: {}", fault.cause);
}
