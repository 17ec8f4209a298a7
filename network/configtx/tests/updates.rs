//! The rules of a change of configuration, one row a rule, and that a difference leads where it was taken from.
#![allow(clippy::expect_used, reason = "tests")]

mod fixture;

use bytes::Bytes;
use configtx::{
    Capabilities, ConfigBundle, Element, IdentityRules, ModPolicy, PendingUpdate, UpdateRejection,
    apply_update, compute_update, config_of_block, in_canonical_order, judge_config_envelope, mod_policies,
    next_config,
};
use fixture::{EXPIRED_MS, NOW_MS, Network, Org, definition, msp_id, registered};
use msp::SigningIdentity;
use proptest::prelude::*;
use prost::Message as _;
use protocol::fabric::{ConfigUpdateEnvelope, Envelope, Payload};
use protocol::{
    Block, BlockHash, BlockHeader, BlockNumber, Capability, ChannelConfig, ConfigEnvelope, ConfigRead,
    ConfigUpdate, ConfigWrite, Digest, Endpoint, IdentityRule, Organization, Proof, Role, codec, data_hash,
};

/// A consortium with an administrator of its orderers, and a fourth hospital that is no member.
struct Desk {
    network: Network,
    orderers_admin: SigningIdentity,
    fourth: Org,
    bundle: ConfigBundle,
}

type Change = fn(&mut ChannelConfig, &Desk);
type Spoil = fn(&mut ConfigUpdate);

const A: &str = "HospitalA/admin";
const B: &str = "HospitalB/admin";
const C: &str = "HospitalC/admin";
const O: &str = "Orderers/admin";

impl Desk {
    fn new() -> Self {
        let network = Network::new();
        let orderers_admin = network.orgs["Orderers"].issue("admin", "admin");
        let fourth = Org::new("HospitalD", &[("peer0", "peer"), ("admin", "admin"), ("user", "client")]);
        let bundle = ConfigBundle::new(network.config.clone()).expect("the fixture holds");
        Self { network, orderers_admin, fourth, bundle }
    }

    fn signer(&self, name: &str) -> &SigningIdentity {
        match name.split_once('/') {
            Some(("Orderers", "admin")) => &self.orderers_admin,
            Some(("HospitalD", member)) => &self.fourth.identities[member],
            Some((org, member)) => self.network.identity(org, member),
            None => panic!("{name} is no identity"),
        }
    }

    fn update(&self, change: Change) -> ConfigUpdate {
        let mut after = self.bundle.config().clone();
        change(&mut after, self);
        compute_update(self.bundle.config(), &after).expect("something changes")
    }

    fn signed(&self, update: ConfigUpdate, signers: &[&str]) -> PendingUpdate {
        let mut pending = PendingUpdate::new(update);
        for (place, name) in (0_u8..).zip(signers) {
            pending.sign(self.signer(name), Bytes::from(vec![place; 24])).expect("signs");
        }
        pending
    }

    fn submission(&self, pending: &PendingUpdate, submitter: &str) -> Bytes {
        let nonce = Bytes::from_static(b"twenty-four bytes of it.");
        let (_, envelope) =
            pending.submission(self.signer(submitter), nonce, NOW_MS).expect("the submitter signs");
        envelope.encode_to_vec().into()
    }

    /// What the update leads to when these sign it and HospitalA's user submits it.
    fn judge(&self, update: ConfigUpdate, signers: &[&str]) -> String {
        let envelope = self.submission(&self.signed(update, signers), "HospitalA/user");
        verdict(next_config(&self.bundle, &envelope, NOW_MS))
    }

    fn fourth_organization(&self) -> Organization {
        let mut organization = self.network.config.organizations[0].clone();
        organization.msp = self.fourth.msp_config();
        organization.peers = vec![Endpoint { host: "peer0.HospitalD".into(), port: 7051 }];
        organization
    }
}

fn verdict<T>(result: Result<T, UpdateRejection>) -> String {
    result.map_or_else(|rejection| rejection.to_string(), |_| "accepted".to_owned())
}

fn join(config: &mut ChannelConfig, desk: &Desk) {
    config.organizations.push(desk.fourth_organization());
    let members = [("peer0", Role::Peer), ("admin", Role::Admin), ("user", Role::Client)];
    for (name, role) in members {
        config.first_identities.push(registered(&desk.fourth.identities[name], role));
    }
    *config = in_canonical_order(config.clone());
}

fn batch(config: &mut ChannelConfig, _: &Desk) {
    config.orderer.batch.max_message_count = 7;
}

#[test]
fn each_element_asks_for_the_agreement_of_its_own_policy() {
    let rows: Vec<(&str, Change, &[&str], &str)> = vec![
        // what changes, how, who signs, verdict
        ("the batch", batch, &[O], "accepted"),
        ("the batch, by all hospitals", batch, &[A, B, C], "policy /Channel/Orderer/Admins is not satisfied"),
        ("one consenter less", |c, _| drop(c.orderer.consenters.pop()), &[O], "accepted"),
        ("the difficulty", |c, _| c.orderer.difficulty_bits = 4, &[O], "accepted"),
        ("the difficulty, by nobody", |c, _| c.orderer.difficulty_bits = 4, &[], "signed by nobody"),
        ("a chaincode", |c, _| c.chaincodes[0].version = "2.0".into(), &[A, B], "accepted"),
        (
            "a chaincode, by one",
            |c, _| c.chaincodes[0].version = "2.0".into(),
            &[A],
            "MAJORITY Admins: 1 of 3 organisations, 2 needed",
        ),
        (
            "a chaincode, by one twice",
            |c, _| c.chaincodes[0].version = "2.0".into(),
            &[A, A],
            "1 of 3 organisations, 2 needed",
        ),
        (
            "a chaincode, by users",
            |c, _| c.chaincodes[0].version = "2.0".into(),
            &["HospitalA/user", "HospitalB/user"],
            "wrong role: has member, client",
        ),
        ("a chaincode more", |c, _| c.chaincodes.insert(0, definition("asset")), &[A, C], "accepted"),
        ("a chaincode less", |c, _| drop(c.chaincodes.remove(0)), &[A, C], "accepted"),
        (
            "the references",
            |c, _| c.reports.as_mut().expect("rules").admission[0].references[0].hash = 9,
            &[B, C],
            "accepted",
        ),
        (
            "checkers, custodians, holders",
            |c, _| {
                let rules = c.reports.as_mut().expect("rules");
                rules.checkers.required = 3;
                rules.custodians = vec![msp_id("HospitalA"), msp_id("HospitalB")];
                rules.holders.clear();
            },
            &[B, C],
            "accepted",
        ),
        ("no rules for reports", |c, _| c.reports = None, &[B, C], "accepted"),
        ("the rule for identities", |c, _| c.identities = IdentityRule::Open, &[A, B], "accepted"),
        ("own endpoints", |c, _| c.organizations[0].peers[0].port = 9, &[A], "accepted"),
        (
            "another's endpoints",
            |c, _| c.organizations[0].peers[0].port = 9,
            &[B, C, O],
            "policy /Channel/Organizations/HospitalA/Admins is not satisfied",
        ),
        ("the own key", |c, _| c.organizations[0].kem_public_key = Some(Digest([99; 32])), &[A], "accepted"),
        (
            "own policies",
            |c, _| {
                c.organizations[0].policies.insert("Admins".into(), "OR('HospitalA.admin')".into());
            },
            &[A],
            "accepted",
        ),
        (
            "own endpoints and another's",
            |c, _| {
                c.organizations[0].peers[0].port = 9;
                c.organizations[1].peers[0].port = 9;
            },
            &[A],
            "change of /Channel/Organizations/HospitalB/Peers",
        ),
        (
            "the last of the own peers",
            |c, _| c.organizations[2].peers.clear(),
            &[C],
            "policy /Channel/Application/Admins is not satisfied",
        ),
        (
            "first peers of an organisation that only orders",
            |c, _| {
                c.organizations[3].peers = vec![Endpoint { host: "p".into(), port: 1 }];
                c.organizations[3].kem_public_key = Some(Digest([7; 32]));
            },
            &[O],
            "policy /Channel/Application/Admins is not satisfied",
        ),
        ("a member more", join, &[A, C], "accepted"),
        ("a member more, by itself", join, &["HospitalD/admin"], "passed over: signature 0"),
        ("a member less", leave, &[A, B], "accepted"),
        ("a member less, by itself", leave, &[C], "policy /Channel/Application/Admins is not satisfied"),
        (
            "a policy of the channel",
            |c, _| {
                let text = "OR('HospitalA.peer')".to_owned();
                c.policies.insert("/Channel/Application/Endorsement".into(), text);
            },
            &[A, B, O],
            "accepted",
        ),
        (
            "a policy of the channel, by half",
            |c, _| {
                let text = "OR('HospitalA.peer')".to_owned();
                c.policies.insert("/Channel/Application/Endorsement".into(), text);
            },
            &[A, B],
            "policy /Channel/Admins is not satisfied",
        ),
        (
            "everything at once",
            |c, desk| {
                batch(c, desk);
                c.chaincodes[0].version = "2.0".into();
                c.organizations[1].peers[0].port = 9;
            },
            &[A, B, O],
            "accepted",
        ),
    ];
    let desk = Desk::new();
    for (name, change, signers, expected) in rows {
        let found = desk.judge(desk.update(change), signers);
        assert!(found.contains(expected), "{name}: {found}");
    }
}

fn leave(config: &mut ChannelConfig, _: &Desk) {
    config.organizations.remove(2);
    let rules = config.reports.as_mut().expect("rules");
    rules.checkers.organizations.pop();
    rules.holders.clear();
}

#[test]
fn a_refusal_says_who_signed_and_who_is_missing() {
    let desk = Desk::new();
    let change: Change = |config, desk| {
        batch(config, desk);
        config.chaincodes[0].version = "2.0".into();
    };
    let found = desk.judge(desk.update(change), &[A]);
    for part in [
        "change of /Channel/Application/Chaincodes/basic: policy /Channel/Application/Admins is not satisfied",
        "HospitalA: met",
        "HospitalB: not met",
        "change of /Channel/Orderer/Batch: policy /Channel/Orderer/Admins is not satisfied",
        "Orderers: not met",
    ] {
        assert!(found.contains(part), "{part} is missing in\n{found}");
    }
}

/// The element at a path, written as these bytes, with the digest that the configuration has.
fn write(update: &mut ConfigUpdate, path: &str, digest: Option<Digest>, value: Option<Vec<u8>>) {
    update.read_set = vec![ConfigRead { path: path.into(), digest }];
    update.write_set = vec![ConfigWrite { path: path.into(), value: value.map(Bytes::from) }];
}

#[test]
fn an_update_that_does_not_fit_the_configuration_in_force_is_refused_with_the_element() {
    let rows: Vec<(&str, Spoil, &str)> = vec![
        ("as it should be", |_| (), "accepted"),
        (
            "an older configuration",
            |u| u.sequence = 2,
            "made from the configuration with sequence 2, and 0 is",
        ),
        ("a later one", |u| u.sequence = u64::MAX, "nothing that it read has changed"),
        (
            "an older element",
            |u| u.read_set[0].digest = Some(Digest([1; 32])),
            "read other bytes than the configuration in force has at: /Channel/Orderer/Batch",
        ),
        ("an element that was not there", |u| u.read_set[0].digest = None, "at: /Channel/Orderer/Batch"),
        (
            "an element beside, gone meanwhile",
            |u| {
                let path = "/Channel/Application/Chaincodes/gone".to_owned();
                u.read_set.insert(0, ConfigRead { path, digest: Some(Digest::ZERO) });
            },
            "at: /Channel/Application/Chaincodes/gone",
        ),
        (
            "an element beside, rightly absent",
            |u| {
                let path = "/Channel/Application/Chaincodes/gone".to_owned();
                u.read_set.insert(0, ConfigRead { path, digest: None });
            },
            "accepted",
        ),
        ("another version", |u| u.version = 2, "ConfigUpdate has version 2"),
        (
            "another channel",
            |u| u.channel = protocol::ChannelId::new("other").expect("valid"),
            "is for channel other",
        ),
        ("nothing", |u| u.write_set.clear(), "it writes nothing"),
        ("a write that was not read", |u| u.read_set.clear(), "stands not in the read set"),
        ("unsorted", |u| u.write_set.push(u.write_set[0].clone()), "write set is not sorted"),
        ("read twice", |u| u.read_set.push(u.read_set[0].clone()), "read set is not sorted"),
        (
            "an element that nobody knows",
            |u| write(u, "/Channel/Orderer/Colour", None, Some(vec![1])),
            "/Channel/Orderer/Colour: this release knows no such element",
        ),
        (
            "a part of no organisation",
            |u| {
                let peers = vec![Endpoint { host: "p".into(), port: 1 }];
                write(u, "/Channel/Organizations/Nobody/Peers", None, Some(codec::encode(&peers)));
            },
            "/Channel/Organizations/Nobody/MSP: other parts of the organisation stand without it",
        ),
        (
            "bytes that are no batch",
            |u| u.write_set[0].value = Some(Bytes::from_static(b"\xc0")),
            "/Channel/Orderer/Batch: bytes are not a valid",
        ),
        ("no batch", |u| u.write_set[0].value = None, "a configuration cannot be without it"),
        (
            "an empty list written as a list",
            |u| {
                let none: Vec<protocol::MspId> = Vec::new();
                let digest = Some(Digest::of(&codec::encode(&vec![msp_id("HospitalC")])));
                write(u, "/Channel/Application/Reports/Holders", digest, Some(codec::encode(&none)));
            },
            "an empty list is written as nothing",
        ),
        (
            "a definition under another name",
            |u| {
                let value = codec::encode(&definition("other"));
                write(u, "/Channel/Application/Chaincodes/new", None, Some(value));
            },
            "its value is that of other",
        ),
        (
            "a definition out of turn",
            |u| {
                let value =
                    codec::encode(&protocol::ChaincodeDefinition { sequence: 2, ..definition("new") });
                write(u, "/Channel/Application/Chaincodes/new", None, Some(value));
            },
            "the definition has sequence 2, and its next one is 1",
        ),
        (
            "identities of a member",
            |u| {
                let value = codec::encode(&Vec::<protocol::RegisteredIdentity>::new());
                write(u, "/Channel/Organizations/HospitalA/FirstIdentities", None, Some(value));
            },
            "only an organisation that joins by the same update brings identities",
        ),
    ];
    let desk = Desk::new();
    for (name, spoil, expected) in rows {
        let mut update = desk.update(batch);
        spoil(&mut update);
        let found = desk.judge(update, &[A, B, C, O]);
        assert!(found.contains(expected), "{name}: {found}");
    }
    let mut unchanged = desk.update(batch);
    unchanged.write_set[0].value = Element::Batch.bytes(desk.bundle.config());
    assert!(desk.judge(unchanged, &[O]).contains("it is written as it stands"));
}

#[test]
fn rules_of_the_result_are_judged_after_the_policies_and_reported_together() {
    let rows: Vec<(&str, Change, &[&str], &[&str])> = vec![
        (
            "two rules broken",
            |c, _| {
                c.orderer.difficulty_bits = 99;
                c.orderer.batch.timeout_ms = 0;
            },
            &[O],
            &["2 problem(s)", "found 99", "timeout_ms"],
        ),
        (
            "two rules broken by somebody who may not",
            |c, _| c.orderer.difficulty_bits = 99,
            &[A],
            &["policy /Channel/Orderer/Admins is not satisfied"],
        ),
        (
            "a capability of a later release",
            |c, _| c.capabilities.push(Capability("V1_4".into())),
            &[A, B, O],
            &["demands capability V1_4", "install release 1.4"],
        ),
        (
            "a capability of a later release, by too few",
            |c, _| c.capabilities.push(Capability("V1_4".into())),
            &[A, B],
            &["policy /Channel/Admins is not satisfied"],
        ),
        (
            "a capability that the channel has is taken away",
            |c, _| drop(c.capabilities.pop()),
            &[A, B, C, O],
            &["/Channel/Capabilities: a channel keeps the capabilities that it has"],
        ),
        (
            "a capability of a later release in place of one",
            |c, _| c.capabilities[1] = Capability("V1_4".into()),
            &[A, B, C, O],
            &["/Channel/Capabilities: a channel keeps the capabilities that it has"],
        ),
        (
            "a member that holds keys leaves",
            |c, _| drop(c.organizations.remove(1)),
            &[A, C],
            &["reports.checkers.organizations: found HospitalB", "reports.custodians: found HospitalB"],
        ),
        (
            "two consenters at once",
            |c, _| c.orderer.consenters.truncate(1),
            &[A, B, C, O],
            &["/Channel/Orderer/Consenters: it takes 2 consenters away and brings 0; change one of them"],
        ),
        (
            "an identity that its authority does not know",
            |c, desk| {
                join(c, desk);
                let peer = desk.network.identity("HospitalA", "peer0");
                let stolen = registered(peer, Role::Peer);
                let own = c.first_identities.iter_mut().find(|known| known.msp_id.as_str() == "HospitalD");
                own.expect("joins").certificate = stolen.certificate;
            },
            &[A, B],
            &["first_identities[HospitalD/"],
        ),
    ];
    let desk = Desk::new();
    for (name, change, signers, expected) in rows {
        let found = desk.judge(desk.update(change), signers);
        for part in expected {
            assert!(found.contains(part), "{name}: {part} is missing in\n{found}");
        }
    }
}

/// What a later release may write beside its capability, this one cannot read: the element is unknown to it.
#[test]
fn an_update_of_a_later_release_is_known_by_its_capability_whatever_else_it_writes() {
    let desk = Desk::new();
    let with_unknown_element = || {
        let mut update = desk.update(|c, _| c.capabilities.push(Capability("V1_4".into())));
        let path = "/Channel/Zones".to_owned();
        update.read_set.push(ConfigRead { path: path.clone(), digest: None });
        update.write_set.push(ConfigWrite { path, value: Some(Bytes::from_static(b"?")) });
        update
    };
    let rows: [(&[&str], &str); 2] = [
        (&[A, B, O], "demands capability V1_4, which this release does not know; install release 1.4"),
        (&[A, B], "policy /Channel/Admins is not satisfied"),
    ];
    for (signers, expected) in rows {
        let found = desk.judge(with_unknown_element(), signers);
        assert!(found.contains(expected), "{signers:?}: {found}");
    }
    let mut stale = with_unknown_element();
    stale.sequence = 7;
    let found = desk.judge(stale, &[A, B, O]);
    assert!(found.contains("sequence 7, and 0 is in force"), "{found}");
}

#[test]
fn a_channel_of_release_1_0_gains_a_capability_and_the_rules_that_it_governs() {
    let mut desk = Desk::new();
    let with = |desk: &Desk, names: &[&str]| {
        let mut config = desk.network.config.clone();
        config.capabilities = names.iter().map(|name| Capability((*name).to_owned())).collect();
        config
    };
    desk.bundle = ConfigBundle::known_to(with(&desk, &["V1_0"]), Capabilities::TESTED).expect("holds");
    let steps: [(&[&str], IdentityRules, u16); 2] =
        [(&["V1_0", "V1_1"], IdentityRules::V1_1, 1), (&["V1_0", "V1_1", "V9_9"], IdentityRules::V1_1, 2)];
    assert_eq!((desk.bundle.identity_rules(), desk.bundle.header_version()), (IdentityRules::V1_0, 1));
    let one_less = |desk: &Desk| {
        let mut after = desk.bundle.config().clone();
        after.orderer.consenters.pop();
        let update = compute_update(desk.bundle.config(), &after).expect("something changes");
        desk.judge(update, &[O])
    };
    let found = one_less(&desk);
    assert!(found.contains("without capability V1_1 are those of its first block"), "{found}");
    for (names, rules, header) in steps {
        let after = with(&desk, names);
        let update = compute_update(desk.bundle.config(), &after).expect("something changes");
        assert!(desk.judge(update.clone(), &[A, B]).contains("/Channel/Admins"), "{names:?}");
        let envelope = desk.submission(&desk.signed(update, &[A, B, O]), "HospitalA/user");
        desk.bundle = next_config(&desk.bundle, &envelope, NOW_MS).expect("agreed").into_bundle();
        assert_eq!((desk.bundle.identity_rules(), desk.bundle.header_version()), (rules, header));
        let version = &desk.bundle.definition("_identity").expect("every channel has it").version;
        assert_eq!(version, rules.version());
        assert_eq!(one_less(&desk), "accepted", "{names:?}");
    }
}

#[test]
fn whoever_submits_must_be_a_writer_of_the_channel_and_have_signed() {
    let desk = Desk::new();
    let pending = desk.signed(desk.update(batch), &[O]);
    let good = desk.submission(&pending, "HospitalB/user");
    let changed = |change: fn(&mut Envelope)| {
        let mut envelope = Envelope::decode(good.clone()).expect("an envelope");
        change(&mut envelope);
        Bytes::from(envelope.encode_to_vec())
    };
    let rows: Vec<(&str, Bytes, u64, &str)> = vec![
        ("a member", good.clone(), NOW_MS, "accepted"),
        ("no member", desk.submission(&pending, "HospitalD/user"), NOW_MS, "submitter refused"),
        ("expired", good.clone(), EXPIRED_MS, "submitter refused"),
        (
            "another's signature",
            changed(|envelope| envelope.signature = Bytes::from_static(b"x")),
            NOW_MS,
            "signature of the submitter refused",
        ),
        ("nobody", pending.to_bytes().into(), NOW_MS, "it names no submitter"),
        ("no envelope", Bytes::from_static(b"\xff"), NOW_MS, "it is no Envelope"),
        ("too large", vec![0; (4 << 20) + 1].into(), NOW_MS, "the limit is 4194304"),
    ];
    for (name, envelope, at_ms, expected) in rows {
        let found = verdict(next_config(&desk.bundle, &envelope, at_ms));
        assert!(found.contains(expected), "{name}: {found}");
    }
}

#[test]
fn signatures_that_do_not_hold_are_passed_over_and_named() {
    let desk = Desk::new();
    let mut other = desk.update(batch);
    other.sequence = 9;
    let signed_other = desk.signed(other, &[O]);
    let bytes = Bytes::from(signed_other.to_bytes());
    let envelope = Envelope::decode(bytes).expect("an envelope");
    let stolen = ConfigUpdateEnvelope::decode(Payload::decode(envelope.payload).expect("a payload").data)
        .expect("an update")
        .signatures;
    let spoiled = with_signatures(&desk.signed(desk.update(batch), &[A]), stolen);
    let found = verdict(next_config(&desk.bundle, &desk.submission(&spoiled, "HospitalA/user"), NOW_MS));
    assert!(found.contains("passed over: signature 0"), "a signature over another update: {found}");
    assert_eq!(spoiled.signers(), ["Orderers"]);
}

/// The same update with other signatures.
fn with_signatures(
    pending: &PendingUpdate,
    signatures: Vec<protocol::fabric::ConfigSignature>,
) -> PendingUpdate {
    let envelope = Envelope::decode(Bytes::from(pending.to_bytes())).expect("an envelope");
    let mut payload = Payload::decode(envelope.payload).expect("a payload");
    let mut update = ConfigUpdateEnvelope::decode(payload.data).expect("an update");
    update.signatures = signatures;
    payload.data = update.encode_to_vec().into();
    let envelope = Envelope { payload: payload.encode_to_vec().into(), signature: Bytes::new() };
    PendingUpdate::from_bytes(&envelope.encode_to_vec().into()).expect("reads back")
}

#[test]
fn a_file_gathers_signatures_each_once_and_reads_back() {
    let desk = Desk::new();
    let mut pending = desk.signed(desk.update(batch), &[A, O]);
    assert_eq!(pending.signers(), ["HospitalA", "Orderers"]);
    assert!(!pending.sign(desk.signer(A), Bytes::from_static(b"n")).expect("asked"), "signed before");
    let bytes = Bytes::from(pending.to_bytes());
    assert_eq!(PendingUpdate::from_bytes(&bytes).expect("reads back"), pending);
    for cut in 0..bytes.len() {
        let cut = bytes.slice(..cut);
        assert!(PendingUpdate::from_bytes(&cut).map_or(true, |read| read != pending));
    }
}

#[test]
fn an_accepted_update_is_refused_ever_after() {
    let desk = Desk::new();
    let first = desk.submission(&desk.signed(desk.update(batch), &[O]), "HospitalA/user");
    let after = next_config(&desk.bundle, &first, NOW_MS).expect("accepted").into_bundle();
    assert_eq!((after.config().sequence, after.config().orderer.batch.max_message_count), (1, 7));
    assert!(after.config().first_identities.is_empty(), "only block 0 lists identities");
    let found = verdict(next_config(&after, &first, NOW_MS));
    assert!(
        found.contains("sequence 0, and 1 is in force (changed since: /Channel/Orderer/Batch)"),
        "{found}"
    );
    // The old bytes come back by another update: the first one fits them again, and its sequence does not.
    let back = compute_update(after.config(), desk.bundle.config()).expect("a way back");
    let back = desk.submission(&desk.signed(back, &[O]), "HospitalA/user");
    let again = next_config(&after, &back, NOW_MS).expect("accepted").into_bundle();
    assert_eq!(again.config().orderer, desk.bundle.config().orderer);
    let found = verdict(next_config(&again, &first, NOW_MS));
    assert!(found.contains("nothing that it read has changed"), "{found}");
}

#[test]
fn a_joining_organisation_brings_its_identities_and_the_configuration_does_not_keep_them() {
    let desk = Desk::new();
    let envelope = desk.submission(&desk.signed(desk.update(join), &[A, B]), "HospitalA/user");
    let next = next_config(&desk.bundle, &envelope, NOW_MS).expect("accepted");
    let names: Vec<&str> = next.registered().iter().map(|identity| identity.msp_id.as_str()).collect();
    assert_eq!(names, ["HospitalD"; 3]);
    assert!(next.bundle().config().first_identities.is_empty());
    assert_eq!(next.bundle().endorsing_organizations().count(), 4);
}

/// A configuration block, as its consenters would make it.
fn block(content: Bytes) -> Block {
    let envelopes = vec![content];
    let header = BlockHeader {
        version: BlockHeader::VERSION,
        channel: protocol::ChannelId::new("reports").expect("valid"),
        number: BlockNumber(5),
        previous_hash: BlockHash::ZERO,
        data_hash: data_hash(&envelopes),
        timestamp_ms: NOW_MS,
        last_config: BlockNumber(5),
        proof: Proof::default(),
        envelope_count: None,
    };
    Block { header, envelopes, signatures: Vec::new() }
}

#[test]
fn an_orderer_that_puts_another_configuration_beside_the_update_is_found_out() {
    let desk = Desk::new();
    let submitted = desk.submission(&desk.signed(desk.update(batch), &[O]), "HospitalA/user");
    let next = next_config(&desk.bundle, &submitted, NOW_MS).expect("accepted");
    let good = next.envelope().clone();
    assert_eq!(verdict(judge_config_envelope(&desk.bundle, &good, NOW_MS)), "accepted");
    assert_eq!(config_of_block(&block(good.clone())).expect("reads back"), *next.bundle().config());

    type Forge = fn(&mut ChannelConfig, &mut Bytes);
    let forged = |forge: Forge| {
        let (mut config, mut update) = (next.bundle().config().clone(), submitted.clone());
        forge(&mut config, &mut update);
        let content = ConfigEnvelope {
            version: ConfigEnvelope::VERSION,
            config: config.to_bytes().into(),
            last_update: update,
        };
        let mut envelope = Envelope::decode(good.clone()).expect("an envelope");
        let mut payload = Payload::decode(envelope.payload).expect("a payload");
        payload.data = content.to_bytes().into();
        envelope.payload = payload.encode_to_vec().into();
        Bytes::from(envelope.encode_to_vec())
    };
    let rows: Vec<(&str, Bytes, &str)> = vec![
        ("another value", forged(|c, _| c.orderer.batch.max_message_count = 8), "not the one to which"),
        ("a skipped sequence", forged(|c, _| c.sequence = 2), "not the one to which"),
        ("an element more", forged(|c, _| c.orderer.difficulty_bits = 1), "not the one to which"),
        ("no update", forged(|_, update| *update = Bytes::new()), "malformed"),
        (
            "a signed envelope",
            {
                let mut envelope = Envelope::decode(good.clone()).expect("an envelope");
                envelope.signature = Bytes::from_static(b"x");
                envelope.encode_to_vec().into()
            },
            "not the one to which",
        ),
        ("a genesis envelope", configtx::config_envelope(desk.bundle.config()), "malformed"),
        ("the update itself", submitted.clone(), "not of type CONFIG"),
    ];
    for (name, envelope, expected) in rows {
        let found = verdict(judge_config_envelope(&desk.bundle, &envelope, NOW_MS));
        assert!(found.contains(expected), "{name}: {found}");
    }
}

#[test]
fn every_element_of_a_configuration_has_a_path_that_leads_back_to_it() {
    let config = Network::new().config;
    let elements = Element::all(&config);
    assert!(elements.len() > 15, "{elements:?}");
    for element in elements {
        assert_eq!(Element::of_path(&element.to_string()), Some(element.clone()), "{element}");
    }
    for path in
        ["", "/", "/Channel", "/Channel/Organizations/A", "/Channel/Organizations/A/B/MSP", "/Channel/x"]
    {
        assert_eq!(Element::of_path(path), None, "{path}");
    }
}

/// One change of a configuration, drawn.
fn change() -> impl Strategy<Value = (u8, u8)> {
    (0_u8..16, any::<u8>())
}

fn apply_change(config: &mut ChannelConfig, (kind, value): (u8, u8)) {
    let place = usize::from(value) % 3;
    let text = format!("n{}", value % 4);
    match kind {
        0 => config.orderer.batch.max_message_count = u32::from(value) + 1,
        1 => config.orderer.difficulty_bits = value % 25,
        2 => config.organizations[place].peers[0].port = u16::from(value) + 1,
        3 => config.organizations[place].kem_public_key = Some(Digest([value; 32])),
        4 => drop(config.organizations[place].policies.insert(text, "OR('HospitalA.admin')".into())),
        5 => config.organizations[place].policies.clear(),
        6 => drop(config.policies.insert(format!("/Channel/{text}"), "ANY Readers".into())),
        7 => config.policies.clear(),
        8 if config.chaincode(&text).is_none() => config.chaincodes.push(definition(&text)),
        8 => config.chaincodes.retain(|known| known.name.as_str() != text),
        9 => reports_of(config).checkers.required = u32::from(value),
        10 => reports_of(config).custodians = vec![msp_id(&text)],
        11 => reports_of(config).holders.clear(),
        12 => reports_of(config).admission.retain(|rule| rule.modality != text),
        13 => {
            let reports = reports_of(config);
            let rule = protocol::AdmissionConfig { modality: text, ..reports.admission[0].clone() };
            reports.admission.retain(|known| known.modality != rule.modality);
            reports.admission.push(rule);
        }
        14 => config.identities = if value % 2 == 0 { IdentityRule::Open } else { IdentityRule::Registered },
        _ => config.capabilities.push(Capability(format!("V{value}_0"))),
    }
}

fn reports_of(config: &mut ChannelConfig) -> &mut protocol::ReportsConfig {
    config.reports.as_mut().expect("no change takes the rules for reports away")
}

proptest! {
    #[test]
    fn a_difference_leads_from_the_one_configuration_to_the_other(
        before in proptest::collection::vec(change(), 0..8),
        after in proptest::collection::vec(change(), 0..8),
    ) {
        static BASE: std::sync::OnceLock<ChannelConfig> = std::sync::OnceLock::new();
        let base = BASE.get_or_init(|| Network::new().config);
        let changed = |from: &ChannelConfig, changes: Vec<(u8, u8)>| {
            let mut config = from.clone();
            for change in changes {
                // Removing the last rule would leave nothing to copy.
                if !(change.0 == 12 && config.reports.as_ref().is_some_and(|rules| rules.admission.len() < 2)) {
                    apply_change(&mut config, change);
                }
            }
            in_canonical_order(config)
        };
        let before = changed(base, before);
        let mut after = changed(&before, after);
        let update = compute_update(&before, &after);
        // What an update never carries: the sequence follows, definitions count their changes, identities are block 0's.
        after.sequence = before.sequence + 1;
        after.first_identities.clear();
        match update {
            None => {
                after.sequence = before.sequence;
                after.first_identities = before.first_identities.clone();
                prop_assert_eq!(&after, &before);
            }
            Some(update) => {
                let bytes = update.to_bytes();
                prop_assert_eq!(&ConfigUpdate::from_bytes(&bytes).expect("reads back"), &update);
                let (found, registered) = apply_update(&before, &update).expect("it leads there");
                prop_assert!(registered.is_empty());
                prop_assert_eq!(&found, &after);
                prop_assert!(!mod_policies(&before, &after, &update).is_empty());
                prop_assert!(compute_update(&found, &after).is_none());
            }
        }
    }

    #[test]
    fn hostile_updates_are_refused_and_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        static DESK: std::sync::OnceLock<ConfigBundle> = std::sync::OnceLock::new();
        let bundle = DESK.get_or_init(|| ConfigBundle::new(Network::new().config).expect("holds"));
        let bytes = Bytes::from(bytes);
        prop_assert!(next_config(bundle, &bytes, NOW_MS).is_err());
        prop_assert!(judge_config_envelope(bundle, &bytes, NOW_MS).is_err());
        prop_assert!(PendingUpdate::from_bytes(&bytes).is_err());
        prop_assert!(ConfigUpdate::from_bytes(&bytes).is_err());
    }
}

#[test]
fn the_policy_of_an_element_is_named_by_its_path() {
    let config = Network::new().config;
    let rows = [
        (Element::Batch, "/Channel/Orderer/Admins"),
        (Element::Capabilities, "/Channel/Admins"),
        (Element::Identities, "/Channel/Application/Admins"),
    ];
    for (element, expected) in rows {
        assert_eq!(ModPolicy::of(&element, &config, &config).to_string(), expected, "{element}");
    }
}
