//! A ledger that release 1.0 wrote replays to the same verdicts and commit hashes, on this release and on any later one.
//!
//! The blocks in `ledger-1.0` were written by that release's own rules; the file `verdicts` holds what it said of them:
//! number, codes, commit hash. Three of its verdicts are others under the rules of capability `V1_1`.
#![allow(clippy::expect_used, reason = "tests")]

mod fixture;

use std::fs;
use std::path::PathBuf;

use bytes::Bytes;
use configtx::{Capabilities, ConfigBundle, IdentityRules};
use fixture::MemoryState;
use protocol::{Block, BlockHeader, CommitHash, TxNumber};
use validation::{
    ExaminedTransaction, ValidatedBlock, check_link, validate_block, validate_genesis_known_to,
};

/// A file of the ledger.
fn file(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/ledger-1.0").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn block(number: usize) -> Block {
    Block::from_bytes(&file(&format!("{number}.block"))).expect("a block")
}

/// Number, codes and commit hash of each block, as the earlier release said.
fn verdicts() -> Vec<String> {
    String::from_utf8(file("verdicts")).expect("text").lines().map(str::to_owned).collect()
}

/// A replica that follows the ledger.
struct Replica {
    bundle: ConfigBundle,
    state: MemoryState,
    last: BlockHeader,
    commit: CommitHash,
}

impl Replica {
    fn begin(known: Capabilities) -> (Self, ValidatedBlock) {
        let genesis = validate_genesis_known_to(block(0), known).expect("it begins a channel");
        let config = genesis.config().expect("a configuration").clone();
        let mut state = MemoryState::default();
        state.commit(&genesis);
        let bundle = ConfigBundle::known_to(config, known).expect("it holds");
        let (last, commit) = (genesis.block().header.clone(), genesis.commit_hash());
        (Self { bundle, state, last, commit }, genesis)
    }

    fn follow(&mut self, block: Block) -> ValidatedBlock {
        let at_ms = block.header.timestamp_ms;
        let envelopes: Vec<(TxNumber, &Bytes)> = (0..).map(TxNumber).zip(&block.envelopes).collect();
        let examined = ExaminedTransaction::of_all(&envelopes, &self.bundle, at_ms);
        let ordered = check_link(block, &self.last, &self.bundle).expect("it follows");
        let validated =
            validate_block(ordered, examined, &self.bundle, &self.state, self.commit).expect("readable");
        self.state.commit(&validated);
        if let Some(config) = validated.config() {
            self.bundle = ConfigBundle::known_to(config.clone(), self.bundle.known()).expect("it holds");
        }
        (self.last, self.commit) = (validated.block().header.clone(), validated.commit_hash());
        validated
    }
}

fn said(block: &ValidatedBlock) -> String {
    let codes: Vec<&str> = block.codes().iter().map(|code| code.name()).collect();
    format!("{} {} {}", block.number(), codes.join(","), block.commit_hash())
}

#[test]
fn a_ledger_of_release_1_0_replays_to_the_same_commit_hashes() {
    for known in [Capabilities::RELEASED, Capabilities::TESTED] {
        let (mut replica, genesis) = Replica::begin(known);
        assert_eq!(replica.bundle.identity_rules(), IdentityRules::V1_0);
        let expected = verdicts();
        let mut found = vec![said(&genesis)];
        for number in 1..expected.len() {
            let validated = replica.follow(block(number));
            let reasons: Vec<_> = validated.transactions().iter().map(|summary| &summary.reason).collect();
            found.push(said(&validated));
            assert_eq!(found[number], expected[number], "{reasons:?}");
        }
    }
}

#[test]
fn the_ledger_tells_the_rules_of_1_0_from_those_of_1_1() {
    let verdicts = verdicts().join("\n");
    // A renewal's proof shown again; a proof that is refused before the ledger is asked who may change identities; a
    // certificate as a third argument, which is no call yet, by whom it would revoke.
    assert!(verdicts.contains("\n5 VALID "), "{verdicts}");
    let sixth = verdicts.lines().nth(6).expect("block 6");
    assert!(
        sixth.contains(" INVALID_WRITESET,INVALID_WRITESET,INVALID_WRITESET,INVALID_WRITESET,"),
        "{sixth}"
    );
}
