//! Follows a channel at its orderers: asks one for blocks from the own height on, and the next when it fails or stalls.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gateway::Dialer;
use gateway::ports::ChannelLedger as _;
use msp::Signer;
use prost::Message as _;
use protocol::fabric::{
    ChannelHeader, Envelope, Header, HeaderType, Payload, SeekBehavior, SeekInfo, SeekPosition,
    SignatureHeader, Timestamp,
};
use protocol::{Consenter, DeliverReply};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use transport::services::delivery::DeliveryClient;

use super::channel::Channel;
use super::clock::now_ms;
use super::committing::{Arrival, Refusal, shortened};

/// Wait before the next orderer is asked; doubled after each round in which none helped.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// Longest such wait: an orderer that comes back is noticed within it.
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// Time in which an orderer must accept the request.
const ACCEPT_DEADLINE: Duration = Duration::from_secs(5);
/// Silence after which another orderer is asked too: a channel may be idle, so this costs one request and no more.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// Why a channel stops whose committer left without a word.
const COMMITTER_GONE: &str = "its committer ended; restart the peer";

/// What a follower works with.
pub struct Follower {
    /// The channel.
    pub channel: Arc<Channel>,
    /// Where blocks go.
    pub arrivals: mpsc::Sender<Arrival>,
    /// Who asks.
    pub signer: Arc<dyn Signer>,
    /// How orderers are dialled: each is believed only with a certificate of its own organisation.
    pub dialer: Dialer,
}

impl Follower {
    /// Follows until the channel stops or the task is aborted.
    pub async fn run(self) {
        let mut pause = PAUSE_MIN;
        let mut turn = first_turn(self.signer.as_ref());
        loop {
            let orderers = self.orderers();
            let orderer = &orderers[turn % orderers.len()];
            turn += 1;
            let height = self.channel.height();
            match self.follow(orderer).await {
                Ended::Stop => return,
                Ended::Next(reason) => {
                    let reason = shortened(&reason);
                    tracing::warn!(channel = %self.channel.channel(), orderer = %orderer.endpoint, reason, "asking the next orderer");
                }
                Ended::Silent => {}
            }
            pause = if self.channel.height() > height { PAUSE_MIN } else { (pause * 2).min(PAUSE_MAX) };
            tokio::time::sleep(pause).await;
        }
    }

    /// The orderers in force; a channel has at least one.
    fn orderers(&self) -> Vec<Consenter> {
        self.channel.bundle().config().orderer.consenters.clone()
    }

    async fn follow(&self, orderer: &Consenter) -> Ended {
        let request = match self.seek(self.channel.height()) {
            Ok(request) => request,
            Err(error) => return Ended::Next(error),
        };
        let bundle = self.channel.bundle();
        let client = match self.dialer.connect(&bundle, &orderer.msp_id, &orderer.endpoint) {
            Ok(channel) => DeliveryClient::new(channel),
            Err(reason) => return Ended::Next(reason),
        };
        let mut stream = match timeout(ACCEPT_DEADLINE, client.deliver(request)).await {
            Ok(Ok(response)) => response.into_inner(),
            Ok(Err(status)) => return Ended::Next(status.message().to_owned()),
            Err(_) => return Ended::Next("no answer in time".to_owned()),
        };
        loop {
            match timeout(SILENCE_MAX, stream.message()).await {
                Ok(Ok(Some(DeliverReply::Block(block)))) => match self.hand_over(block).await {
                    Ok(()) => {}
                    Err(ended) => return ended,
                },
                Ok(Ok(Some(DeliverReply::Status(status, info)))) => {
                    return Ended::Next(format!("status {status} {info}"));
                }
                Ok(Ok(None)) => return Ended::Next("the stream ended".to_owned()),
                Ok(Err(status)) => return Ended::Next(status.message().to_owned()),
                Err(_) => return Ended::Silent,
            }
        }
    }

    async fn hand_over(&self, block: Bytes) -> Result<(), Ended> {
        let (outcome, committed) = oneshot::channel();
        if self.arrivals.send(Arrival { block, outcome }).await.is_err() {
            self.channel.stop(COMMITTER_GONE);
            return Err(Ended::Stop);
        }
        match committed.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(Refusal::NotTheNext(reason))) => {
                Err(Ended::Next(format!("it sent a block that is refused: {reason}")))
            }
            // The committer stopped the channel and said why.
            Ok(Err(Refusal::Fault(_))) => Err(Ended::Stop),
            Err(_) => {
                self.channel.stop(COMMITTER_GONE);
                Err(Ended::Stop)
            }
        }
    }

    /// A signed request for all blocks from `height` on.
    fn seek(&self, height: u64) -> Result<Envelope, String> {
        let now_ms = now_ms();
        let channel_header = ChannelHeader {
            r#type: HeaderType::DeliverSeekInfo.into(),
            timestamp: Some(Timestamp {
                seconds: i64::try_from(now_ms / 1000).unwrap_or(i64::MAX),
                nanos: i32::try_from(now_ms % 1000 * 1_000_000).unwrap_or(0),
            }),
            channel_id: self.channel.channel().as_str().to_owned(),
            ..ChannelHeader::default()
        };
        let signature_header =
            SignatureHeader { creator: self.signer.serialized_identity(), nonce: Bytes::new() };
        let seek = SeekInfo {
            start: Some(SeekPosition::specified(height)),
            stop: Some(SeekPosition::specified(u64::MAX)),
            behavior: SeekBehavior::BlockUntilReady.into(),
        };
        let payload = Payload {
            header: Some(Header {
                channel_header: channel_header.encode_to_vec().into(),
                signature_header: signature_header.encode_to_vec().into(),
            }),
            data: seek.encode_to_vec().into(),
        };
        let payload = Bytes::from(payload.encode_to_vec());
        let signature = self.signer.sign(&payload).map_err(|error| error.to_string())?;
        Ok(Envelope { payload, signature: signature.into() })
    }
}

/// How a stream ended.
enum Ended {
    /// The channel stops, or the node ends.
    Stop,
    /// Ask the next orderer; why.
    Next(String),
    /// Nothing came for a while.
    Silent,
}

/// Peers begin at different orderers, by their identity, so that one orderer does not serve all.
fn first_turn(signer: &dyn Signer) -> usize {
    signer.msp_id().as_str().bytes().map(usize::from).sum()
}
