//! One row a rule: the call, the answer, the write. What validation makes of it is tested there.

#[path = "../../../network/configtx/tests/fixture/mod.rs"]
mod fixture;

use std::collections::BTreeMap;
use std::sync::Arc;

use fixture::{NOW_MS, Network, certificate_of, msp_id};
use msp::SigningIdentity;
use protocol::{
    BlockNumber, ChaincodeName, Digest, IdentityAction, IdentityClaim, IdentityStatus, ProofScope, Role,
    TxId, TxNumber, Version, codec,
};
use shim::{Creator, Invocation, NoDeadline, Simulation, SimulationLimits, StateFault, StateReader};
use validation::{REGISTER_IDENTITY, RENEW_IDENTITY, REVOKE_IDENTITY};

use super::*;

const VERSION: Version = Version { block_number: BlockNumber(1), tx_number: TxNumber(0) };

struct Memory(BTreeMap<String, Bytes>);

impl StateReader for Memory {
    fn value(&self, _: &str, key: &str) -> Result<Option<(Bytes, Version)>, StateFault> {
        Ok(self.0.get(key).map(|value| (value.clone(), VERSION)))
    }

    fn values(
        &self,
        _: &str,
        start: &str,
        end: &str,
        limit: usize,
    ) -> Result<Vec<(String, Bytes, Version)>, StateFault> {
        let inside = self.0.range(start.to_owned()..).filter(|(key, _)| end.is_empty() || key.as_str() < end);
        Ok(inside.take(limit).map(|(key, value)| (key.clone(), value.clone(), VERSION)).collect())
    }
}

/// The fixture's consortium after block 0, with a revoked nurse of HospitalA.
struct World {
    network: Network,
    doctor: SigningIdentity,
    nurse: SigningIdentity,
    state: BTreeMap<String, Bytes>,
    rules: IdentityRules,
}

impl World {
    fn new() -> Self {
        let network = Network::new();
        let (doctor, nurse) = {
            let org = &network.orgs["HospitalA"];
            (org.issue("doctor", "client"), org.issue("nurse", "client"))
        };
        let record = |identity: &protocol::RegisteredIdentity, status| IdentityRecord {
            version: IdentityRecord::VERSION,
            msp_id: identity.msp_id.clone(),
            poi: identity.poi,
            roles: identity.roles.clone(),
            certificate: identity.certificate.clone(),
            tls_spki: identity.tls_spki.clone(),
            status,
            changed_at: vec![BlockNumber(0)],
        };
        let first = network.config.first_identities.iter();
        let mut records: Vec<_> = first.map(|identity| record(identity, IdentityStatus::Active)).collect();
        records.push(record(&fixture::registered(&nurse, Role::Client), IdentityStatus::Revoked));
        let state = records.iter().map(identity_entry).collect();
        Self { network, doctor, nurse, state, rules: IdentityRules::V1_1 }
    }

    fn run(
        &self,
        creator: &SigningIdentity,
        args: &[&[u8]],
    ) -> (Result<String, ChaincodeError>, Vec<IdentityRecord>) {
        let organization = self.network.orgs[creator.msp_id().as_str()].msp_config();
        let verified = Msp::new(&organization).unwrap().identify(&certificate_of(creator), NOW_MS).unwrap();
        let invocation = Invocation {
            channel: self.network.config.channel.clone(),
            chaincode: ChaincodeName::new(NAME).unwrap(),
            version: self.rules.version().to_owned(),
            tx_id: TxId::of(b"n", b"c"),
            args: args.iter().map(|arg| Bytes::copy_from_slice(arg)).collect(),
            transient: BTreeMap::new(),
            creator: Creator {
                msp_id: creator.msp_id().clone(),
                poi: creator.poi(),
                roles: verified.roles().to_vec(),
                attributes: BTreeMap::new(),
            },
            timestamp_ms: NOW_MS,
            reports: None,
            organization: Some(organization),
            examination: None,
        };
        let state = Arc::new(Memory(self.state.clone()));
        let mut stub = Simulation::new(invocation, state, Arc::new(NoDeadline), SimulationLimits::default());
        let answer = Identities.invoke(&mut stub);
        let writes = stub.finish().rwset.namespaces.into_iter().flat_map(|namespace| namespace.writes);
        let written = writes.map(|write| codec::decode(&write.value.unwrap(), 1 << 16).unwrap()).collect();
        (answer.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap()), written)
    }

    fn claim(&self, action: IdentityAction, identity: &SigningIdentity) -> Vec<u8> {
        let mut claim = IdentityClaim {
            version: IdentityClaim::VERSION,
            msp_id: identity.msp_id().clone(),
            certificate: certificate_of(identity),
            tls_spki: vec![Digest([3; 32])],
            proof: Bytes::new(),
        };
        let scope = match action {
            IdentityAction::Register => ProofScope::Registration,
            IdentityAction::Renew => self.rules.renewal(1),
        };
        let message = claim.proven_bytes(scope, &self.network.config.channel, &identity.poi());
        claim.proof = identity.sign(&message).into();
        claim.to_bytes()
    }
}

/// One row a rule in which the versions differ: what each of them answers.
#[test]
fn a_channel_without_the_capability_keeps_the_rules_of_version_1_0() {
    let mut world = World::new();
    let certificate = certificate_of(&world.doctor);
    for rules in [IdentityRules::V1_0, IdentityRules::V1_1] {
        world.rules = rules;
        let (admin, user) =
            (world.network.identity("HospitalA", "admin"), world.network.identity("HospitalA", "user"));
        let own = world.claim(IdentityAction::Renew, user);
        let other = IdentityRules::V1_1.renewal(1);
        let other = if rules == IdentityRules::V1_0 { other } else { IdentityRules::V1_0.renewal(1) };
        let mut foreign = IdentityClaim::from_bytes(&own).unwrap();
        let message = foreign.proven_bytes(other, &world.network.config.channel, &user.poi());
        foreign.proof = user.sign(&message).into();
        let foreign = foreign.to_bytes();
        let doctor = world.doctor.poi().to_string();
        let bar: [&[u8]; 4] = [REVOKE_IDENTITY.as_bytes(), b"HospitalA", doctor.as_bytes(), &certificate];
        let rows: [(&str, Vec<&[u8]>, Option<&str>); 3] = [
            ("a renewal proven as its version says", vec![RENEW_IDENTITY.as_bytes(), &own], None),
            (
                "a renewal proven as the other version says",
                vec![RENEW_IDENTITY.as_bytes(), &foreign],
                Some("proof of possession"),
            ),
            (
                "a revocation by certificate",
                bar.to_vec(),
                (rules == IdentityRules::V1_0).then_some("needs capability V1_1"),
            ),
        ];
        for (name, args, refusal) in rows {
            let (answer, _) = world.run(admin, &args);
            match refusal {
                None => assert!(answer.is_ok(), "{rules:?}: {name}: {answer:?}"),
                Some(words) => {
                    let error = answer.expect_err(name);
                    assert!(error.message.contains(words), "{rules:?}: {name}: {}", error.message);
                }
            }
        }
    }
}

#[test]
fn changes_are_endorsed_or_refused_with_their_status() {
    let world = World::new();
    let of = |org: &str, name: &str| world.network.identity(org, name);
    let (admin, user) = (of("HospitalA", "admin"), of("HospitalA", "user"));
    let registering = world.claim(IdentityAction::Register, &world.doctor);
    let (known, renewing) =
        (world.claim(IdentityAction::Register, user), world.claim(IdentityAction::Renew, user));
    let dead = world.claim(IdentityAction::Register, &world.nurse);
    let poi = |identity: &SigningIdentity| identity.poi().to_string();
    let (user_poi, doctor_poi, admin_poi) = (poi(user), poi(&world.doctor), poi(admin));
    let doctor_certificate = certificate_of(&world.doctor);
    let strangers = world.claim(IdentityAction::Renew, &world.doctor);
    let (register, renew, revoke) =
        (REGISTER_IDENTITY.as_bytes(), RENEW_IDENTITY.as_bytes(), REVOKE_IDENTITY.as_bytes());
    let (a, b): (&[u8], &[u8]) = (b"HospitalA", b"HospitalB");
    let rows: Vec<(&str, &SigningIdentity, Vec<&[u8]>, Result<IdentityStatus, (i32, &str)>)> = vec![
        ("a registration", admin, vec![register, &registering], Ok(IdentityStatus::Active)),
        (
            "a registration by a user",
            user,
            vec![register, &registering],
            Err((403, "administrator of HospitalA")),
        ),
        (
            "a registration for another hospital",
            of("HospitalB", "admin"),
            vec![register, &registering],
            Err((403, "HospitalB may not")),
        ),
        ("a known key", admin, vec![register, &known], Err((409, "renew it"))),
        ("a revoked key", admin, vec![register, &dead], Err((409, "make a new key"))),
        ("rubbish", admin, vec![register, b"rubbish"], Err((400, "IdentityClaim"))),
        ("no claim", admin, vec![register], Err((400, "with 0 arguments"))),
        ("a renewal", admin, vec![renew, &renewing], Ok(IdentityStatus::Active)),
        ("a renewal of a stranger", admin, vec![renew, &strangers], Err((404, "not registered"))),
        ("a revocation", admin, vec![revoke, a, user_poi.as_bytes()], Ok(IdentityStatus::Revoked)),
        (
            "a revocation of a stranger",
            admin,
            vec![revoke, a, doctor_poi.as_bytes()],
            Err((404, "not registered")),
        ),
        (
            "a revocation of a stranger by certificate",
            admin,
            vec![revoke, a, doctor_poi.as_bytes(), &doctor_certificate],
            Ok(IdentityStatus::Revoked),
        ),
        (
            "a revocation of a stranger by another's certificate",
            admin,
            vec![revoke, a, user_poi.as_bytes(), &doctor_certificate],
            Err((400, "the certificate is of PoI")),
        ),
        (
            "a revocation of oneself",
            admin,
            vec![revoke, a, admin_poi.as_bytes()],
            Err((409, "last active administrator")),
        ),
        (
            "another hospital's identity",
            admin,
            vec![revoke, b, user_poi.as_bytes()],
            Err((403, "an administrator of HospitalB does")),
        ),
        (
            "an unregistered administrator",
            of("HospitalA", "stranger"),
            vec![revoke, a, user_poi.as_bytes()],
            Err((403, "administrator")),
        ),
    ];
    for (name, creator, args, expected) in rows {
        let (answer, written) = world.run(creator, &args);
        match expected {
            Ok(status) => {
                let shown: ShownIdentity = serde_json::from_str(&answer.expect(name)).unwrap();
                let [record] = &written[..] else { panic!("{name}: {written:?}") };
                assert_eq!((record.status, shown.status), (status, status), "{name}");
                assert_eq!(shown, ShownIdentity::of(record.clone()), "{name}");
            }
            Err((status, text)) => {
                let error = answer.expect_err(name);
                assert!(error.status == status && error.message.contains(text), "{name}: {error}");
                assert!(written.is_empty(), "{name} wrote");
            }
        }
    }
}

#[test]
fn records_are_read_and_listed_by_organisation() {
    let mut world = World::new();
    let user = world.network.identity("HospitalB", "user").poi().to_string();
    let (answer, written) = world.run(
        world.network.identity("HospitalA", "user"),
        &[READ_IDENTITY.as_bytes(), b"HospitalB", user.as_bytes()],
    );
    let shown: ShownIdentity = serde_json::from_str(&answer.unwrap()).unwrap();
    assert_eq!((shown.poi, shown.roles, written.len()), (user.clone(), vec![Role::Member, Role::Client], 0));
    let rows: Vec<(Vec<&[u8]>, i32)> = vec![
        (vec![READ_IDENTITY.as_bytes(), b"HospitalA", user.as_bytes()], 404),
        (vec![READ_IDENTITY.as_bytes(), b"HospitalA", b"AB"], 400),
        (vec![READ_IDENTITY.as_bytes(), b"a/b", user.as_bytes()], 400),
        (vec![READ_IDENTITY.as_bytes()], 400),
        (vec![LIST_IDENTITIES.as_bytes(), &[0xff]], 400),
        (vec![b"Nothing"], 400),
        (vec![], 400),
    ];
    for (args, status) in rows {
        let (answer, _) = world.run(world.network.identity("HospitalA", "user"), &args);
        assert_eq!(answer.expect_err("refused").status, status, "{args:?}");
    }
    // An organisation whose name begins another's, and more records than a page holds.
    let template: IdentityRecord = codec::decode(world.state.values().next().unwrap(), 1 << 16).unwrap();
    for number in 0..=IDENTITIES_LISTED_MAX {
        let mut poi = [0; 32];
        poi[..8].copy_from_slice(&(number as u64).to_be_bytes());
        for name in ["Clinic", "Clinic.B"] {
            let record =
                IdentityRecord { msp_id: msp_id(name), poi: Poi::from_digest(poi), ..template.clone() };
            world.state.extend([identity_entry(&record)]);
        }
    }
    let list = |args: &[&[u8]]| -> IdentityPage {
        let args = [&[LIST_IDENTITIES.as_bytes()], args].concat();
        serde_json::from_str(&world.run(world.network.identity("HospitalA", "user"), &args).0.unwrap())
            .unwrap()
    };
    assert_eq!((list(&[b"HospitalA"]).identities.len(), list(&[b"HospitalA"]).next), (4, None));
    assert!(list(&[b"Nobody"]).identities.is_empty());
    let first = list(&[b"Clinic"]);
    assert!(first.identities.iter().all(|record| record.msp_id.as_str() == "Clinic"));
    let next = first.next.expect("there are more");
    let second = list(&[b"Clinic", next.as_bytes()]);
    assert_eq!(
        (first.identities.len(), second.identities.len(), second.next),
        (IDENTITIES_LISTED_MAX, 1, None)
    );
}
