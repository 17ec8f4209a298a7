//! One row a rule of a block that consensus hands back.

use bytes::Bytes;
use protocol::Proof;

use super::*;
use crate::assembly::{Assembly, assemble};
use crate::seal::Seal;
use crate::world::World;

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
    let previous = genesis();
    let facts = Assembly {
        previous: &previous,
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
        let found = check_applied(&block, &previous, &world.config, BlockNumber(0));
        match (found, verdict) {
            (Ok(()), None) => {}
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
        last_config: BlockNumber(0),
        difficulty_bits: 8,
        clocks_ms: &[2_000],
    };
    let mut block = assemble(&facts, vec![world.envelope(0, 1)]);
    let seal = Seal::new(&block.header);
    block.header.proof.nonce =
        (0..u64::MAX).find(|nonce| seal.find(*nonce..nonce + 1).is_none()).expect("most nonces seal nothing");
    let refusal = check_applied(&block, &previous, &world.config, BlockNumber(0)).expect_err("not sealed");
    assert_eq!(refusal, AppliedRefusal::Proof { number: BlockNumber(1), difficulty_bits: 8 });
}
