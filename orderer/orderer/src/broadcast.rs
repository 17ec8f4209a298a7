//! Fabric's broadcast: envelopes come on a stream, each is answered in order.
//!
//! Many envelopes of one stream are on their way at once; their answers keep the order. What the streams hold of one channel
//! is bounded in bytes, and a stream that fills the bound is read no further until answers have left. A channel without a
//! leader fills its own bound and no other's.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use ordering::BroadcastRejection;
use prost::Message as _;
use protocol::ChannelId;
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
use crate::channels::{Channels, caller_of};
use crate::metrics::{OrdererMetrics, UNKNOWN};

/// Envelopes of one stream on their way at a time: some blocks' worth.
const PIPELINE_MAX: usize = 1024;
/// Bytes of envelopes of all streams on their way, in units of 1 KiB; each channel has an equal part.
const BYTES_MAX_KIB: usize = 128 << 10;
/// The least part of a channel: one of the largest envelopes.
const PART_MIN_KIB: usize = ENVELOPE_BYTES_MAX / 1024 + 1;

/// Room for the envelopes of each channel.
struct Rooms(BTreeMap<ChannelId, Arc<Semaphore>>);

impl Rooms {
    fn new<'a>(channels: impl Iterator<Item = &'a ChannelId>) -> Self {
        let names: Vec<&ChannelId> = channels.collect();
        let part = (BYTES_MAX_KIB / names.len().max(1)).max(PART_MIN_KIB);
        Self(names.into_iter().map(|name| (name.clone(), Arc::new(Semaphore::new(part)))).collect())
    }

    /// A place for an envelope; `None` for a channel that has no room, or none any more.
    async fn place(&self, channel: &ChannelId, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let kib = u32::try_from(bytes.min(ENVELOPE_BYTES_MAX) / 1024 + 1).unwrap_or(u32::MAX);
        Arc::clone(self.0.get(channel)?).acquire_many_owned(kib).await.ok()
    }
}

/// The service.
pub struct Broadcast {
    channels: Arc<Channels>,
    rooms: Arc<Rooms>,
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
        let rooms = Arc::new(Rooms::new(channels.iter().map(|channel| channel.chain.channel())));
        Self { channels, rooms, metrics, closing }
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
            (read(incoming, served, Arc::clone(&self.rooms), answers), self.closing.clone());
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
    rooms: Arc<Rooms>,
    answers: mpsc::Sender<Pending>,
) {
    while let Ok(Some(envelope)) = incoming.message().await {
        // The wrapper is ours to encode; what the client signed inside it stays as it came.
        let envelope = Bytes::from(envelope.encode_to_vec());
        let channel = served.channels.of_envelope(&envelope, &served.caller);
        // What is for no channel of the caller is answered at once, and takes nobody's room.
        let place = match &channel {
            Ok(channel) => match rooms.place(channel.chain.channel(), envelope.len()).await {
                Some(place) => Some(place),
                None => return,
            },
            Err(_) => None,
        };
        let task = tokio::spawn(order(channel, envelope, place, Arc::clone(&served.metrics)));
        if answers.send(task).await.is_err() {
            return;
        }
    }
}

async fn order(
    channel: Result<Arc<Channel>, BroadcastRejection>,
    envelope: Bytes,
    place: Option<OwnedSemaphorePermit>,
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

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn a_channel_that_is_full_takes_no_room_from_another() {
        let [reports, trial, nowhere] =
            ["reports", "trial", "nowhere"].map(|name| ChannelId::new(name).expect("valid"));
        let rooms = Rooms::new([&reports, &trial].into_iter());
        let now = |channel, bytes| rooms.place(channel, bytes).now_or_never();
        let mut places = Vec::new();
        while let Some(place) = now(&trial, ENVELOPE_BYTES_MAX) {
            places.push(place.expect("it has room"));
            assert!(places.len() <= BYTES_MAX_KIB, "the room is bounded");
        }
        assert!(now(&trial, ENVELOPE_BYTES_MAX).is_none(), "it waits");
        assert!(now(&reports, ENVELOPE_BYTES_MAX).is_some_and(|place| place.is_some()), "this one does not");
        assert!(now(&nowhere, 1).is_some_and(|place| place.is_none()), "no such channel");
        places.clear();
        assert!(now(&trial, ENVELOPE_BYTES_MAX).is_some(), "room again");
    }

    #[test]
    fn the_largest_envelope_fits_however_many_channels_share() {
        let names: Vec<ChannelId> =
            (0..1_000).map(|number| ChannelId::new(format!("c{number}")).expect("valid")).collect();
        let rooms = Rooms::new(names.iter());
        assert!(rooms.place(&names[0], ENVELOPE_BYTES_MAX).now_or_never().is_some());
    }
}
