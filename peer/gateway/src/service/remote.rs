//! What the gateway needs of the network: other organisations' endorsers, and the orderers.
//!
//! Both are traits so that the gateway's decisions are tested without sockets; [`Dialer`](crate::Dialer) implements them.

use std::fmt;

use bytes::Bytes;
use configtx::ConfigBundle;
use futures_util::future::BoxFuture;
use protocol::MspId;
use protocol::fabric::{self, Envelope, ErrorDetail, ProposalResponse, SignedProposal};
use tokio::time::Instant;

/// A question to the peers of one organisation.
#[derive(Clone)]
pub struct EndorseAsk {
    /// The organisation.
    pub msp_id: MspId,
    /// How many of its peers must answer, at least 1.
    pub count: usize,
    /// Serialised identities whose answers are had already and do not count again.
    pub known: Vec<Bytes>,
    /// What to endorse.
    pub proposal: SignedProposal,
    /// When the answers come too late.
    pub deadline: Instant,
}

impl fmt::Debug for EndorseAsk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndorseAsk")
            .field("msp_id", &self.msp_id)
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

/// A peer's endorsement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndorserAnswer {
    /// Its organisation.
    pub msp_id: MspId,
    /// Where it was asked.
    pub address: String,
    /// What it said; a success of its chaincode.
    pub response: ProposalResponse,
}

/// What happened at an endpoint instead of what was wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointFailure {
    /// The organisation's name.
    pub msp_id: String,
    /// The endpoint; empty where there is none.
    pub address: String,
    /// What happened there, for a person.
    pub message: String,
    /// Whether the endpoint was reached and answered that it will not; otherwise nothing came back.
    pub is_answer: bool,
}

impl From<EndpointFailure> for ErrorDetail {
    fn from(failure: EndpointFailure) -> Self {
        Self { address: failure.address, msp_id: failure.msp_id, message: failure.message }
    }
}

/// Other peers of the channel.
pub trait Endorsers: Send + Sync + 'static {
    /// Asks the organisation's peers in turn until as many as wanted have endorsed with success. Otherwise says of each
    /// that was asked what happened.
    fn endorse_at<'a>(
        &'a self,
        bundle: &'a ConfigBundle,
        ask: EndorseAsk,
    ) -> BoxFuture<'a, Result<Vec<EndorserAnswer>, Vec<EndpointFailure>>>;

    /// Whether every peer of the organisation failed a moment ago, so that others are asked first.
    fn is_suspect(&self, bundle: &ConfigBundle, msp_id: &MspId) -> bool;

    /// Looks at every known peer of the channel: a row each, and one for an organisation that has none.
    fn survey<'a>(&'a self, bundle: &'a ConfigBundle) -> BoxFuture<'a, Vec<ErrorDetail>>;
}

/// An orderer's verdict on an envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BroadcastVerdict {
    /// Fabric's status; `Success` is the only one that means the envelope is ordered.
    pub status: fabric::Status,
    /// Its reason.
    pub info: String,
    /// Who said so.
    pub address: String,
    /// The name of its organisation.
    pub msp_id: String,
}

/// No orderer decided on the envelope in time. It may have been ordered all the same; sending it again is harmless.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no orderer took the transaction in {rounds} rounds")]
pub struct NoOrderer {
    /// How often all were tried.
    pub rounds: u32,
    /// What happened last at each.
    pub failures: Vec<EndpointFailure>,
}

/// The channel's orderers.
pub trait Orderers: Send + Sync + 'static {
    /// Hands an envelope to one orderer after the other until one decides or the deadline passes.
    fn broadcast<'a>(
        &'a self,
        bundle: &'a ConfigBundle,
        envelope: Envelope,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<BroadcastVerdict, NoOrderer>>;
}
