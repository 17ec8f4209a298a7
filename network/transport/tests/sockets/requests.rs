//! What happens on connections that live: streams, limits, the gate, and the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use protocol::fabric::{BroadcastResponse, Envelope};
use protocol::{DeliverReply, KeyRelease, SealRequest, SignedRequest, VerifyReport};
use transport::services::broadcast::AtomicBroadcastClient;
use transport::services::consensus::ConsensusClient;
use transport::services::custody::CustodyClient;
use transport::services::delivery::DeliveryClient;
use transport::services::endorser::EndorserClient;
use transport::services::reports::ReportsClient;
use transport::{Code, ConnectionGate, MessagePack, Protobuf, Request, WireCodec};

use crate::fixture::{Authority, Running, within};
use crate::world::{self, signed};

fn envelope(payload: &'static [u8], signature: &'static [u8]) -> Envelope {
    Envelope { payload: Bytes::from_static(payload), signature: Bytes::from_static(signature) }
}

#[tokio::test]
async fn calls_and_streams_of_every_kind_work() {
    let ca = Authority::new("ca");
    let running = Running::start(world::server(&ca.node(), &ca.roots()).0).await;
    let channel = ca.client().connect(&running.endpoint);

    let custody = CustodyClient::new(channel.clone());
    assert_eq!(custody.deposit(signed(5)).await.unwrap().into_inner(), "5 bytes");
    assert_eq!(
        custody.request(signed(5)).await.unwrap().into_inner(),
        KeyRelease::Refused("clause".to_owned())
    );

    let delivery = DeliveryClient::new(channel.clone());
    let replies = delivery.deliver(envelope(b"1", b"")).await.unwrap().into_inner();
    let replies: Vec<_> = replies.map(Result::unwrap).collect().await;
    let block = |bytes| DeliverReply::Block(Bytes::from_static(bytes));
    assert_eq!(replies, [block(b"1"), block(b"2"), DeliverReply::Status(200, "end".to_owned())]);

    let broadcast = AtomicBroadcastClient::new(channel.clone());
    let envelopes = tokio_stream::iter([envelope(b"a", b""), envelope(b"bcd", b"")]);
    let answers = broadcast.broadcast(envelopes).await.unwrap().into_inner();
    let answers: Vec<_> = answers.map(|answer| answer.unwrap().info).collect().await;
    assert_eq!(answers, ["1 bytes", "3 bytes"]);

    let reports = ReportsClient::new(channel.clone());
    let chunk = Bytes::from(vec![0; 300_000]);
    let chunks: Vec<_> = (0..10).map(|_| SealRequest::Chunk(chunk.clone())).collect();
    let sealed = reports.seal(tokio_stream::iter(chunks)).await.unwrap().into_inner();
    assert_eq!(sealed.size, 3_000_000);
    assert_eq!(reports.download(signed(1)).await.unwrap_err().message(), "no such report");

    let absent = EndorserClient::new(channel);
    let absent = absent.process_proposal(protocol::fabric::SignedProposal::default()).await.unwrap_err();
    assert_eq!(absent.code(), Code::Unimplemented);
    running.stop().await;
}

#[tokio::test]
async fn a_revoked_key_is_refused_on_a_live_connection_and_loses_its_streams() {
    let ca = Authority::new("ca");
    let revoked = Arc::new(AtomicBool::new(false));
    let gate = ConnectionGate::new({
        let revoked = Arc::clone(&revoked);
        move |_| if revoked.load(Ordering::SeqCst) { Err("TLS key revoked".to_owned()) } else { Ok(()) }
    });
    let (server, mut ended) = world::server(&ca.node(), &ca.roots());
    let running = Running::start(server.gate(gate.clone())).await;
    let channel = ca.client().connect(&running.endpoint);
    let service = ConsensusClient::new(channel.clone());
    let mut stream =
        DeliveryClient::new(channel).deliver(envelope(b"1", b"endless")).await.unwrap().into_inner();
    stream.next().await.unwrap().unwrap();
    service.call(world::question()).await.unwrap();

    revoked.store(true, Ordering::SeqCst);
    let status = service.call(world::question()).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::PermissionDenied, "TLS key revoked"));

    gate.recheck();
    let last = within(stream.next()).await;
    assert!(matches!(last, Some(Err(_)) | None), "the stream is cut: {last:?}");
    within(ended.recv()).await.unwrap();
    running.stop().await;
}

#[tokio::test]
async fn a_live_connection_ends_when_its_root_is_removed() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let roots = ours.roots();
    roots.replace(vec![ours.root(), theirs.root()]).unwrap();
    let running = Running::start(world::server(&ours.node(), &roots).0).await;
    let open = async |ca: &Authority| {
        let client = transport::TlsClient::new(&ca.identity(&["client"]), &ours.roots());
        let delivery = DeliveryClient::new(client.connect(&running.endpoint));
        let mut stream = delivery.deliver(envelope(b"1", b"endless")).await.unwrap().into_inner();
        stream.next().await.unwrap().unwrap();
        (delivery, stream)
    };
    let (staying, _stream) = open(&ours).await;
    let (_leaving, mut stream) = open(&theirs).await;

    roots.replace(vec![ours.root()]).unwrap();
    let last = within(stream.next()).await;
    assert!(matches!(last, Some(Err(_)) | None), "{last:?}");
    staying.deliver(envelope(b"1", b"")).await.unwrap();
}

#[tokio::test]
async fn a_message_over_the_limit_is_refused_by_either_side_with_its_size() {
    let ca = Authority::new("ca");
    let running = Running::start(world::server(&ca.node(), &ca.roots()).0).await;
    let channel = ca.client().connect(&running.endpoint);
    let custody = CustodyClient::new(channel.clone());
    let status = custody.deposit(signed(2 << 20)).await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange, "{status}");
    assert!(status.message().contains("1048576"), "our own side names the limit: {status}");

    // A caller without a limit of its own meets the server's.
    let mut bare = tonic::client::Grpc::new(channel);
    bare.ready().await.unwrap();
    let status = bare
        .unary(
            Request::new(signed(2 << 20)),
            http::uri::PathAndQuery::from_static("/consilium.Custody/Deposit"),
            WireCodec::<SignedRequest, MessagePack, String, MessagePack>::default(),
        )
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange, "{status}");
    assert!(status.message().contains("1048576"), "the server names the limit: {status}");
    custody.deposit(signed(5)).await.unwrap();
    running.stop().await;
}

/// Sends one message as somebody does who has no limits of their own, and returns the server's status.
async fn refusal<T, R, F>(channel: &transport::Channel, path: &'static str, message: T) -> transport::Status
where
    T: Send + Sync + 'static,
    R: Send + Sync + 'static,
    F: transport::Format<T> + transport::Format<R> + Sync,
{
    let mut bare = tonic::client::Grpc::new(channel.clone());
    bare.ready().await.unwrap();
    let request = Request::new(futures_util::stream::iter([message]));
    let path = http::uri::PathAndQuery::from_static(path);
    let answer = within(bare.streaming(request, path, WireCodec::<T, F, R, F>::default())).await;
    match answer {
        Ok(answer) => within(answer.into_inner().message()).await.map(drop).unwrap_err(),
        Err(status) => status,
    }
}

#[tokio::test]
async fn each_service_takes_no_more_than_its_requests_need() {
    let ca = Authority::new("ca");
    let running = Running::start(world::server(&ca.node(), &ca.roots()).0).await;
    let channel = ca.client().connect(&running.endpoint);
    let envelope = |bytes: usize| Envelope { payload: vec![7; bytes].into(), signature: Bytes::new() };
    let rows = [
        (
            "1048576",
            refusal::<_, VerifyReport, MessagePack>(&channel, "/consilium.Reports/Verify", signed(2 << 20))
                .await,
        ),
        (
            "1048576",
            refusal::<_, Envelope, Protobuf>(&channel, "/consilium.Delivery/Deliver", envelope(2 << 20))
                .await,
        ),
        (
            "16842752",
            refusal::<_, BroadcastResponse, Protobuf>(
                &channel,
                "/orderer.AtomicBroadcast/Broadcast",
                envelope(17 << 20),
            )
            .await,
        ),
    ];
    for (limit, status) in rows {
        assert_eq!(status.code(), Code::OutOfRange, "{status}");
        assert!(status.message().contains(limit), "the server names the limit {limit}: {status}");
    }
    running.stop().await;
}

#[tokio::test]
async fn bytes_that_are_no_message_are_refused_in_words() {
    let ca = Authority::new("ca");
    let running = Running::start(world::server(&ca.node(), &ca.roots()).0).await;
    let mut bare = tonic::client::Grpc::new(ca.client().connect(&running.endpoint));
    bare.ready().await.unwrap();
    let status = bare
        .unary(
            Request::new("no signed request".to_owned()),
            http::uri::PathAndQuery::from_static("/consilium.Custody/Deposit"),
            WireCodec::<String, MessagePack, String, MessagePack>::default(),
        )
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("not a valid SignedRequest"), "{status}");
    running.stop().await;
}

#[tokio::test]
async fn a_panic_ends_one_request_only() {
    let ca = Authority::new("ca");
    let running = Running::start(world::server(&ca.node(), &ca.roots()).0).await;
    let custody = CustodyClient::new(ca.client().connect(&running.endpoint));
    assert!(within(custody.request(signed(13))).await.is_err());
    within(custody.request(signed(14))).await.unwrap();
    running.stop().await;
}

#[tokio::test]
async fn a_stream_is_dropped_when_its_caller_leaves() {
    let ca = Authority::new("ca");
    let (server, mut ended) = world::server(&ca.node(), &ca.roots());
    let running = Running::start(server).await;
    let delivery = DeliveryClient::new(ca.client().connect(&running.endpoint));
    let mut stream = delivery.deliver(envelope(b"1", b"endless")).await.unwrap().into_inner();
    stream.next().await.unwrap().unwrap();
    drop(stream);
    within(ended.recv()).await.unwrap();
    running.stop().await;
}

#[tokio::test]
async fn shutdown_ends_at_its_deadline_whatever_streams_are_open() {
    let ca = Authority::new("ca");
    let (server, mut ended) = world::server(&ca.node(), &ca.roots());
    let running = Running::start(server.shutdown_deadline(Duration::from_millis(50))).await;
    let endpoint = running.endpoint.clone();
    let delivery = DeliveryClient::new(ca.client().connect(&endpoint));
    let mut stream = delivery.deliver(envelope(b"1", b"endless")).await.unwrap().into_inner();
    stream.next().await.unwrap().unwrap();
    running.stop().await;
    within(ended.recv()).await.unwrap();
    assert!(ca.client().probe(&endpoint).await.is_err());
}
