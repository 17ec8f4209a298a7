//! The rules of a configuration, one row a rule.
#![allow(clippy::expect_used, reason = "tests")]

mod fixture;

use configtx::{ConfigBundle, in_canonical_order, paths};
use fixture::{HOSPITALS, Network, definition, msp_id, registered, ways};
use protocol::{Capability, ChannelConfig, Digest, Endpoint, Role};

type Change = fn(&mut ChannelConfig);

fn reports(config: &mut ChannelConfig) -> &mut protocol::ReportsConfig {
    config.reports.as_mut().expect("the fixture has rules for reports")
}

#[test]
fn every_broken_rule_is_named_with_its_place() {
    let rows: Vec<(Change, &str, &str)> = vec![
        // what is changed, path of the problem, words of the rule
        (|c| c.version = 2, "version", "knows version 1"),
        (|c| c.capabilities.clear(), "capabilities", "must name V1_0"),
        (|c| c.capabilities.push(Capability("V1_4".into())), "capabilities", "install release 1.4"),
        (|c| c.capabilities.push(Capability("V1_1".into())), "capabilities", "twice"),
        (|c| c.organizations.clear(), "organizations", "at least one organisation"),
        (|c| c.organizations.swap(0, 1), "organizations", "must be sorted"),
        (|c| c.organizations[1] = c.organizations[0].clone(), "organizations", "twice"),
        (|c| c.organizations[0].msp.version = 9, "organizations[HospitalA].msp.version", "knows version 1"),
        (|c| c.organizations[0].msp.root_certs.clear(), "organizations[HospitalA].msp", "cacerts"),
        (
            |c| c.organizations[1].msp.root_certs = c.organizations[0].msp.root_certs.clone(),
            "organizations",
            "share",
        ),
        (|c| c.organizations[0].peers[0].port = 0, "organizations[HospitalA].peers[0]", "HOST:PORT"),
        (
            |c| c.organizations[0].peers.push(Endpoint { host: "a".into(), port: 1 }),
            "organizations[HospitalA].peers",
            "must be sorted",
        ),
        (|c| c.orderer.consenters.clear(), "orderer.consenters", "1 to 64 consenters"),
        (
            |c| c.orderer.consenters[0].msp_id = msp_id("Nobody"),
            "orderer.consenters[0].msp_id",
            "no organisation",
        ),
        (
            |c| c.orderer.consenters[0].msp_id = msp_id("HospitalA"),
            "orderer.consenters[0].identity_cert",
            "no CA",
        ),
        (
            |c| c.orderer.consenters[1].identity_cert = c.orderer.consenters[0].identity_cert.clone(),
            "orderer.consenters[1].identity_cert",
            "same key",
        ),
        (
            |c| c.orderer.consenters[1].endpoint = c.orderer.consenters[0].endpoint.clone(),
            "orderer.consenters[1].endpoint",
            "another consenter listens there",
        ),
        (
            |c| c.orderer.consenters[1].tls_spki = c.orderer.consenters[0].tls_spki,
            "orderer.consenters[1].tls_spki",
            "same TLS key",
        ),
        (|c| c.orderer.difficulty_bits = 25, "orderer.difficulty_bits", "at most 24"),
        (|c| c.orderer.batch.max_message_count = 0, "orderer.batch.max_message_count", "between 1 and 20000"),
        (
            |c| c.orderer.batch.absolute_max_bytes = (95 << 20) + 1,
            "orderer.batch.absolute_max_bytes",
            "99614720",
        ),
        (|c| c.orderer.batch.preferred_max_bytes = 33 << 20, "orderer.batch.preferred_max_bytes", "33554432"),
        (|c| c.orderer.batch.timeout_ms = 0, "orderer.batch.timeout_ms", "between 1 and 60000"),
        (|c| c.orderer.batch.timeout_ms = 60_001, "orderer.batch.timeout_ms", "between 1 and 60000"),
        (|c| c.chaincodes.swap(0, 1), "chaincodes", "must be sorted"),
        (|c| c.chaincodes[0] = definition("_identity"), "chaincodes[_identity].name", "belong to the system"),
        (|c| c.chaincodes[0].version.clear(), "chaincodes[basic].version", "1 to 128 bytes"),
        (
            |c| c.chaincodes[0].endorsement_policy = "AND(".into(),
            "chaincodes[basic].endorsement_policy",
            "expected",
        ),
        (
            |c| c.chaincodes[0].endorsement_policy = "OR('Nobody.peer')".into(),
            "chaincodes[basic].endorsement_policy",
            "Nobody is no organisation",
        ),
        (
            |c| drop(c.policies.insert(paths::ADMINS.into(), "SOME Admins".into())),
            "policies[/Channel/Admins]",
            "expected",
        ),
        (
            |c| drop(c.policies.insert("/Other".into(), "ANY Readers".into())),
            "policies",
            "a policy stands at",
        ),
        (
            |c| drop(c.organizations[0].policies.insert("Readers".into(), "ANY Readers".into())),
            "organizations[HospitalA].policies[Readers]",
            "is a signature policy",
        ),
        (|c| reports(c).checkers.required = 1, "reports.checkers.required", "from 2 to 3"),
        (|c| reports(c).checkers.required = 4, "reports.checkers.required", "from 2 to 3"),
        (
            |c| reports(c).checkers.organizations[1] = msp_id("HospitalA"),
            "reports.checkers.organizations",
            "twice",
        ),
        (
            |c| reports(c).checkers.organizations[0] = msp_id("Orderers"),
            "reports.checkers.organizations",
            "KEM key",
        ),
        (
            |c| {
                let reports = c.chaincodes.last_mut().expect("reports");
                reports.endorsement_policy = "AND('HospitalA.peer','HospitalC.peer')".into();
                self::reports(c).checkers.organizations.pop();
            },
            "reports.checkers.organizations",
            "(AND('HospitalA.peer','HospitalC.peer')), the endorsement policy of chaincode reports, so no upload could \
             become valid; missing among them, or without peers: HospitalC",
        ),
        (
            |c| drop(c.policies.insert(paths::ENDORSEMENT.into(), "OR('HospitalA.admin')".into())),
            "reports.checkers.organizations",
            "it asks for others than peers",
        ),
        (|c| reports(c).custodians.push(msp_id("Nobody")), "reports.custodians", "no organisation"),
        (|c| reports(c).custodians.push(msp_id("HospitalA")), "reports.custodians", "must be sorted"),
        (|c| c.organizations[2].kem_public_key = None, "reports.holders", "no KEM key"),
        (
            |c| reports(c).admission[0].profile = "strict".into(),
            "reports.admission[CR].profile",
            "calibrated and paper",
        ),
        (|c| reports(c).admission[0].modality.clear(), "reports.admission[].modality", "1 to 128"),
        (
            |c| {
                let references = &mut reports(c).admission[0].references;
                references.push(references[0].clone());
            },
            "reports.admission[CR].references",
            "twice",
        ),
        (|c| c.first_identities.swap(0, 1), "first_identities", "must be sorted"),
        (|c| c.first_identities[0].roles.push(Role::Orderer), "first_identities", "does not give that role"),
        (|c| c.first_identities[0].tls_spki = vec![Digest::ZERO; 2], "first_identities", "twice"),
        (|c| c.sequence = 1, "first_identities", "only the genesis block"),
    ];
    let network = Network::new();
    for (number, (change, path, rule)) in rows.into_iter().enumerate() {
        let mut config = network.config.clone();
        change(&mut config);
        let error = ConfigBundle::proposed(config).expect_err("the rule is broken");
        let found = error.problems.iter().any(|p| p.path.starts_with(path) && p.rule.contains(rule));
        assert!(found, "row {number}: {path}: {rule}\n{error}");
    }
}

/// A rule that came later must not keep the nodes of a channel that breaks it from starting.
#[test]
fn a_configuration_in_force_is_gone_on_with_whatever_its_checkers_can_meet() {
    let mut config = Network::new().config;
    let rules = reports(&mut config);
    rules.checkers.organizations.truncate(2);
    rules.checkers.required = 2;
    config.chaincodes.iter_mut().for_each(|definition| {
        definition.endorsement_policy = "AND('HospitalA.peer','HospitalB.peer','HospitalC.peer')".into();
    });
    assert!(ConfigBundle::new(config.clone()).is_ok(), "in force");
    let error = ConfigBundle::proposed(config).expect_err("not made anew").to_string();
    assert!(error.contains("the checkers cannot satisfy"), "{error}");
}

#[test]
fn all_problems_are_reported_together() {
    let mut config = Network::new().config;
    config.orderer.difficulty_bits = 99;
    config.orderer.batch.timeout_ms = 0;
    config.chaincodes[0].endorsement_policy = "nonsense".into();
    config.organizations[0].msp.root_certs.clear();
    reports(&mut config).checkers.required = 9;
    let error = ConfigBundle::new(config).expect_err("five rules are broken");
    let text = error.to_string();
    for word in ["found 99", "timeout_ms", "found nonsense", "cacerts", "found 9:"] {
        assert!(text.contains(word), "{word} is missing in\n{text}");
    }
}

#[test]
fn a_first_identity_must_be_that_of_its_certificate() {
    let network = Network::new();
    let mut config = network.config.clone();
    let stranger = registered(network.identity("HospitalA", "stranger"), Role::Client);
    config.first_identities[0].certificate = stranger.certificate;
    let error = ConfigBundle::new(config).expect_err("another certificate");
    assert!(error.to_string().contains("not the PoI"), "{error}");
}

#[test]
fn a_consenter_needs_the_role_orderer() {
    let network = Network::new();
    let mut config = network.config.clone();
    config.orderer.consenters[2].msp_id = msp_id("HospitalA");
    config.orderer.consenters[2].identity_cert =
        fixture::certificate_of(network.identity("HospitalA", "peer0"));
    let error = ConfigBundle::new(config).expect_err("a peer is no orderer");
    assert!(error.to_string().contains("has not the role orderer"), "{error}");
}

#[test]
fn a_list_in_any_order_can_be_brought_into_the_canonical_one() {
    let network = Network::new();
    let mut config = network.config.clone();
    config.organizations.reverse();
    config.chaincodes.reverse();
    config.first_identities.reverse();
    assert!(ConfigBundle::new(config.clone()).is_err());
    let sorted = in_canonical_order(config);
    assert_eq!(sorted, network.config);
    assert!(ConfigBundle::new(sorted).is_ok());
}

#[test]
fn policies_stand_by_default_over_the_organisations_that_they_concern() {
    let bundle = ConfigBundle::new(Network::new().config).expect("the fixture holds");
    let peers = |a: &str, b: &str| vec![format!("{a}.peer"), format!("{b}.peer")];
    let [a, b, c] = HOSPITALS;
    let pairs = vec![peers(a, b), peers(a, c), peers(b, c)];
    let members =
        |names: &[&str]| names.iter().map(|name| vec![format!("{name}.member")]).collect::<Vec<_>>();
    let rows: Vec<(&str, Vec<Vec<String>>)> = vec![
        (paths::ENDORSEMENT, pairs.clone()),
        (paths::APPLICATION_WRITERS, members(&HOSPITALS)),
        (paths::APPLICATION_READERS, members(&HOSPITALS)),
        (paths::ORDERER_WRITERS, members(&["Orderers"])),
        (paths::BLOCK_VALIDATION, members(&["Orderers"])),
        (paths::READERS, members(&[a, b, c, "Orderers"])),
        (paths::WRITERS, members(&[a, b, c, "Orderers"])),
        (paths::ORDERER_ADMINS, vec![vec!["Orderers.admin".to_owned()]]),
    ];
    for (path, expected) in rows {
        assert_eq!(ways(bundle.policy(path).expect("a default")), expected, "{path}");
    }
    let admins = ways(bundle.policy(paths::ADMINS).expect("a default"));
    assert!(admins.iter().all(|set| set.len() == 3), "a majority of four is three: {admins:?}");
    assert_eq!(ways(bundle.endorsement_policy("basic").expect("the default")), pairs);
    let own = ways(bundle.endorsement_policy("either").expect("its own"));
    assert_eq!(own, vec![vec![format!("{a}.peer")], vec![format!("{b}.peer")]]);
    assert!(bundle.endorsement_policy("unknown").is_none());
    // Changes of identities are for the creator's own organisation, whatever the channel's default.
    let of =
        |chaincode: &str, creator: &str| bundle.endorsement_policy_for(chaincode, &msp_id(creator)).map(ways);
    assert_eq!(of("_identity", "HospitalB"), Some(vec![vec!["HospitalB.peer".to_owned()]]));
    // An organisation without peers has no endorser of its own: any peer answers.
    let any = HOSPITALS.map(|hospital| vec![format!("{hospital}.peer")]).to_vec();
    assert_eq!(of("_identity", "Orderers"), Some(any));
    assert_eq!((of("_identity", "Nobody"), of("unknown", "HospitalB")), (None, None));
    assert_eq!(of("basic", "HospitalB"), Some(pairs));
    let defined = |name: &str| bundle.definition(name).map(|definition| definition.name.to_string());
    assert_eq!(defined("_identity").as_deref(), Some("_identity"));
    assert_eq!((defined("basic").as_deref(), defined("_other")), (Some("basic"), None));
    assert!(bundle.policy("/Channel/Application/Unknown").is_none());
}

#[test]
fn a_channel_of_orderers_alone_has_no_application_policies() {
    let mut config = Network::new().config;
    config.organizations.retain(|organization| organization.msp.msp_id.as_str() == "Orderers");
    config.first_identities.clear();
    config.reports = None;
    config.chaincodes.clear();
    let bundle = ConfigBundle::new(config).expect("nothing depends on hospitals");
    assert!(bundle.policy(paths::ENDORSEMENT).is_none());
    assert!(bundle.policy(paths::ORDERER_WRITERS).is_some());
}

#[test]
fn a_consenter_is_found_by_its_tls_key() {
    let bundle = ConfigBundle::new(Network::new().config).expect("the fixture holds");
    assert_eq!(bundle.consenter_of_tls_spki(&Digest([101; 32])), Some(1));
    assert_eq!(bundle.consenter_of_tls_spki(&Digest([1; 32])), None);
    assert_eq!(bundle.endorsing_organizations().count(), 3);
}

#[test]
fn a_remembered_identity_still_expires_and_a_refused_one_stays_refused() {
    let network = Network::new();
    let bundle = ConfigBundle::new(network.config.clone()).expect("the fixture holds");
    let user = network.identity("HospitalA", "user").serialized();
    let foreign = Network::new().identity("HospitalA", "user").serialized();
    let rows = [
        ("first", &user, fixture::NOW_MS, true),
        ("remembered", &user, fixture::NOW_MS, true),
        ("remembered, after its end", &user, fixture::EXPIRED_MS, false),
        ("remembered, before its begin", &user, fixture::NOW_MS - 3_600_000, false),
        ("of another authority", &foreign, fixture::NOW_MS, false),
        ("of another authority, again", &foreign, fixture::NOW_MS, false),
        ("remembered, again", &user, fixture::NOW_MS, true),
    ];
    for (name, serialized, at_ms, holds) in rows {
        let found = bundle.identify(serialized, at_ms);
        assert_eq!(found.is_ok(), holds, "{name}");
        assert_eq!(found, bundle.msps().identify(serialized, at_ms), "{name}: memory changes no answer");
    }
}
