//! Who may wait for a verdict, and how the wait ends.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use prost::Message as _;
use protocol::TxValidationCode;
use protocol::fabric::{CommitStatusRequest, CommitStatusResponse, SignedCommitStatusRequest};
use transport::services::gateway::Gateway as _;
use transport::{Code, Request, Status};

use super::super::GatewayLimits;
use super::world::{OWN, World, within};

pub(super) fn question(
    world: &World,
    org: &str,
    user: &str,
    change: fn(&mut CommitStatusRequest),
) -> SignedCommitStatusRequest {
    let identity = world.network.identity(org, user);
    let mut request = CommitStatusRequest {
        transaction_id: "a".repeat(64),
        channel_id: "reports".to_owned(),
        identity: identity.serialized(),
    };
    change(&mut request);
    let request = Bytes::from(request.encode_to_vec());
    let signature = identity.sign(&request).into();
    SignedCommitStatusRequest { request, signature }
}

async fn ask(world: &World, question: SignedCommitStatusRequest) -> Result<CommitStatusResponse, Status> {
    within(world.gateway.commit_status(Request::new(question))).await.map(|answer| answer.into_inner())
}

#[tokio::test]
async fn a_reader_gets_the_verdict_and_the_block() {
    let world = World::new();
    // Readers of every hospital may ask; what was committed is no secret of one of them.
    for org in [OWN, "HospitalB"] {
        world.node.commit.notify_one();
        let answer = ask(&world, question(&world, org, "user", |_| {})).await.expect("a verdict");
        let code = i32::from(u8::from(TxValidationCode::MvccReadConflict));
        assert_eq!(answer, CommitStatusResponse { result: code, block_number: 7 });
    }
}

#[tokio::test]
async fn nobody_else_waits() {
    let world = World::new();
    let user = |change| question(&world, OWN, "user", change);
    let mut forged = user(|_| {});
    forged.signature = question(&world, OWN, "admin", |_| {}).signature;
    let mut rubbish = user(|_| {});
    rubbish.request = vec![0xff; 5].into();
    let denied = Code::PermissionDenied;
    let rows = [
        ("a forged signature", forged, denied, "signature"),
        ("rubbish", rubbish, Code::InvalidArgument, "invalid status request"),
        ("no identity", user(|r| r.identity.clear()), denied, "identity"),
        ("no tx id", user(|r| r.transaction_id.clear()), Code::InvalidArgument, "transaction id"),
        ("no channel", user(|r| r.channel_id.clear()), Code::InvalidArgument, "channel name"),
        ("a channel not joined", user(|r| r.channel_id = "other".into()), Code::NotFound, "not joined"),
        ("an unregistered identity", question(&world, OWN, "stranger", |_| {}), denied, "not registered"),
    ];
    for (name, question, code, text) in rows {
        let status = ask(&world, question).await.expect_err(name);
        assert_eq!(status.code(), code, "{name}: {status:?}");
        assert!(status.message().contains(text), "{name}: {status:?}");
    }
    let poi = world.network.identity(OWN, "user").poi();
    world.node.ledger.revoked.lock().unwrap().insert(poi);
    let status = ask(&world, user(|_| {})).await.expect_err("revoked");
    assert!(status.code() == denied && status.message().contains("revoked"), "{status:?}");
    assert_eq!(world.node.waiting.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn waiters_are_bounded_and_one_that_leaves_makes_room() {
    let world = World::with(GatewayLimits { waiters_max: 1, ..GatewayLimits::default() });
    let gateway = world.gateway.clone();
    let request = question(&world, OWN, "user", |_| {});
    let first = request.clone();
    let waiting = tokio::spawn(async move { gateway.commit_status(Request::new(first)).await.map(drop) });
    within(async {
        while world.node.waiting.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let status = ask(&world, request.clone()).await.expect_err("no place");
    assert_eq!(status.code(), Code::ResourceExhausted);
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    world.node.commit.notify_one();
    ask(&world, request).await.expect("a place again");
}

#[tokio::test]
async fn a_wait_ends_when_who_waits_is_revoked() {
    let world = World::new();
    let gateway = world.gateway.clone();
    let request = question(&world, OWN, "user", |_| {});
    let waiting = tokio::spawn(async move { gateway.commit_status(Request::new(request)).await.map(drop) });
    within(async {
        while world.node.waiting.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    world.node.revocation.notify_one();
    let status = within(waiting).await.expect("no panic").expect_err("revoked");
    assert_eq!(status.code(), Code::PermissionDenied);
    assert!(status.message().contains("was revoked on channel reports"), "{status:?}");
}

#[tokio::test]
async fn a_wait_ends_at_its_deadline_and_at_the_clients() {
    let world =
        World::with(GatewayLimits { commit_status: Duration::from_millis(20), ..GatewayLimits::default() });
    let status = ask(&world, question(&world, OWN, "user", |_| {})).await.expect_err("never committed");
    assert_eq!(status.code(), Code::DeadlineExceeded);
    let world = World::new();
    let mut request = Request::new(question(&world, OWN, "user", |_| {}));
    request.metadata_mut().insert("grpc-timeout", "20m".parse().unwrap());
    let status = within(world.gateway.commit_status(request)).await.expect_err("never committed");
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert!(status.message().contains("ask again"), "{status:?}");
}
