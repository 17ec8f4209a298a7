//! Committing: what a block leaves behind, and what is refused without a trace.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use protocol::{BlockHash, BlockNumber, ChannelId, CommitHash, TxNumber, TxValidationCode as Code};
use store::SpaceGuard;

use super::{
    BlockCommit, CHANNEL, CommittedTransaction, Ledger, LedgerOptions, block_commit, check_against_rule,
    config, create, ledger_of, ruled_blocks, tx_id, version, write,
};
use crate::fault::LedgerFault;
use crate::tx_index::TransactionLocation;

fn next_of(ledger: &Ledger, transactions: Vec<CommittedTransaction>) -> BlockCommit {
    let info = ledger.info();
    block_commit(info.height, (info.block_hash, info.commit_hash), transactions, vec![])
}

fn commit_next(ledger: &Ledger, transactions: Vec<CommittedTransaction>) {
    ledger.commit_block(&next_of(ledger, transactions)).expect("commits");
}

#[test]
fn a_ledger_holds_what_its_blocks_wrote_before_and_after_a_restart() {
    let folder = tempfile::tempdir().expect("tempdir");
    for height in [1, 2, 13] {
        let path = folder.path().join(height.to_string());
        let ledger = ledger_of(&path, height);
        check_against_rule(&ledger);
        drop(ledger);
        check_against_rule(&Ledger::open(&path).expect("opens"));
    }
}

#[test]
fn a_block_that_does_not_fit_is_refused_and_changes_nothing() {
    let folder = tempfile::tempdir().expect("tempdir");
    let ledger = ledger_of(folder.path(), 3);
    let rule: Vec<_> = ruled_blocks().take(5).collect();
    let other = block_commit(3, (BlockHash([9; 32]), CommitHash::ZERO), vec![], vec![]);
    let changed = |change: &dyn Fn(&mut BlockCommit)| {
        let mut commit = rule[3].clone();
        change(&mut commit);
        commit
    };
    let elsewhere = ChannelId::new("elsewhere").expect("valid");
    let rows: Vec<(&str, BlockCommit, &str)> = vec![
        ("the last block again", rule[2].clone(), "has number 3"),
        ("the genesis block again", rule[0].clone(), "has number 3"),
        ("a gap", rule[4].clone(), "has number 3"),
        ("another chain", other, "belongs to another chain"),
        (
            "another channel",
            changed(&|commit| commit.block.header.channel = elsewhere.clone()),
            "the block names channel elsewhere",
        ),
        (
            "another channel's configuration",
            changed(&|commit| commit.config = Some(config("elsewhere", 1))),
            "the new configuration names",
        ),
        (
            "a verdict too few",
            changed(&|commit| drop(commit.transactions.pop())),
            "3 envelopes but 2 verdicts",
        ),
        (
            "a zero byte in a namespace",
            changed(&|commit| commit.writes[1].namespace = "c\0c".into()),
            "breaks a limit",
        ),
        ("an empty key", changed(&|commit| commit.writes[1].key.clear()), "breaks a limit"),
    ];
    for (name, commit, words) in rows {
        let fault = ledger.commit_block(&commit).expect_err(name);
        assert!(fault.to_string().contains(words), "{name}: {fault}");
        assert!(!fault.is_corruption(), "{name}");
        check_against_rule(&ledger);
    }
    assert_eq!(ledger.commit_block(&rule[3]).expect("the next one").height, 4);
    check_against_rule(&ledger);
}

#[test]
fn a_fault_of_the_disk_leaves_the_ledger_as_it_was() {
    let folder = tempfile::tempdir().expect("tempdir");
    drop(ledger_of(folder.path(), 2));
    let free = Arc::new(AtomicU64::new(u64::MAX));
    let seen = Arc::clone(&free);
    let space = Some(SpaceGuard::new(1 << 20, move |_| Ok(seen.load(Ordering::SeqCst))));
    let options = LedgerOptions { space, ..LedgerOptions::default() };
    let ledger = Ledger::open_with_options(folder.path(), options).expect("opens");
    let next = ruled_blocks().nth(2).expect("a block");
    free.store(1 << 20, Ordering::SeqCst);
    for _ in 0..2 {
        let fault = ledger.commit_block(&next).expect_err("no space");
        assert!(matches!(&fault, LedgerFault::Store(error) if error.is_full_disk()), "{fault:?}");
        check_against_rule(&ledger);
    }
    free.store(u64::MAX, Ordering::SeqCst);
    ledger.commit_block(&next).expect("space again");
    check_against_rule(&ledger);
}

#[test]
fn an_id_leads_to_the_first_transaction_that_bears_it() {
    let folder = tempfile::tempdir().expect("tempdir");
    let ledger = create(folder.path());
    let id = tx_id(99, 0);
    let transaction = |code| CommittedTransaction { tx_id: Some(id.clone()), code };
    let nameless = CommittedTransaction { tx_id: None, code: Code::BadCreatorSignature };
    commit_next(&ledger, vec![nameless.clone()]);
    assert_eq!(ledger.transaction(&id).expect("reads"), None);
    assert!(!ledger.snapshot().has_transaction(&id).expect("reads"));
    let first =
        TransactionLocation { number: BlockNumber(2), tx_number: TxNumber(1), code: Code::MvccReadConflict };
    let rows = [
        vec![nameless, transaction(Code::MvccReadConflict), transaction(Code::DuplicateTxid)],
        vec![transaction(Code::DuplicateTxid)],
        vec![transaction(Code::BadRwset), transaction(Code::Valid)],
    ];
    for transactions in rows {
        commit_next(&ledger, transactions);
        assert_eq!(ledger.transaction(&id).expect("reads"), Some(first));
        assert!(ledger.snapshot().has_transaction(&id).expect("reads"));
    }
}

#[test]
fn a_configuration_is_in_force_from_the_block_after_its_own() {
    let folder = tempfile::tempdir().expect("tempdir");
    let ledger = ledger_of(folder.path(), 12);
    for (number, sequence) in
        [(0, Some(0)), (4, Some(0)), (5, Some(1)), (9, Some(1)), (11, Some(2)), (12, None)]
    {
        let found = ledger.config_after(protocol::BlockNumber(number)).expect("reads");
        assert_eq!(found.map(|config| config.sequence), sequence, "after block {number}");
    }
    assert_eq!(ledger.config().sequence, 2);
    assert_eq!(ledger.config().channel.as_str(), CHANNEL);
}

#[test]
fn many_writers_commit_each_block_once() {
    let folder = tempfile::tempdir().expect("tempdir");
    let ledger = create(folder.path());
    let rule: Vec<_> = ruled_blocks().take(20).collect();
    let commits = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for commit in &rule[1..] {
                    match ledger.commit_block(commit) {
                        Ok(_) => commits.fetch_add(1, Ordering::SeqCst),
                        Err(fault) => {
                            assert!(matches!(fault, LedgerFault::Block(_)), "{fault:?}");
                            0
                        }
                    };
                }
            });
        }
    });
    assert_eq!(commits.load(Ordering::SeqCst), 19);
    check_against_rule(&ledger);
}

#[test]
fn a_value_of_the_greatest_size_is_committed() {
    let folder = tempfile::tempdir().expect("tempdir");
    let ledger = create(folder.path());
    let value = "v".repeat(protocol::limits::VALUE_BYTES_MAX);
    let mut commit = next_of(&ledger, vec![]);
    commit.writes = vec![write("large", Some(&value), version(1, 0))];
    ledger.commit_block(&commit).expect("commits");
    drop(ledger);
    let ledger = Ledger::open(folder.path()).expect("opens");
    let (found, _) = ledger.snapshot().get("cc", "large").expect("reads").expect("is there");
    assert_eq!(found.len(), value.len());
}
