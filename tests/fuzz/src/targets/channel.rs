//! What a channel stores and hashes: blocks, read-write sets, configurations, identity records.
//!
//! Whatever is accepted must re-encode to the bytes that came, since these bytes are hashed.

use configtx::{ConfigBundle, config_of_block, in_canonical_order};
use protocol::{Block, ChannelConfig, IdentityRecord, ReadWriteSet, codec, data_hash};
use validation::{check_link, validate_genesis};

use crate::material;

/// A block: its bytes, as a successor of the material's genesis block, and as a genesis block of its own.
pub fn block(bytes: &[u8]) -> bool {
    let Ok(block) = Block::from_bytes(bytes) else { return false };
    assert_eq!(block.to_bytes(), bytes, "an accepted block re-encodes to itself");
    let genesis = Block::from_bytes(material::GENESIS).expect("the material holds a block");
    if let Ok(ordered) = check_link(block.clone(), &genesis.header, material::bundle()) {
        assert_eq!(
            ordered.block().header.data_hash,
            data_hash(&block.envelopes),
            "its envelopes are its header's"
        );
        assert_eq!(ordered.hash(), block.header.hash());
    }
    if let Ok(validated) = validate_genesis(block.clone()) {
        assert_eq!(validated.block_bytes(), bytes, "what is stored is what came");
        assert!(validated.config().is_some() && validated.codes().len() == 1);
    }
    true
}

/// A read-write set.
pub fn rwset(bytes: &[u8]) -> bool {
    let Ok(set) = ReadWriteSet::from_bytes(bytes) else { return false };
    assert_eq!(set.to_bytes(), bytes, "an accepted read-write set re-encodes to itself");
    true
}

/// A configuration, and its rules.
pub fn configuration(bytes: &[u8]) -> bool {
    let Ok(config) = ChannelConfig::from_bytes(bytes) else { return false };
    assert_eq!(config.to_bytes(), bytes, "an accepted configuration re-encodes to itself");
    let genesis = configtx::genesis_block(&config, material::NOW_MS);
    let read = config_of_block(&genesis).expect("a block made of a configuration holds it");
    assert_eq!(read, config);
    match ConfigBundle::new(config) {
        Ok(bundle) => {
            let config = bundle.config().clone();
            assert_eq!(
                in_canonical_order(config.clone()),
                config,
                "a configuration in force is in canonical order"
            );
            true
        }
        Err(error) => {
            assert!(!error.problems.is_empty(), "a refusal names a problem");
            false
        }
    }
}

/// The record of an identity.
pub fn identity_record(bytes: &[u8]) -> bool {
    let Ok(record) = codec::decode_canonical::<IdentityRecord>(bytes, 64 << 10) else { return false };
    assert_eq!(codec::encode(&record), bytes, "an accepted record re-encodes to itself");
    true
}
