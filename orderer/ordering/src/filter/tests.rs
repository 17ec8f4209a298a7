//! One row a rule of the filters, its verdict last.

use protocol::fabric::SignatureHeader as Signed;

use super::*;
use crate::malleable::high_s;
use crate::world::{NOW_MS, World, signed};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

fn status_of(envelope: &Bytes, bundle: &configtx::ConfigBundle, at_ms: u64) -> (Status, String) {
    match admit(envelope, bundle, at_ms) {
        Ok(_) => (Status::Success, String::new()),
        Err(rejection) => (rejection.status(), rejection.to_string()),
    }
}

#[test]
fn each_rule_of_the_filters() {
    let world = World::new(&[7050, 7051, 7052]);
    let foreign = World::new(&[7050]);
    let bundle = world.bundle();
    let good = world.envelope(0, 1);
    let mut forged = Envelope::decode(&good[..]).expect("an envelope");
    forged.payload = Envelope::decode(&world.envelope(0, 2)[..]).expect("an envelope").payload;
    let huge = vec![0; (1 << 20) + 1];
    let mut twin = Envelope::decode(&good[..]).expect("an envelope");
    twin.signature = high_s(&twin.signature).into();
    let headers = |change: fn(&mut ChannelHeader, &mut Signed)| world.envelope_with(0, 3, change);
    let rows: Vec<(&str, Vec<u8>, u64, Status, &str)> = vec![
        ("a member's transaction", good.to_vec(), NOW_MS, Status::Success, ""),
        ("another member's", world.envelope(2, 1).to_vec(), NOW_MS, Status::Success, ""),
        ("one byte too many", huge, NOW_MS, Status::RequestEntityTooLarge, "1048577 bytes"),
        ("the limit is named", vec![0; 1 << 21], NOW_MS, Status::RequestEntityTooLarge, "is 1048576"),
        ("no protobuf", b"\xff\xff\xff".to_vec(), NOW_MS, Status::BadRequest, "no Envelope"),
        ("empty", Vec::new(), NOW_MS, Status::BadRequest, "no header"),
        ("a byte behind it", [&good[..], &[0]].concat(), NOW_MS, Status::BadRequest, "no Envelope"),
        (
            "an unknown field behind it",
            [&good[..], &[0x78, 1]].concat(),
            NOW_MS,
            Status::BadRequest,
            "more than payload and signature",
        ),
        ("a high s", twin.encode_to_vec(), NOW_MS, Status::Forbidden, "has a high s"),
        (
            "by the key of a TLS certificate",
            by_tls_key(&world).to_vec(),
            NOW_MS,
            Status::Forbidden,
            "signed by no CA",
        ),
        (
            "another channel",
            headers(|header, _| header.channel_id = "other".to_owned()).to_vec(),
            NOW_MS,
            Status::NotFound,
            "'other' is not served here; check its name",
        ),
        (
            "a configuration update without an update",
            headers(|header, _| header.r#type = HeaderType::ConfigUpdate as i32).to_vec(),
            NOW_MS,
            Status::BadRequest,
            "it holds no ConfigUpdateEnvelope",
        ),
        (
            "a configuration",
            headers(|header, _| header.r#type = HeaderType::Config as i32).to_vec(),
            NOW_MS,
            Status::BadRequest,
            "header type 1",
        ),
        (
            "an unknown type",
            headers(|header, _| header.r#type = 77).to_vec(),
            NOW_MS,
            Status::BadRequest,
            "header type 77",
        ),
        (
            "another transaction's id",
            headers(|header, _| header.tx_id = "00".repeat(32)).to_vec(),
            NOW_MS,
            Status::BadRequest,
            "is not hex(SHA-256(nonce || creator))",
        ),
        (
            "no nonce",
            headers(|_, signature| signature.nonce.clear()).to_vec(),
            NOW_MS,
            Status::BadRequest,
            "nonce",
        ),
        (
            "no creator",
            headers(|_, signature| signature.creator.clear()).to_vec(),
            NOW_MS,
            Status::BadRequest,
            "names no creator",
        ),
        ("an epoch", headers(|header, _| header.epoch = 1).to_vec(), NOW_MS, Status::BadRequest, "epoch"),
        ("a stranger's", foreign.envelope(0, 1).to_vec(), NOW_MS, Status::Forbidden, "creator refused"),
        ("an expired certificate", good.to_vec(), NOW_MS + 3651 * DAY_MS, Status::Forbidden, "expired"),
        ("a certificate of tomorrow", good.to_vec(), NOW_MS - DAY_MS, Status::Forbidden, "valid from"),
        (
            "another payload's signature",
            forged.encode_to_vec(),
            NOW_MS,
            Status::Forbidden,
            "signature of the envelope refused",
        ),
    ];
    for (name, envelope, at_ms, status, text) in rows {
        let (found, info) = status_of(&envelope.into(), &bundle, at_ms);
        assert_eq!(found, status, "{name}: {info}");
        assert!(info.contains(text), "{name}: {info}");
    }
}

/// An envelope that a user signed with the key of their TLS certificate, and names that certificate as its creator.
fn by_tls_key(world: &World) -> bytes::Bytes {
    let user = &world.orgs[0].user;
    let (certificate, key) = (user.tls_cert_pem.as_bytes(), user.tls_key_pem.as_bytes());
    let signer =
        msp::SigningIdentity::from_pem(world.orgs[0].msp_id.clone(), certificate, key).expect("an identity");
    let nonce = bytes::Bytes::from_static(b"twenty-four bytes of it.");
    let header = ChannelHeader {
        r#type: HeaderType::EndorserTransaction as i32,
        channel_id: "reports".to_owned(),
        tx_id: TxId::of(&nonce, &signer.serialized()).to_string(),
        ..ChannelHeader::default()
    };
    let creator = signer.serialized();
    signed(&signer, &header, &SignatureHeader { creator, nonce }, bytes::Bytes::from_static(b"x"))
}

#[test]
fn an_update_of_the_configuration_is_admitted_with_the_signatures_that_it_needs() {
    let world = World::new(&[7050, 7051, 7052]);
    let bundle = world.bundle();
    let small = |config: &mut ChannelConfig| config.orderer.batch.preferred_max_bytes = 1 << 12;
    let rows: Vec<(&str, Bytes, Status, &str)> = vec![
        ("two of three", world.config_update(&world.config, &[0, 2], small), Status::Success, ""),
        (
            "one of three",
            world.config_update(&world.config, &[1], small),
            Status::Forbidden,
            "1 of 3 organisations, 2 needed",
        ),
        (
            "a rule broken",
            world.config_update(&world.config, &[0, 1], |config| config.orderer.batch.timeout_ms = 0),
            Status::BadRequest,
            "timeout_ms: found 0",
        ),
        (
            "of another configuration",
            world.config_update(&ChannelConfig { sequence: 4, ..world.config.clone() }, &[0, 1], small),
            Status::BadRequest,
            "sequence 4, and 0 is in force",
        ),
    ];
    for (name, envelope, status, text) in rows {
        let (found, info) = status_of(&envelope, &bundle, NOW_MS);
        assert_eq!(found, status, "{name}: {info}");
        assert!(info.contains(text), "{name}: {info}");
        assert!(inspect(&envelope, &world.config).is_err(), "{name}: it stands in no block as it is");
    }
    let mut tight = world.config.clone();
    tight.orderer.batch.absolute_max_bytes = 100;
    tight.orderer.batch.preferred_max_bytes = 100;
    let bundle = configtx::ConfigBundle::new(tight.clone()).expect("holds");
    let wider =
        world.config_update(&tight, &[0, 1], |config| config.orderer.batch.absolute_max_bytes = 1 << 20);
    assert!(wider.len() > 100);
    let admitted = admit(&wider, &bundle, NOW_MS).expect("a channel that is too tight can be widened");
    assert!(admitted.is_config_update);
}

#[test]
fn who_does_not_satisfy_the_writers_policy_is_refused_with_the_reason() {
    let mut world = World::new(&[7050, 7051]);
    world.config.policies.insert(WRITERS.to_owned(), "OR('Org2MSP.client')".to_owned());
    let bundle = world.bundle();
    let (status, info) = status_of(&world.envelope(0, 1), &bundle, NOW_MS);
    assert_eq!(status, Status::Forbidden);
    assert!(info.contains("Org1MSP does not satisfy /Channel/Writers"), "{info}");
    assert_eq!(status_of(&world.envelope(1, 1), &bundle, NOW_MS).0, Status::Success);
}

#[test]
fn another_member_cannot_send_under_a_members_name() {
    let world = World::new(&[7050, 7051]);
    let victim = world.orgs[0].user.identity.serialized();
    let nonce = bytes::Bytes::from_static(b"twenty-four bytes of it.");
    let header = ChannelHeader {
        r#type: HeaderType::EndorserTransaction as i32,
        channel_id: "reports".to_owned(),
        tx_id: TxId::of(&nonce, &victim).to_string(),
        ..ChannelHeader::default()
    };
    let thief = &world.orgs[1].user.identity;
    let envelope =
        signed(thief, &header, &SignatureHeader { creator: victim, nonce }, bytes::Bytes::from_static(b"x"));
    assert_eq!(status_of(&envelope, &world.bundle(), NOW_MS).0, Status::Forbidden);
}

#[test]
fn an_admitted_envelope_names_its_transaction_and_channel() {
    let world = World::new(&[7050]);
    let envelope = world.envelope(0, 9);
    let admitted = admit(&envelope, &world.bundle(), NOW_MS).expect("admitted");
    assert_eq!(admitted.size, envelope.len());
    assert_eq!(admitted.msp_id, world.orgs[0].msp_id);
    let inspected = inspect(&envelope, &world.config).expect("inspected");
    assert_eq!(inspected.tx_id, admitted.tx_id);
    assert_eq!(channel_of(&envelope).as_deref(), Ok("reports"));
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
        let config = ChannelConfig::from_bytes(&[]);
        proptest::prop_assert!(config.is_err());
        let _ = channel_of(&bytes);
    }
}
