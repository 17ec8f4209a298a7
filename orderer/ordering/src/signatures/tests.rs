//! Shares of honest, silent and lying consenters.

use bytes::Bytes;
use protocol::{BlockNumber, Digest, Proof};

use super::*;
use crate::malleable::high_s;
use crate::world::{NOW_MS, World};

fn header(world: &World) -> BlockHeader {
    BlockHeader {
        version: BlockHeader::VERSION,
        channel: world.config.channel.clone(),
        number: BlockNumber(1),
        previous_hash: BlockHash::ZERO,
        data_hash: Digest::ZERO,
        timestamp_ms: NOW_MS,
        last_config: BlockNumber(0),
        proof: Proof::default(),
        envelope_count: None,
    }
}

fn share(world: &World, consenter: u32, signed: &[u8]) -> BlockSignature {
    let signature = world.orgs[consenter as usize].orderer.identity.sign(signed);
    BlockSignature { consenter, signature: Bytes::from(signature) }
}

fn keys(world: &World) -> ConsenterKeys {
    ConsenterKeys::new(&world.config.orderer.consenters, world.bundle().msps()).expect("keys")
}

#[test]
fn a_majority_is_more_than_half() {
    for (consenters, verdict) in [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (7, 4)] {
        assert_eq!(majority(consenters), verdict, "{consenters}");
    }
}

#[test]
fn shares_count_once_and_come_out_in_order() {
    let world = World::new(&[1, 2, 3]);
    let (keys, header) = (keys(&world), header(&world));
    let mut collector = SignatureCollector::new(&header, 3);
    let bytes = codec::encode(&header);
    let rows = [
        (2, Collected::Counted, None),
        (2, Collected::Repeated, None),
        (0, Collected::Majority, Some(vec![0, 2])),
        (1, Collected::Further, Some(vec![0, 1, 2])),
    ];
    for (consenter, verdict, signers) in rows {
        let found = collector.add(header.hash(), share(&world, consenter, &bytes), &keys).expect("counted");
        assert_eq!(found, verdict, "consenter {consenter}");
        let found = collector.signatures();
        let found = found.map(|shares| shares.iter().map(|share| share.consenter).collect::<Vec<_>>());
        assert_eq!(found, signers);
    }
}

#[test]
fn a_share_that_lies_is_refused_and_changes_nothing() {
    let world = World::new(&[1, 2, 3]);
    let (keys, header) = (keys(&world), header(&world));
    let bytes = codec::encode(&header);
    let stolen = BlockSignature { consenter: 1, ..share(&world, 0, &bytes) };
    let good = share(&world, 1, &bytes);
    let twin = BlockSignature { signature: high_s(&good.signature).into(), ..good };
    let rows = [
        ("another's signature", header.hash(), stolen, "signature of consenter 1 is refused"),
        ("another header", header.hash(), share(&world, 1, b"other"), "signature of consenter 1"),
        ("a high s", header.hash(), twin, "signature of consenter 1 is refused"),
        ("another block", BlockHash::ZERO, share(&world, 1, &bytes), "the block applied here has"),
        (
            "no consenter",
            header.hash(),
            BlockSignature { consenter: 3, signature: Bytes::new() },
            "consenter 3 is unknown; the channel has 3",
        ),
        (
            "no signature",
            header.hash(),
            BlockSignature { consenter: 1, signature: Bytes::new() },
            "signature of consenter 1",
        ),
    ];
    let mut collector = SignatureCollector::new(&header, 3);
    collector.add(header.hash(), share(&world, 0, &bytes), &keys).expect("counted");
    for (name, hash, share, verdict) in rows {
        let refusal = collector.add(hash, share, &keys).expect_err(name);
        assert!(refusal.to_string().contains(verdict), "{name}: {refusal}");
        assert!(collector.signatures().is_none(), "{name}");
    }
    assert!(collector.has(0) && !collector.has(1));
}

#[test]
fn a_certificate_that_was_not_valid_at_the_blocks_time_signs_nothing() {
    let world = World::new(&[1]);
    let header = BlockHeader { timestamp_ms: 1_000, ..header(&world) };
    let bytes = codec::encode(&header);
    let mut collector = SignatureCollector::new(&header, 1);
    let refusal =
        collector.add(header.hash(), share(&world, 0, &bytes), &keys(&world)).expect_err("too early");
    assert!(matches!(refusal, ShareRefusal::Certificate { consenter: 0, .. }), "{refusal}");
}

#[test]
fn restored_shares_count() {
    let world = World::new(&[1, 2, 3]);
    let header = header(&world);
    let bytes = codec::encode(&header);
    let mut collector = SignatureCollector::new(&header, 3);
    collector.restore(share(&world, 1, &bytes));
    collector.restore(share(&world, 0, &bytes));
    assert_eq!(collector.signatures().map(|shares| shares.len()), Some(2));
    assert_eq!(collector.header_bytes(), bytes);
    assert_eq!(collector.block_hash(), header.hash());
}

#[test]
fn a_consenter_is_found_by_its_certificate() {
    let world = World::new(&[1, 2, 3]);
    let keys = keys(&world);
    assert_eq!(keys.len(), 3);
    assert_eq!(keys.number_of(world.orgs[2].orderer.identity.certificate_der()), Some(2));
    assert_eq!(keys.number_of(world.orgs[2].user.identity.certificate_der()), None);
}

#[test]
fn a_configuration_with_a_foreign_consenter_is_refused() {
    let (world, stranger) = (World::new(&[1, 2]), World::new(&[1]));
    let mut consenters = world.config.orderer.consenters.clone();
    consenters[1].identity_cert = stranger.orgs[0].orderer.cert_pem.clone().into();
    let error = ConsenterKeys::new(&consenters, world.bundle().msps()).expect_err("foreign");
    assert_eq!(error.consenter, 1);
}
