//! What this node answers to the other consenters.
//!
//! The caller is known by its TLS key, which the channel's configuration names, or named for as long as its log still
//! votes: whoever holds another key is refused, whatever its organisation. A caller may bring its own signatures only.

use std::sync::Arc;

use futures_util::future::join_all;
use protocol::fabric::Status as BroadcastStatus;
use protocol::{BlockNumber, ChannelId, ConsensusReply, ConsensusRequest, SignatureShare};
use transport::services::consensus::Consensus;
use transport::{Request, Response, Status};

use crate::blocking::blocking;
use crate::channel::Channel;
use crate::channels::{Channels, caller_of};
use crate::consenters::ConsenterKey;

/// Envelopes in one forwarded call; twice what this release sends.
const FORWARDED_MAX: usize = 512;
/// Blocks in one answer, and their bytes; a larger one travels alone.
const BLOCKS_MAX: usize = 256;
const BLOCKS_BYTES_MAX: usize = 4 << 20;
/// Signatures in one answer.
pub const SHARES_MAX: usize = 256;

/// The service.
pub struct ConsensusService {
    channels: Arc<Channels>,
}

impl ConsensusService {
    /// Serves these channels; calls count as a sign of life of their sender.
    pub fn new(channels: Arc<Channels>) -> Self {
        Self { channels }
    }

    /// The channel, and the caller's key among its consenters.
    fn caller(
        &self,
        channel: &ChannelId,
        request: &Request<()>,
    ) -> Result<(Arc<Channel>, ConsenterKey), Status> {
        let certificate = caller_of(request)?;
        let found = self.channels.named(channel.as_str(), &certificate);
        let channel = found.map_err(|rejection| Status::not_found(rejection.to_string()))?;
        if !is_consenter(&channel, certificate.spki) {
            let text = format!(
                "TLS key {} belongs to no consenter of channel '{}': check TLS_PRIVATEKEY and the channel's configuration",
                certificate.spki,
                channel.chain.channel()
            );
            return Err(Status::permission_denied(text));
        }
        channel.consenters.heard(certificate.spki);
        Ok((channel, certificate.spki))
    }
}

/// Whether the configuration names it, or its log still votes.
pub fn is_consenter(channel: &Channel, key: ConsenterKey) -> bool {
    let has_vote = || {
        let voters = channel.backend.standing().map(|standing| standing.voters).unwrap_or_default();
        voters.iter().any(|(_, consenter)| *consenter == key)
    };
    channel.chain.bundle().consenter_of_tls_spki(&key).is_some() || has_vote()
}

impl Consensus for ConsensusService {
    async fn call(&self, request: Request<ConsensusRequest>) -> Result<Response<ConsensusReply>, Status> {
        let (metadata, extensions, message) = request.into_parts();
        let known = Request::from_parts(metadata, extensions, ());
        let (channel, from) = self.caller(channel_of(&message), &known)?;
        Ok(Response::new(answer(channel, from, message).await))
    }
}

fn channel_of(request: &ConsensusRequest) -> &ChannelId {
    match request {
        ConsensusRequest::Raft { channel, .. }
        | ConsensusRequest::Share { channel, .. }
        | ConsensusRequest::Shares { channel, .. }
        | ConsensusRequest::Standing { channel }
        | ConsensusRequest::Blocks { channel, .. }
        | ConsensusRequest::Forward { channel, .. } => channel,
    }
}

/// Answers the consenter with TLS key `from` for the channel that its request names.
pub async fn answer(channel: Arc<Channel>, from: ConsenterKey, request: ConsensusRequest) -> ConsensusReply {
    match request {
        ConsensusRequest::Raft { target, message, .. } => {
            match channel.backend.receive(target, from, message).await {
                Ok(reply) => ConsensusReply::Raft { clock_ms: channel.clocks.now_ms(), reply },
                Err(reason) => ConsensusReply::Failed(reason),
            }
        }
        ConsensusRequest::Share { shares, .. } => take_shares(channel, from, shares).await,
        ConsensusRequest::Shares { from, .. } => give_shares(channel, from).await,
        ConsensusRequest::Standing { .. } => {
            let standing = channel.backend.standing();
            standing.map_or_else(
                || ConsensusReply::Failed("consensus does not run here".to_owned()),
                ConsensusReply::Standing,
            )
        }
        ConsensusRequest::Blocks { from, .. } => give_blocks(channel, from).await,
        ConsensusRequest::Forward { envelopes, .. } => order(channel, envelopes).await,
    }
}

async fn take_shares(
    channel: Arc<Channel>,
    from: ConsenterKey,
    mut shares: Vec<SignatureShare>,
) -> ConsensusReply {
    shares.truncate(SHARES_MAX);
    let added = blocking(move || channel.chain.add_shares(from, shares)).await;
    match added {
        Ok(Ok(_)) => ConsensusReply::Shares(Vec::new()),
        Ok(Err(error)) => failed(&error),
        Err(error) => failed(&error),
    }
}

async fn give_shares(channel: Arc<Channel>, from: BlockNumber) -> ConsensusReply {
    let given = blocking(move || channel.chain.own_shares(from, SHARES_MAX)).await;
    match given {
        Ok(Ok(shares)) => ConsensusReply::Shares(shares),
        Ok(Err(error)) => failed(&error),
        Err(error) => failed(&error),
    }
}

async fn give_blocks(channel: Arc<Channel>, from: BlockNumber) -> ConsensusReply {
    let read = move || channel.chain.blocks_from(from, BLOCKS_MAX, BLOCKS_BYTES_MAX);
    match blocking(read).await {
        Ok(Ok(blocks)) => ConsensusReply::Blocks(blocks),
        Ok(Err(error)) => failed(&error),
        Err(error) => failed(&error),
    }
}

async fn order(channel: Arc<Channel>, envelopes: Vec<bytes::Bytes>) -> ConsensusReply {
    if envelopes.len() > FORWARDED_MAX {
        return ConsensusReply::Failed(format!(
            "{} envelopes in one call; at most {FORWARDED_MAX}",
            envelopes.len()
        ));
    }
    // Each in a task of its own: their signatures are checked on all cores.
    let ordering = envelopes.into_iter().map(|envelope| {
        let channel = Arc::clone(&channel);
        tokio::spawn(async move { channel.order_forwarded(envelope).await })
    });
    let answers = join_all(ordering).await.into_iter().map(|answer| match answer {
        Ok((status, text)) => (status.into(), text),
        Err(_) => {
            (BroadcastStatus::InternalServerError.into(), "the leader failed on this envelope".to_owned())
        }
    });
    ConsensusReply::Forwarded(answers.collect())
}

/// The fault is logged here; the other node sees that there is one.
fn failed(error: &dyn std::fmt::Display) -> ConsensusReply {
    tracing::error!(%error, "another consenter's question not answered");
    ConsensusReply::Failed("this orderer cannot use its ledger".to_owned())
}
