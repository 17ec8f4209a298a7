//! Fabric's broadcast: envelopes come on a stream, each is answered in order.
//!
//! Many envelopes of one stream are on their way at once; their answers keep the order. What all streams hold together is
//! bounded in bytes, and a stream that fills the bound is read no further until answers have left.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use ordering::BroadcastRejection;
use prost::Message as _;
use protocol::fabric::{BroadcastResponse, Envelope, Status};
use protocol::limits::ENVELOPE_BYTES_MAX;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinHandle;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use transport::services::ResponseStream;
use transport::services::broadcast::AtomicBroadcast;
use transport::{PeerCertificate, Request, Response, Streaming};

use crate::channel::{Answer, Channel};
use crate::channels::Channels;
use crate::metrics::{OrdererMetrics, UNKNOWN};

/// Envelopes of one stream on their way at a time: some blocks' worth.
const PIPELINE_MAX: usize = 1024;
/// Bytes of envelopes of all streams on their way, in units of 1 KiB.
const BYTES_MAX_KIB: usize = 128 << 10;

/// The service.
pub struct Broadcast {
    channels: Arc<Channels>,
    room: Arc<Semaphore>,
    metrics: Arc<OrdererMetrics>,
    closing: watch::Receiver<bool>,
}

impl Broadcast {
    /// Serves these channels until `closing` turns true: then streams are read no further, and end when their answers
    /// have left.
    pub fn new(
        channels: Arc<Channels>,
        closing: watch::Receiver<bool>,
        metrics: Arc<OrdererMetrics>,
    ) -> Self {
        Self { channels, room: Arc::new(Semaphore::new(BYTES_MAX_KIB)), metrics, closing }
    }
}

impl AtomicBroadcast for Broadcast {
    async fn broadcast(
        &self,
        request: Request<Streaming<Envelope>>,
    ) -> Result<Response<ResponseStream<BroadcastResponse>>, transport::Status> {
        let (answers, outgoing) = mpsc::channel(PIPELINE_MAX);
        let caller = caller_of(&request)?;
        let incoming = request.into_inner();
        let served =
            Served { channels: Arc::clone(&self.channels), caller, metrics: Arc::clone(&self.metrics) };
        let (reading, mut closing) =
            (read(incoming, served, Arc::clone(&self.room), answers), self.closing.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = reading => {}
                // Gateways keep their streams open: without this the listener would wait for its deadline.
                _ = closing.wait_for(|closes| *closes) => {}
            }
        });
        let stream = ReceiverStream::new(outgoing).then(|answer| async { Ok(response(answer).await) });
        Ok(Response::new(Box::pin(stream)))
    }
}

/// Who is at the other end of the request's connection.
pub fn caller_of<T>(request: &Request<T>) -> Result<PeerCertificate, transport::Status> {
    let caller = request.extensions().get::<PeerCertificate>().cloned();
    caller.ok_or_else(|| transport::Status::internal("the caller's certificate is unknown"))
}

type Pending = JoinHandle<Answer>;

/// What each envelope's task needs of the service.
struct Served {
    channels: Arc<Channels>,
    caller: PeerCertificate,
    metrics: Arc<OrdererMetrics>,
}

/// Reads a stream to its end, and starts a task for each envelope.
async fn read(
    mut incoming: Streaming<Envelope>,
    served: Served,
    room: Arc<Semaphore>,
    answers: mpsc::Sender<Pending>,
) {
    while let Ok(Some(envelope)) = incoming.message().await {
        // The wrapper is ours to encode; what the client signed inside it stays as it came.
        let envelope = Bytes::from(envelope.encode_to_vec());
        let Ok(place) = acquire(&room, envelope.len()).await else { return };
        let channel = served.channels.of_envelope(&envelope, &served.caller);
        let task = tokio::spawn(order(channel, envelope, place, Arc::clone(&served.metrics)));
        if answers.send(task).await.is_err() {
            return;
        }
    }
}

async fn acquire(
    room: &Arc<Semaphore>,
    bytes: usize,
) -> Result<OwnedSemaphorePermit, tokio::sync::AcquireError> {
    let kib = u32::try_from(bytes.min(ENVELOPE_BYTES_MAX) / 1024 + 1).unwrap_or(u32::MAX);
    Arc::clone(room).acquire_many_owned(kib).await
}

async fn order(
    channel: Result<Arc<Channel>, BroadcastRejection>,
    envelope: Bytes,
    place: OwnedSemaphorePermit,
    metrics: Arc<OrdererMetrics>,
) -> Answer {
    let started = Instant::now();
    let (name, answer) = match &channel {
        Ok(channel) => (channel.chain.channel().as_str(), channel.order(envelope).await),
        Err(rejection) => (UNKNOWN, (rejection.status(), rejection.to_string())),
    };
    metrics.answered(name, answer.0, started);
    drop(place);
    answer
}

async fn response(pending: Pending) -> BroadcastResponse {
    let lost = |_| (Status::InternalServerError, "the orderer failed on this envelope".to_owned());
    let (status, info) = pending.await.unwrap_or_else(lost);
    BroadcastResponse { status: status.into(), info }
}
