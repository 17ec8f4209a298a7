//! From an upload's bytes to a download at another hospital, with what may go wrong on the way.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use imaging::DecodeLimits;
use ipfs::DataKey;
use protocol::{
    Digest, DownloadEvent, DownloadRequest, KvWrite, SealDescription, SealRequest, SealedReport,
    SignedRequest, SigningDomain, TxId, TxValidationCode, UploadedRequest, VerifyRequest,
};
use reports::{ReportState, cid_key, report_key};
use shim::Examination;
use transport::services::reports::Reports;
use transport::{Code, Request, ResponseStream, Status};

use crate::examine::Examiner;
use crate::signed_request::sign;
use crate::testing::{Hospital, SameProcess, World, json, png, upload_call};

fn begin(world: &World, org: &str, name: &str, size: usize) -> SealRequest {
    let description = SealDescription {
        channel: world.channel(),
        patient: "Jane Roe".into(),
        modality: "CR".into(),
        size: size as u64,
    };
    SealRequest::Begin(sign(world.identity(org, name), SigningDomain::Seal, &description).expect("signed"))
}

fn chunks(bytes: &[u8]) -> Vec<Result<SealRequest, Status>> {
    bytes.chunks(1_000).map(|chunk| Ok(SealRequest::Chunk(Bytes::copy_from_slice(chunk)))).collect()
}

async fn seal_messages(
    hospital: &Hospital,
    messages: Vec<Result<SealRequest, Status>>,
) -> Result<SealedReport, Status> {
    let stream: ResponseStream<SealRequest> = Box::pin(tokio_stream::iter(messages));
    hospital.reports.seal_stream(stream, None).await
}

async fn sealed(world: &World, hospital: &Hospital, image: &[u8]) -> SealedReport {
    let mut messages = vec![Ok(begin(world, hospital.node_org(), "user", image.len()))];
    messages.extend(chunks(image));
    seal_messages(hospital, messages).await.map_err(|status| status.message().to_owned()).expect("sealed")
}

impl Hospital {
    fn node_org(&self) -> &str {
        crate::ports::Node::msp_id(&*self.node).as_str()
    }
}

fn examination(sealed: &SealedReport) -> Examination {
    Examination {
        cid: sealed.cid.clone(),
        binding: sealed.binding.clone(),
        media_type: sealed.media_type.clone(),
        perceptual_hash: u64::from_str_radix(&sealed.perceptual_hash, 16).expect("hex"),
        size: sealed.size,
        sealed_size: sealed.sealed_size,
    }
}

/// A report of A, recorded and in A's custody.
async fn reported(world: &World, owner: &Hospital, image: &[u8]) -> (TxId, SealedReport) {
    let sealed = sealed(world, owner, image).await;
    let report_id =
        world.commit("HospitalA", upload_call(&examination(&sealed), "HospitalA", &["HospitalB"]));
    let key = DataKey::from_bytes(sealed.data_key);
    owner.custody.take(&world.channel(), &report_id, &sealed.cid, &key).expect("taken");
    (report_id, sealed)
}

fn download_request(
    world: &World,
    org: &str,
    name: &str,
    report_id: &TxId,
    open_tx_id: &TxId,
) -> SignedRequest {
    let request = DownloadRequest {
        channel: world.channel(),
        report_id: report_id.clone(),
        open_tx_id: open_tx_id.clone(),
    };
    sign(world.identity(org, name), SigningDomain::Download, &request).expect("signed")
}

/// The plaintext, if the stream ended with `Verified`; else the status.
async fn download(hospital: &Hospital, request: SignedRequest) -> Result<Vec<u8>, Status> {
    let mut events = hospital.reports.download(Request::new(request)).await?.into_inner();
    let (mut plain, mut is_verified) = (Vec::new(), false);
    while let Some(event) = events.next().await {
        match event? {
            DownloadEvent::Progress(text) => assert!(!text.contains("Jane"), "{text}"),
            DownloadEvent::Chunk(chunk) => plain.extend(chunk),
            DownloadEvent::Verified { size, .. } => is_verified = size == plain.len() as u64,
        }
    }
    assert!(is_verified, "a stream without an error ends with Verified");
    Ok(plain)
}

#[tokio::test]
async fn sealing_gives_what_an_examination_finds_and_stages_the_bytes() {
    let world = World::new();
    let [owner, ..] = Hospital::all(&world);
    let image = png(150, 3);
    let (first, second) = (sealed(&world, &owner, &image).await, sealed(&world, &owner, &image).await);
    let cid = first.cid.parse().expect("a CID");
    let key = DataKey::from_bytes(first.data_key);
    let (store, fetcher) = (owner.store.clone(), Arc::clone(&owner.fetcher));
    let examiner = Examiner::new(store, fetcher, Arc::new(SameProcess), DecodeLimits::default());
    let found = examiner.examine_held(cid, key, ()).await;
    assert_eq!(found.expect("intact"), examination(&first));
    assert_ne!(first.cid, second.cid, "two seals of one image share nothing");
    assert_eq!(first.patient_ref, second.patient_ref);
    assert_eq!(first.patient_ref.len(), 64);
    assert!(!owner.store.held(cid).expect("readable").expect("held").is_kept, "nothing is recorded yet");
}

#[tokio::test]
async fn a_failed_upload_leaves_nothing_behind() {
    let world = World::new();
    let [owner, ..] = Hospital::all(&world);
    let image = png(150, 3);
    let whole = || {
        let mut messages = vec![Ok(begin(&world, "HospitalA", "user", image.len()))];
        messages.extend(chunks(&image));
        messages
    };
    let described = |org: &str, name: &str, size: usize| {
        let mut messages = whole();
        messages[0] = Ok(begin(&world, org, name, size));
        messages
    };
    let mut broken = whole();
    broken.truncate(10);
    broken.push(Err(Status::cancelled("the user left")));
    let mut letter = vec![Ok(begin(&world, "HospitalA", "user", 9))];
    letter.extend(chunks(b"Dear Jane"));
    let mut twice = whole();
    twice.push(Ok(begin(&world, "HospitalA", "user", image.len())));
    let rows = [
        ("no description", chunks(&image), Code::InvalidArgument),
        ("nothing", vec![], Code::InvalidArgument),
        ("two descriptions", twice, Code::InvalidArgument),
        (
            "fewer bytes than described",
            described("HospitalA", "user", image.len() + 1),
            Code::InvalidArgument,
        ),
        ("more bytes than described", described("HospitalA", "user", image.len() - 1), Code::InvalidArgument),
        ("an empty file", described("HospitalA", "user", 0), Code::InvalidArgument),
        ("over the limit", described("HospitalA", "user", 1 << 40), Code::InvalidArgument),
        ("a user of another hospital", described("HospitalB", "user", image.len()), Code::PermissionDenied),
        ("a peer", described("HospitalA", "peer0", image.len()), Code::PermissionDenied),
        ("an unregistered user", described("HospitalA", "stranger", image.len()), Code::PermissionDenied),
        ("broken off", broken, Code::Cancelled),
        ("a letter", letter, Code::InvalidArgument),
    ];
    for (name, messages, expected) in rows {
        let status = seal_messages(&owner, messages).await.map(drop).expect_err(name);
        assert_eq!(status.code(), expected, "{name}: {}", status.message());
        assert!(!status.message().contains("Jane"), "{name}: {}", status.message());
        assert!(owner.store.all(10).expect("readable").is_empty(), "{name} leaves something");
    }
}

#[tokio::test]
async fn a_granted_reader_downloads_what_was_uploaded() {
    let world = World::new();
    let [owner, _, reader] = Hospital::all(&world);
    let image = png(700, 1);
    let (report_id, sealed) = reported(&world, &owner, &image).await;
    world.grant("HospitalA", &report_id, "HospitalC", true);
    let opening = world.open("HospitalC", &report_id);
    let request = || download_request(&world, "HospitalC", "user", &report_id, &opening);
    assert!(download(&reader, request()).await.expect("opened") == image);
    let cid = sealed.cid.parse().expect("a CID");
    assert!(reader.store.held(cid).expect("readable").is_some());
    assert!(!reader.custody.holds(&world.channel(), &report_id).expect("readable"), "a reader keeps no key");
    assert!(download(&reader, request()).await.expect("the same record again") == image);
}

#[tokio::test]
async fn the_owner_reads_its_own_report_by_the_same_rule() {
    let world = World::new();
    let [owner, ..] = Hospital::all(&world);
    let image = png(100, 2);
    let (report_id, _) = reported(&world, &owner, &image).await;
    let opening = world.open("HospitalA", &report_id);
    let request = || download_request(&world, "HospitalA", "user", &report_id, &opening);
    assert!(download(&owner, request()).await.expect("opened") == image);
    assert!(
        owner.custody.released_to(&world.channel(), &opening).expect("readable").is_some(),
        "it is logged too"
    );
    world.ledger.grow(101);
    assert_eq!(download(&owner, request()).await.expect_err("too old").code(), Code::PermissionDenied);
}

#[tokio::test]
async fn no_opening_no_report() {
    let world = World::new();
    let [owner, _, reader] = Hospital::all(&world);
    let (report_id, _) = reported(&world, &owner, &png(100, 2)).await;
    let ungranted = world.open("HospitalC", &report_id);
    world.grant("HospitalA", &report_id, "HospitalC", true);
    let opening = world.open("HospitalC", &report_id);
    let invalid = world.open_as("HospitalC", TxValidationCode::MvccReadConflict, &report_id);
    let elsewhere = TxId::of(b"nowhere", b"");
    let rows = [
        // name, user, opening, code, part of the message
        ("before the grant", "user", &ungranted, Code::PermissionDenied, "HospitalA: the grant"),
        ("not VALID", "user", &invalid, Code::FailedPrecondition, "MVCC_READ_CONFLICT"),
        ("not committed", "user", &elsewhere, Code::Unavailable, "not committed"),
        ("somebody else's opening", "admin", &opening, Code::PermissionDenied, "another identity"),
        ("a peer asks", "peer0", &opening, Code::PermissionDenied, "client or an admin"),
    ];
    for (name, user, opening, code, part) in rows {
        let request = download_request(&world, "HospitalC", user, &report_id, opening);
        let status = download(&reader, request).await.expect_err(name);
        assert_eq!(status.code(), code, "{name}: {}", status.message());
        assert!(status.message().contains(part), "{name}: {}", status.message());
    }
    let foreign = download_request(&world, "HospitalC", "user", &report_id, &opening);
    let status = download(&owner, foreign).await.expect_err("another hospital's user");
    assert!(status.message().contains("users of HospitalA only"), "{}", status.message());
}

#[tokio::test]
async fn when_no_custodian_answers_the_reader_learns_who_was_asked() {
    let world = World::new();
    let [owner, custodian, reader] = Hospital::all(&world);
    let image = png(100, 2);
    let (report_id, sealed) = reported(&world, &owner, &image).await;
    world.grant("HospitalA", &report_id, "HospitalC", true);
    let opening = world.open("HospitalC", &report_id);
    let request = || download_request(&world, "HospitalC", "user", &report_id, &opening);
    owner.is_down("HospitalA", true);
    let status = download(&reader, request()).await.expect_err("the owner is down, the custodian has no key");
    assert_eq!(status.code(), Code::Unavailable);
    for part in
        ["HospitalA: connection refused", "HospitalB: this peer does not keep the key", opening.as_str()]
    {
        assert!(status.message().contains(part), "{part}: {}", status.message());
    }
    // The custodian has the key and no bytes, and the owner is still down.
    let key = DataKey::from_bytes(sealed.data_key);
    custodian.custody.take(&world.channel(), &report_id, &sealed.cid, &key).expect("taken");
    let status = download(&reader, request()).await.expect_err("nobody has the bytes");
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains("HospitalB does not hold"), "{}", status.message());
    owner.is_down("HospitalA", false);
    assert!(download(&reader, request()).await.expect("the same record, later") == image);
}

#[tokio::test]
async fn a_report_that_is_not_the_recorded_one_is_never_verified() {
    let world = World::new();
    let [owner, ..] = Hospital::all(&world);
    let sealed = sealed(&world, &owner, &png(100, 2)).await;
    let rows = [
        ("another binding", Examination { binding: "11".repeat(32), ..examination(&sealed) }),
        ("another size", Examination { size: sealed.size + 1, ..examination(&sealed) }),
        ("a smaller size", Examination { size: 10, ..examination(&sealed) }),
    ];
    for (name, claimed) in rows {
        let report_id = world.commit("HospitalA", upload_call(&claimed, "HospitalA", &[]));
        let key = DataKey::from_bytes(sealed.data_key);
        owner.custody.take(&world.channel(), &report_id, &sealed.cid, &key).expect("taken");
        let opening = world.open("HospitalA", &report_id);
        let request = download_request(&world, "HospitalA", "user", &report_id, &opening);
        let status = download(&owner, request).await.expect_err(name);
        assert_eq!(status.code(), Code::DataLoss, "{name}: {}", status.message());
    }
}

async fn failures(world: &World, hospital: &Hospital, report_id: &TxId) -> Vec<String> {
    let request = VerifyRequest { channel: world.channel(), report_id: report_id.clone() };
    let org = hospital.node_org().to_owned();
    let signed = sign(world.identity(&org, "user"), SigningDomain::Verify, &request).expect("signed");
    let report = hospital.reports.verify(Request::new(signed)).await.expect("an answer").into_inner();
    assert!(report.findings.len() >= 7, "{:?}", report.findings);
    let failed = report.findings.into_iter().filter(|finding| !finding.holds);
    failed.map(|finding| format!("{}: {}", finding.subject, finding.detail)).collect()
}

#[tokio::test]
async fn a_verification_finds_what_was_damaged() {
    type Damage = fn(&World, &Hospital, &TxId);
    let rows: &[(&str, Damage, Option<&str>)] = &[
        ("intact", |_, _, _| {}, None),
        (
            "the state's record",
            |world, _, id| world.ledger.damage_state(&report_key(id), b"{}"),
            Some("other bytes"),
        ),
        (
            "a later change",
            |world, _, id| {
                world.rewrite("HospitalB", id, true, |record| record.modality = "MR".into());
            },
            Some("was changed in block"),
        ),
        ("a block", |world, _, _| world.ledger.damage_blocks("its hash differs"), Some("its hash differs")),
        (
            "the sealed bytes, gone everywhere",
            |_, owner, _| {
                for (cid, _) in owner.store.all(10).expect("readable") {
                    owner.store.remove(cid).expect("removed");
                }
            },
            Some("sealed blocks of"),
        ),
    ];
    for (name, damage, expected) in rows {
        let world = World::new();
        let [owner, ..] = Hospital::all(&world);
        let (report_id, _) = reported(&world, &owner, &png(100, 2)).await;
        damage(&world, &owner, &report_id);
        let failed = failures(&world, &owner, &report_id).await;
        match expected {
            None => assert!(failed.is_empty(), "{name}: {failed:?}"),
            Some(part) => assert!(failed.iter().any(|text| text.contains(part)), "{name}: {failed:?}"),
        }
    }
}

#[tokio::test]
async fn a_verification_fetches_sealed_bytes_and_refuses_transactions_that_are_no_valid_upload() {
    let world = World::new();
    let [owner, custodian, _] = Hospital::all(&world);
    let (report_id, sealed) = reported(&world, &owner, &png(100, 2)).await;
    assert!(failures(&world, &custodian, &report_id).await.is_empty());
    let call = upload_call(&examination(&sealed), "HospitalA", &[]);
    let invalid = world.commit_as("HospitalA", TxValidationCode::EndorsementPolicyFailure, call);
    let failed = failures(&world, &owner, &invalid).await;
    assert!(failed.iter().any(|text| text.contains("ENDORSEMENT_POLICY_FAILURE")), "{failed:?}");
    let request = VerifyRequest { channel: world.channel(), report_id: TxId::of(b"none", b"") };
    let signed = sign(world.identity("HospitalA", "user"), SigningDomain::Verify, &request).expect("signed");
    let status = owner.reports.verify(Request::new(signed)).await.expect_err("no such transaction");
    assert_eq!(status.code(), Code::NotFound);
}

/// A user who hangs up leaves the sealing thread at work; its place used to be free at once.
#[test]
fn the_place_of_a_dropped_seal_lasts_until_its_work_has_ended() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let world = World::new();
        let [hospital, ..] = Hospital::all(&world);
        let image = png(64, 0);
        let (free, busy) = std::sync::mpsc::channel::<()>();
        let occupied = tokio::task::spawn_blocking(move || busy.recv());
        for _ in 0..2 {
            let dropped = std::pin::pin!(sealed(&world, &hospital, &image));
            assert!(futures_util::poll!(dropped).is_pending());
        }
        let messages = vec![Ok(begin(&world, "HospitalA", "user", image.len()))];
        let refused = seal_messages(&hospital, messages).await.map_err(|status| status.code()).err();
        assert_eq!(refused, Some(Code::ResourceExhausted), "every place is taken");
        free.send(()).expect("listened to");
        occupied.await.expect("no panic").expect("told");
        tokio::task::spawn_blocking(|| ()).await.expect("no panic");
        sealed(&world, &hospital, &image).await;
    });
}

/// A user sealed the same picture twice, since nothing said that it was on the ledger already.
#[tokio::test]
async fn a_file_is_known_while_a_report_of_the_own_hospital_holds_it() {
    let world = World::new();
    let [owner, other, _] = Hospital::all(&world);
    let (image, another) = (png(150, 3), png(151, 3));
    let request = |org: &str, name: &str, domain: SigningDomain, image: &[u8], version: u16| {
        let asked = UploadedRequest { version, channel: world.channel(), digest: Digest::of(image) };
        Request::new(sign(world.identity(org, name), domain, &asked).expect("signed"))
    };
    let known = async |hospital: &Hospital, image: &[u8]| -> Vec<TxId> {
        let asked = request(hospital.node_org(), "user", SigningDomain::Uploaded, image, 1);
        let answer = hospital.reports.uploaded(asked).await.expect("an answer").into_inner();
        answer.into_iter().map(|before| before.report_id).collect()
    };
    let record = |sealed: &SealedReport| {
        let call = upload_call(&examination(sealed), "HospitalA", &[]);
        let cid = sealed.cid.clone();
        world.commit("HospitalA", move |tx_id| {
            let mut call = call(tx_id);
            call.writes.push(KvWrite { key: cid_key(&cid), value: json(tx_id) });
            call
        })
    };
    let first = sealed(&world, &owner, &image).await;
    assert!(known(&owner, &image).await.is_empty(), "sealed is not uploaded");
    let first = record(&first);
    assert_eq!(known(&owner, &image).await, std::slice::from_ref(&first));
    let second = record(&sealed(&world, &owner, &image).await);
    assert_eq!(known(&owner, &image).await, [first.clone(), second.clone()]);
    assert!(known(&owner, &another).await.is_empty());
    assert!(known(&other, &image).await.is_empty(), "it is the owner's knowledge alone");
    world.rewrite("HospitalA", &first, true, |record| record.state = ReportState::Erased);
    assert_eq!(known(&owner, &image).await, [second]);
    let rows = [
        ("another hospital's user", request("HospitalB", "user", SigningDomain::Uploaded, &image, 1)),
        ("another purpose", request("HospitalA", "user", SigningDomain::Verify, &image, 1)),
        ("a newer version", request("HospitalA", "user", SigningDomain::Uploaded, &image, 2)),
    ];
    for (name, request) in rows {
        let status = owner.reports.uploaded(request).await.map(drop).expect_err(name);
        assert!(
            matches!(status.code(), Code::PermissionDenied | Code::InvalidArgument),
            "{name}: {status:?}"
        );
    }
}
