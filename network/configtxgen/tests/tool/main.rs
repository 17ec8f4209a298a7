//! The tool as its user meets it: run as a process over the sample consortium and its crypto tree.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise, in its fixture too")]

mod fixture;

use std::collections::BTreeSet;
use std::fs;

use configtx::{ConfigBundle, config_of_block, genesis_block};
use fixture::{Place, SAMPLE, stderr, stdout, write};
use protocol::{Block, ChannelConfig, Role};
use serde_json::Value;

fn config_of(place: &Place, name: &str) -> ChannelConfig {
    let block = Block::from_bytes(&fs::read(place.path(name)).unwrap()).unwrap();
    config_of_block(&block).unwrap()
}

#[test]
fn the_sample_consortium_makes_a_block_that_configtx_accepts() {
    let place = Place::new(SAMPLE);
    let output = place.make(&[]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).starts_with("reports.block: written, block hash "), "{}", stdout(&output));
    let bundle = ConfigBundle::new(config_of(&place, "reports.block")).unwrap();
    let config = bundle.config();
    assert_eq!(config.organizations.len(), 6);
    assert_eq!(bundle.endorsing_organizations().count(), 3);
    assert_eq!(config.orderer.consenters.len(), 3);
    assert_eq!(config.orderer.batch.absolute_max_bytes, 16 << 20);
    assert_eq!(config.orderer.batch.timeout_ms, 100);
    let names: Vec<_> = config.chaincodes.iter().map(|definition| definition.name.as_str()).collect();
    assert_eq!(names, ["asset-transfer", "reports"]);
    assert_eq!(config.chaincodes[1].self_test_id, imaging::SELF_TEST_ID);
    let reports = config.reports.as_ref().unwrap();
    assert_eq!((reports.checkers.required, reports.checkers.organizations.len()), (2, 3));
    let references = &reports.admission[0].references;
    assert_eq!(references.len(), 20);
    assert!(references.iter().all(|reference| !reference.source.is_empty() && !reference.licence.is_empty()));
    assert_eq!(references.iter().map(|reference| reference.hash).collect::<BTreeSet<_>>().len(), 20);
}

#[test]
fn every_identity_of_the_tree_is_registered_with_its_tls_key() {
    let place = Place::new(SAMPLE);
    assert!(place.make(&[]).status.success());
    let identities = config_of(&place, "reports.block").first_identities;
    // Three hospitals with peer, doctor and Admin; three orderers with Admin.
    assert_eq!(identities.len(), 3 * 3 + 3 * 2);
    assert!(identities.iter().all(|identity| identity.tls_spki.len() == 1));
    let of = |msp_id: &str, role| {
        let matching = identities.iter().filter(|identity| identity.msp_id.as_str() == msp_id);
        matching.filter(|identity| identity.roles.contains(&role)).count()
    };
    let rows = [
        ("HospitalAMSP", Role::Member, 3),
        ("HospitalAMSP", Role::Peer, 1),
        ("HospitalAMSP", Role::Client, 1),
        ("HospitalAMSP", Role::Admin, 1),
        ("HospitalAMSP", Role::Orderer, 0),
        ("HospitalAOrdererMSP", Role::Orderer, 1),
        ("HospitalAOrdererMSP", Role::Peer, 0),
    ];
    for (msp_id, role, count) in rows {
        assert_eq!(of(msp_id, role), count, "{msp_id} {role}");
    }
}

#[test]
fn one_passage_changed_gives_one_problem_with_place_value_and_rule() {
    let rows = [
        (
            "AbsoluteMaxBytes: 16 MB ",
            "AbsoluteMaxBytes: 16 MX ",
            "Orderer.BatchSize.AbsoluteMaxBytes: found 16 MX:",
        ),
        (
            "AbsoluteMaxBytes: 16 MB ",
            "AbsoluteMaxBytes: 1 GB ",
            "orderer.batch.absolute_max_bytes: found 1073741824:",
        ),
        ("BatchTimeout: 100ms", "BatchTimeout: soon", "Orderer.BatchTimeout: found soon: write a time"),
        ("DifficultyBits: 0", "DifficultyBits: 25", "orderer.difficulty_bits: found 25: at most 24"),
        (
            "Refuse: warn",
            "Refuse: perhaps",
            "Reports.Admission[CR].Refuse: found perhaps: write `warn` or `refuse`",
        ),
        ("Profile: calibrated", "Profile: guessed", "reports.admission[CR].profile: found guessed:"),
        ("Required: 2", "Required: 4", "reports.checkers.required: found 4:"),
        ("Identities: registered", "Identities: all", "Identities: found all: write `registered` or `open`"),
        (
            "\"008081d8fe7e7e7e\"",
            "\"008081d8fe7e7e\"",
            "hash: found 008081d8fe7e7e: a hash has 16 hexadecimal",
        ),
        (
            "Custodians: [HospitalCMSP]",
            "Custodians: [HospitalDMSP]",
            "reports.custodians: found HospitalDMSP:",
        ),
        ("Holders: [HospitalCMSP]", "Holders: [\"a b\"]", "Reports.Holders: found a b:"),
        (
            "peer0.hospital-b.example.com:7051",
            "peer0.hospital-b",
            "Organizations[HospitalB].Peers: found peer0.hospital-b:",
        ),
        ("- Name: asset-transfer", "- Name: _asset", "chaincodes[_asset].name: found _asset:"),
        (
            "MAJORITY Endorsement\n    Chaincodes",
            "MOST Endorsement\n    Chaincodes",
            "policies[/Channel/Application/Endorsement]",
        ),
    ];
    for (from, to, expected) in rows {
        let told = Place::problems(from, to);
        assert!(told.contains(expected), "{from} -> {to}:\n{told}");
        assert!(told.contains("consortium.yaml: 1 problem\n"), "{from} -> {to}:\n{told}");
    }
}

#[test]
fn what_is_missing_is_named_with_its_key_and_path() {
    let rows = [
        (
            "hospital-a.example.com/msp\n",
            "hospital-x.example.com/msp\n",
            "Organizations[HospitalA].MSPDir: found",
        ),
        (
            "kem/public.pem\n    Peers: [\"peer0.hospital-c",
            "kem/none.pem\n    Peers: [\"peer0.hospital-c",
            "Organizations[HospitalC].KemFile: found",
        ),
        ("tls/server.crt", "tls/none.crt", "Orderer.Consenters[2].ServerTLSCert: found"),
        ("ID: HospitalBMSP", "ID: \"Hospital B\"", "Organizations[HospitalB].ID: found Hospital B:"),
        (
            "    # Organizations: [HospitalA, ...]",
            "    Organizations: [Nobody] #",
            "Profile.Organizations: found Nobody:",
        ),
    ];
    for (from, to, expected) in rows {
        let told = Place::problems(from, to);
        assert!(told.contains(expected), "{from} -> {to}:\n{told}");
    }
}

#[test]
fn all_problems_are_reported_together() {
    let text = SAMPLE
        .replace("16 MB", "16 MX")
        .replace("100ms", "soon")
        .replace("DifficultyBits: 0", "DifficultyBits: 99");
    let output = Place::new(&text).make(&[]);
    let told = stderr(&output);
    for part in ["3 problems", "AbsoluteMaxBytes", "BatchTimeout", "difficulty_bits"] {
        assert!(told.contains(part), "{part}:\n{told}");
    }
}

#[test]
fn a_key_that_is_not_known_is_refused_with_its_line() {
    let told = Place::problems("DifficultyBits: 0", "DifficultyBit: 0");
    assert!(told.contains("DifficultyBit") && told.contains("line"), "{told}");
}

#[test]
fn a_certificate_of_another_authority_is_refused_with_its_folder() {
    let place = Place::new(SAMPLE);
    let organizations = place.path("crypto-config/peerOrganizations");
    let certificate = |hospital: &str| {
        let domain = format!("hospital-{hospital}.example.com");
        organizations.join(format!("{domain}/users/doctor@{domain}/msp/signcerts/doctor@{domain}-cert.pem"))
    };
    fs::copy(certificate("b"), certificate("a")).unwrap();
    let output = place.make(&[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("Organizations[HospitalA].MSPDir: found"), "{}", stderr(&output));
}

#[test]
fn an_equal_block_is_kept_and_another_is_replaced_by_force_alone() {
    let place = Place::new(SAMPLE);
    assert!(place.make(&[]).status.success());
    let first = fs::read(place.path("reports.block")).unwrap();

    let again = place.make(&[]);
    assert!(again.status.success() && stdout(&again).contains("unchanged, block hash"), "{}", stdout(&again));
    assert_eq!(fs::read(place.path("reports.block")).unwrap(), first);

    write(&place.path("consortium.yaml"), &SAMPLE.replace("DifficultyBits: 0", "DifficultyBits: 8"));
    let other = place.make(&[]);
    assert_eq!(other.status.code(), Some(1));
    assert!(stderr(&other).contains("another configuration (other: orderer)"), "{}", stderr(&other));
    assert_eq!(fs::read(place.path("reports.block")).unwrap(), first, "kept");

    assert!(place.make(&["--force"]).status.success());
    assert_eq!(config_of(&place, "reports.block").orderer.difficulty_bits, 8);

    write(&place.path("reports.block"), "a letter");
    let foreign = place.make(&[]);
    assert_eq!(foreign.status.code(), Some(1));
    assert!(stderr(&foreign).contains("is no block"), "{}", stderr(&foreign));
}

#[test]
fn inspection_prints_a_block_for_people() {
    let place = Place::new(SAMPLE);
    assert!(place.make(&[]).status.success());
    let output = place.run(&["--inspect-block", "reports.block"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let shown: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(shown["header"]["channel"], "reports");
    assert_eq!(shown["header"]["number"], 0);
    assert_eq!(shown["block_hash"].as_str().unwrap().len(), 64);
    assert_eq!(shown["problems"], serde_json::json!([]));
    let organization = &shown["config"]["organizations"][0];
    assert_eq!(organization["msp"]["msp_id"], "HospitalAMSP");
    assert_eq!(organization["msp"]["root_certs"][0]["common_name"], "ca.hospital-a.example.com");
    assert_eq!(organization["kem_public_key"].as_str().unwrap().len(), 64);
    let consenter = &shown["config"]["orderer"]["consenters"][1];
    assert_eq!(consenter["endpoint"], "orderer0.ordering.hospital-b.example.com:7050");
    assert_eq!(consenter["identity_cert"]["common_name"], "orderer0.ordering.hospital-b.example.com");
    assert!(consenter["identity_cert"]["not_after_ms"].as_u64().unwrap() > 1_700_000_000_000);
    let reference = &shown["config"]["reports"]["admission"][0]["references"][0];
    assert_eq!(reference["hash"], "008081d8fe7e7e7e");
    assert_eq!(shown["config"]["first_identities"].as_array().unwrap().len(), 15);
    assert!(!stdout(&output).contains("PRIVATE"), "nothing secret is in a block");
}

#[test]
fn what_is_no_block_is_refused() {
    let place = Place::new(SAMPLE);
    let rows = [("consortium.yaml", 1, "is no block"), ("absent.block", 2, "cannot be read")];
    for (file, code, expected) in rows {
        let output = place.run(&["--inspect-block", file]);
        assert_eq!(output.status.code(), Some(code), "{file}");
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
    }
}

/// The tool refused the very configuration that its user was about to repair.
#[test]
fn a_configuration_in_force_whose_checkers_cannot_meet_their_policy_is_repaired_by_an_update() {
    let place = Place::new(SAMPLE);
    assert!(place.make(&[]).status.success());
    let mut config = config_of(&place, "reports.block");
    config.reports.as_mut().unwrap().checkers.organizations.truncate(2);
    let definition = config.chaincodes.iter_mut().find(|definition| definition.name.as_str() == "reports");
    definition.unwrap().endorsement_policy =
        "AND('HospitalAMSP.peer','HospitalBMSP.peer','HospitalCMSP.peer')".to_owned();
    assert!(ConfigBundle::proposed(config.clone()).is_err(), "it is not made anew");
    fs::write(place.path("in-force.block"), genesis_block(&config, 1_800_000_000_000).to_bytes()).unwrap();
    let repair = ["--original", "in-force.block", "--updated", "consortium.yaml", "--channel-id", "reports"];
    let made = place.run(&[&["--compute-update", "--output", "update.pb"][..], &repair].concat());
    assert!(made.status.success(), "{}", stderr(&made));
    assert!(stdout(&made).contains("/Channel/Application/Reports/Checkers"), "{}", stdout(&made));
}

#[test]
fn an_edited_file_gives_the_update_and_says_who_must_sign_it() {
    let place = Place::new(SAMPLE);
    assert!(place.make(&[]).status.success());
    let edited = SAMPLE
        .replace("MaxMessageCount: 500", "MaxMessageCount: 50")
        .replace("Custodians: [HospitalCMSP]", "Custodians: []")
        .replace("peer0.hospital-b.example.com:7051", "peer0.hospital-b.example.com:7052")
        .replace("Version: \"1.1\"\n    Identities", "Version: \"1.2\"\n    Identities");
    write(&place.path("edited.yaml"), &edited);
    let base = ["--compute-update", "--original", "reports.block", "--output", "update.pb"];
    let compute = |arguments: &[&str]| place.run(&[&base[..], arguments].concat());

    let same = compute(&["--config", "consortium.yaml"]);
    assert_eq!(same.status.code(), Some(1));
    assert!(stderr(&same).contains("no update"), "{}", stderr(&same));

    let made = compute(&["--updated", "edited.yaml", "--channel-id", "reports"]);
    assert!(made.status.success(), "{}", stderr(&made));
    for part in [
        "update.pb: written, from sequence 0",
        "/Channel/Orderer/Admins must agree (such as HospitalAOrdererMSP.admin and HospitalBOrdererMSP.admin)",
        "/Channel/Application/Admins must agree (such as HospitalAMSP.admin and HospitalBMSP.admin)",
        "/Channel/Organizations/HospitalBMSP/Admins must agree (such as HospitalBMSP.admin)",
        "/Channel/Application/Chaincodes/asset-transfer",
        "/Channel/Application/Reports/Custodians",
    ] {
        assert!(stdout(&made).contains(part), "{part} is missing in\n{}", stdout(&made));
    }
    let shown = place.run(&["--inspect-update", "update.pb"]);
    let shown: Value = serde_json::from_str(&stdout(&shown)).unwrap();
    assert_eq!((&shown["channel"], &shown["sequence"]), (&"reports".into(), &0.into()));
    assert_eq!(shown["signed_by"], serde_json::json!([]));
    let writes: Vec<(&str, &Value)> = (shown["write_set"].as_array().unwrap().iter())
        .map(|write| (write["path"].as_str().unwrap(), write))
        .collect();
    let write_of =
        |path: &str| writes.iter().find(|(known, _)| *known == path).map(|(_, write)| *write).unwrap();
    assert_eq!(write_of("/Channel/Orderer/Batch")["value"]["max_message_count"], 50);
    assert_eq!(write_of("/Channel/Application/Reports/Custodians")["removed"], true);
    let chaincode = &write_of("/Channel/Application/Chaincodes/asset-transfer")["value"];
    assert_eq!((&chaincode["version"], &chaincode["sequence"]), (&"1.2".into(), &2.into()));
    let peers = &write_of("/Channel/Organizations/HospitalBMSP/Peers")["value"];
    assert_eq!(peers, &serde_json::json!(["peer0.hospital-b.example.com:7052"]));
    assert_eq!(writes.len(), 4, "{writes:?}");

    assert!(stdout(&compute(&["--config", "edited.yaml"])).contains("update.pb: unchanged"));
    write(&place.path("edited.yaml"), &edited.replace("MaxMessageCount: 50", "MaxMessageCount: 60"));
    let other = compute(&["--config", "edited.yaml"]);
    assert_eq!(other.status.code(), Some(1));
    assert!(stderr(&other).contains("holds something else; kept"), "{}", stderr(&other));
    assert!(compute(&["--config", "edited.yaml", "--force"]).status.success());
}

#[test]
fn what_no_signature_could_change_is_refused_before_anybody_is_asked() {
    let place = Place::new(SAMPLE);
    assert!(place.make(&[]).status.success());
    assert!(SAMPLE.contains("orderer0.ordering.hospital-c.example.com\n          Port: 7050"));
    let rows: [(&str, String, &[&str], &str); 4] = [
        (
            "all consenters elsewhere",
            SAMPLE.replace("Port: 7050", "Port: 7059"),
            &[],
            "/Channel/Orderer/Consenters: it takes 3 consenters away and brings 3; change one of them by each update",
        ),
        ("a rule broken", SAMPLE.replace("Required: 2", "Required: 9"), &[], "checkers.required: found 9"),
        (
            "another channel",
            SAMPLE.replace("MaxMessageCount: 500", "MaxMessageCount: 50"),
            &["--channel-id", "other"],
            "is of channel reports, and --channel-id names other",
        ),
        ("no original", SAMPLE.to_owned(), &["--original", "consortium.yaml"], "is no block"),
    ];
    for (name, text, arguments, expected) in rows {
        write(&place.path("edited.yaml"), &text);
        let original = ["--original", "reports.block"];
        let original: &[&str] = if arguments.contains(&"--original") { &[] } else { &original };
        let base = ["--compute-update", "--config", "edited.yaml", "--output", "update.pb"];
        let output = place.run(&[&base[..], original, arguments].concat());
        assert_eq!(output.status.code(), Some(1), "{name}: {}", stderr(&output));
        assert!(stderr(&output).contains(expected), "{name}: {}", stderr(&output));
        assert!(!place.path("update.pb").exists(), "{name}: nothing is written");
    }
    let output = place.run(&["--inspect-update", "consortium.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("the configuration update is malformed"), "{}", stderr(&output));
}

#[test]
fn a_wrong_command_line_is_told_from_a_rejection() {
    let place = Place::new(SAMPLE);
    let rows: [(&[&str], i32, &str); 8] = [
        (&[], 64, "--output-block"),
        (&["--compute-update", "--output", "u"], 64, "--original"),
        (&["--inspect-update", "u", "--force"], 64, "cannot be used with"),
        (&["--output-block", "b"], 64, "--channel-id"),
        (&["--inspect-block", "b", "--output-block", "c"], 64, "cannot be used with"),
        (&["--channel-id", "Reports", "--output-block", "b"], 1, "--channel-id"),
        (
            &["--profile", "Other", "--channel-id", "reports", "--output-block", "b"],
            1,
            "Profiles: found Other: name one",
        ),
        (
            &["--config", "none.yaml", "--channel-id", "reports", "--output-block", "b"],
            2,
            "none.yaml: cannot be read",
        ),
    ];
    for (arguments, code, expected) in rows {
        let output = place.run(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(expected), "{arguments:?}: {}", stderr(&output));
    }
}

#[test]
fn help_teaches_the_file_and_the_way_to_a_channel() {
    let place = Place::new(SAMPLE);
    let output = place.run(&["--help"]);
    assert!(output.status.success());
    let references = stdout(&output).matches("- { id:").count();
    assert_eq!(references, 1, "one shows the form");
    for part in ["cryptogen generate", "--inspect-block", "Consenters:", "Exit codes"] {
        assert!(stdout(&output).contains(part), "{part}");
    }
}
