//! Validation against a sequential model: 10,000 blocks, run one transaction after the other by `model/sequential.rs`.
//!
//! Every transaction is simulated against a state of some blocks ago, as endorsers would: reads, scans, deletions in two
//! namespaces, too few endorsers, repeated ids, strangers, identities revoked and active again between blocks, bytes that
//! are no transaction. Verdicts, states, histories and commit hashes must agree. Keys are few and made once, so that
//! signatures stay cheap. A failure prints the smallest blocks that show it and the seed that repeats it;
//! `CONSILIUM_LONG=1` runs twenty times as many.
#![allow(clippy::expect_used, reason = "tests")]

mod fixture;
#[path = "model/generator.rs"]
mod generator;
#[path = "model/sequential.rs"]
mod sequential;

use bytes::Bytes;
use fixture::{Chain, Network, Tx};
use generator::{BlockPlan, Form, Step};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestCaseResult;
use protocol::{IdentityRule, IdentityStatus};
use sequential::{Model, NAMESPACES};

/// Blocks of one case, and cases of each of the two tests: 2 × 200 × 25 blocks.
const BLOCKS: usize = 25;
const CASES: u32 = 200;

fn cases() -> u32 {
    if std::env::var_os("CONSILIUM_LONG").is_some() { CASES * 20 } else { CASES }
}

fn registered() -> &'static Network {
    static NETWORK: std::sync::OnceLock<Network> = std::sync::OnceLock::new();
    NETWORK.get_or_init(Network::new)
}

fn open() -> &'static Network {
    static NETWORK: std::sync::OnceLock<Network> = std::sync::OnceLock::new();
    NETWORK.get_or_init(|| {
        let mut network = Network::new();
        network.config.identities = IdentityRule::Open;
        network
    })
}

fn envelope(step: &Step, nonce: &str, model: &Model, network: &Network) -> Bytes {
    if step.form == Form::Junk {
        return Bytes::from_static(b"no transaction");
    }
    let mut tx = Tx::new(network, nonce, model.simulate(step));
    tx.creator = step.creator.of(network);
    tx.endorsers = step.endorsers.iter().map(|endorser| endorser.of(network)).collect();
    tx.named(step.chaincode);
    if !step.is_current_version {
        tx.version = "0.9".into();
    }
    match step.form {
        Form::Forged => {
            tx.signature = Some(network.identity("HospitalC", "admin").sign(nonce.as_bytes()).into())
        }
        Form::BadRwset => tx.results = Some(Bytes::from_static(b"no read-write set")),
        Form::Sound | Form::Junk => {}
    }
    tx.envelope()
}

/// What a plan changes outside of transactions: an identity is revoked or active again.
fn change_status(plan: &BlockPlan, chain: &mut Chain, model: &mut Model, network: &Network) {
    let Some((person, is_revoked)) = plan.status else { return };
    let identity = person.of(network);
    if chain.state.has_identity(identity) {
        let status = if is_revoked { IdentityStatus::Revoked } else { IdentityStatus::Active };
        chain.state.set_status(identity, Some(status));
        model.set_revoked(person, is_revoked);
    }
}

fn check(plans: &[BlockPlan], network: &Network) -> TestCaseResult {
    let mut chain = Chain::new(network);
    let mut model = Model::new(network.config.identities == IdentityRule::Open, chain.commit);
    for (number, plan) in (1_u64..).zip(plans) {
        change_status(plan, &mut chain, &mut model, network);
        let mut envelopes: Vec<Bytes> = Vec::new();
        for (place, step) in (0_u32..).zip(&plan.steps) {
            let nonce =
                step.nonce.map_or_else(|| format!("{number}/{place}"), |shared| format!("shared {shared}"));
            envelopes.push(envelope(step, &nonce, &model, network));
            model.run(step, &nonce, envelopes.last().expect("pushed"), network);
        }
        let block = chain.validate(network, envelopes).expect("readable");
        let expected = model.end_block(&block.block_hash());
        prop_assert_eq!(block.codes(), &expected.codes[..], "block {}", number);
        prop_assert_eq!(block.commit_hash(), expected.commit_hash, "block {}", number);
        let history: Vec<_> = block
            .history()
            .iter()
            .map(|write| (write.tx_number.0, write.namespace.clone(), write.key.clone(), write.value.clone()))
            .collect();
        prop_assert_eq!(history, expected.history, "block {}", number);
        chain.commit(&block);
        let found: sequential::Map = chain
            .state
            .keys
            .iter()
            .filter(|((namespace, _), _)| NAMESPACES.contains(&namespace.as_str()))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        prop_assert_eq!(&found, model.state(), "after block {}", number);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn blocks_agree_with_running_their_transactions_one_by_one(
        plans in proptest::collection::vec(generator::block(), BLOCKS),
    ) {
        check(&plans, registered())?;
    }

    #[test]
    fn blocks_of_an_open_channel_agree_with_running_their_transactions_one_by_one(
        plans in proptest::collection::vec(generator::block(), BLOCKS),
    ) {
        check(&plans, open())?;
    }
}

#[test]
fn the_generator_meets_every_verdict_that_it_is_made_for() {
    use protocol::TxValidationCode as Code;
    use std::collections::BTreeMap;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut met: BTreeMap<u8, usize> = BTreeMap::new();
    let network = registered();
    for _ in 0..20 {
        let plans = proptest::collection::vec(generator::block(), BLOCKS);
        let plans = plans.new_tree(&mut runner).expect("generates").current();
        let chain = Chain::new(network);
        let mut model = Model::new(false, chain.commit);
        for (number, plan) in plans.iter().enumerate() {
            if let Some((person, is_revoked)) = plan.status {
                model.set_revoked(person, is_revoked);
            }
            for (place, step) in plan.steps.iter().enumerate() {
                let nonce = step
                    .nonce
                    .map_or_else(|| format!("{number}/{place}"), |shared| format!("shared {shared}"));
                model.run(step, &nonce, &Bytes::new(), network);
            }
            for code in model.end_block(&protocol::BlockHash([1; 32])).codes {
                *met.entry(code.number()).or_default() += 1;
            }
        }
    }
    let made_for = [
        (Code::Valid, 200),
        (Code::BadPayload, 5),
        (Code::BadCreatorSignature, 5),
        (Code::BadRwset, 5),
        (Code::DuplicateTxid, 10),
        (Code::InvalidOtherReason, 10),
        (Code::InvalidChaincode, 5),
        (Code::ExpiredChaincode, 5),
        (Code::IllegalWriteset, 5),
        (Code::EndorsementPolicyFailure, 20),
        (Code::MvccReadConflict, 40),
        (Code::PhantomReadConflict, 20),
    ];
    for (code, least) in made_for {
        let times = met.get(&code.number()).copied().unwrap_or_default();
        assert!(times >= least, "{} only {times} times in 500 blocks", code.name());
    }
}
