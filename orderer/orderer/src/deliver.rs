//! Delivery of blocks: a signed request, then blocks until the last one asked for, or for as long as the reader stays.
//!
//! A block leaves only with the signatures of a majority of the consenters. Blocks are read off the reactor, some at a
//! time while a reader catches up; a slow reader holds a few blocks in memory and no more.

use std::sync::Arc;

use protocol::fabric::{Envelope, Status};
use protocol::{BlockNumber, DeliverReply};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use transport::services::ResponseStream;
use transport::services::delivery::Delivery;
use transport::{PeerCertificate, Request, Response};

use crate::chain::Chain;
use crate::channel::Channel;
use crate::channels::{Channels, caller_of, is_member, unknown};
use crate::metrics::OrdererMetrics;
use crate::seek::{self, Refusal, Seek};

/// Blocks read and not yet sent to one reader.
const BUFFER_BLOCKS: usize = 4;
/// Blocks read at a time.
const READ_BLOCKS_MAX: u64 = 32;
/// Bytes read at a time, after which no further block is read.
const READ_BYTES_MAX: usize = 4 << 20;

/// The service.
pub struct Deliver {
    channels: Arc<Channels>,
    closing: watch::Receiver<bool>,
    metrics: Arc<OrdererMetrics>,
}

impl Deliver {
    /// Serves these channels until `closing` turns true.
    pub fn new(
        channels: Arc<Channels>,
        closing: watch::Receiver<bool>,
        metrics: Arc<OrdererMetrics>,
    ) -> Self {
        Self { channels, closing, metrics }
    }

    fn judge(&self, envelope: &Envelope, caller: &PeerCertificate) -> Result<(Arc<Channel>, Seek), Refusal> {
        let name = seek::channel_name(envelope)?;
        let channel =
            self.channels.named(&name, caller).map_err(|error| (error.status(), error.to_string()))?;
        if let Some(answer) = channel.stopped() {
            return Err(answer);
        }
        let newest = *channel.chain.deliverable().borrow();
        let seek = seek::judge(envelope, &channel.chain.bundle(), newest, channel.clocks.now_ms())?;
        Ok((channel, seek))
    }
}

impl Delivery for Deliver {
    async fn deliver(
        &self,
        request: Request<Envelope>,
    ) -> Result<Response<ResponseStream<DeliverReply>>, transport::Status> {
        let (replies, outgoing) = mpsc::channel(BUFFER_BLOCKS);
        let caller = caller_of(&request)?;
        let envelope = request.into_inner();
        let judged = self.judge(&envelope, &caller);
        let (mut closing, metrics) = (self.closing.clone(), Arc::clone(&self.metrics));
        tokio::spawn(async move {
            let (status, text) = match judged {
                Ok((channel, seek)) => tokio::select! {
                    status = send_blocks(&channel, (&envelope, &caller, seek), &replies, &metrics) => status,
                    _ = closing.wait_for(|closes| *closes) => {
                        (Status::ServiceUnavailable, "this orderer is shutting down".to_owned())
                    }
                },
                Err(refusal) => refusal,
            };
            // A reader that has left needs no status.
            let _ = replies.send(Ok(DeliverReply::Status(status.into(), text))).await;
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(outgoing))))
    }
}

type Replies = mpsc::Sender<Result<DeliverReply, transport::Status>>;

/// Sends blocks until the last one is sent or something ends it; returns the closing status.
async fn send_blocks(
    channel: &Channel,
    (envelope, caller, mut seek): (&Envelope, &PeerCertificate, Seek),
    replies: &Replies,
    metrics: &OrdererMetrics,
) -> Refusal {
    let (mut deliverable, mut stopped) = (channel.chain.deliverable(), channel.chain.stopped());
    let mut next = seek.start;
    loop {
        let newest = *deliverable.borrow_and_update();
        if next > newest {
            if !seek.waits {
                return (Status::NotFound, format!("block {next} is not there yet; the newest is {newest}"));
            }
            tokio::select! {
                changed = deliverable.changed() => if changed.is_err() {
                    return (Status::ServiceUnavailable, "this orderer is shutting down".to_owned());
                },
                // Whoever waits for blocks is to wait elsewhere.
                _ = stopped.wait_for(Option::is_some) => {
                    return channel.stopped().unwrap_or_else(|| channel.unavailable());
                }
                () = replies.closed() => return (Status::Success, String::new()),
            }
            continue;
        }
        // Whoever a new configuration does not know as a reader gets no further block, nor the one that says so.
        if !is_member(&channel.chain, caller) {
            let rejection = unknown(channel.chain.channel().as_str());
            return (rejection.status(), rejection.to_string());
        }
        if let Err(refusal) = seek.follow(envelope, &channel.chain.bundle(), channel.clocks.now_ms()) {
            return refusal;
        }
        let last = newest.min(seek.stop);
        let blocks = match read(Arc::clone(&channel.chain), next, last).await {
            Ok(blocks) => blocks,
            Err(refusal) => return refusal,
        };
        for block in blocks {
            if let Err(rejection) = seek.reader.at(channel.clocks.now_ms()) {
                return (Status::Forbidden, rejection.to_string());
            }
            if replies.send(Ok(DeliverReply::Block(block))).await.is_err() {
                return (Status::Success, String::new());
            }
            metrics.sent(channel.chain.channel().as_str());
            if next == seek.stop {
                return (Status::Success, String::new());
            }
            next = next.next();
        }
    }
}

/// Consecutive blocks, at least one.
async fn read(
    chain: Arc<Chain>,
    first: BlockNumber,
    last: BlockNumber,
) -> Result<Vec<bytes::Bytes>, Refusal> {
    let failed = || (Status::InternalServerError, "this orderer cannot read its ledger".to_owned());
    let work = move || {
        let (mut blocks, mut bytes, mut number) = (Vec::new(), 0, first);
        while number <= last && number.0 - first.0 < READ_BLOCKS_MAX && bytes < READ_BYTES_MAX {
            match chain.delivered_block(number) {
                Ok(Some(block)) => {
                    bytes += block.len();
                    blocks.push(block);
                }
                Ok(None) => break,
                Err(error) => {
                    tracing::error!(channel = %chain.channel(), block_number = %number, %error, "block unreadable");
                    return Err(failed());
                }
            }
            number = number.next();
        }
        if blocks.is_empty() { Err(failed()) } else { Ok(blocks) }
    };
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(failed()))
}
