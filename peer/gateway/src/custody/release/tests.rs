//! The release rule over facts from a ledger, honest and forged.

use bytes::Bytes;
use ipfs::{DataKey, KemPrivateKey, unwrap_key};
use issuing::{CaProfile, CertificateAuthority, Subject};
use protocol::{KvRead, KvWrite, TxValidationCode, Version};
use reports::{Grant, ReportState, grant_key, opening_key};
use shim::Examination;

use super::*;
use crate::signed_request::now_ms;
use crate::testing::{Call, Hospital, World, json, kem_bytes, msp_id, upload_call};

const KEY: [u8; 32] = [0x42; 32];

fn examination() -> Examination {
    Examination {
        cid: offchain::Cid::of_raw(b"sealed").to_string(),
        binding: "00".repeat(32),
        media_type: "image/png".into(),
        perceptual_hash: 7,
        size: 3,
        sealed_size: 6,
    }
}

/// A report of A whose key the custodian B has.
fn reported() -> (World, [Hospital; 3], TxId) {
    let world = World::new();
    let hospitals = Hospital::all(&world);
    let report_id = world.commit("HospitalA", upload_call(&examination(), "HospitalA", &["HospitalB"]));
    let key = DataKey::from_bytes(KEY);
    hospitals[1].custody.take(&world.channel(), &report_id, &examination().cid, &key).expect("taken");
    (world, hospitals, report_id)
}

fn ask(world: &World, custodian: &Hospital, asking: &str, report_id: &TxId, open_tx_id: &TxId) -> KeyRelease {
    let request = KeyRequest {
        version: 1,
        channel: world.channel(),
        report_id: report_id.clone(),
        open_tx_id: open_tx_id.clone(),
    };
    release(&*world.ledger, &custodian.custody, &msp_id(asking), &request).expect("no fault")
}

fn text(release: &KeyRelease) -> String {
    match release {
        KeyRelease::Released(_) => "released".to_owned(),
        KeyRelease::Refused(text) => format!("refused: {text}"),
        KeyRelease::Unavailable(text) => format!("unavailable: {text}"),
    }
}

/// Writes a grant with whatever the forger likes, endorsed by everybody.
fn forge_grant(world: &World, by: &str, report_id: &TxId, claim: Grant, reads: Vec<KvRead>) {
    let to = claim.msp_id.to_string();
    forge_by_call(world, by, &["ShareReport", report_id.as_str(), &to], claim.clone(), reads);
}

/// The same under any call.
fn forge_by_call(world: &World, by: &str, args: &[&str], claim: Grant, reads: Vec<KvRead>) {
    let key = grant_key(&claim.report_id, &claim.msp_id);
    world.commit(by, |_| Call {
        args: args.iter().map(|arg| (*arg).to_owned()).collect(),
        reads: reads.clone(),
        writes: vec![KvWrite { key: key.clone(), value: json(&claim) }],
    });
}

/// HospitalC's call of `function` on a report, with whatever it writes at the key of an opening.
fn open_in_part(
    world: &World,
    report_id: &TxId,
    function: &str,
    writes: impl Fn(String) -> Vec<KvWrite>,
) -> TxId {
    world.commit("HospitalC", |tx_id| Call {
        args: vec![function.to_owned(), report_id.to_string(), "treatment".to_owned()],
        reads: vec![],
        writes: writes(opening_key(report_id, tx_id)),
    })
}

fn standing(world: &World, report_id: &TxId, to: &str) -> (Grant, Version) {
    let key = grant_key(report_id, &msp_id(to));
    let (value, version) = world.ledger.state("reports", &key).expect("readable").expect("a grant");
    (serde_json::from_slice(&value).expect("a grant"), version)
}

/// A story before the request, by its name; it gives the opening that C presents.
type Story = fn(&World, &TxId) -> TxId;

const STORIES: &[(&str, Story, &str)] = &[
    (
        "shared, then opened",
        |world, id| {
            world.grant("HospitalA", id, "HospitalC", true);
            world.open("HospitalC", id)
        },
        "released",
    ),
    ("never shared", |world, id| world.open("HospitalC", id), "refused: HospitalC held no grant"),
    (
        "shared only after the opening",
        |world, id| {
            let opening = world.open("HospitalC", id);
            world.grant("HospitalA", id, "HospitalC", true);
            opening
        },
        "refused: the grant to HospitalC was not live",
    ),
    (
        "withdrawn before the opening",
        |world, id| {
            world.grant("HospitalA", id, "HospitalC", true);
            world.grant("HospitalA", id, "HospitalC", false);
            world.open("HospitalC", id)
        },
        "refused: HospitalA withdrew",
    ),
    (
        "withdrawn after the opening",
        |world, id| {
            world.grant("HospitalA", id, "HospitalC", true);
            let opening = world.open("HospitalC", id);
            world.grant("HospitalA", id, "HospitalC", false);
            opening
        },
        "refused: HospitalA withdrew",
    ),
    (
        "shared again after a withdrawal",
        |world, id| {
            world.grant("HospitalA", id, "HospitalC", true);
            world.grant("HospitalA", id, "HospitalC", false);
            world.grant("HospitalA", id, "HospitalC", true);
            world.open("HospitalC", id)
        },
        "released",
    ),
    (
        "granted by another hospital",
        |world, id| {
            world.grant("HospitalB", id, "HospitalC", true);
            world.open("HospitalC", id)
        },
        "refused: the grant to HospitalC was created by HospitalB",
    ),
    (
        "withdrawn by another hospital",
        |world, id| {
            world.grant("HospitalA", id, "HospitalC", true);
            world.grant("HospitalB", id, "HospitalC", false);
            world.open("HospitalC", id)
        },
        "released",
    ),
    (
        "a withdrawal by the owner, hidden under one by another hospital",
        |world, id| {
            world.grant("HospitalA", id, "HospitalC", true);
            world.grant("HospitalA", id, "HospitalC", false);
            world.grant("HospitalB", id, "HospitalC", false);
            world.open("HospitalC", id)
        },
        "refused: HospitalA withdrew",
    ),
    (
        "a withdrawn grant, put back by others under the owner's name and tx id",
        |world, id| {
            world.grant("HospitalA", id, "HospitalC", true);
            let (genuine, _) = standing(world, id, "HospitalC");
            world.grant("HospitalA", id, "HospitalC", false);
            forge_grant(world, "HospitalC", id, genuine, vec![]);
            world.open("HospitalC", id)
        },
        "refused: the grant to HospitalC was created by HospitalC",
    ),
    (
        "a withdrawal without a read of what it withdraws",
        |world, id| {
            world.grant("HospitalA", id, "HospitalC", true);
            let (genuine, _) = standing(world, id, "HospitalC");
            forge_grant(world, "HospitalB", id, Grant { live: false, ..genuine }, vec![]);
            world.open("HospitalC", id)
        },
        "refused: HospitalC held no grant",
    ),
    (
        "the record's owner, rewritten by others",
        |world, id| {
            world.rewrite("HospitalC", id, true, |record| record.owner = msp_id("HospitalC"));
            world.grant("HospitalC", id, "HospitalC", true);
            world.open("HospitalC", id)
        },
        "refused: the grant to HospitalC was created by HospitalC, not by an active identity of the owner HospitalA",
    ),
    (
        "erased by the owner",
        |world, id| {
            world.grant("HospitalA", id, "HospitalC", true);
            world.rewrite("HospitalA", id, true, |record| record.state = ReportState::Erased);
            world.open("HospitalC", id)
        },
        "refused: report",
    ),
    (
        "erased by another hospital",
        |world, id| {
            world.grant("HospitalA", id, "HospitalC", true);
            world.rewrite("HospitalB", id, true, |record| record.state = ReportState::Erased);
            world.open("HospitalC", id)
        },
        "released",
    ),
    (
        "an erasure by the owner, hidden under a record that reads nothing",
        |world, id| {
            world.grant("HospitalA", id, "HospitalC", true);
            world.rewrite("HospitalA", id, true, |record| record.state = ReportState::Erased);
            world.rewrite("HospitalC", id, false, |record| record.state = ReportState::Active);
            world.open("HospitalC", id)
        },
        "refused: the record report/",
    ),
    (
        "the opening is not VALID",
        |world, id| {
            world.grant("HospitalA", id, "HospitalC", true);
            world.open_as("HospitalC", TxValidationCode::MvccReadConflict, id)
        },
        "refused: the opening is MVCC_READ_CONFLICT",
    ),
    (
        "another hospital's opening",
        |world, id| {
            world.grant("HospitalA", id, "HospitalC", true);
            world.open("HospitalA", id)
        },
        "refused: the opening was recorded by HospitalA",
    ),
    (
        "an opening of 100 blocks ago",
        |world, id| {
            world.grant("HospitalA", id, "HospitalC", true);
            let opening = world.open("HospitalC", id);
            world.ledger.grow(100);
            opening
        },
        "released",
    ),
    (
        "an opening of 101 blocks ago",
        |world, id| {
            world.grant("HospitalA", id, "HospitalC", true);
            let opening = world.open("HospitalC", id);
            world.ledger.grow(101);
            opening
        },
        "refused: the opening was recorded in block",
    ),
    (
        "a transaction that opens nothing",
        |world, id| world.grant("HospitalC", id, "HospitalB", true),
        "refused: the transaction does not open report",
    ),
    (
        "the opening of another report",
        |world, _| {
            let other = world.commit("HospitalA", upload_call(&examination(), "HospitalA", &[]));
            world.open("HospitalC", &other)
        },
        "refused: the transaction does not open report",
    ),
    (
        "an opening that was called and left no record",
        |world, id| {
            world.grant("HospitalA", id, "HospitalC", true);
            open_in_part(world, id, "OpenReport", |_| vec![])
        },
        "refused: the transaction does not open report",
    ),
    (
        "an opening that was deleted as it was made",
        |world, id| {
            world.grant("HospitalA", id, "HospitalC", true);
            open_in_part(world, id, "OpenReport", |key| vec![KvWrite { key, value: None }])
        },
        "refused: the transaction does not open report",
    ),
    (
        "an opening's record under another call",
        |world, id| {
            world.grant("HospitalA", id, "HospitalC", true);
            open_in_part(world, id, "ShowReport", |key| vec![KvWrite { key, value: json(&"opened") }])
        },
        "refused: the transaction does not open report",
    ),
    ("an opening that is not committed", |_, _| TxId::of(b"nowhere", b""), "unavailable: transaction"),
    (
        "the granting identity was revoked later",
        |world, id| {
            world.grant("HospitalA", id, "HospitalC", true);
            world.ledger.revoke(&msp_id("HospitalA"), world.identity("HospitalA", "user").poi());
            world.open("HospitalC", id)
        },
        "released",
    ),
];

#[test]
fn a_custodian_releases_a_key_by_what_its_own_blocks_say() {
    for (name, story, expected) in STORIES {
        let (world, hospitals, report_id) = reported();
        let opening = story(&world, &report_id);
        let answer = text(&ask(&world, &hospitals[1], "HospitalC", &report_id, &opening));
        assert!(answer.starts_with(expected), "{name}: {answer}");
    }
}

#[test]
fn a_grant_counts_only_where_the_owner_asked_for_it() {
    // The owner's user signed that call; colluding endorsers put a grant into its write set.
    let claim = |shares: &str| {
        format!(
            r#"{{"cid":"","binding":"","media_type":"","modality":"CR","perceptual_hash":"","size":0,
                "sealed_size":0,"patient_ref":"","share_with":[{shares}]}}"#
        )
    };
    let (none, shared) = (claim(""), claim("\"HospitalC\""));
    let rows: &[(&[&str], &str)] = &[
        (&["ListReports"], "refused: HospitalC held no grant"),
        (&["OpenReport", "ID", "treatment"], "refused: HospitalC held no grant"),
        (&["ShareReport"], "refused: HospitalC held no grant"),
        (&["ShareReport", "ID", "HospitalB"], "refused: HospitalC held no grant"),
        (&["ShareReport", "another", "HospitalC"], "refused: HospitalC held no grant"),
        (&["ShareReport", "ID", "HospitalC", "more"], "refused: HospitalC held no grant"),
        (&["UnshareReport", "ID", "HospitalC"], "refused: HospitalC held no grant"),
        (&["UploadReport", &none], "refused: HospitalC held no grant"),
        (&["UploadReport", &shared], "refused: HospitalC held no grant"),
        (&["ShareReport", "ID", "HospitalC"], "released"),
    ];
    for (args, expected) in rows {
        let (world, hospitals, report_id) = reported();
        let args: Vec<&str> =
            args.iter().map(|arg| if *arg == "ID" { report_id.as_str() } else { *arg }).collect();
        let grant = Grant {
            report_id: report_id.clone(),
            msp_id: msp_id("HospitalC"),
            live: true,
            tx_id: report_id.clone(),
            by_msp: msp_id("HospitalA"),
            by_poi: String::new(),
        };
        forge_by_call(&world, "HospitalA", &args, grant, vec![]);
        let opening = world.open("HospitalC", &report_id);
        let answer = text(&ask(&world, &hospitals[1], "HospitalC", &report_id, &opening));
        assert!(answer.starts_with(expected), "{args:?}: {answer}");
    }
}

#[test]
fn an_upload_grants_to_those_whom_its_claim_names() {
    let rows = [("HospitalC", "released"), ("HospitalB", "refused: HospitalC held no grant")];
    for (named, expected) in rows {
        let world = World::new();
        let hospitals = Hospital::all(&world);
        let claim = reports::UploadClaim {
            cid: examination().cid,
            binding: examination().binding,
            media_type: "image/png".into(),
            modality: "CR".into(),
            perceptual_hash: String::new(),
            size: 3,
            sealed_size: 6,
            patient_ref: String::new(),
            share_with: vec![msp_id(named)],
        };
        let record = upload_call(&examination(), "HospitalA", &["HospitalB"]);
        let report_id = world.commit("HospitalA", |tx_id| {
            let grant = Grant {
                report_id: tx_id.clone(),
                msp_id: msp_id("HospitalC"),
                live: true,
                tx_id: tx_id.clone(),
                by_msp: msp_id("HospitalA"),
                by_poi: String::new(),
            };
            let mut call = record(tx_id);
            call.args[1] = serde_json::to_string(&claim).expect("JSON");
            call.writes.push(KvWrite { key: grant_key(tx_id, &grant.msp_id), value: json(&grant) });
            call
        });
        let key = DataKey::from_bytes(KEY);
        hospitals[1].custody.take(&world.channel(), &report_id, &examination().cid, &key).expect("taken");
        let opening = world.open("HospitalC", &report_id);
        let answer = text(&ask(&world, &hospitals[1], "HospitalC", &report_id, &opening));
        assert!(answer.starts_with(expected), "{named}: {answer}");
    }
}

#[test]
fn old_records_are_believed_after_their_creators_authority_left_the_channel() {
    let (world, hospitals, report_id) = reported();
    world.grant("HospitalA", &report_id, "HospitalC", true);
    let open_tx_id = world.open("HospitalC", &report_id);
    // As after a hospital replaced its authority: what its users did before stays done.
    let profile = CaProfile {
        common_name: "ca2.HospitalA".to_owned(),
        organization: "HospitalA".to_owned(),
        organizational_unit: None,
        subject: Subject::default(),
    };
    let authority = CertificateAuthority::create(&profile, now_ms()).expect("an authority");
    world.ledger.configure(|config| {
        let msp = &mut config.organizations[0].msp;
        assert_eq!(msp.msp_id, msp_id("HospitalA"));
        msp.root_certs = vec![Bytes::copy_from_slice(authority.certificate().der())];
        msp.node_ous = None;
    });
    let serialized = world.identity("HospitalA", "user").serialized();
    assert!(world.ledger.bundle().msps().certify(&serialized).is_err(), "today it would be refused");
    assert_eq!(text(&ask(&world, &hospitals[1], "HospitalC", &report_id, &open_tx_id)), "released");
}

#[test]
fn a_released_key_opens_at_the_asking_hospital_only_and_is_logged() {
    let (world, hospitals, report_id) = reported();
    world.grant("HospitalA", &report_id, "HospitalC", true);
    let opening = world.open("HospitalC", &report_id);
    let KeyRelease::Released(sealed) = ask(&world, &hospitals[1], "HospitalC", &report_id, &opening) else {
        panic!("not released");
    };
    let cid = examination().cid;
    let unwrap = |org: &str| {
        unwrap_key(&sealed, &KemPrivateKey::from_bytes(kem_bytes(org)), &world.channel(), &cid, &opening)
    };
    assert!(unwrap("HospitalC").expect("ours") == DataKey::from_bytes(KEY));
    assert!(unwrap("HospitalB").is_err());
    assert!(hospitals[1].custody.released_to(&world.channel(), &opening).expect("readable").is_some());
}

#[test]
fn an_opening_that_was_released_to_another_key_is_refused() {
    let (world, hospitals, report_id) = reported();
    world.grant("HospitalA", &report_id, "HospitalC", true);
    let opening = world.open("HospitalC", &report_id);
    let custody = &hospitals[1].custody;
    custody.log_release(&world.channel(), &opening, protocol::Digest([9; 32])).expect("logged");
    let answer = text(&ask(&world, &hospitals[1], "HospitalC", &report_id, &opening));
    assert!(answer.contains("another recipient key before"), "{answer}");
}

#[test]
fn who_does_not_keep_the_key_says_so_and_logs_nothing() {
    let (world, hospitals, report_id) = reported();
    world.grant("HospitalA", &report_id, "HospitalC", true);
    let opening = world.open("HospitalC", &report_id);
    let answer = text(&ask(&world, &hospitals[2], "HospitalC", &report_id, &opening));
    assert!(answer.starts_with("unavailable: this peer does not keep the key"), "{answer}");
    assert_eq!(hospitals[2].custody.released_to(&world.channel(), &opening).expect("readable"), None);
}
