//! The verdict on changes of identities, one row a rule.
#![allow(clippy::expect_used, reason = "tests")]

mod fixture;

use bytes::Bytes;
use configtx::IdentityRules;
use fixture::network::certificate_of;
use fixture::registry::{
    Person, bar, call, claim, claim_after, honest, proven, record, register, renew, revoke, writing,
};
use fixture::{Chain, NOW_MS, Network, Tx, msp_id, namespace, write};
use msp::SigningIdentity;
use protocol::{
    Capability, Digest, IdentityAction::*, IdentityRecord, IdentityStatus, NamespaceSet, Role,
    TxValidationCode, TxValidationCode::*, codec,
};
use validation::StateReader as _;

/// The fixture's consortium with people who are not registered yet.
struct Town {
    network: Network,
    /// A new doctor of HospitalA.
    doctor: SigningIdentity,
    /// Somebody of HospitalA whose certificate says admin, and who is not registered.
    deputy: SigningIdentity,
    /// HospitalA's registered user with another certificate of the same key.
    renewed: SigningIdentity,
    /// That key with an administrator's certificate.
    raised: SigningIdentity,
    /// Another key of HospitalA, registered before the rows and revoked in one of them.
    nurse: SigningIdentity,
}

impl Town {
    fn new() -> (Self, Chain) {
        let mut network = Network::new();
        let user = Person::new("HospitalA");
        let user_identity = user.identity(&network, "client");
        network.orgs.get_mut("HospitalA").expect("of the fixture").identities.insert("user", user_identity);
        let known_user = fixture::network::registered(network.identity("HospitalA", "user"), Role::Client);
        let first = &mut network.config.first_identities;
        first.retain(|known| !(known.msp_id == msp_id("HospitalA") && known.roles.contains(&Role::Client)));
        first.push(known_user);
        network.config = configtx::in_canonical_order(network.config.clone());
        let (renewed, raised) = (user.identity(&network, "client"), user.identity(&network, "admin"));
        let person = |ou: &str| Person::new("HospitalA").identity(&network, ou);
        let (doctor, deputy, nurse) = (person("client"), person("admin"), person("client"));
        let town = Self { doctor, deputy, renewed, raised, nurse, network };
        let mut chain = Chain::new(&town.network);
        let nurse = register(&claim(Register, &town.nurse, &[]));
        let tx = honest(&town.network, &chain, "nurse", town.admin("HospitalA"), nurse);
        let block = chain.validate(&town.network, vec![tx.envelope()]).expect("readable");
        assert_eq!(block.codes(), [Valid], "{:?}", block.transactions()[0].reason);
        chain.commit(&block);
        (town, chain)
    }

    fn admin(&self, org: &str) -> &SigningIdentity {
        self.network.identity(org, "admin")
    }

    fn user(&self) -> &SigningIdentity {
        self.network.identity("HospitalA", "user")
    }
}

/// The record of an identity in the chain's state.
fn recorded(chain: &Chain, identity: &SigningIdentity) -> Option<IdentityRecord> {
    chain.state.identity(identity.msp_id(), &identity.poi()).expect("readable")
}

type Change = for<'a> fn(&'a Town, &mut Tx<'a>);

/// HospitalA's administrator registers the doctor, and then what `change` makes of it.
fn registration<'a>(town: &'a Town, chain: &Chain, nonce: &str, change: Change) -> Tx<'a> {
    let args = register(&claim(Register, &town.doctor, &[1, 2]));
    let mut tx = honest(&town.network, chain, nonce, town.admin("HospitalA"), args);
    change(town, &mut tx);
    tx
}

#[test]
fn a_registration_is_judged_by_the_first_rule_that_it_breaks() {
    let rows: Vec<(&str, Change, TxValidationCode, &str)> = vec![
        ("as it should be", |_, _| (), Valid, ""),
        (
            "with a second endorser of another hospital",
            |t, x| x.endorsers.push(t.network.identity("HospitalB", "peer0")),
            Valid,
            "",
        ),
        ("endorsed by nobody", |_, x| x.endorsers.clear(), EndorsementPolicyFailure, "HospitalA.peer"),
        (
            "endorsed by another hospital alone",
            |t, x| x.endorsers = vec![t.network.identity("HospitalB", "peer0")],
            EndorsementPolicyFailure,
            "HospitalA.peer",
        ),
        (
            "endorsed by the own user",
            |t, x| x.endorsers = vec![t.user()],
            EndorsementPolicyFailure,
            "HospitalA.peer",
        ),
        (
            "created by a user",
            |t, x| x.creator = t.user(),
            IllegalWriteset,
            "needs an administrator of HospitalA",
        ),
        (
            "created by an unregistered administrator",
            |t, x| x.creator = &t.deputy,
            InvalidOtherReason,
            "Unregistered",
        ),
        (
            "created by another hospital's administrator",
            |t, x| {
                x.creator = t.admin("HospitalB");
                x.endorsers = vec![t.network.identity("HospitalB", "peer0")];
            },
            IllegalWriteset,
            "HospitalB may not change identities of HospitalA",
        ),
        (
            "of a key that is registered",
            |t, x| x.args = register(&claim(Register, t.user(), &[])),
            InvalidWriteset,
            "registered already",
        ),
        (
            "without a proof",
            |t, x| {
                x.args = register(&protocol::IdentityClaim {
                    proof: Bytes::new(),
                    ..claim(Register, &t.doctor, &[1, 2])
                })
            },
            InvalidWriteset,
            "proof of possession",
        ),
        (
            "with a proof by another key",
            |t, x| {
                x.args = register(&proven(
                    Register,
                    claim(Register, &t.doctor, &[1, 2]),
                    &t.deputy,
                    ("reports", 0),
                ))
            },
            InvalidWriteset,
            "proof of possession",
        ),
        (
            "with a proof for a renewal",
            |t, x| x.args = register(&claim(Renew, &t.doctor, &[1, 2])),
            InvalidWriteset,
            "proof of possession",
        ),
        (
            "with a proof for another channel",
            |t, x| {
                x.args =
                    register(&proven(Register, claim(Register, &t.doctor, &[1, 2]), &t.doctor, ("other", 0)))
            },
            InvalidWriteset,
            "proof of possession",
        ),
        (
            "with a proof for other TLS keys",
            |t, x| {
                x.args = register(&protocol::IdentityClaim {
                    tls_spki: vec![Digest([1; 32])],
                    ..claim(Register, &t.doctor, &[1, 2])
                })
            },
            InvalidWriteset,
            "proof of possession",
        ),
        (
            "with a proof for another certificate",
            |t, x| {
                x.args = register(&protocol::IdentityClaim {
                    proof: claim(Register, &t.renewed, &[]).proof,
                    ..claim(Register, &t.raised, &[])
                })
            },
            InvalidWriteset,
            "proof of possession",
        ),
        (
            "of another authority's certificate",
            |t, x| {
                let stranger = Person::new("HospitalA").issued_by(&t.network, "HospitalB", "client", NOW_MS);
                x.args = register(&claim(Register, &stranger, &[]));
            },
            InvalidWriteset,
            "the certificate is refused",
        ),
        (
            "of a certificate that has ended",
            |t, x| {
                let past = NOW_MS - 11 * 365 * 24 * 3_600 * 1_000;
                let gone = Person::new("HospitalA").issued_by(&t.network, "HospitalA", "client", past);
                x.args = register(&claim(Register, &gone, &[]));
            },
            InvalidWriteset,
            "expired",
        ),
        (
            "with TLS keys out of order",
            |t, x| x.args = register(&claim(Register, &t.doctor, &[2, 1])),
            InvalidWriteset,
            "TLS keys",
        ),
        (
            "with a TLS key twice",
            |t, x| x.args = register(&claim(Register, &t.doctor, &[1, 1])),
            InvalidWriteset,
            "TLS keys",
        ),
        (
            "with too many TLS keys",
            |t, x| x.args = register(&claim(Register, &t.doctor, &(0..17).collect::<Vec<u8>>())),
            InvalidWriteset,
            "TLS keys",
        ),
        (
            "with bytes that are no claim",
            |_, x| x.args[1] = Bytes::from_static(b"claim"),
            InvalidWriteset,
            "not a valid IdentityClaim",
        ),
        ("with an argument too many", |_, x| x.args.push(Bytes::new()), InvalidWriteset, "with 2 arguments"),
        (
            "whose endorsers wrote another role",
            |t, x| x.set.namespaces = vec![writing(&record(&t.doctor, Role::Admin, &[1, 2]))],
            InvalidWriteset,
            "its endorsers signed other writes",
        ),
        (
            "whose endorsers left a TLS key out",
            |t, x| x.set.namespaces = vec![writing(&record(&t.doctor, Role::Client, &[1]))],
            InvalidWriteset,
            "its endorsers signed other writes",
        ),
        (
            "whose endorsers wrote another identity, too",
            |t, x| {
                let other = writing(&record(&t.deputy, Role::Admin, &[]));
                x.set.namespaces[0].writes.extend(other.writes);
                x.set.namespaces[0].writes.sort_by(|a, b| a.key.cmp(&b.key));
            },
            InvalidWriteset,
            "its endorsers signed other writes",
        ),
        (
            "whose endorsers wrote nothing",
            |_, x| x.set.namespaces.clear(),
            InvalidWriteset,
            "its endorsers signed other writes",
        ),
        (
            "whose endorsers deleted the record",
            |_, x| x.set.namespaces[0].writes[0].value = None,
            InvalidWriteset,
            "its endorsers signed other writes",
        ),
        (
            "that writes elsewhere, too",
            |_, x| x.set.namespaces.push(NamespaceSet { writes: vec![write("key")], ..namespace("basic") }),
            IllegalWriteset,
            "wrote to namespace basic",
        ),
        ("by another version of the rules", |_, x| x.version = "0.9".into(), ExpiredChaincode, "version 0.9"),
        ("by another chaincode", |_, x| x.named("basic"), IllegalWriteset, "wrote to namespace _identity"),
        (
            "under the name of a reading function",
            |_, x| x.args[0] = Bytes::from_static(b"ReadIdentity"),
            InvalidWriteset,
            "only reads",
        ),
        (
            "that is a reading function, and writes nothing",
            |_, x| {
                x.args[0] = Bytes::from_static(b"ReadIdentity");
                x.set.namespaces.clear();
            },
            Valid,
            "",
        ),
    ];
    let (town, chain) = Town::new();
    for (name, change, code, reason) in rows {
        let tx = registration(&town, &chain, name, change);
        let block = chain.validate(&town.network, vec![tx.envelope()]).expect("readable");
        let summary = &block.transactions()[0];
        assert_eq!(summary.code, code, "{name}: {:?}", summary.reason);
        let found = summary.reason.as_deref().unwrap_or_default();
        assert!(found.contains(reason), "{name}: {reason:?} in {found:?}");
        assert!(code == Valid || block.writes().is_empty(), "{name}: no trace");
    }
}

#[test]
fn renewals_and_revocations_are_judged_by_the_record() {
    let (town, chain) = Town::new();
    let (admin, user) = (town.admin("HospitalA"), town.user());
    let own = |args| honest(&town.network, &chain, "own", admin, args);
    // What a lying endorser would write, where the rules give nothing.
    let forced =
        |args, record: IdentityRecord| call(&town.network, "forced", admin, args, vec![writing(&record)]);
    let revoked = |identity: &SigningIdentity| {
        let record = recorded(&chain, identity).unwrap_or_else(|| record(identity, Role::Client, &[]));
        IdentityRecord { status: IdentityStatus::Revoked, ..record }
    };
    let other_admin = town.admin("HospitalB");
    let rows: Vec<(&str, Tx<'_>, TxValidationCode, &str)> = vec![
        ("another certificate of the key", own(renew(&claim(Renew, &town.renewed, &[7]))), Valid, ""),
        ("other TLS keys of the same certificate", own(renew(&claim(Renew, user, &[7]))), Valid, ""),
        (
            "an administrator's certificate of a user's key",
            forced(renew(&claim(Renew, &town.raised, &[])), record(&town.raised, Role::Admin, &[])),
            InvalidWriteset,
            "the ledger holds member, client",
        ),
        (
            "a renewal of an unregistered key",
            forced(renew(&claim(Renew, &town.doctor, &[])), record(&town.doctor, Role::Client, &[])),
            InvalidWriteset,
            "is not registered",
        ),
        (
            "a renewal that was signed for an earlier state of the record",
            forced(renew(&claim_after(Renew, user, &[7], 0)), record(user, Role::Client, &[7])),
            InvalidWriteset,
            "for the record as it stands now",
        ),
        ("a revocation of an unregistered key by its certificate", own(bar(&town.doctor)), Valid, ""),
        (
            "a revocation by the certificate of another key",
            forced(
                [revoke("HospitalA", &user.poi()), vec![certificate_of(&town.doctor)]].concat(),
                revoked(user),
            ),
            InvalidWriteset,
            "the certificate is of PoI",
        ),
        (
            "a revocation by a certificate of another hospital",
            forced(
                [revoke("HospitalA", &other_admin.poi()), vec![certificate_of(other_admin)]].concat(),
                record(other_admin, Role::Admin, &[]),
            ),
            InvalidWriteset,
            "the certificate is refused",
        ),
        (
            "a renewal by the key itself",
            call(
                &town.network,
                "self",
                user,
                renew(&claim(Renew, user, &[])),
                vec![writing(&record(user, Role::Client, &[]))],
            ),
            IllegalWriteset,
            "needs an administrator",
        ),
        ("a revocation of a user", own(revoke("HospitalA", &user.poi())), Valid, ""),
        (
            "a revocation of the peer that endorses it, the last one",
            own(revoke("HospitalA", &town.network.identity("HospitalA", "peer0").poi())),
            EndorsementPolicyFailure,
            "it would be revoked",
        ),
        (
            "a revocation of the administrator by itself",
            forced(revoke("HospitalA", &admin.poi()), revoked(admin)),
            IllegalWriteset,
            "last active administrator",
        ),
        (
            "a revocation of an unregistered key",
            forced(revoke("HospitalA", &town.doctor.poi()), revoked(&town.doctor)),
            InvalidWriteset,
            "is not registered",
        ),
        (
            "a revocation by another hospital",
            call(
                &town.network,
                "B",
                other_admin,
                revoke("HospitalA", &user.poi()),
                vec![writing(&revoked(user))],
            ),
            IllegalWriteset,
            "HospitalB may not change identities of HospitalA",
        ),
        (
            "a revocation under another hospital's name",
            call(
                &town.network,
                "B",
                other_admin,
                revoke("HospitalB", &user.poi()),
                vec![writing(&revoked(user))],
            ),
            InvalidWriteset,
            "is not registered",
        ),
        (
            "a revocation whose endorsers wrote nothing",
            call(&town.network, "n", admin, revoke("HospitalA", &user.poi()), vec![]),
            InvalidWriteset,
            "its endorsers signed other writes",
        ),
        (
            "a revocation of no PoI",
            call(
                &town.network,
                "p",
                admin,
                vec![
                    Bytes::from_static(b"RevokeIdentity"),
                    Bytes::from_static(b"HospitalA"),
                    Bytes::from_static(b"AB"),
                ],
                vec![],
            ),
            InvalidWriteset,
            "64 lower-case hex digits",
        ),
    ];
    for (name, tx, code, reason) in rows {
        let block = chain.validate(&town.network, vec![tx.envelope()]).expect("readable");
        let summary = &block.transactions()[0];
        assert_eq!(summary.code, code, "{name}: {:?}", summary.reason);
        let found = summary.reason.as_deref().unwrap_or_default();
        assert!(found.contains(reason), "{name}: {reason:?} in {found:?}");
    }
}

#[test]
fn a_change_holds_from_the_next_transaction_of_its_block() {
    let (town, mut chain) = Town::new();
    let admin = town.admin("HospitalA");
    let deputy =
        honest(&town.network, &chain, "deputy", admin, register(&claim(Register, &town.deputy, &[])));
    let relief = Person::new("HospitalA").identity(&town.network, "peer");
    let second = honest(&town.network, &chain, "relief", admin, register(&claim(Register, &relief, &[])));
    let block = chain.validate(&town.network, vec![deputy.envelope(), second.envelope()]).expect("readable");
    assert_eq!(block.codes(), [Valid, Valid]);
    chain.commit(&block);
    let network = &town.network;
    let act = |nonce: &str, who| Tx { creator: who, ..Tx::new(network, nonce, vec![]) }.envelope();
    let by = |who, args: Vec<Bytes>| honest(network, &chain, "change", who, args).envelope();
    let registering = |who| by(who, register(&claim(Register, &town.doctor, &[])));
    let revoking = |who, whom: &SigningIdentity| by(who, revoke("HospitalA", &whom.poi()));
    let peer = network.identity("HospitalA", "peer0");
    let unread = {
        let mut tx =
            honest(network, &chain, "unread", &town.deputy, register(&claim(Register, &town.doctor, &[])));
        tx.set.namespaces[0].reads.clear();
        tx.envelope()
    };
    let endorsed_by_b = {
        let mut tx = honest(network, &chain, "b", admin, revoke("HospitalA", &town.nurse.poi()));
        tx.endorsers = vec![peer];
        tx.envelope()
    };
    let relieved = {
        let mut tx = honest(network, &chain, "relieved", admin, revoke("HospitalA", &peer.poi()));
        tx.endorsers = vec![&relief];
        tx.envelope()
    };
    let rows: Vec<(&str, Vec<Bytes>, Vec<TxValidationCode>)> = vec![
        (
            "an act after the registration",
            vec![registering(admin), act("a", &town.doctor)],
            vec![Valid, Valid],
        ),
        (
            "an act before the registration",
            vec![act("a", &town.doctor), registering(admin)],
            vec![InvalidOtherReason, Valid],
        ),
        (
            "an act after the revocation",
            vec![revoking(admin, &town.nurse), act("a", &town.nurse)],
            vec![Valid, InvalidOtherReason],
        ),
        (
            "an act before the revocation",
            vec![act("a", &town.nurse), revoking(admin, &town.nurse)],
            vec![Valid, Valid],
        ),
        (
            "an endorsement by a peer that was revoked",
            vec![relieved.clone(), act("a", town.user())],
            vec![Valid, EndorsementPolicyFailure],
        ),
        (
            "a change endorsed by a peer that was revoked",
            vec![relieved, endorsed_by_b],
            vec![Valid, EndorsementPolicyFailure],
        ),
        (
            "a revocation that the peer itself endorses",
            vec![revoking(admin, peer), act("a", town.user())],
            vec![EndorsementPolicyFailure, Valid],
        ),
        (
            "a change by an administrator that was revoked",
            vec![revoking(admin, &town.deputy), registering(&town.deputy)],
            vec![Valid, InvalidOtherReason],
        ),
        (
            "two administrators revoke each other",
            vec![revoking(admin, &town.deputy), revoking(&town.deputy, admin)],
            vec![Valid, InvalidOtherReason],
        ),
        (
            "two registrations of one key",
            vec![registering(admin), registering(&town.deputy)],
            vec![Valid, MvccReadConflict],
        ),
        (
            "two registrations whose endorser hid its reads",
            vec![registering(admin), unread],
            vec![Valid, InvalidWriteset],
        ),
    ];
    for (name, envelopes, codes) in rows {
        let block = chain.validate(network, envelopes).expect("readable");
        let reasons: Vec<_> = block.transactions().iter().map(|summary| &summary.reason).collect();
        assert_eq!(block.codes(), codes, "{name}: {reasons:?}");
    }
}

#[test]
fn a_record_keeps_the_blocks_of_its_changes_and_a_revocation_is_for_good() {
    let (town, mut chain) = Town::new();
    let admin = town.admin("HospitalA");
    let again = claim(Register, &town.doctor, &[5]);
    let steps: Vec<(Vec<Bytes>, TxValidationCode, &[u64], &[u8], IdentityStatus)> = vec![
        (register(&claim(Register, &town.doctor, &[1])), Valid, &[2], &[1], IdentityStatus::Active),
        (renew(&claim(Renew, &town.doctor, &[1, 2])), Valid, &[2, 3], &[1, 2], IdentityStatus::Active),
        // The proof of the first renewal, shown again.
        (
            renew(&claim(Renew, &town.doctor, &[1, 2])),
            InvalidWriteset,
            &[2, 3],
            &[1, 2],
            IdentityStatus::Active,
        ),
        (revoke("HospitalA", &town.doctor.poi()), Valid, &[2, 3, 5], &[1, 2], IdentityStatus::Revoked),
        (register(&again), InvalidWriteset, &[2, 3, 5], &[1, 2], IdentityStatus::Revoked),
        (
            renew(&claim(Renew, &town.doctor, &[])),
            InvalidWriteset,
            &[2, 3, 5],
            &[1, 2],
            IdentityStatus::Revoked,
        ),
        (
            revoke("HospitalA", &town.doctor.poi()),
            InvalidWriteset,
            &[2, 3, 5],
            &[1, 2],
            IdentityStatus::Revoked,
        ),
    ];
    for (number, (args, code, changed_at, tls_spki, status)) in (2_u64..).zip(steps) {
        let nonce = number.to_string();
        let mut tx = honest(&town.network, &chain, &nonce, admin, args);
        if code != Valid {
            tx.set.namespaces = vec![writing(&record(&town.doctor, Role::Client, &[5]))];
        }
        let block = chain.validate(&town.network, vec![tx.envelope()]).expect("readable");
        assert_eq!(block.codes(), [code], "block {number}: {:?}", block.transactions()[0].reason);
        let history: Vec<_> = block.history().iter().map(|write| (&write.key, &write.value)).collect();
        let writes: Vec<_> = block.writes().iter().map(|write| (&write.key, &write.value)).collect();
        assert_eq!(history, writes, "what is kept of a key is what the state got");
        chain.commit(&block);
        let found = recorded(&chain, &town.doctor).expect("a record");
        let blocks: Vec<u64> = found.changed_at.iter().map(|number| number.0).collect();
        let keys: Vec<Digest> = tls_spki.iter().map(|byte| Digest([*byte; 32])).collect();
        assert_eq!((&blocks[..], found.tls_spki, found.status), (changed_at, keys, status), "block {number}");
    }
}

#[test]
fn a_record_takes_no_more_changes_than_its_reader_can_read() {
    let (town, mut chain) = Town::new();
    let key =
        (IdentityRecord::NAMESPACE.to_owned(), IdentityRecord::key(town.user().msp_id(), &town.user().poi()));
    let full = {
        let mut record = recorded(&chain, town.user()).expect("registered");
        record.changed_at = (0..1_024).map(protocol::BlockNumber).collect();
        record
    };
    let version = chain.state.keys[&key].1;
    chain.state.keys.insert(key, (codec::encode(&full).into(), version));
    let args = renew(&claim(Renew, &town.renewed, &[]));
    let tx = call(&town.network, "full", town.admin("HospitalA"), args, vec![writing(&full)]);
    let block = chain.validate(&town.network, vec![tx.envelope()]).expect("readable");
    let reason = block.transactions()[0].reason.clone().unwrap_or_default();
    assert!(block.codes() == [InvalidWriteset] && reason.contains("changed 1024 times"), "{reason}");
    // A key that cannot be renewed can still be revoked.
    let args = revoke("HospitalA", &town.user().poi());
    let tx = honest(&town.network, &chain, "end", town.admin("HospitalA"), args);
    assert_eq!(chain.codes(&town.network, vec![tx.envelope()]), [Valid]);
}

/// A channel of release 1.0 gains the capability: blocks before are judged by the one version of the rules, blocks behind by
/// the other, and a transaction that was endorsed under the one is no transaction of the other.
#[test]
fn the_rules_change_behind_the_block_that_names_the_capability() {
    let mut network = Network::new();
    network.config.capabilities = vec![Capability("V1_0".to_owned())];
    let (admin, user) = (network.identity("HospitalA", "admin"), network.identity("HospitalA", "user"));
    let renewing = |chain: &Chain, nonce: &str, rules: IdentityRules| {
        let record = chain.state.identity(user.msp_id(), &user.poi()).expect("readable").expect("registered");
        let mut claim = claim(Renew, user, &[1]);
        let scope = rules.renewal(record.changed_at.len() as u64);
        claim.proof = user.sign(&claim.proven_bytes(scope, &network.config.channel, &user.poi())).into();
        let mut tx = honest(&network, chain, nonce, admin, renew(&claim));
        tx.version = rules.version().to_owned();
        tx.envelope()
    };
    let both = |chain: &Chain, nonce: &str| {
        let envelopes = vec![
            renewing(chain, &format!("{nonce}, 1.1"), IdentityRules::V1_1),
            renewing(chain, &format!("{nonce}, 1.0"), IdentityRules::V1_0),
        ];
        chain.validate(&network, envelopes).expect("readable")
    };
    let mut chain = Chain::new(&network);
    let before = both(&chain, "before");
    assert_eq!(before.codes(), [ExpiredChaincode, Valid]);
    chain.commit(&before);

    let mut after = chain.bundle.config().clone();
    after.capabilities.push(Capability("V1_1".to_owned()));
    let update = configtx::compute_update(chain.bundle.config(), &after).expect("something changes");
    let orderers = network.orgs["Orderers"].issue("admin", "admin");
    let hospitals = ["HospitalA", "HospitalB"].map(|org| network.identity(org, "admin"));
    let envelope = chain.config_envelope(&update, &[hospitals[0], hospitals[1], &orderers]);
    let switch = chain.validate(&network, vec![envelope]).expect("readable");
    assert_eq!(switch.codes(), [Valid]);
    chain.commit(&switch);

    let behind = both(&chain, "behind");
    assert_eq!(behind.codes(), [Valid, ExpiredChaincode]);
}
