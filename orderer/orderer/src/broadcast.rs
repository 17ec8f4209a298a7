//! Fabric's broadcast: envelopes come on a stream, each is answered in order.
//!
//! Many envelopes of one stream are on their way at once; their answers keep the order. What the streams of one organisation
//! hold of one channel is bounded in bytes: what finds no room is told to come again. A channel without a leader, or an organisation that sends without end, fills its own bound and no other's.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use ordering::BroadcastRejection;
use prost::Message as _;
use protocol::fabric::{BroadcastResponse, Envelope, Status};
use protocol::limits::ENVELOPE_BYTES_MAX;
use protocol::{ChannelId, MspId};
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
/// Bytes of envelopes of all streams on their way, in units of 1 KiB; each organisation of each channel has an equal part.
const BYTES_MAX_KIB: usize = 128 << 10;
/// The least part: one of the largest envelopes.
const PART_MIN_KIB: usize = ENVELOPE_BYTES_MAX / 1024 + 1;

/// Room for the envelopes of each organisation of each channel, made when it is first asked for.
struct Rooms {
    channels: usize,
    rooms: Mutex<BTreeMap<(ChannelId, MspId), Arc<Semaphore>>>,
}

impl Rooms {
    fn new(channels: usize) -> Self {
        Self { channels: channels.max(1), rooms: Mutex::default() }
    }

    /// The room of an organisation among so many of its channel.
    fn room(&self, channel: &ChannelId, (msp_id, organizations): (&MspId, usize)) -> Arc<Semaphore> {
        let part = (BYTES_MAX_KIB / self.channels / organizations.max(1)).max(PART_MIN_KIB);
        let mut rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        let room = rooms.entry((channel.clone(), msp_id.clone()));
        Arc::clone(room.or_insert_with(|| Arc::new(Semaphore::new(part))))
    }
}

/// A place for an envelope; `None` where there is no room.
fn place(room: Arc<Semaphore>, bytes: usize) -> Option<OwnedSemaphorePermit> {
    let kib = u32::try_from(bytes.min(ENVELOPE_BYTES_MAX) / 1024 + 1).unwrap_or(u32::MAX);
    room.try_acquire_many_owned(kib).ok()
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
        let rooms = Arc::new(Rooms::new(channels.iter().count()));
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
            Ok(channel) => served.place(channel, &rooms, envelope.len()),
            Err(_) => None,
        };
        let task = tokio::spawn(order(channel, envelope, place, Arc::clone(&served.metrics)));
        if answers.send(task).await.is_err() {
            return;
        }
    }
}

impl Served {
    /// A place for an envelope of the caller's organisation.
    fn place(&self, channel: &Channel, rooms: &Rooms, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let bundle = channel.chain.bundle();
        let msp_id = bundle.tls_msp(&self.caller.der)?;
        let organizations = bundle.config().organizations.len();
        place(rooms.room(channel.chain.channel(), (&msp_id, organizations)), bytes)
    }
}

async fn order(
    channel: Result<Arc<Channel>, BroadcastRejection>,
    envelope: Bytes,
    place: Option<OwnedSemaphorePermit>,
    metrics: Arc<OrdererMetrics>,
) -> Answer {
    let started = Instant::now();
    let (name, answer) = match (&channel, &place) {
        (Ok(channel), Some(_)) => (channel.chain.channel().as_str(), channel.order(envelope).await),
        (Ok(channel), None) => (channel.chain.channel().as_str(), no_room()),
        (Err(rejection), _) => (UNKNOWN, (rejection.status(), rejection.to_string())),
    };
    metrics.answered(name, answer.0, started);
    drop(place);
    answer
}

fn no_room() -> Answer {
    let text =
        "this orderer holds as many envelopes of the sender's organisation as it may; send it again later";
    (Status::TooManyRequests, text.to_owned())
}

async fn response(pending: Pending) -> BroadcastResponse {
    let lost = |_| (Status::InternalServerError, "the orderer failed on this envelope".to_owned());
    let (status, info) = pending.await.unwrap_or_else(lost);
    BroadcastResponse { status: status.into(), info }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_full_takes_no_room_from_another() {
        let [reports, trial] = ["reports", "trial"].map(|name| ChannelId::new(name).expect("valid"));
        let [first, second] = ["Org1MSP", "Org2MSP"].map(|name| MspId::new(name).expect("valid"));
        let rooms = Rooms::new(2);
        let full = rooms.room(&trial, (&first, 2));
        let mut places = Vec::new();
        while let Some(place) = place(Arc::clone(&full), ENVELOPE_BYTES_MAX) {
            places.push(place);
            assert!(places.len() <= BYTES_MAX_KIB, "the room is bounded");
        }
        let rows = [
            ("the same", &trial, &first, false),
            ("another organisation", &trial, &second, true),
            ("another channel", &reports, &first, true),
        ];
        for (name, channel, msp_id, has_room) in rows {
            let found = place(rooms.room(channel, (msp_id, 2)), ENVELOPE_BYTES_MAX);
            assert_eq!(found.is_some(), has_room, "{name}");
        }
        places.clear();
        assert!(place(full, ENVELOPE_BYTES_MAX).is_some(), "room again");
    }

    #[test]
    fn the_largest_envelope_fits_however_many_share() {
        let (channel, msp_id) =
            (ChannelId::new("reports").expect("valid"), MspId::new("Org1MSP").expect("valid"));
        let room = Rooms::new(1_000).room(&channel, (&msp_id, 100));
        assert!(place(room, ENVELOPE_BYTES_MAX).is_some());
    }
}
