//! Uploads and downloads against a gateway that does what a test tells it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use client::{
    AdmissionRecord, ClientError, Fault, Rejection, ReportRecord, ReportState, Target, Upload, UploadProgress,
};
use endorsing::ParsedProposal;
use protocol::fabric::Response;
use protocol::{
    BatchConfig, ChannelConfig, Checkers, Digest, DownloadEvent, IdentityRule, MspId, OrdererConfig,
    ReportsConfig, TxId, UploadedBefore,
};
use transport::Status;

use crate::world::{Running, channel, names, success};

fn msp(name: &str) -> MspId {
    MspId::new(name).unwrap()
}

fn config() -> ChannelConfig {
    let organizations = ["HospitalAMSP", "HospitalBMSP", "HospitalCMSP"].map(msp).to_vec();
    let batch =
        BatchConfig { max_message_count: 10, absolute_max_bytes: 1, preferred_max_bytes: 1, timeout_ms: 1 };
    ChannelConfig {
        version: ChannelConfig::VERSION,
        channel: channel(),
        sequence: 0,
        capabilities: Vec::new(),
        organizations: Vec::new(),
        orderer: OrdererConfig { consenters: Vec::new(), batch, difficulty_bits: 0 },
        policies: BTreeMap::new(),
        chaincodes: Vec::new(),
        reports: Some(ReportsConfig {
            checkers: Checkers { required: 2, organizations },
            custodians: Vec::new(),
            holders: Vec::new(),
            admission: Vec::new(),
        }),
        identities: IdentityRule::Open,
        first_identities: Vec::new(),
    }
}

fn record(id: &TxId, size: u64) -> ReportRecord {
    ReportRecord {
        report_id: id.clone(),
        owner: msp("HospitalAMSP"),
        poi: "00".repeat(32),
        patient_ref: String::new(),
        modality: "CR".to_owned(),
        media_type: "image/png".to_owned(),
        size,
        sealed_size: size + 200,
        cid: "bafy".to_owned(),
        binding: "ab".repeat(32),
        perceptual_hash: "00ff00ff00ff00ff".to_owned(),
        admission: AdmissionRecord {
            profile_in_force: String::new(),
            outcome: "no rule".to_owned(),
            verdicts: Vec::new(),
        },
        custodians: Vec::new(),
        state: ReportState::Active,
        uploaded_at_ms: 1,
    }
}

/// The report chaincode and `cscc`, as far as these tests need them.
fn answer(proposal: &ParsedProposal) -> Response {
    match &proposal.args[0][..] {
        b"GetChannelConfig" => success(&config().to_bytes()),
        b"UploadReport" => {
            assert_eq!(proposal.transient["data_key"], [7; 32]);
            let claim: serde_json::Value = serde_json::from_slice(&proposal.args[1]).unwrap();
            success(&serde_json::to_vec(&record(&proposal.tx_id, claim["size"].as_u64().unwrap())).unwrap())
        }
        b"ReadReport" => {
            let id = TxId::new(std::str::from_utf8(&proposal.args[1]).unwrap()).unwrap();
            success(&serde_json::to_vec(&record(&id, 6)).unwrap())
        }
        b"OpenReport" => success(
            format!(
                r#"{{"report_id":"{}","tx_id":"{}","msp_id":"HospitalAMSP","poi":"","purpose":"p","opened_at_ms":1}}"#,
                std::str::from_utf8(&proposal.args[1]).unwrap(),
                proposal.tx_id
            )
            .as_bytes(),
        ),
        other => panic!("{}", String::from_utf8_lossy(other)),
    }
}

async fn start() -> Running {
    let running = Running::start().await;
    *running.world.answer.lock().unwrap() = Box::new(answer);
    running
}

fn upload(folder: &Path, bytes: usize) -> Upload {
    let path = folder.join("scan.png");
    std::fs::write(&path, vec![1; bytes]).unwrap();
    Upload { path, patient: "patient-4711".to_owned(), modality: "CR".to_owned(), share_with: Vec::new() }
}

#[tokio::test]
async fn an_upload_is_sealed_checked_by_two_ordered_and_committed() {
    let (running, folder) = (start().await, tempfile::tempdir().unwrap());
    let steps = Mutex::new(Vec::new());
    let progress = |step: UploadProgress| steps.lock().unwrap().push(step);
    let uploaded = running
        .connection
        .upload_report(&channel(), &upload(folder.path(), 600_000), &progress)
        .await
        .unwrap();
    assert_eq!(running.world.sealed_bytes.load(Ordering::SeqCst), 600_000);
    assert_eq!(uploaded.checked_by, ["HospitalAMSP", "HospitalBMSP"].map(msp));
    assert_eq!((uploaded.record.size, uploaded.block_number.0), (600_000, 7));
    let steps = steps.into_inner().unwrap();
    let sealing = steps.iter().filter(|step| matches!(step, UploadProgress::Sealing { .. })).count();
    assert_eq!(sealing, 3, "chunks of 256 KiB");
    assert!(matches!(steps.last(), Some(UploadProgress::Committed { .. })), "{steps:?}");
}

#[tokio::test]
async fn a_checker_that_is_not_reached_is_replaced_and_all_missing_are_named() {
    let (running, folder) = (start().await, tempfile::tempdir().unwrap());
    running.world.unreachable.lock().unwrap().insert("HospitalBMSP".to_owned());
    let file = upload(folder.path(), 10);
    let uploaded = running.connection.upload_report(&channel(), &file, &|_| {}).await.unwrap();
    assert_eq!(uploaded.checked_by, ["HospitalAMSP", "HospitalCMSP"].map(msp));
    running.world.unreachable.lock().unwrap().insert("HospitalCMSP".to_owned());
    let error = running.connection.upload_report(&channel(), &file, &|_| {}).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("missing: HospitalBMSP, HospitalCMSP"), "{text}");
    assert!(text.contains("needs 2 checkers") && text.contains("connection refused"), "{text}");
    assert!(!text.contains("4711"), "no patient in an error: {text}");
    let asked: Vec<String> = running.world.asked.lock().unwrap().iter().map(|list| list.join(" ")).collect();
    assert!(asked.iter().all(|list| list.starts_with("HospitalAMSP ")), "{asked:?}");
}

#[tokio::test]
async fn a_checker_that_refuses_is_not_replaced() {
    let (running, folder) = (start().await, tempfile::tempdir().unwrap());
    let refusal = Status::aborted("chaincode response 422, the image is not like a CR report");
    *running.world.refusal.lock().unwrap() = Some(refusal);
    let file = upload(folder.path(), 10);
    let error = running.connection.upload_report(&channel(), &file, &|_| {}).await.unwrap_err();
    assert!(matches!(error, ClientError::Rejected(_)), "{error}");
    assert_eq!(running.world.asked.lock().unwrap().len(), 1);
    assert_eq!(running.world.submitted(), 0);
}

#[tokio::test]
async fn a_file_that_is_no_report_is_refused_with_its_name() {
    let (running, folder) = (start().await, tempfile::tempdir().unwrap());
    let empty = upload(folder.path(), 0);
    let rows = [
        (empty.path.clone(), "empty (0 bytes)"),
        (folder.path().to_owned(), "no regular file"),
        (folder.path().join("absent"), "cannot be opened"),
    ];
    for (path, text) in rows {
        let file = Upload { path, ..empty.clone() };
        let error = running.connection.upload_report(&channel(), &file, &|_| {}).await.unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
    }
}

fn chunk(bytes: &'static [u8]) -> Result<DownloadEvent, Status> {
    Ok(DownloadEvent::Chunk(Bytes::from_static(bytes)))
}

fn verified(binding: &str, size: u64) -> Result<DownloadEvent, Status> {
    Ok(DownloadEvent::Verified { binding: binding.to_owned(), size })
}

fn target(out: PathBuf) -> Target {
    Target { report_id: TxId::of(b"n", b"c"), out, purpose: "second opinion".to_owned(), opening: None }
}

#[tokio::test]
async fn a_download_leaves_a_file_only_where_everything_agrees() {
    let binding = "ab".repeat(32);
    type Row = (&'static str, Vec<Result<DownloadEvent, Status>>, Option<&'static str>);
    let rows: Vec<Row> = vec![
        ("verified", vec![chunk(b"abc"), chunk(b"def"), verified(&binding, 6)], None),
        ("cut", vec![chunk(b"abc")], Some("ended before")),
        ("never verified", vec![chunk(b"abcdef")], Some("ended before")),
        (
            "another binding",
            vec![chunk(b"abcdef"), verified(&"cd".repeat(32), 6)],
            Some("vouches for binding"),
        ),
        ("another size", vec![chunk(b"abcdef"), verified(&binding, 7)], Some("7 were announced")),
        ("too few bytes", vec![chunk(b"abc"), verified(&binding, 6)], Some("3 came")),
        ("too many bytes", vec![chunk(b"abcdefg"), verified(&binding, 6)], Some("more than the record's 6")),
        (
            "bytes after the end",
            vec![chunk(b"abcdef"), verified(&binding, 6), chunk(b"x")],
            Some("follows the end"),
        ),
        (
            "a fault midway",
            vec![chunk(b"abc"), Err(Status::unavailable("no custodian answers"))],
            Some("custodian"),
        ),
    ];
    let running = start().await;
    for (name, events, expected) in rows {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("report.png");
        *running.world.events.lock().unwrap() = events;
        let result = running.connection.download_report(&channel(), &target(out.clone()), &|_| {}).await;
        match (result, expected) {
            (Ok(downloaded), None) => {
                assert_eq!(downloaded.size, 6, "{name}");
                assert_eq!(std::fs::read(&out).unwrap(), b"abcdef", "{name}");
            }
            (Err(error), Some(text)) => {
                assert!(error.to_string().contains(text), "{name}: {error}");
                assert!(error.to_string().contains("--opening"), "{name}: {error}");
                assert!(names(folder.path()).is_empty(), "{name} left {:?}", names(folder.path()));
            }
            (result, _) => panic!("{name}: {result:?}"),
        }
    }
}

#[tokio::test]
async fn nothing_is_recorded_where_the_target_cannot_be_written() {
    let (running, folder) = (start().await, tempfile::tempdir().unwrap());
    let out = folder.path().join("there");
    std::fs::write(&out, "mine").unwrap();
    let error = running.connection.download_report(&channel(), &target(out), &|_| {}).await.unwrap_err();
    let ClientError::Fault(fault) = &error else { panic!("{error}") };
    assert!(matches!(**fault, Fault::UnfitFile { .. }), "{error}");
    assert_eq!(running.world.submitted(), 0, "no opening stands on the ledger");
}

#[tokio::test]
async fn an_opening_is_presented_again_without_another_record() {
    let (running, folder) = (start().await, tempfile::tempdir().unwrap());
    *running.world.events.lock().unwrap() = vec![chunk(b"abcdef"), verified(&"ab".repeat(32), 6)];
    let opening = TxId::of(b"o", b"c");
    let target = Target { opening: Some(opening.clone()), ..target(folder.path().join("out")) };
    let downloaded = running.connection.download_report(&channel(), &target, &|_| {}).await.unwrap();
    assert_eq!(downloaded.opening, opening);
    assert_eq!(running.world.submitted(), 0);
}

#[tokio::test]
async fn a_file_that_was_uploaded_before_is_refused_before_anything_is_sealed() {
    let (running, folder) = (start().await, tempfile::tempdir().unwrap());
    let file = upload(folder.path(), 600_000).path;
    running.connection.require_new_file(&channel(), &file).await.expect("a new file");
    let report_id = TxId::of(b"n", b"c");
    let before = UploadedBefore { report_id: report_id.clone(), uploaded_at_ms: 1 };
    running.world.known.lock().unwrap().insert(Digest::of(&vec![1; 600_000]), before);
    let error = running.connection.require_new_file(&channel(), &file).await.unwrap_err();
    let ClientError::Rejected(rejection) = &error else { panic!("no verdict: {error}") };
    assert!(matches!(**rejection, Rejection::UploadedBefore { .. }));
    assert_eq!(rejection.code_name(), "UPLOADED_BEFORE");
    let text = error.to_string();
    for part in ["scan.png was uploaded before", report_id.as_str(), "--again"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let missing =
        running.connection.require_new_file(&channel(), Path::new("nowhere.png")).await.unwrap_err();
    assert!(matches!(missing, ClientError::Fault(_)), "{missing}");
    assert_eq!(running.world.sealed_bytes.load(Ordering::SeqCst), 0);
}
