//! A stream against an orderer that answers when the test says so.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::StreamExt as _;
use protocol::fabric;
use tokio::sync::{oneshot, watch};
use transport::services::ResponseStream;
use transport::services::broadcast::{AtomicBroadcast, AtomicBroadcastServer};
use transport::{Code, Request, Response};

use super::*;
use crate::dialer::tests::{Authority, Stop, serve_with};
use crate::service::tests::world::within;

/// Tells what arrives and answers what it is told to.
struct Held {
    arrived: mpsc::Sender<Bytes>,
    answers: Mutex<Option<mpsc::Receiver<BroadcastResponse>>>,
    /// The stream opens once this is true.
    opens: watch::Receiver<bool>,
}

impl AtomicBroadcast for Held {
    async fn broadcast(
        &self,
        request: Request<Streaming<Envelope>>,
    ) -> Result<Response<ResponseStream<BroadcastResponse>>, Status> {
        let _ = self.opens.clone().wait_for(|opens| *opens).await;
        let (mut envelopes, arrived) = (request.into_inner(), self.arrived.clone());
        tokio::spawn(async move {
            while let Ok(Some(envelope)) = envelopes.message().await {
                let _ = arrived.send(envelope.payload).await;
            }
        });
        let answers = self.answers.lock().unwrap().take().expect("one stream a test");
        Ok(Response::new(Box::pin(ReceiverStream::new(answers).map(Ok))))
    }
}

/// The test's side.
struct Scene {
    stream: BroadcastStream,
    arrived: mpsc::Receiver<Bytes>,
    answers: mpsc::Sender<BroadcastResponse>,
    opens: watch::Sender<bool>,
    _stop: Stop,
}

async fn scene(answer_max: Duration, is_open: bool) -> Scene {
    let authority = Authority::new();
    let (arrived_sender, arrived) = mpsc::channel(64);
    let (answers, answers_receiver) = mpsc::channel(64);
    let (opens, opening) = watch::channel(is_open);
    let held = Held { arrived: arrived_sender, answers: Mutex::new(Some(answers_receiver)), opens: opening };
    let add = |server: transport::Server| server.add_service(AtomicBroadcastServer::from_arc(Arc::new(held)));
    let (endpoint, stop) = serve_with(&authority, add).await;
    let channel = authority.client().connect(&endpoint);
    Scene { stream: BroadcastStream::open(channel, answer_max), arrived, answers, opens, _stop: stop }
}

fn envelope(payload: &'static str) -> Envelope {
    Envelope { payload: Bytes::from_static(payload.as_bytes()), signature: Bytes::new() }
}

fn answer(info: &str) -> BroadcastResponse {
    BroadcastResponse { status: fabric::Status::Success.into(), info: info.to_owned() }
}

/// Sends in a task of its own, so that the test can abort it.
fn sending(stream: &BroadcastStream, payload: &'static str) -> tokio::task::JoinHandle<Result<String, Code>> {
    let stream = stream.clone();
    tokio::spawn(async move {
        stream.send(envelope(payload)).await.map(|answer| answer.info).map_err(|status| status.code())
    })
}

#[tokio::test]
async fn a_caller_that_leaves_takes_its_answer_with_it() {
    let mut scene = scene(Duration::from_secs(20), true).await;
    let mut calls = Vec::new();
    for payload in ["a", "b", "c"] {
        calls.push(sending(&scene.stream, payload));
        assert_eq!(within(scene.arrived.recv()).await.as_deref(), Some(payload.as_bytes()));
    }
    let left = calls.remove(1);
    left.abort();
    assert!(within(left).await.expect_err("aborted").is_cancelled());
    for info in ["of a", "of b", "of c"] {
        scene.answers.send(answer(info)).await.expect("the stream is open");
    }
    let found = [within(calls.remove(0)).await.expect("ends"), within(calls.remove(0)).await.expect("ends")];
    assert_eq!(found, [Ok("of a".to_owned()), Ok("of c".to_owned())]);
    assert!(scene.stream.is_open());
}

#[tokio::test]
async fn an_envelope_whose_caller_left_before_the_stream_opened_is_not_sent() {
    let mut scene = scene(Duration::from_secs(20), false).await;
    let early = sending(&scene.stream, "early");
    let (entered, waits) = oneshot::channel();
    let stream = scene.stream.clone();
    let leaving = tokio::spawn(async move {
        let sending = stream.send(envelope("left"));
        tokio::pin!(sending);
        // One poll puts the envelope into the line.
        assert!(futures_util::poll!(&mut sending).is_pending());
        let _ = entered.send(());
        sending.await.map(drop)
    });
    within(waits).await.expect("it waits");
    leaving.abort();
    assert!(within(leaving).await.expect_err("aborted").is_cancelled());
    let late = sending(&scene.stream, "late");
    scene.opens.send_replace(true);
    let mut arrived = [within(scene.arrived.recv()).await, within(scene.arrived.recv()).await];
    arrived.sort();
    assert_eq!(arrived, [Some(Bytes::from_static(b"early")), Some(Bytes::from_static(b"late"))]);
    for _ in 0..2 {
        scene.answers.send(answer("taken")).await.expect("the stream is open");
    }
    for call in [early, late] {
        assert_eq!(within(call).await.expect("ends"), Ok("taken".to_owned()));
    }
}

#[tokio::test]
async fn a_stream_whose_oldest_answer_is_overdue_ends_for_all_and_is_not_used_again() {
    let mut scene = scene(Duration::from_millis(200), true).await;
    let calls = ["a", "b"].map(|payload| sending(&scene.stream, payload));
    for _ in 0..2 {
        within(scene.arrived.recv()).await.expect("arrives");
    }
    for call in calls {
        assert_eq!(within(call).await.expect("ends"), Err(Code::DeadlineExceeded));
    }
    assert!(!scene.stream.is_open());
    assert_eq!(within(sending(&scene.stream, "c")).await.expect("ends"), Err(Code::Unavailable));
}

#[tokio::test]
async fn an_orderer_that_closes_the_stream_ends_it_for_those_who_wait() {
    let mut scene = scene(Duration::from_secs(20), true).await;
    let call = sending(&scene.stream, "a");
    within(scene.arrived.recv()).await.expect("arrives");
    drop(scene.answers);
    assert_eq!(within(call).await.expect("ends"), Err(Code::Unavailable));
    assert!(!scene.stream.is_open());
}
