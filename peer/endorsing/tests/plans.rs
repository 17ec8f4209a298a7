//! Whom a gateway asks.
#![allow(clippy::expect_used, reason = "tests")]

mod fixture;

use std::collections::BTreeMap;

use configtx::ConfigBundle;
use endorsing::{PlanRequest, is_upload, parse_proposal, plan, sign_proposal};
use fixture::{Network, bundle, draft, msp_id};
use proptest::prelude::*;
use protocol::{Endpoint, MspId};

/// Sets as text: `A B|A C` prefers A and B, then A and C.
fn found(bundle: &ConfigBundle, chaincode: &str, requested: &str, is_upload: bool) -> String {
    let name =
        |letter: &str| if letter.len() == 1 { msp_id(&format!("Hospital{letter}")) } else { msp_id(letter) };
    let requested: Vec<MspId> = requested.split_whitespace().map(name).collect();
    let own = msp_id("HospitalB");
    let request = PlanRequest { chaincode, own: &own, requested: &requested, is_upload };
    match plan(bundle, &request) {
        Err(refusal) => refusal.to_string(),
        Ok(plan) => {
            let short = |set: &[MspId]| {
                set.iter()
                    .map(|id| id.as_str().trim_start_matches("Hospital").to_owned())
                    .collect::<Vec<_>>()
                    .join(" ")
            };
            plan.sets().map(short).collect::<Vec<_>>().join("|")
        }
    }
}

#[test]
fn sets_come_from_policy_wish_and_checkers() {
    let network = Network::new();
    let mut config = network.config.clone();
    config.chaincodes[0].endorsement_policy = "AND('HospitalA.peer', 'HospitalA.peer')".into();
    let mut two_peers = config.clone();
    two_peers.organizations[0].peers.push(Endpoint { host: "peer1".into(), port: 7051 });
    let mut all = network.config.clone();
    all.chaincodes[2].endorsement_policy = "ALL Endorsement".into();
    let mut admin = network.config.clone();
    admin.chaincodes[0].endorsement_policy = "OR('HospitalA.admin')".into();
    let mut no_reports = network.config.clone();
    no_reports.reports = None;
    let compile = |config| ConfigBundle::new(config).expect("holds");
    let (plain, one_peer, two_peers) = (bundle(&network), compile(config), compile(two_peers));
    let (all, admin, no_reports) = (compile(all), compile(admin), compile(no_reports));
    let rows = [
        // configuration, chaincode, named, upload, sets (own organisation: HospitalB)
        (&plain, "basic", "", false, "B A|B C|A C"),
        (&plain, "either", "", false, "B|A"),
        (&plain, "basic", "C A", false, "C A"),
        (&plain, "basic", "C", false, "C"),
        (&plain, "_identity", "", false, "B"),
        (&plain, "_identity", "B", false, "B"),
        (&plain, "_identity", "B C", false, "changed by a peer of HospitalB alone; leave HospitalC out"),
        (&plain, "_identity", "Nobody", false, "Nobody has no peers"),
        (&plain, "nothing", "", false, "has no chaincode \"nothing\""),
        (&plain, "basic", "C Orderers", false, "Orderers has no peers"),
        (&plain, "basic", "C Nobody", false, "Nobody has no peers"),
        (&plain, "basic", "C C", false, "named twice"),
        (&two_peers, "basic", "", false, "A A"),
        (
            &one_peer,
            "basic",
            "",
            false,
            "no combination of peers can be derived which satisfy the endorsement policy",
        ),
        (&admin, "basic", "", false, "no combination of peers"),
        (&plain, "reports", "", true, "name 2 of HospitalA, HospitalB, HospitalC as endorsing organisations"),
        (&plain, "reports", "B", true, "needs 2 checkers"),
        (&plain, "reports", "A C", true, "own organisation HospitalB must be among"),
        (&plain, "reports", "A B", true, "B A"),
        (&plain, "reports", "C B A", true, "B A|B C"),
        (&all, "reports", "A B", true, "no combination of peers"),
        (&all, "reports", "C B A", true, "B A C"),
        (&no_reports, "reports", "A B", true, "no rules for reports"),
    ];
    for (number, (bundle, chaincode, requested, is_upload, verdict)) in rows.into_iter().enumerate() {
        let found = found(bundle, chaincode, requested, is_upload);
        let is_text = verdict.contains(|c: char| c.is_ascii_lowercase());
        let holds = if is_text { found.contains(verdict) } else { found == verdict };
        assert!(holds, "row {number}: {found}");
    }
}

#[test]
fn a_stranger_to_the_checkers_sees_no_upload() {
    let mut config = Network::new().config;
    let reports = config.reports.as_mut().expect("rules for reports");
    reports.checkers.organizations.retain(|checker| checker.as_str() != "HospitalC");
    let bundle = ConfigBundle::new(config).expect("holds");
    assert!(found(&bundle, "reports", "B C", true).contains("HospitalC may not check uploads"));
}

#[test]
fn a_proposal_with_a_data_key_is_an_upload() {
    let network = Network::new();
    let user = network.identity("HospitalA", "user");
    for (field, verdict) in [("data_key", true), ("other", false)] {
        let mut draft = draft(user, b"nonce");
        draft.transient = BTreeMap::from([(field.to_owned(), vec![1])]).into();
        let parsed = parse_proposal(&sign_proposal(draft, user).expect("signs")).expect("well formed");
        assert_eq!(is_upload(&parsed), verdict, "{field}");
    }
}

/// A signature policy over peers of the three hospitals.
fn policy_text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![Just("'HospitalA.peer'"), Just("'HospitalB.peer'"), Just("'HospitalC.member'")];
    leaf.prop_map(str::to_owned).prop_recursive(2, 8, 3, |inner| {
        (proptest::collection::vec(inner, 1..4), any::<prop::sample::Index>()).prop_map(|(rules, needed)| {
            let needed = needed.index(rules.len()) + 1;
            format!("OutOf({needed}, {})", rules.join(", "))
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn every_planned_set_satisfies_the_policy(text in policy_text()) {
        static NETWORK: std::sync::OnceLock<Network> = std::sync::OnceLock::new();
        let network = NETWORK.get_or_init(Network::new);
        let mut config = network.config.clone();
        config.chaincodes[0].endorsement_policy = text;
        // One peer a hospital: a policy that wants two of one cannot be planned, and says so.
        let bundle = ConfigBundle::new(config).expect("holds");
        let own = msp_id("HospitalC");
        let request = PlanRequest { chaincode: "basic", own: &own, requested: &[], is_upload: false };
        let Ok(plan) = plan(&bundle, &request) else { return Ok(()) };
        let policy = bundle.endorsement_policy("basic").expect("a policy");
        let names_own: Vec<bool> = plan.sets().map(|set| set.contains(&own)).collect();
        prop_assert!(names_own.is_sorted_by(|a, b| a >= b), "sets with the own organisation come first");
        for set in plan.sets() {
            let signatures: Vec<_> = set
                .iter()
                .map(|org| {
                    let peer = network.identity(org.as_str(), "peer0");
                    let identity = bundle.identify(&peer.serialized(), fixture::NOW_MS).expect("holds");
                    identity.verify(b"payload", &peer.sign(b"payload")).expect("its own signature")
                })
                .collect();
            prop_assert!(policy.evaluate(&signatures).satisfied, "{set:?}");
        }
    }
}
