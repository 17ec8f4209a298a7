//! One long-lived broadcast stream to an orderer, shared by all submissions to one channel.
//!
//! A call of its own for each envelope costs ten times what a message on an open stream costs. Answers come in the order of
//! the envelopes, so that the oldest reply is the next answer's. When the stream ends, whoever waits is told so and the
//! next submission opens another one; a transaction sent twice commits once.

use std::collections::VecDeque;
use std::time::Duration;

use protocol::fabric::{BroadcastResponse, Envelope};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use transport::services::broadcast::AtomicBroadcastClient;
use transport::{Channel, Status, Streaming};

/// Envelopes without an answer on one stream: as many as a gateway has calls under way to one orderer, twice, since a caller
/// that gave up leaves its place only when its answer comes.
const UNANSWERED_MAX: usize = 500;
/// A stream that nobody used for so long is closed.
const IDLE_MAX: Duration = Duration::from_secs(60);

type Reply = oneshot::Sender<Result<BroadcastResponse, Status>>;

/// A stream, or what is left of it when it has ended.
#[derive(Clone)]
pub(super) struct BroadcastStream(mpsc::Sender<(Envelope, Reply)>);

impl BroadcastStream {
    /// Opens a stream; it connects with its first envelope. Needs a tokio runtime.
    pub(super) fn open(channel: Channel) -> Self {
        let (sender, waiting) = mpsc::channel(UNANSWERED_MAX);
        tokio::spawn(run(channel, waiting));
        Self(sender)
    }

    /// Whether it has not ended.
    pub(super) fn is_open(&self) -> bool {
        !self.0.is_closed()
    }

    /// Sends an envelope and waits for its answer, for as long as the caller likes.
    pub(super) async fn send(&self, envelope: Envelope) -> Result<BroadcastResponse, Status> {
        let ended = || Status::unavailable("the stream to the orderer ended");
        let (reply, answer) = oneshot::channel();
        self.0.send((envelope, reply)).await.map_err(|_| ended())?;
        answer.await.unwrap_or_else(|_| Err(ended()))
    }
}

async fn run(channel: Channel, mut waiting: mpsc::Receiver<(Envelope, Reply)>) {
    let (outgoing, envelopes) = mpsc::channel(UNANSWERED_MAX);
    let mut unanswered = VecDeque::new();
    let client = AtomicBroadcastClient::new(channel);
    let status = match client.broadcast(ReceiverStream::new(envelopes)).await {
        Ok(answers) => exchange(&mut waiting, &outgoing, answers.into_inner(), &mut unanswered).await,
        Err(status) => status,
    };
    // Nobody joins from here on, and whoever has joined is told.
    waiting.close();
    for reply in unanswered {
        let _ = reply.send(Err(status.clone()));
    }
    while let Some((_, reply)) = waiting.recv().await {
        let _ = reply.send(Err(status.clone()));
    }
}

/// Passes envelopes and answers until either side ends; returns why.
async fn exchange(
    waiting: &mut mpsc::Receiver<(Envelope, Reply)>,
    outgoing: &mpsc::Sender<Envelope>,
    mut answers: Streaming<BroadcastResponse>,
    unanswered: &mut VecDeque<Reply>,
) -> Status {
    let idle = || Status::unavailable("the stream to the orderer was idle and is closed");
    loop {
        tokio::select! {
            answer = answers.message() => match (answer, unanswered.pop_front()) {
                // A caller that left needs no answer.
                (Ok(Some(answer)), Some(reply)) => drop(reply.send(Ok(answer))),
                (Ok(Some(_)), None) => return Status::internal("the orderer answered what nobody asked"),
                (Ok(None), reply) => {
                    unanswered.extend(reply);
                    return Status::unavailable("the orderer closed the stream");
                }
                (Err(status), reply) => {
                    unanswered.extend(reply);
                    return status;
                }
            },
            next = timeout(IDLE_MAX, waiting.recv()), if unanswered.len() < UNANSWERED_MAX => match next {
                Ok(Some((envelope, reply))) => {
                    unanswered.push_back(reply);
                    // There is room: no more are on their way than are unanswered.
                    if outgoing.try_send(envelope).is_err() {
                        return Status::unavailable("the stream to the orderer ended");
                    }
                }
                Ok(None) => return idle(),
                Err(_) if unanswered.is_empty() => return idle(),
                Err(_) => {}
            },
        }
    }
}
