//! Configuration in blocks, and the consenters' signatures of a block.
#![allow(clippy::expect_used, reason = "tests")]

mod fixture;

use bytes::Bytes;
use configtx::{
    BlockSignatureRejection, ConfigBundle, config_envelope, config_of_block, genesis_block,
    is_config_envelope, paths,
};
use fixture::{EXPIRED_MS, NOW_MS, Network, malleable::high_s};
use issuing::KeyAlgorithm;
use proptest::prelude::*;
use protocol::{Block, BlockHash, BlockNumber, BlockSignature, ChannelId, codec, data_hash};

fn rejection(result: Result<(), BlockSignatureRejection>) -> &'static str {
    match result {
        Ok(()) => "accepted",
        Err(BlockSignatureRejection::Header(_)) => "header",
        Err(BlockSignatureRejection::UnknownConsenter { .. }) => "unknown",
        Err(BlockSignatureRejection::OutOfOrder { .. }) => "order",
        Err(BlockSignatureRejection::NoMajority { .. }) => "no majority",
        Err(BlockSignatureRejection::Policy(_)) => "policy",
    }
}

#[test]
fn a_block_needs_the_signatures_of_more_than_half_of_the_consenters() {
    let network = Network::new();
    let bundle = ConfigBundle::new(network.config.clone()).expect("the fixture holds");
    let header = codec::encode(&genesis_block(&network.config, NOW_MS).header);
    let late = codec::encode(&genesis_block(&network.config, EXPIRED_MS).header);
    let sign = |consenter: u32, signer: usize, message: &[u8]| BlockSignature {
        consenter,
        signature: network.consenter(signer).sign(message).into(),
    };
    let good = |number: u32| sign(number, number as usize, &header);
    let changed = |number: u32, change: &dyn Fn(&[u8]) -> Vec<u8>| BlockSignature {
        signature: change(&good(number).signature).into(),
        ..good(number)
    };
    let twin = |number: u32| changed(number, &high_s);
    let longer = |number: u32| changed(number, &|signature| [signature, &[0]].concat());
    let rows: Vec<(&str, &[u8], Vec<BlockSignature>, &str)> = vec![
        ("all three", &header, vec![good(0), good(1), good(2)], "accepted"),
        ("two of three", &header, vec![good(0), good(2)], "accepted"),
        ("one of three", &header, vec![good(1)], "no majority"),
        ("nobody", &header, vec![], "no majority"),
        ("one twice", &header, vec![good(1), good(1)], "order"),
        ("unsorted", &header, vec![good(1), good(0)], "order"),
        ("a number beyond the list", &header, vec![good(0), sign(3, 2, &header)], "unknown"),
        ("a huge number", &header, vec![good(0), sign(u32::MAX, 2, &header)], "unknown"),
        ("one key under two numbers", &header, vec![good(0), sign(1, 0, &header)], "no majority"),
        ("another header signed", &header, vec![good(0), sign(1, 1, &late)], "no majority"),
        ("a bad one beside a majority", &header, vec![good(0), sign(1, 2, &header), good(2)], "accepted"),
        ("expired at the block's time", &late, vec![sign(0, 0, &late), sign(1, 1, &late)], "no majority"),
        ("no header", b"text", vec![good(0), good(1)], "header"),
        ("a high s beside one good", &header, vec![good(0), twin(1)], "no majority"),
        ("a high s beside a majority", &header, vec![good(0), good(1), twin(2)], "accepted"),
        ("a byte behind a signature", &header, vec![good(0), longer(1)], "no majority"),
    ];
    for (name, bytes, signatures, verdict) in rows {
        assert_eq!(rejection(bundle.verify_block_signatures(bytes, &signatures)), verdict, "{name}");
    }
}

#[test]
fn consenters_sign_with_keys_of_either_kind() {
    let rows: [fn(&str) -> KeyAlgorithm; 2] = [
        |_| KeyAlgorithm::Ed25519,
        |name| if name == fixture::ORDERERS { KeyAlgorithm::Ed25519 } else { KeyAlgorithm::Ecdsa },
    ];
    for algorithm_of in rows {
        let network = Network::of(algorithm_of);
        let bundle = ConfigBundle::new(network.config.clone()).expect("the fixture holds");
        let header = codec::encode(&genesis_block(&network.config, NOW_MS).header);
        let sign = |number: u32, message: &[u8]| BlockSignature {
            consenter: number,
            signature: network.consenter(number as usize).sign(message).into(),
        };
        let verdict =
            |signatures: Vec<BlockSignature>| rejection(bundle.verify_block_signatures(&header, &signatures));
        assert_eq!(verdict(vec![sign(0, &header), sign(1, &header)]), "accepted");
        assert_eq!(verdict(vec![sign(0, &header), sign(1, b"other")]), "no majority");
    }
}

#[test]
fn the_policy_block_validation_counts_besides_the_majority() {
    let network = Network::new();
    let mut config = network.config.clone();
    config
        .policies
        .insert(paths::BLOCK_VALIDATION.into(), "AND('Orderers.orderer', 'Orderers.admin')".into());
    let bundle = ConfigBundle::new(config.clone()).expect("the policy compiles");
    let header = codec::encode(&genesis_block(&config, NOW_MS).header);
    let signatures: Vec<BlockSignature> = (0_u32..3)
        .map(|consenter| BlockSignature {
            consenter,
            signature: network.consenter(consenter as usize).sign(&header).into(),
        })
        .collect();
    assert_eq!(rejection(bundle.verify_block_signatures(&header, &signatures)), "policy");
}

#[test]
fn a_genesis_block_gives_its_configuration_back() {
    let config = Network::new().config;
    let block = genesis_block(&config, NOW_MS);
    assert_eq!((block.header.number, block.header.previous_hash), (BlockNumber(0), BlockHash::ZERO));
    assert!(block.signatures.is_empty() && block.header.is_sealed());
    assert_eq!(genesis_block(&config, NOW_MS).to_bytes(), block.to_bytes(), "equal arguments, equal bytes");
    assert_eq!(config_envelope(&config), block.envelopes[0]);
    assert!(is_config_envelope(&block.envelopes[0]));
    let read = Block::from_bytes(&block.to_bytes()).expect("reads back");
    assert_eq!(config_of_block(&read).expect("a configuration"), config);
}

type Change = fn(&mut Block);

#[test]
fn a_block_that_is_no_configuration_block_is_refused() {
    let config = Network::new().config;
    let rows: Vec<(&str, Change, &str)> = vec![
        ("no envelope", |b| b.envelopes.clear(), "has 0 envelopes"),
        ("two envelopes", |b| b.envelopes.push(Bytes::new()), "has 2 envelopes"),
        ("another envelope", |b| b.envelopes[0] = Bytes::from_static(b"x"), "data hash"),
        (
            "no configuration",
            |b| {
                b.envelopes[0] = Bytes::from_static(b"x");
                b.header.data_hash = data_hash(&b.envelopes);
            },
            "holds no configuration",
        ),
        (
            "another channel",
            |b| b.header.channel = ChannelId::new("other").expect("valid"),
            "of channel other",
        ),
    ];
    for (name, change, verdict) in rows {
        let mut block = genesis_block(&config, NOW_MS);
        change(&mut block);
        let error = config_of_block(&block).expect_err(name).to_string();
        assert!(error.contains(verdict), "{name}: {error}");
    }
}

proptest! {
    #[test]
    fn hostile_envelopes_are_no_configuration(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(!is_config_envelope(&bytes) || bytes.len() > 4);
    }

    #[test]
    fn a_damaged_genesis_block_never_panics(place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        static BYTES: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
        let mut bytes = BYTES.get_or_init(|| genesis_block(&Network::new().config, NOW_MS).to_bytes()).clone();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        if let Ok(block) = Block::from_bytes(&bytes) {
            let _ = config_of_block(&block).map(ConfigBundle::new);
        }
    }
}
