//! What a block must keep to follow another, to begin a channel, and what its commit hash is.
#![allow(clippy::expect_used, reason = "tests")]

mod fixture;

use bytes::Bytes;
use configtx::{compute_update, config_envelope, genesis_block};
use fixture::{Chain, NOW_MS, Network, Tx, namespace, sign_block, version, write};
use msp::SigningIdentity;
use prost::Message as _;
use protocol::fabric::{Envelope, Payload};
use protocol::{
    Block, BlockHash, BlockNumber, BlockSignature, Capability, ChannelConfig, ChannelId, CommitHash,
    ConfigEnvelope, ConfigUpdate, Digest, IdentityRecord, IdentityRule, IdentityStatus, NamespaceSet, Role,
    TxId, TxNumber, TxValidationCode, codec, data_hash, merkle,
};
use validation::{
    CONFIG_KEY, CONFIG_NAMESPACE, StateWrite, TransactionSummary, check_link, code_leaf, commit_hash,
    examine, validate_block, validate_genesis, write_leaf,
};

type Change = fn(&mut Block);

fn envelope(network: &Network, nonce: &str) -> Bytes {
    let set = NamespaceSet { writes: vec![write("key")], ..namespace("basic") };
    Tx::new(network, nonce, vec![set]).envelope()
}

/// An update of what application and orderers agree on.
fn update(chain: &Chain) -> ConfigUpdate {
    changed(chain, |config| config.reports.as_mut().expect("rules").admission[0].references[0].hash = 8)
}

fn changed(chain: &Chain, change: impl FnOnce(&mut ChannelConfig)) -> ConfigUpdate {
    let mut after = chain.bundle.config().clone();
    change(&mut after);
    compute_update(chain.bundle.config(), &after).expect("something changes")
}

fn admins(network: &Network) -> [&SigningIdentity; 2] {
    [network.identity("HospitalA", "admin"), network.identity("HospitalB", "admin")]
}

#[test]
fn a_configuration_block_writes_the_configuration_and_the_blocks_behind_it_name_it() {
    let network = Network::new();
    let mut chain = Chain::new(&network);
    let plain = chain.validate(&network, vec![envelope(&network, "1")]).expect("readable");
    chain.commit(&plain);
    let content = chain.config_envelope(&update(&chain), &admins(&network));
    let block = chain.validate(&network, vec![content.clone()]).expect("readable");
    assert_eq!(block.codes(), [TxValidationCode::Valid]);
    let config = block.config().expect("a configuration").clone();
    assert_eq!(config.sequence, 1);
    assert_eq!(block.block().header.last_config, BlockNumber(2));
    let [write] = block.writes() else { panic!("one write: {:?}", block.writes()) };
    assert_eq!((write.namespace.as_str(), write.key.as_str()), (CONFIG_NAMESPACE, CONFIG_KEY));
    assert_eq!((write.value.as_deref(), write.version), (Some(&config.to_bytes()[..]), version(2, 0)));
    let summary = &block.transactions()[0];
    assert_eq!(summary.tx_id, summary.claimed_tx_id, "its submitter waits for it by its id");
    assert_eq!(summary.creator.as_ref().map(|creator| creator.msp_id.as_str()), Some("HospitalA"));
    chain.commit(&block);
    let behind = chain.validate(&network, vec![envelope(&network, "2")]).expect("readable");
    assert_eq!(behind.block().header.last_config, BlockNumber(2));
    assert_eq!(behind.codes(), [TxValidationCode::Valid]);
    chain.commit(&behind);
    let mut old = chain.next_block(&network, vec![envelope(&network, "3")]);
    old.header.last_config = BlockNumber(0);
    old.signatures = sign_block(&network, &old.header);
    let rejection = check_link(old, &chain.last, &chain.bundle).expect_err("the configuration before");
    assert!(
        rejection.to_string().contains("names block 0 as its configuration; 2 is in force"),
        "{rejection}"
    );
    let again = chain.next_block(&network, vec![content]);
    let rejection = check_link(again, &chain.last, &chain.bundle).expect_err("the old update");
    let source = std::error::Error::source(&rejection).expect("a reason").to_string();
    assert!(source.contains("sequence 0, and 1 is in force"), "{source}");
}

#[test]
fn a_configuration_that_orderers_made_up_is_no_block_of_the_channel() {
    let network = Network::new();
    let chain = Chain::new(&network);
    let mut taken_over = network.config.clone();
    taken_over.sequence = 1;
    taken_over.identities = IdentityRule::Open;
    let rows = [
        ("the genesis form", config_envelope(&taken_over)),
        ("its own configuration again", config_envelope(&network.config)),
    ];
    for (name, envelope) in rows {
        let block = chain.next_block(&network, vec![envelope]);
        let rejection = check_link(block, &chain.last, &chain.bundle).expect_err(name);
        assert!(
            rejection.to_string().contains("holds a configuration that is refused"),
            "{name}: {rejection}"
        );
        assert!(rejection.needed_release().is_none(), "{name}");
    }
}

#[test]
fn a_configuration_of_a_later_release_stops_the_peer_and_is_no_invalid_block() {
    let network = Network::new();
    let chain = Chain::new(&network);
    let update = changed(&chain, |config| config.capabilities.push(Capability("V3_0".into())));
    let mut pending = configtx::PendingUpdate::new(update);
    for hospital in fixture::HOSPITALS {
        pending.sign(network.identity(hospital, "admin"), Bytes::from_static(b"nonce")).expect("signs");
    }
    let nonce = Bytes::from_static(b"twenty-four bytes of it.");
    let (_, submitted) = pending.submission(admins(&network)[0], nonce, NOW_MS).expect("signs");
    // No release writes the envelope of a configuration that it does not know, so it is put together here.
    let content = ConfigEnvelope {
        version: ConfigEnvelope::VERSION,
        config: Bytes::from_static(b"whatever it says"),
        last_update: submitted.encode_to_vec().into(),
    };
    let mut envelope = Envelope::decode(config_envelope(&network.config)).expect("an envelope");
    let mut payload = Payload::decode(envelope.payload).expect("a payload");
    payload.data = content.to_bytes().into();
    envelope.payload = payload.encode_to_vec().into();
    let block = chain.next_block(&network, vec![envelope.encode_to_vec().into()]);
    let rejection = check_link(block, &chain.last, &chain.bundle).expect_err("too new");
    let needed = rejection.needed_release().expect("a release").clone();
    assert_eq!((needed.capability.as_str(), needed.release.as_deref()), ("V3_0", Some("3.0")));
    let source = std::error::Error::source(&rejection).expect("a reason").to_string();
    assert!(source.contains("install release 3.0"), "{source}");
}

#[test]
fn a_joining_organisation_is_registered_and_nobody_comes_back_by_joining_again() {
    let network = Network::new();
    let mut chain = Chain::new(&network);
    let fourth = fixture::network::Org::new("HospitalD", &[("peer0", "peer"), ("admin", "admin")]);
    let member = fixture::network::registered(&fourth.identities["peer0"], Role::Peer);
    let key = IdentityRecord::key(&member.msp_id, &member.poi);
    let join = |config: &mut ChannelConfig| {
        let mut organization = config.organizations[0].clone();
        organization.msp = fourth.msp_config();
        config.organizations.push(organization);
        config.first_identities = vec![member.clone()];
        *config = configtx::in_canonical_order(config.clone());
    };
    let leave = |config: &mut ChannelConfig| {
        config.organizations.retain(|organization| organization.msp.msp_id.as_str() != "HospitalD");
    };
    let state_key = (IdentityRecord::NAMESPACE.to_owned(), key.clone());
    let joined = changed(&chain, join);
    let block = chain.config_envelope(&joined, &admins(&network));
    let block = chain.validate(&network, vec![block]).expect("readable");
    assert!(block.writes().is_sorted_by(|a, b| (&a.namespace, &a.key) < (&b.namespace, &b.key)));
    assert_eq!(block.writes().iter().filter(|write| write.key == key).count(), 1);
    chain.commit(&block);
    let record = |chain: &Chain| -> IdentityRecord {
        codec::decode_canonical(&chain.state.keys[&state_key].0, 1 << 16).expect("a record")
    };
    assert_eq!(
        (record(&chain).status, record(&chain).changed_at),
        (IdentityStatus::Active, vec![BlockNumber(1)])
    );
    chain.state.set_status(&fourth.identities["peer0"], Some(IdentityStatus::Revoked));
    let three = [admins(&network)[0], admins(&network)[1], network.identity("HospitalC", "admin")];
    for change in [&leave as &dyn Fn(&mut ChannelConfig), &join] {
        let update = changed(&chain, change);
        let block = chain.config_envelope(&update, &three);
        let block = chain.validate(&network, vec![block]).expect("readable");
        assert_eq!(block.writes().len(), 1, "the configuration alone");
        chain.commit(&block);
    }
    assert_eq!(record(&chain).status, IdentityStatus::Revoked);
}

#[test]
fn a_block_follows_only_if_every_rule_holds() {
    let rows: Vec<(&str, Change, &str)> = vec![
        ("as it should be", |_| (), "accepted"),
        (
            "a newer header",
            |b| b.header.version = 2,
            "header of version 2; the channel's configuration asks for 1",
        ),
        ("a count that version 1 has not", |b| b.header.envelope_count = Some(1), "not as many"),
        (
            "another channel",
            |b| b.header.channel = ChannelId::new("other").expect("valid"),
            "of channel other",
        ),
        ("the same number", |b| b.header.number = BlockNumber(0), "block 0 came where block 1 is next"),
        ("a number skipped", |b| b.header.number = BlockNumber(2), "block 2 came where block 1 is next"),
        ("another chain", |b| b.header.previous_hash = BlockHash::ZERO, "follows a block with hash 00"),
        ("other envelopes", |b| b.envelopes.push(Bytes::new()), "has data hash"),
        ("too many envelopes", |b| b.envelopes = vec![Bytes::new(); 20_001], "has 20001 envelopes"),
        ("the same time", |b| b.header.timestamp_ms = NOW_MS, "not after the block before"),
        ("an earlier time", |b| b.header.timestamp_ms = NOW_MS - 1, "not after the block before"),
        (
            "another configuration",
            |b| b.header.last_config = BlockNumber(1),
            "names block 1 as its configuration",
        ),
        ("more work than demanded", |b| b.header.proof.difficulty_bits = 1, "the channel demands 0"),
    ];
    let network = Network::new();
    let chain = Chain::new(&network);
    for (name, change, verdict) in rows {
        let mut block = chain.next_block(&network, vec![envelope(&network, "1")]);
        change(&mut block);
        // Signed as changed, so that the rule itself is what refuses it.
        block.signatures = sign_block(&network, &block.header);
        let result = check_link(block, &chain.last, &chain.bundle);
        let found = result.map_or_else(|rejection| rejection.to_string(), |_| "accepted".to_owned());
        assert!(found.contains(verdict), "{name}: {found}");
    }
}

#[test]
fn headers_count_their_envelopes_behind_the_block_that_names_the_capability_and_nowhere_else() {
    let network = Network::new();
    let mut chain = Chain::new(&network);
    let followed = |chain: &Chain, change: Change| {
        let mut block = chain.next_block(&network, vec![envelope(&network, "1"), envelope(&network, "2")]);
        change(&mut block);
        block.signatures = sign_block(&network, &block.header);
        let result = check_link(block, &chain.last, &chain.bundle);
        result.map_or_else(|rejection| rejection.to_string(), |_| "accepted".to_owned())
    };
    let older: Change = |b| (b.header.version, b.header.envelope_count) = (1, None);
    let newer: Change = |b| (b.header.version, b.header.envelope_count) = (2, Some(2));
    assert_eq!(followed(&chain, older), "accepted");
    assert!(followed(&chain, newer).contains("asks for 1"));

    let update = changed(&chain, |config| config.capabilities.push(Capability("V9_9".into())));
    let orderers = network.orgs["Orderers"].issue("admin", "admin");
    let [a, b] = admins(&network);
    let switch = chain.validate(&network, vec![chain.config_envelope(&update, &[a, b, &orderers])]);
    let switch = switch.expect("readable");
    assert_eq!((switch.block().header.version, switch.block().header.envelope_count), (1, None));
    chain.commit(&switch);

    let rows: [(&str, Change, &str); 5] = [
        ("counted", newer, "accepted"),
        ("of before", older, "header of version 1; the channel's configuration asks for 2"),
        ("one too many", |b| b.header.envelope_count = Some(3), "not as many as its header says"),
        ("uncounted", |b| b.header.envelope_count = None, "not as many as its header says"),
        ("of a later release", |b| b.header.version = 3, "header of version 3"),
    ];
    for (name, change, verdict) in rows {
        let found = followed(&chain, change);
        assert!(found.contains(verdict), "{name}: {found}");
    }
}

#[test]
fn a_block_without_a_majority_of_the_consenters_is_refused() {
    let network = Network::new();
    let chain = Chain::new(&network);
    let rows: Vec<(&str, Change)> = vec![
        ("unsigned", |b| b.signatures.clear()),
        ("signed by one", |b| b.signatures.truncate(1)),
        ("signed by one twice", |b| b.signatures[1] = b.signatures[0].clone()),
        ("signed for another header", |b| b.header.timestamp_ms += 1),
        ("a forged signature", |b| {
            b.signatures[1] = BlockSignature { consenter: 1, signature: Bytes::new() }
        }),
    ];
    for (name, change) in rows {
        let mut block = chain.next_block(&network, vec![envelope(&network, "1")]);
        change(&mut block);
        let rejection = check_link(block, &chain.last, &chain.bundle).expect_err(name);
        assert!(rejection.to_string().contains("not signed as the channel demands"), "{name}: {rejection}");
    }
}

#[test]
fn a_block_is_sealed_at_the_channels_difficulty() {
    let mut network = Network::new();
    network.config.orderer.difficulty_bits = 6;
    let chain = Chain::new(&network);
    let mut block = chain.next_block(&network, vec![envelope(&network, "1")]);
    block.header.proof.difficulty_bits = 6;
    let sealed = |block: &Block, nonce: u64| {
        let mut block = block.clone();
        block.header.proof.nonce = nonce;
        block.signatures = sign_block(&network, &block.header);
        block
    };
    let nonce = |wanted: bool| {
        (0..10_000_u64)
            .find(|nonce| sealed(&block, *nonce).header.is_sealed() == wanted)
            .expect("found quickly")
    };
    assert!(check_link(sealed(&block, nonce(true)), &chain.last, &chain.bundle).is_ok());
    let rejection =
        check_link(sealed(&block, nonce(false)), &chain.last, &chain.bundle).expect_err("no work");
    assert!(rejection.to_string().contains("leading zero bits"), "{rejection}");
    let free = chain.next_block(&network, vec![envelope(&network, "1")]);
    let rejection = check_link(free, &chain.last, &chain.bundle).expect_err("no difficulty");
    assert!(rejection.to_string().contains("the channel demands 6"), "{rejection}");
    let config = chain.next_block(&network, vec![chain.config_envelope(&update(&chain), &admins(&network))]);
    assert!(
        check_link(config.clone(), &chain.last, &chain.bundle).is_ok(),
        "a configuration is sealed without work"
    );
    let mut worked = config;
    worked.header.proof.difficulty_bits = 6;
    let rejection = check_link(sealed(&worked, 0), &chain.last, &chain.bundle).expect_err("with work");
    assert!(rejection.to_string().contains("the channel demands 0"), "{rejection}");
}

#[test]
fn the_genesis_block_writes_configuration_and_identities() {
    let network = Network::new();
    let block = validate_genesis(genesis_block(&network.config, NOW_MS)).expect("the fixture holds");
    assert_eq!(block.codes(), [TxValidationCode::Valid]);
    assert_eq!(block.config(), Some(&network.config));
    let config = &block.writes()[0];
    assert_eq!((config.namespace.as_str(), config.key.as_str()), (CONFIG_NAMESPACE, CONFIG_KEY));
    assert_eq!(
        (config.value.as_deref(), config.version),
        (Some(&network.config.to_bytes()[..]), version(0, 0))
    );
    let identities = &block.writes()[1..];
    assert_eq!(identities.len(), network.config.first_identities.len());
    for (number, identity) in (0..).zip(&network.config.first_identities) {
        let key = IdentityRecord::key(&identity.msp_id, &identity.poi);
        let write = identities.iter().find(|write| write.key == key).expect("written");
        assert_eq!(
            (write.namespace.as_str(), write.version),
            (IdentityRecord::NAMESPACE, version(0, number))
        );
        let bytes = write.value.as_ref().expect("a value");
        let record: IdentityRecord = codec::decode_canonical(bytes, 1 << 16).expect("a record");
        assert_eq!((record.poi, record.roles), (identity.poi, identity.roles.clone()));
    }
    assert!(block.writes().is_sorted_by(|a, b| (&a.namespace, &a.key) < (&b.namespace, &b.key)));
    let again = validate_genesis(genesis_block(&network.config, NOW_MS)).expect("the fixture holds");
    assert_eq!(again.commit_hash(), block.commit_hash());
    let later = validate_genesis(genesis_block(&network.config, NOW_MS + 1)).expect("the fixture holds");
    assert_ne!(later.commit_hash(), block.commit_hash(), "the block's hash enters");
}

#[test]
fn a_block_that_cannot_begin_a_channel_is_refused() {
    let rows: Vec<(&str, Change, &str)> = vec![
        ("a number", |b| b.header.number = BlockNumber(1), "number must be 0"),
        ("a block before", |b| b.header.previous_hash = BlockHash([1; 32]), "previous hash must be zero"),
        ("work", |b| b.header.proof.difficulty_bits = 1, "sealed without work"),
        (
            "signatures",
            |b| b.signatures.push(BlockSignature { consenter: 0, signature: Bytes::new() }),
            "no signatures",
        ),
        ("another configuration", |b| b.header.last_config = BlockNumber(1), "name itself"),
        ("no envelope", |b| b.envelopes.clear(), "has 0 envelopes"),
        ("a damaged envelope", |b| b.envelopes[0] = Bytes::from_static(b"x"), "data hash"),
    ];
    let mut network = Network::new();
    for (name, change, verdict) in rows {
        let mut block = genesis_block(&network.config, NOW_MS);
        change(&mut block);
        let rejection = validate_genesis(block).expect_err(name).to_string();
        assert!(rejection.contains(verdict), "{name}: {rejection}");
    }
    network.config.orderer.difficulty_bits = 99;
    let rejection = validate_genesis(genesis_block(&network.config, NOW_MS)).expect_err("a rule is broken");
    assert!(rejection.to_string().contains("orderer.difficulty_bits: found 99"), "{rejection}");
}

#[test]
fn leaves_and_commit_hash_are_what_the_design_says() {
    let network = Network::new();
    let chain = Chain::new(&network);
    let envelopes = vec![envelope(&network, "1"), Bytes::new()];
    let block = chain.validate(&network, envelopes.clone()).expect("readable");
    let id = block.transactions()[0].tx_id.clone().expect("signed");
    let leaf = code_leaf(&block.transactions()[0]);
    assert_eq!(leaf, codec::encode(&(0_u32, Digest::of(&envelopes[0]), id.as_str(), 0_u8)));
    let flawed = code_leaf(&block.transactions()[1]);
    assert_eq!(flawed, codec::encode(&(1_u32, Digest::of(b""), "", TxValidationCode::NilEnvelope.number())));
    let codes_root = merkle::root(&[merkle::leaf_hash(&leaf), merkle::leaf_hash(&flawed)]);
    assert_eq!(block.codes_root(), codes_root);
    let none: Option<Digest> = None;
    let leaf = codec::encode(&("basic", "", "key", (1_u64, 0_u32), Some(Digest::of(b"new")), none));
    assert_eq!(write_leaf(&block.writes()[0]), leaf);
    let deletion = StateWrite { namespace: "n".into(), key: "k".into(), value: None, version: version(2, 3) };
    assert_eq!(write_leaf(&deletion), codec::encode(&("n", "", "k", (2_u64, 3_u32), none, none)));
    let writes_root = merkle::root(&[merkle::leaf_hash(&leaf)]);
    let block_hash = block.block().header.hash();
    let parts = [chain.commit.0, block_hash.0, codes_root.0, writes_root.0].concat();
    assert_eq!(block.commit_hash(), CommitHash::of(&parts));
    assert_eq!(Block::from_bytes(block.block_bytes()).expect("reads back"), *block.block());
}

#[test]
fn signatures_of_a_block_do_not_enter_the_commit_hash() {
    let network = Network::new();
    let chain = Chain::new(&network);
    let envelopes = vec![envelope(&network, "1")];
    let first = chain.validate(&network, envelopes.clone()).expect("readable");
    let second = chain.validate(&network, envelopes).expect("readable");
    assert_ne!(first.block_bytes(), second.block_bytes(), "ECDSA draws a nonce for each signature");
    assert_eq!(first.commit_hash(), second.commit_hash());
}

#[test]
#[should_panic(expected = "the examined envelopes are those of the block")]
fn an_examination_of_other_envelopes_is_a_bug() {
    let network = Network::new();
    let chain = Chain::new(&network);
    let block = chain.next_block(&network, vec![envelope(&network, "1")]);
    let at_ms = block.header.timestamp_ms;
    let other = examine(TxNumber(0), &envelope(&network, "2"), &chain.bundle, at_ms);
    let ordered = check_link(block, &chain.last, &chain.bundle).expect("follows");
    let _ = validate_block(ordered, vec![other], &chain.bundle, &chain.state, chain.commit);
}

#[test]
fn an_empty_block_commits_nothing_and_moves_the_commit_hash() {
    let network = Network::new();
    let chain = Chain::new(&network);
    let block = chain.validate(&network, vec![]).expect("readable");
    assert!(block.codes().is_empty() && block.writes().is_empty());
    assert_eq!((block.codes_root(), block.writes_root()), (merkle::root(&[]), merkle::root(&[])));
    assert_eq!(block.block().header.data_hash, data_hash(&[]));
    assert_ne!(block.commit_hash(), chain.commit);
}

/// A change of these bytes forks every ledger: it needs a new version and a capability.
#[test]
fn the_bytes_of_leaves_are_frozen() {
    let summary = TransactionSummary {
        number: TxNumber(300),
        envelope_hash: Digest([0x11; 32]),
        tx_id: None,
        claimed_tx_id: Some(TxId::of(b"nonce", b"creator")),
        code: TxValidationCode::MvccReadConflict,
        reason: Some("not part of the leaf".into()),
        chaincode: None,
        creator: None,
        event: None,
    };
    let put = StateWrite {
        namespace: "reports".into(),
        key: "k".into(),
        value: Some(Bytes::from_static(b"value")),
        version: version(70_000, 2),
    };
    let delete = StateWrite { value: None, ..put.clone() };
    let commit = commit_hash(&CommitHash([1; 32]), &BlockHash([2; 32]), &Digest([3; 32]), &Digest([4; 32]));
    let rows = [
        ("code", Digest::of(&code_leaf(&summary)).to_string(), GOLDEN_CODE),
        ("put", Digest::of(&write_leaf(&put)).to_string(), GOLDEN_PUT),
        ("delete", Digest::of(&write_leaf(&delete)).to_string(), GOLDEN_DELETE),
        ("commit hash", commit.to_string(), GOLDEN_COMMIT),
    ];
    for (name, found, frozen) in rows {
        assert_eq!(found, frozen, "{name}");
    }
    assert_eq!(code_leaf(&summary)[..7], [0x94, 0xcd, 0x01, 0x2c, 0xc4, 0x20, 0x11]);
}

const GOLDEN_CODE: &str = "96fc59c1f14be7603f0cbd15c77c226d30345e374e189c4e90e682be803a6080";
const GOLDEN_PUT: &str = "96e89854a0b1c7b8a660971c26cc7519c47dc21c5a23fc520426c834a930697e";
const GOLDEN_DELETE: &str = "e1f654253f3b03280ec75bfe95d7a35514bbffcb0a1153af521bbabbac6dc31f";
const GOLDEN_COMMIT: &str = "fefe0b60760d09ad6bc1add63edfb27b3fd077d1237a807c768a8e20416d1151";
