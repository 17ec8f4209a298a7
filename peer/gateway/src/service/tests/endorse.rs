//! Whom the gateway asks, what it makes of the answers, and what it says when they are not enough.

use std::sync::atomic::Ordering;
use std::time::Duration;

use endorsing::{check_prepared, parse_proposal};
use prost::Message as _;
use protocol::fabric::{
    ChaincodeActionPayload, EndorseRequest, Envelope, Payload, SerializedIdentity, Transaction,
};
use transport::services::gateway::Gateway as _;
use transport::{Code, Request, Status, details_of};

use super::super::GatewayLimits;
use super::fixture::msp_id;
use super::world::{Call, DATA_KEY, Does, OWN, World, upload, within};

pub(super) async fn endorse(world: &World, request: EndorseRequest) -> Result<Envelope, Status> {
    let answer = within(world.gateway.endorse(Request::new(request))).await?;
    Ok(answer.into_inner().prepared_transaction.expect("an envelope"))
}

/// Who endorsed an envelope, in its order, as the last letters of their names.
fn endorsers(envelope: &Envelope) -> String {
    let payload = Payload::decode(envelope.payload.clone()).unwrap();
    let transaction = Transaction::decode(payload.data).unwrap();
    let action = ChaincodeActionPayload::decode(transaction.actions[0].payload.clone()).unwrap();
    let endorsements = action.action.unwrap().endorsements;
    let name = |endorser| SerializedIdentity::decode(endorser).unwrap().mspid.pop().unwrap();
    endorsements.into_iter().map(|endorsement| name(endorsement.endorser)).collect()
}

/// A row: named organisations, scripts of A, B, C, whom it asked besides itself, and the endorsers or code and text.
type Row<'a> = (&'a str, &'a [&'a str], [&'a [Does]; 3], &'a [&'a str], Result<&'a str, (Code, &'a str)>);

#[tokio::test]
async fn enough_equal_endorsements_make_a_transaction_and_all_else_is_explained() {
    use Does::{ChaincodeError, Endorse, ReadAt, Refuse, Write};
    let down = Refuse(Code::Unavailable, "connection refused");
    let collected = "failed to collect enough transaction endorsements, see attached details for more info";
    let refused = "failed to endorse transaction, see attached details for more info";
    let (a, b, c) = ("HospitalA", "HospitalB", "HospitalC");
    let rows: &[Row<'_>] = &[
        ("two of three", &[], [&[], &[], &[]], &[b], Ok("AB")),
        ("the next one for one that is down", &[], [&[], &[down], &[]], &[b, c], Ok("AC")),
        (
            "the next one for a failing chaincode",
            &[],
            [&[], &[ChaincodeError(500, "no")], &[]],
            &[b, c],
            Ok("AC"),
        ),
        ("the next one for another answer", &[], [&[], &[Write("w")], &[]], &[b, c], Ok("AC")),
        (
            "own chaincode fails",
            &[],
            [&[ChaincodeError(500, "no")], &[], &[]],
            &[],
            Err((Code::Aborted, refused)),
        ),
        (
            "own peer refuses",
            &[],
            [&[Refuse(Code::PermissionDenied, "no")], &[], &[]],
            &[],
            Err((Code::Aborted, refused)),
        ),
        ("own peer is busy", &[], [&[Refuse(Code::ResourceExhausted, "busy")], &[], &[]], &[b, c], Ok("BC")),
        (
            "others fail",
            &[],
            [&[], &[down], &[ChaincodeError(500, "no")]],
            &[b, c],
            Err((Code::Aborted, collected)),
        ),
        (
            "others are down",
            &[],
            [&[], &[down], &[down]],
            &[b, c],
            Err((Code::FailedPrecondition, "no combination of peers")),
        ),
        (
            "all differ",
            &[],
            [&[], &[Write("w")], &[Write("x")]],
            &[b, c],
            Err((Code::Aborted, "the endorsers do not agree")),
        ),
        ("exactly these", &[b, c], [&[], &[], &[]], &[b, c], Ok("BC")),
        ("exactly this", &[a], [&[], &[], &[]], &[], Ok("A")),
        (
            "one of these fails",
            &[b, c],
            [&[], &[], &[ChaincodeError(404, "no")]],
            &[b, c],
            Err((Code::Aborted, collected)),
        ),
        (
            "one of these is down",
            &[b, c],
            [&[], &[], &[down]],
            &[b, c],
            Err((Code::FailedPrecondition, "no combination")),
        ),
        (
            "this peer catches up",
            &[],
            [&[ReadAt(1), ReadAt(8)], &[ReadAt(8)], &[ReadAt(8)]],
            &[b, c, b],
            Ok("AB"),
        ),
        ("the other catches up", &[a, b], [&[ReadAt(4)], &[ReadAt(1), ReadAt(4)], &[]], &[b, b], Ok("AB")),
        (
            "nobody catches up",
            &[a, b],
            [&[ReadAt(4)], &[ReadAt(1)], &[Endorse]],
            &[b, b],
            Err((Code::Aborted, "different heights")),
        ),
        (
            "no such organisation",
            &["HospitalX"],
            [&[], &[], &[]],
            &[],
            Err((Code::FailedPrecondition, "HospitalX")),
        ),
        (
            "an organisation without peers",
            &["Orderers"],
            [&[], &[], &[]],
            &[],
            Err((Code::FailedPrecondition, "no peers")),
        ),
        ("named twice", &[b, b], [&[], &[], &[]], &[], Err((Code::InvalidArgument, "named twice"))),
        ("no name", &[""], [&[], &[], &[]], &[], Err((Code::InvalidArgument, "not valid"))),
    ];
    for (name, named, scripts, asked, verdict) in rows {
        let world = World::new();
        for (org, script) in [a, b, c].into_iter().zip(scripts) {
            world.script(org, script);
        }
        let request = world.endorse_request(&Call::default(), named);
        let proposed = parse_proposal(request.proposed_transaction.as_ref().unwrap()).unwrap();
        let answer = endorse(&world, request).await;
        assert_eq!(world.asked(), *asked, "{name}: whom it asked");
        match (answer, verdict) {
            (Ok(envelope), Ok(who)) => {
                assert_eq!(endorsers(&envelope), *who, "{name}");
                check_prepared(&envelope, &proposed).expect(name);
            }
            (Err(status), Err((code, text))) => {
                assert_eq!(status.code(), *code, "{name}: {status:?}");
                assert!(status.message().contains(text), "{name}: {status:?}");
            }
            (answer, _) => panic!("{name}: {answer:?}"),
        }
    }
}

#[tokio::test]
async fn a_shortfall_has_a_row_for_every_endpoint() {
    let world = World::new();
    world.script("HospitalB", &[Does::Refuse(Code::Unavailable, "connection refused")]);
    world.script("HospitalC", &[Does::ChaincodeError(500, "no such asset")]);
    let status = endorse(&world, world.endorse_request(&Call::default(), &[])).await.expect_err("too few");
    let rows: Vec<_> =
        details_of(&status).into_iter().map(|row| (row.msp_id, row.address, row.message)).collect();
    let row =
        |msp_id: &str, message: &str| (msp_id.to_owned(), format!("peer0.{msp_id}:7051"), message.to_owned());
    let expected = [
        row("HospitalB", "connection refused"),
        row("HospitalC", "chaincode response 500, no such asset"),
        row("HospitalA", "reachable; endorsed"),
    ];
    assert_eq!(rows, expected);
}

#[tokio::test]
async fn a_difference_names_key_values_and_endorsers() {
    let world = World::new();
    world.script("HospitalB", &[Does::Write("another")]);
    let request = world.endorse_request(&Call::default(), &[OWN, "HospitalB"]);
    let status = endorse(&world, request).await.expect_err("different");
    assert_eq!(status.code(), Code::Aborted);
    let details = details_of(&status);
    assert_eq!(details.len(), 2, "{details:?}");
    for (row, org) in details.iter().zip([OWN, "HospitalB"]) {
        assert_eq!(row.msp_id, org);
        for part in ["\"k\"", "\"v\" and \"another\"", "HospitalA", "HospitalB"] {
            assert!(row.message.contains(part), "{part}: {}", row.message);
        }
    }
    assert!(!status.message().contains("another"), "what may be logged quotes no value");
    assert!(status.message().contains("7 bytes (SHA-256"), "{status:?}");
}

#[tokio::test]
async fn a_slow_endorser_is_not_waited_for_when_another_will_do() {
    let limits = GatewayLimits { hedge_after: Duration::from_millis(1), ..GatewayLimits::default() };
    let world = World::with(limits);
    world.script("HospitalB", &[Does::Hang]);
    let envelope = endorse(&world, world.endorse_request(&Call::default(), &[])).await.expect("endorsed");
    assert_eq!(endorsers(&envelope), "AC");
}

#[tokio::test]
async fn an_organisation_that_failed_a_moment_ago_is_asked_last() {
    let world = World::new();
    world.endorsers.suspects.lock().unwrap().insert(msp_id("HospitalB"));
    let envelope = endorse(&world, world.endorse_request(&Call::default(), &[])).await.expect("endorsed");
    assert_eq!((endorsers(&envelope).as_str(), world.asked()), ("AC", vec!["HospitalC".to_owned()]));
}

#[tokio::test]
async fn the_deadline_ends_the_wait_and_is_called_so() {
    let world = World::with(GatewayLimits { endorse: Duration::from_millis(50), ..GatewayLimits::default() });
    world.script("HospitalB", &[Does::Hang]);
    world.script("HospitalC", &[Does::Hang]);
    let status = endorse(&world, world.endorse_request(&Call::default(), &[])).await.expect_err("late");
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
}

#[tokio::test]
async fn a_request_that_contradicts_itself_is_refused_before_anybody_runs_it() {
    let stranger = Call { org: "HospitalB", ..Call::default() };
    let rows: &[(&str, Call<'_>, fn(&mut EndorseRequest), Code, &str)] = &[
        (
            "no proposal",
            Call::default(),
            |r| r.proposed_transaction = None,
            Code::InvalidArgument,
            "required",
        ),
        (
            "another tx id",
            Call::default(),
            |r| r.transaction_id = "0".repeat(64),
            Code::InvalidArgument,
            "transaction id",
        ),
        (
            "another channel",
            Call::default(),
            |r| r.channel_id = "other".into(),
            Code::InvalidArgument,
            "channel",
        ),
        ("another hospital's user", stranger, |_| {}, Code::PermissionDenied, "\"HospitalB\""),
        (
            "no such chaincode",
            Call { chaincode: "none", ..Call::default() },
            |_| {},
            Code::FailedPrecondition,
            "none",
        ),
        (
            "too many organisations",
            Call::default(),
            |r| r.endorsing_organizations = vec!["X".into(); 65],
            Code::InvalidArgument,
            "65",
        ),
    ];
    for (name, call, change, code, text) in rows {
        let world = World::new();
        let mut request = world.endorse_request(call, &[]);
        change(&mut request);
        let status = endorse(&world, request).await.expect_err(name);
        assert_eq!(status.code(), *code, "{name}: {status:?}");
        assert!(status.message().contains(text), "{name}: {status:?}");
        assert_eq!((world.node.calls.load(Ordering::SeqCst), world.asked().len()), (0, 0), "{name}");
    }
}

#[tokio::test]
async fn another_organisation_sees_no_proposal_with_a_broken_signature() {
    let world = World::new();
    let mut request = world.endorse_request(&Call::default(), &["HospitalB"]);
    let other = world.endorse_request(&Call { nonce: "other", ..Call::default() }, &[]);
    let signature = other.proposed_transaction.unwrap().signature;
    request.proposed_transaction.as_mut().unwrap().signature = signature;
    let status = endorse(&world, request).await.expect_err("forged");
    assert_eq!((status.code(), world.asked().len()), (Code::PermissionDenied, 0));
}

#[tokio::test]
async fn an_uploads_key_is_in_custody_before_the_client_has_the_transaction() {
    let world = World::new();
    let request = world.endorse_request(&upload(), &[OWN, "HospitalB", "HospitalC"]);
    let tx_id = request.transaction_id.clone();
    let envelope = endorse(&world, request).await.expect("endorsed");
    assert_eq!(endorsers(&envelope), "AB");
    let held = world.custody.held.lock().unwrap();
    let (report_id, kept) = held.first_key_value().expect("a key");
    assert_eq!((report_id.as_str(), kept), (tx_id.as_str(), &("bafy-cid".to_owned(), DATA_KEY)));
}

#[tokio::test]
async fn an_upload_goes_to_named_checkers_with_key_and_cid_or_nowhere() {
    let cid: (&str, &[u8]) = ("content_cid", b"bafy-cid");
    let key: (&str, &[u8]) = ("data_key", &DATA_KEY);
    let short: (&str, &[u8]) = ("data_key", &DATA_KEY[..31]);
    let checkers: &[&str] = &[OWN, "HospitalB"];
    let invalid = Code::InvalidArgument;
    let rows: &[(&str, &[(&str, &[u8])], &[&str], Code, &str)] = &[
        ("nobody named", &[cid, key], &[], invalid, "checkers"),
        ("too few named", &[cid, key], &[OWN], invalid, "2 checkers"),
        ("own not named", &[cid, key], &["HospitalB", "HospitalC"], invalid, "own organisation"),
        ("no key", &[cid], checkers, invalid, "data_key"),
        ("a short key", &[cid, short], checkers, invalid, "31 bytes"),
        ("no cid", &[key], checkers, invalid, "content_cid"),
        ("cid is no text", &[("content_cid", &[0xff]), key], checkers, invalid, "content_cid"),
    ];
    for (name, transient, named, code, text) in rows {
        let world = World::new();
        let request = world.endorse_request(&Call { transient, ..upload() }, named);
        let status = endorse(&world, request).await.expect_err(name);
        assert_eq!(status.code(), *code, "{name}: {status:?}");
        assert!(status.message().contains(text), "{name}: {status:?}");
        assert_eq!((world.node.calls.load(Ordering::SeqCst), world.asked().len()), (0, 0), "{name}");
        assert!(world.custody.held.lock().unwrap().is_empty(), "{name}");
    }
}

#[tokio::test]
async fn an_upload_that_nobody_keeps_or_endorses_gives_no_transaction() {
    let world = World::new();
    *world.custody.is_broken.lock().unwrap() = true;
    let request = world.endorse_request(&upload(), &[OWN, "HospitalB"]);
    assert_eq!(endorse(&world, request).await.expect_err("no custody").code(), Code::Unavailable);

    let world = World::new();
    world.script("HospitalB", &[Does::ChaincodeError(400, "the image is not what was claimed")]);
    let request = world.endorse_request(&upload(), &[OWN, "HospitalB"]);
    assert_eq!(endorse(&world, request).await.expect_err("refused").code(), Code::Aborted);
    assert!(world.custody.held.lock().unwrap().is_empty());
}

#[tokio::test]
async fn calls_over_the_limit_are_refused_and_reads_are_not() {
    let world = World::with(GatewayLimits { calls_max: 1, ..GatewayLimits::default() });
    world.script(OWN, &[Does::Hang, Does::Endorse]);
    let gateway = world.gateway.clone();
    let request = world.endorse_request(&Call::default(), &[]);
    let hanging = tokio::spawn(async move { gateway.endorse(Request::new(request)).await.map(drop) });
    within(async {
        while world.node.calls.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let request = world.endorse_request(&Call { nonce: "2", ..Call::default() }, &[]);
    let status = endorse(&world, request.clone()).await.expect_err("no place");
    assert_eq!(status.code(), Code::ResourceExhausted);
    let read = protocol::fabric::EvaluateRequest {
        transaction_id: request.transaction_id.clone(),
        channel_id: request.channel_id.clone(),
        proposed_transaction: request.proposed_transaction.clone(),
        target_organizations: Vec::new(),
    };
    within(world.gateway.evaluate(Request::new(read))).await.expect("a read has its own places");
    // A client that leaves gives its place back.
    hanging.abort();
    assert!(hanging.await.unwrap_err().is_cancelled());
    endorse(&world, request).await.expect("a place again");
}
