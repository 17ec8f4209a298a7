//! Endorse, validate, commit: the parts of a transaction without network and processes.
#![allow(clippy::expect_used, reason = "a bench that cannot be built fails")]

#[path = "../../../peer/validation/tests/fixture/mod.rs"]
mod fixture;

use std::hint::black_box;

use bytes::Bytes;
use configtx::ConfigBundle;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use endorsing::{ExecutionResult, ProposalDraft, check_proposal, endorse, parse_proposal, sign_proposal};
use fixture::{Chain, NOW_MS, Network, Tx, namespace, write};
use ledger::Ledger;
use protocol::fabric::Response;
use protocol::{ChaincodeName, ChannelId, NamespaceSet, ReadWriteSet, TxNumber};
use validation::{ValidatedBlock, check_link, examine, validate_block, validate_genesis};

/// Transactions in a block.
const BLOCK: u32 = 100;

/// Puts of unique keys, each endorsed by two.
fn envelopes(network: &Network, block: u32) -> Vec<Bytes> {
    let put = |number: u32| {
        let key = format!("k{block}-{number}");
        let set = NamespaceSet { writes: vec![write(&key)], ..namespace("basic") };
        Tx::new(network, &key, vec![set]).envelope()
    };
    (0..BLOCK).map(put).collect()
}

fn endorsing(criterion: &mut Criterion) {
    let network = Network::new();
    let user = network.identity("HospitalA", "user");
    let peer = network.identity("HospitalA", "peer0");
    let proposal = ProposalDraft {
        channel: ChannelId::new("reports").expect("a name"),
        chaincode: ChaincodeName::new("basic").expect("a name"),
        args: vec![Bytes::from_static(b"Put"), Bytes::from(vec![b'x'; 256])],
        transient: endorsing::TransientMap::default(),
        creator: user.serialized(),
        nonce: Bytes::from_static(b"a nonce of 24 bytes here"),
        timestamp_ms: NOW_MS,
    };
    let signed = sign_proposal(proposal, user).expect("signs");
    let set = NamespaceSet { writes: vec![write("key")], ..namespace("basic") };
    let result = ExecutionResult {
        rwset: ReadWriteSet { version: ReadWriteSet::VERSION, namespaces: vec![set] },
        response: Response { status: 200, ..Response::default() },
        event: None,
        chaincode_version: "1.0".to_owned(),
    };
    criterion.bench_function("endorse: check and sign one proposal", |bencher| {
        bencher.iter_batched(
            // A bundle of its own: it remembers signatures.
            || ConfigBundle::new(network.config.clone()).expect("holds"),
            |bundle| {
                let parsed = parse_proposal(&signed).expect("reads");
                let verified = check_proposal(parsed, &signed, &bundle, NOW_MS).expect("holds");
                black_box(endorse(&verified, result.clone(), peer, NOW_MS).expect("signs"));
            },
            BatchSize::SmallInput,
        );
    });
}

fn validating(criterion: &mut Criterion) {
    let network = Network::new();
    let chain = Chain::new(&network);
    let block = chain.next_block(&network, envelopes(&network, 0));
    let at_ms = block.header.timestamp_ms;
    let examine_all = |bundle: &ConfigBundle| -> Vec<_> {
        (0..)
            .zip(&block.envelopes)
            .map(|(n, envelope)| examine(TxNumber(n), envelope, bundle, at_ms))
            .collect()
    };
    let mut group = criterion.benchmark_group("validate: a block of 100 transactions of 3 signatures");
    group.throughput(Throughput::Elements(u64::from(BLOCK)));
    group.sample_size(20);
    group.bench_function("signatures, none seen before", |bencher| {
        bencher.iter_batched(
            || ConfigBundle::new(network.config.clone()).expect("holds"),
            |bundle| black_box(examine_all(&bundle)),
            BatchSize::SmallInput,
        );
    });
    let _ = examine_all(&chain.bundle);
    group.bench_function("signatures, all seen before", |bencher| {
        bencher.iter(|| black_box(examine_all(&chain.bundle)));
    });
    group.bench_function("state: identities, policies, conflicts, commit hash", |bencher| {
        bencher.iter_batched(
            || {
                let ordered = check_link(block.clone(), &chain.last, &chain.bundle).expect("follows");
                (ordered, examine_all(&chain.bundle))
            },
            |(ordered, examined)| {
                black_box(validate_block(ordered, examined, &chain.bundle, &chain.state, chain.commit))
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn committing(criterion: &mut Criterion) {
    let network = Network::new();
    let mut chain = Chain::new(&network);
    let genesis = validate_genesis(configtx::genesis_block(&network.config, NOW_MS)).expect("holds");
    let folder = tempfile::tempdir().expect("a folder");
    let ledger = Ledger::create(folder.path(), &genesis).expect("creates");
    let mut number = 0;
    let mut group = criterion.benchmark_group("commit: a block of 100 transactions");
    group.throughput(Throughput::Elements(u64::from(BLOCK)));
    group.sample_size(20);
    group.bench_function("one synced batch", |bencher| {
        bencher.iter_batched(
            || -> ValidatedBlock {
                number += 1;
                let validated = chain.validate(&network, envelopes(&network, number)).expect("reads");
                chain.commit(&validated);
                validated
            },
            |validated| black_box(ledger.commit(validated).expect("commits")),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, endorsing, validating, committing);
criterion_main!(benches);
