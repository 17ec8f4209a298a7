//! One long-lived broadcast stream to an orderer, shared by the small envelopes of one channel.
//!
//! A call of its own for each envelope costs ten times what a message on an open stream costs. Answers come in the order of
//! the envelopes, so that the oldest reply is the next answer's; therefore large envelopes, which would hold up the answers
//! behind them, go by calls of their own. An envelope whose caller has left before it was sent is not sent. When the
//! stream ends, or its oldest answer is overdue, whoever waits is told so and the next submission opens another one; a
//! transaction sent twice commits once.

use std::collections::VecDeque;
use std::time::Duration;

use protocol::fabric::{BroadcastResponse, Envelope};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_stream::wrappers::ReceiverStream;
use transport::services::broadcast::AtomicBroadcastClient;
use transport::{Channel, Status, Streaming};

/// Envelopes above this size go by a call of their own.
pub(super) const SHARED_BYTES_MAX: usize = 64 << 10;
/// Envelopes without an answer on one stream, and as many again that wait for their turn: with the limit of their size at
/// most 64 MB. A gateway has half as many calls under way to one orderer; those of callers that gave up are the rest.
const UNANSWERED_MAX: usize = 500;
/// A stream that nobody used for so long is closed.
const IDLE_MAX: Duration = Duration::from_secs(60);

type Reply = oneshot::Sender<Result<BroadcastResponse, Status>>;
type Submission = (Envelope, Reply);

/// A stream, or what is left of it when it has ended.
#[derive(Clone)]
pub(super) struct BroadcastStream(mpsc::Sender<Submission>);

impl BroadcastStream {
    /// Opens a stream that ends when an answer takes longer than `answer_max`. Needs a tokio runtime.
    pub(super) fn open(channel: Channel, answer_max: Duration) -> Self {
        let (sender, waiting) = mpsc::channel(UNANSWERED_MAX);
        tokio::spawn(run(channel, waiting, answer_max));
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

async fn run(channel: Channel, mut waiting: mpsc::Receiver<Submission>, answer_max: Duration) {
    let (outgoing, envelopes) = mpsc::channel(UNANSWERED_MAX);
    let mut unanswered = VecDeque::new();
    let client = AtomicBroadcastClient::new(channel);
    let opening = client.broadcast(ReceiverStream::new(envelopes));
    let status = match timeout_at(Instant::now() + answer_max, opening).await {
        Ok(Ok(answers)) => {
            let exchange = Exchange { outgoing, answer_max, unanswered: &mut unanswered };
            exchange.run(&mut waiting, answers.into_inner()).await
        }
        Ok(Err(status)) => status,
        Err(_) => Status::deadline_exceeded(format!("no stream within {answer_max:?}")),
    };
    // Nobody joins from here on, and whoever has joined is told.
    waiting.close();
    for (_, reply) in unanswered {
        let _ = reply.send(Err(status.clone()));
    }
    while let Some((_, reply)) = waiting.recv().await {
        let _ = reply.send(Err(status.clone()));
    }
}

/// An open stream: what was sent and when, oldest first.
struct Exchange<'a> {
    outgoing: mpsc::Sender<Envelope>,
    answer_max: Duration,
    unanswered: &'a mut VecDeque<(Instant, Reply)>,
}

impl Exchange<'_> {
    /// Passes envelopes and answers until either side ends; returns why.
    async fn run(
        mut self,
        waiting: &mut mpsc::Receiver<Submission>,
        mut answers: Streaming<BroadcastResponse>,
    ) -> Status {
        let mut used_at = Instant::now();
        loop {
            let oldest = self.unanswered.front().map(|(sent_at, _)| *sent_at);
            let ends_at = oldest.map_or(used_at + IDLE_MAX, |sent_at| sent_at + self.answer_max);
            let outcome = tokio::select! {
                answer = answers.message() => self.answered(answer),
                next = waiting.recv(), if self.unanswered.len() < UNANSWERED_MAX => match next {
                    Some(submission) => self.forward(submission),
                    None => return Status::unavailable("the stream to the orderer is not needed any more"),
                },
                () = sleep_until(ends_at) => Err(match oldest {
                    Some(_) => Status::deadline_exceeded(format!("no answer within {:?}", self.answer_max)),
                    None => Status::unavailable("the stream to the orderer was idle and is closed"),
                }),
            };
            match outcome {
                Ok(()) => used_at = Instant::now(),
                Err(status) => return status,
            }
        }
    }

    fn forward(&mut self, (envelope, reply): Submission) -> Result<(), Status> {
        if reply.is_closed() {
            return Ok(());
        }
        self.unanswered.push_back((Instant::now(), reply));
        // There is room: no more are on their way than are unanswered.
        self.outgoing.try_send(envelope).map_err(|_| Status::unavailable("the stream to the orderer ended"))
    }

    fn answered(&mut self, answer: Result<Option<BroadcastResponse>, Status>) -> Result<(), Status> {
        let answer = answer?.ok_or_else(|| Status::unavailable("the orderer closed the stream"))?;
        let (_, reply) = self
            .unanswered
            .pop_front()
            .ok_or_else(|| Status::internal("the orderer answered what nobody asked"))?;
        // A caller that left needs no answer.
        let _ = reply.send(Ok(answer));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
