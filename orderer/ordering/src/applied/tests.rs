//! One row a rule of a block that consensus hands back.

use bytes::Bytes;
use configtx::Capabilities;
use prost::Message as _;
use protocol::Proof;

use super::*;
use crate::assembly::{Assembly, assemble};
use crate::seal::Seal;
use crate::world::{NOW_MS, World};

fn genesis() -> BlockHeader {
    BlockHeader {
        version: BlockHeader::VERSION,
        channel: ChannelId::new("reports").expect("valid"),
        number: BlockNumber(0),
        previous_hash: BlockHash::ZERO,
        data_hash: Digest::ZERO,
        timestamp_ms: 1_000,
        last_config: BlockNumber(0),
        proof: Proof::default(),
        envelope_count: None,
    }
}

/// A count of envelopes is in force with its capability, at the same block on every consenter.
#[test]
fn a_consenter_applies_headers_of_the_version_in_force_only() {
    let mut world = World::new(&[7050]);
    let v1 = world.bundle();
    world.config.capabilities.push(protocol::Capability("V9_9".to_owned()));
    let v2 = ConfigBundle::known_to(world.config.clone(), Capabilities::TESTED).expect("holds");
    let previous = genesis();
    let assembled = |version| {
        let facts = Assembly {
            previous: &previous,
            version,
            last_config: BlockNumber(0),
            difficulty_bits: 0,
            clocks_ms: &[2_000],
        };
        assemble(&facts, vec![world.envelope(0, 1), world.envelope(0, 2)])
    };
    let mut miscounted = assembled(2);
    miscounted.header.envelope_count = Some(1);
    let rows = [
        ("version 1 before", assembled(1), &v1, "applied"),
        (
            "version 2 before",
            assembled(2),
            &v1,
            "a header of version 2, and the configuration in force asks for version 1",
        ),
        (
            "version 1 behind",
            assembled(1),
            &v2,
            "a header of version 1, and the configuration in force asks for version 2",
        ),
        ("version 2 behind", assembled(2), &v2, "applied"),
        ("a wrong count", miscounted, &v2, "has 2 envelopes, and its header says 1"),
    ];
    for (name, block, bundle, verdict) in rows {
        let found = check_applied(&block, &previous, bundle, BlockNumber(0));
        let found = found.map_or_else(|refusal| refusal.to_string(), |_| "applied".to_owned());
        assert!(found.contains(verdict), "{name}: {found}");
    }
}

fn reseal(block: &mut Block) {
    block.header.proof.nonce = Seal::new(&block.header).find(0..1 << 20).expect("few bits");
}

#[test]
fn each_rule_of_a_block_that_is_applied() {
    type Spoil = fn(&mut Block);
    let mut world = World::new(&[7050]);
    world.config.orderer.difficulty_bits = 3;
    world.config.orderer.batch.max_message_count = 2;
    let (previous, bundle) = (genesis(), world.bundle());
    let facts = Assembly {
        previous: &previous,
        version: 1,
        last_config: BlockNumber(0),
        difficulty_bits: 3,
        clocks_ms: &[2_000],
    };
    let mut good = assemble(&facts, vec![world.envelope(0, 1), world.envelope(0, 2)]);
    reseal(&mut good);
    let rows: &[(&str, Spoil, Option<&str>)] = &[
        ("the next block", |_| (), None),
        ("a gap", |block| block.header.number = BlockNumber(2), Some("block 2 comes where block 1 is due")),
        ("a repetition", |block| block.header.number = BlockNumber(0), Some("block 1 is due")),
        ("another past", |block| block.header.previous_hash = BlockHash::ZERO, Some("as the hash before it")),
        (
            "another channel",
            |block| block.header.channel = ChannelId::new("other").expect("valid"),
            Some("belongs to channel other"),
        ),
        ("standing time", |block| block.header.timestamp_ms = 1_000, Some("is stamped 1000 ms")),
        (
            "another configuration",
            |block| block.header.last_config = BlockNumber(1),
            Some("as its configuration"),
        ),
        (
            "a lower difficulty",
            |block| block.header.proof.difficulty_bits = 2,
            Some("not sealed with the 3 bits"),
        ),
        (
            "a higher difficulty",
            |block| block.header.proof.difficulty_bits = 4,
            Some("not sealed with the 3 bits"),
        ),
        ("no envelopes", |block| block.envelopes.clear(), Some("holds 0 envelopes")),
        (
            "too many envelopes",
            |block| block.envelopes.push(block.envelopes[0].clone()),
            Some("holds 3 envelopes; 1 to 2"),
        ),
        ("swapped envelopes", |block| block.envelopes.swap(0, 1), Some("has data hash")),
        (
            "an envelope that the filters refuse",
            |block| {
                block.envelopes[1] = Bytes::from_static(b"\xff");
                block.header.data_hash = data_hash(&block.envelopes);
            },
            Some("envelope 1 of block 1 is refused"),
        ),
    ];
    for (name, spoil, verdict) in rows {
        let mut block = good.clone();
        spoil(&mut block);
        reseal(&mut block);
        let found = check_applied(&block, &previous, &bundle, BlockNumber(0));
        match (found, verdict) {
            (Ok(None), None) => {}
            (Err(refusal), Some(text)) => assert!(refusal.to_string().contains(text), "{name}: {refusal}"),
            (found, verdict) => panic!("{name}: {found:?}, wanted {verdict:?}"),
        }
    }
}

#[test]
fn a_block_without_its_seal_is_refused() {
    let mut world = World::new(&[7050]);
    world.config.orderer.difficulty_bits = 8;
    let previous = genesis();
    let facts = Assembly {
        previous: &previous,
        version: 1,
        last_config: BlockNumber(0),
        difficulty_bits: 8,
        clocks_ms: &[2_000],
    };
    let mut block = assemble(&facts, vec![world.envelope(0, 1)]);
    let seal = Seal::new(&block.header);
    block.header.proof.nonce =
        (0..u64::MAX).find(|nonce| seal.find(*nonce..nonce + 1).is_none()).expect("most nonces seal nothing");
    let refusal = check_applied(&block, &previous, &world.bundle(), BlockNumber(0)).expect_err("not sealed");
    assert_eq!(refusal, AppliedRefusal::Proof { number: BlockNumber(1), difficulty_bits: 8 });
}

#[test]
fn each_rule_of_a_configuration_block() {
    type Spoil = fn(&mut Block);
    let mut world = World::new(&[7050]);
    world.config.orderer.difficulty_bits = 3;
    let (mut previous, bundle) = (genesis(), world.bundle());
    previous.timestamp_ms = NOW_MS;
    let update = world.config_update(&world.config, &[0], |config| config.orderer.difficulty_bits = 5);
    let next = configtx::next_config(&bundle, &update, NOW_MS + 1).expect("agreed");
    let facts = Assembly {
        previous: &previous,
        version: 1,
        last_config: BlockNumber(1),
        difficulty_bits: 0,
        clocks_ms: &[NOW_MS + 1],
    };
    let good = assemble(&facts, vec![next.envelope().clone()]);
    let company = world.envelope(0, 1);
    let rows: &[(&str, Spoil, &str)] = &[
        ("as it should be", |_| (), "accepted"),
        ("the configuration before", |b| b.header.last_config = BlockNumber(0), "as its configuration"),
        ("work", |b| b.header.proof.difficulty_bits = 3, "not sealed with the 0 bits"),
        (
            "a forged configuration",
            |b| {
                let genesis = configtx::config_envelope(&World::new(&[7050]).config);
                b.envelopes = vec![genesis];
                b.header.data_hash = data_hash(&b.envelopes);
            },
            "the configuration in block 1 is refused",
        ),
        (
            "a time at which nobody could sign",
            |b| b.header.timestamp_ms = NOW_MS + 400 * 24 * 3_600_000 * 30,
            "the configuration in block 1 is refused",
        ),
    ];
    for (name, spoil, verdict) in rows {
        let mut block = good.clone();
        spoil(&mut block);
        if block.header.proof.difficulty_bits > 0 {
            reseal(&mut block);
        }
        let found = check_applied(&block, &previous, &bundle, BlockNumber(0));
        let found = match found {
            Ok(Some(next)) => {
                assert_eq!(next.bundle().config().orderer.difficulty_bits, 5);
                "accepted".to_owned()
            }
            Ok(None) => "no configuration".to_owned(),
            Err(refusal) => refusal.to_string(),
        };
        assert!(found.contains(verdict), "{name}: {found}");
    }
    let mut crowded = good.clone();
    crowded.envelopes.push(company);
    crowded.header.data_hash = data_hash(&crowded.envelopes);
    crowded.header.last_config = BlockNumber(0);
    crowded.header.proof.difficulty_bits = 3;
    reseal(&mut crowded);
    let refusal = check_applied(&crowded, &previous, &bundle, BlockNumber(0)).expect_err("in company");
    assert!(refusal.to_string().contains("envelope 0 of block 1 is refused"), "{refusal}");
}

#[test]
fn a_configuration_of_a_later_release_stops_the_consenter_and_is_not_dropped() {
    let world = World::new(&[7050]);
    let (mut previous, bundle) = (genesis(), world.bundle());
    previous.timestamp_ms = NOW_MS;
    // No release writes the envelope of a configuration that it does not know, so it is put together here.
    let update = world.config_update(&world.config, &[0], |config| {
        config.capabilities.push(protocol::Capability("V2_0".to_owned()));
    });
    let mut config = world.config.clone();
    config.sequence = 1;
    let content = protocol::ConfigEnvelope {
        version: protocol::ConfigEnvelope::VERSION,
        config: config.to_bytes().into(),
        last_update: update,
    };
    let mut envelope = protocol::fabric::Envelope::decode(configtx::config_envelope(&config)).expect("one");
    let mut payload = protocol::fabric::Payload::decode(envelope.payload).expect("one");
    payload.data = content.to_bytes().into();
    envelope.payload = payload.encode_to_vec().into();
    let facts = Assembly {
        previous: &previous,
        version: 1,
        last_config: BlockNumber(1),
        difficulty_bits: 0,
        clocks_ms: &[NOW_MS + 1],
    };
    let block = assemble(&facts, vec![envelope.encode_to_vec().into()]);
    let refusal = check_applied(&block, &previous, &bundle, BlockNumber(0)).expect_err("too new");
    assert_eq!(refusal.needed_release().expect("a release").release.as_deref(), Some("2.0"));
    assert!(refusal.to_string().contains("install release 2.0"), "{refusal}");
}
