//! What is handed to the orderers, what is not, and how their answers reach the client.

use std::sync::atomic::Ordering;

use endorsing::sign_envelope;
use protocol::fabric::{self, Envelope, SubmitRequest};
use transport::services::gateway::Gateway as _;
use transport::{Code, Request, Status, details_of};

use super::world::{Call, OWN, World, upload, within};

async fn submit(world: &World, request: SubmitRequest) -> Result<(), Status> {
    within(world.gateway.submit(Request::new(request))).await.map(drop)
}

/// An endorsed and signed transaction.
pub(super) async fn prepared(world: &World, call: &Call<'_>, named: &[&str]) -> SubmitRequest {
    let request = world.endorse_request(call, named);
    let (transaction_id, channel_id) = (request.transaction_id.clone(), request.channel_id.clone());
    let answer = within(world.gateway.endorse(Request::new(request))).await.expect("endorsed");
    let envelope = answer.into_inner().prepared_transaction.expect("an envelope");
    let envelope = sign_envelope(envelope, world.network.identity(call.org, call.user)).expect("signed");
    SubmitRequest { transaction_id, channel_id, prepared_transaction: Some(envelope) }
}

#[tokio::test]
async fn a_signed_transaction_reaches_the_orderers_as_it_was_signed() {
    let world = World::new();
    let request = prepared(&world, &Call::default(), &[]).await;
    let envelope = request.prepared_transaction.clone();
    submit(&world, request).await.expect("ordered");
    assert_eq!(world.orderers.taken.lock().unwrap().first(), envelope.as_ref());
}

#[tokio::test]
async fn an_orderers_answer_becomes_a_code_and_a_text() {
    use fabric::Status as S;
    let rows = [
        (S::BadRequest, Code::InvalidArgument),
        (S::Forbidden, Code::PermissionDenied),
        (S::NotFound, Code::NotFound),
        (S::RequestEntityTooLarge, Code::ResourceExhausted),
        (S::TooManyRequests, Code::ResourceExhausted),
        (S::InternalServerError, Code::Aborted),
        (S::NotImplemented, Code::Unimplemented),
        (S::ServiceUnavailable, Code::Unavailable),
        (S::Unknown, Code::Aborted),
    ];
    let world = World::new();
    let request = prepared(&world, &Call::default(), &[]).await;
    for (answer, code) in rows {
        *world.orderers.status.lock().unwrap() = Some(answer);
        let status = submit(&world, request.clone()).await.expect_err("refused");
        assert_eq!(status.code(), code, "{answer:?}");
        let is_told_when = status.metadata().get("grpc-retry-pushback-ms").is_some();
        assert_eq!(is_told_when, answer == S::TooManyRequests, "{answer:?}");
        let text = "received unsuccessful response from orderer: status=";
        assert!(
            status.message().starts_with(text) && status.message().ends_with("info=said so"),
            "{status:?}"
        );
    }
    *world.orderers.status.lock().unwrap() = None;
    let status = submit(&world, request).await.expect_err("nobody");
    assert_eq!((status.code(), details_of(&status).len()), (Code::Unavailable, 1));
}

#[tokio::test]
async fn what_is_not_a_signed_transaction_of_this_hospital_is_not_handed_on() {
    fn envelope(request: &mut SubmitRequest) -> &mut Envelope {
        request.prepared_transaction.as_mut().expect("an envelope")
    }
    let invalid = Code::InvalidArgument;
    let rows: &[(&str, fn(&mut SubmitRequest), Code, &str)] = &[
        ("nothing", |r| r.prepared_transaction = None, invalid, "required"),
        ("no signature", |r| envelope(r).signature.clear(), invalid, "must be signed"),
        (
            "another signature",
            |r| envelope(r).signature = vec![0x30, 0].into(),
            Code::PermissionDenied,
            "signature",
        ),
        ("another tx id", |r| r.transaction_id = "0".repeat(64), invalid, "transaction id"),
        ("another channel", |r| r.channel_id = "other".into(), invalid, "channel"),
        ("no payload", |r| envelope(r).payload.clear(), invalid, "header"),
        ("rubbish", |r| envelope(r).payload = vec![0xff; 9].into(), invalid, "payload"),
        ("too large", |r| envelope(r).payload = vec![0; 17 << 20].into(), Code::ResourceExhausted, "limit"),
    ];
    let world = World::new();
    let request = prepared(&world, &Call::default(), &[]).await;
    for (name, change, code, text) in rows {
        let mut request = request.clone();
        change(&mut request);
        let status = submit(&world, request).await.expect_err(name);
        assert_eq!(status.code(), *code, "{name}: {status:?}");
        assert!(status.message().contains(text), "{name}: {status:?}");
    }
    assert!(world.orderers.taken.lock().unwrap().is_empty());
}

#[tokio::test]
async fn another_hospitals_user_is_sent_home() {
    let world = World::new();
    let call = Call { org: "HospitalB", ..Call::default() };
    let (tx_id, signed) = world.proposal(&call);
    let parsed = endorsing::parse_proposal(&signed).unwrap();
    let bundle = crate::ports::ChannelLedger::bundle(&*world.node.ledger);
    let peer = world.network.identity("HospitalB", "peer0");
    let response = super::world::perform(super::world::Does::Endorse, &signed, &bundle, peer).await.unwrap();
    let envelope = endorsing::assemble(&parsed, &[response]).unwrap();
    let envelope = sign_envelope(envelope, world.network.identity("HospitalB", "user")).unwrap();
    let request = SubmitRequest {
        transaction_id: tx_id.as_str().to_owned(),
        channel_id: "reports".to_owned(),
        prepared_transaction: Some(envelope),
    };
    let status = submit(&world, request).await.expect_err("a stranger");
    assert_eq!(status.code(), Code::PermissionDenied);
    assert!(status.message().contains("HospitalA") && status.message().contains("HospitalB"), "{status:?}");
    assert_eq!(world.node.calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_upload_is_ordered_only_while_its_key_is_in_custody() {
    let world = World::new();
    let request = prepared(&world, &upload(), &[OWN, "HospitalB"]).await;
    let held = std::mem::take(&mut *world.custody.held.lock().unwrap());
    let status = submit(&world, request.clone()).await.expect_err("no key");
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(world.orderers.taken.lock().unwrap().is_empty());
    *world.custody.held.lock().unwrap() =
        held.clone().into_iter().map(|(id, (_, key))| (id, ("bafy-another".to_owned(), key))).collect();
    let status = submit(&world, request.clone()).await.expect_err("the key of another file");
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(world.orderers.taken.lock().unwrap().is_empty());
    *world.custody.held.lock().unwrap() = held;
    submit(&world, request).await.expect("ordered");
}

#[tokio::test]
async fn an_upload_without_a_readable_claim_is_not_ordered() {
    let world = World::new();
    for arg in [None, Some("{}"), Some("not JSON")] {
        let request = prepared(&world, &Call { arg, ..upload() }, &[OWN, "HospitalB"]).await;
        let status = submit(&world, request).await.expect_err("no claim");
        assert_eq!(status.code(), Code::InvalidArgument, "{arg:?}: {status:?}");
        assert!(status.message().contains("claim of an upload"), "{arg:?}: {status:?}");
    }
    assert!(world.orderers.taken.lock().unwrap().is_empty());
}

#[test]
fn a_cid_is_the_same_in_every_base() {
    let cid = offchain::Cid::of_raw(b"sealed").to_string();
    let other = offchain::Cid::of_raw(b"other").to_string();
    let rows = [(cid.as_str(), true), (other.as_str(), false), ("rubbish", false), ("", false)];
    for (text, expected) in rows {
        assert_eq!(super::super::upload::is_same_cid(text, &cid), expected, "{text}");
    }
}
