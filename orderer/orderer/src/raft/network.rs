//! openraft's calls to the other consenters, over [`ConsenterNetwork`].
//!
//! Every answer carries the other node's clock, which is kept for the blocks' timestamps. An unreachable node is backed
//! off from. openraft waits for entries to be acknowledged no longer than a heartbeat and then sends them anew, which a
//! large block on a slow link never survives: so a message with entries goes on after openraft has lost patience, and the
//! repetition waits for the same answer.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use openraft::error::{InstallSnapshotError, RPCError, RaftError, Unreachable};
use openraft::network::{Backoff, RPCOption, RaftNetwork, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse,
    VoteRequest, VoteResponse,
};
use openraft::{LogId, Vote};
use protocol::{ChannelId, ConsensusReply, ConsensusRequest, RaftMessage, codec};
use serde::de::DeserializeOwned;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::consensus::TERMS_AHEAD_MAX;
use super::messages::{self, AppendAnswer, AppendMessage, SnapshotMessage, VoteAnswer, VoteMessage};
use super::record::VoteRecord;
use super::{Node, NodeId, Owners, RaftTypes};
use crate::clocks::Clocks;
use crate::consenters::{CallError, ConsenterKey, ConsenterNetwork};

/// Pause before an unreachable node is called again: a heartbeat or two, so that it is found soon after it is back.
const BACKOFF: Duration = Duration::from_millis(200);
/// A message with entries: they travel and reach the other disk first, on a slow link and a loaded one.
const APPEND_TIMEOUT: Duration = Duration::from_secs(30);
/// A heartbeat; openraft itself waits no longer than to the next one.
const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(1);

type Refused<E = openraft::error::Infallible> = RPCError<NodeId, Node, RaftError<NodeId, E>>;

/// Makes a client for each consenter.
pub struct Network {
    pub channel: ChannelId,
    pub consenters: Arc<dyn ConsenterNetwork>,
    pub clocks: Arc<Clocks>,
    pub owners: Owners,
}

/// The way to one consenter.
pub struct Peer {
    way: Way,
    pending: Option<Pending>,
}

/// Entries on their way, and what is known of them: vote, place before, last place.
struct Pending {
    key: AppendKey,
    call: JoinHandle<Result<AppendAnswer, CallError>>,
}

type AppendKey = (Vote<NodeId>, Option<LogId<NodeId>>, LogId<NodeId>);

#[derive(Clone)]
struct Way {
    channel: ChannelId,
    consenters: Arc<dyn ConsenterNetwork>,
    clocks: Arc<Clocks>,
    target: NodeId,
    consenter: Option<ConsenterKey>,
}

impl RaftNetworkFactory<RaftTypes> for Network {
    type Network = Peer;

    async fn new_client(&mut self, target: NodeId, node: &Node) -> Peer {
        let (consenters, clocks) = (Arc::clone(&self.consenters), Arc::clone(&self.clocks));
        let consenter = self.owners.of(target, node);
        Peer {
            way: Way { channel: self.channel.clone(), consenters, clocks, target, consenter },
            pending: None,
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.forget();
    }
}

impl Peer {
    /// Gives up what is on its way.
    fn forget(&mut self) {
        if let Some(pending) = self.pending.take() {
            pending.call.abort();
        }
    }

    /// The answer to entries of which `last` is the last: of a message that is on its way already, or of a new one.
    async fn append(
        &mut self,
        request: &AppendEntriesRequest<RaftTypes>,
        last: LogId<NodeId>,
    ) -> Result<AppendAnswer, CallError> {
        let key = (request.vote, request.prev_log_id, last);
        if self.pending.as_ref().is_none_or(|pending| pending.key != key) {
            self.forget();
            let (way, message) = (self.way.clone(), append_message(request));
            let call = tokio::spawn(async move { way.call(message, APPEND_TIMEOUT).await });
            self.pending = Some(Pending { key, call });
        }
        let lost = || CallError::Refused("the call was given up".to_owned());
        let pending = self.pending.as_mut().ok_or_else(lost)?;
        // Where openraft drops this future, the call stays pending.
        let answer = (&mut pending.call).await;
        self.pending = None;
        answer.unwrap_or_else(|_| Err(lost()))
    }
}

fn append_message(request: &AppendEntriesRequest<RaftTypes>) -> RaftMessage {
    RaftMessage::Append(Bytes::from(codec::encode(&AppendMessage::new(request))))
}

impl Way {
    async fn call<T: DeserializeOwned>(
        &self,
        message: RaftMessage,
        timeout: Duration,
    ) -> Result<T, CallError> {
        let unknown = || CallError::Refused(format!("node {} is no consenter", self.target));
        let consenter = self.consenter.ok_or_else(unknown)?;
        let request = ConsensusRequest::Raft { channel: self.channel.clone(), target: self.target, message };
        let sent = Instant::now();
        match self.consenters.call(consenter, request, timeout).await? {
            ConsensusReply::Raft { clock_ms, reply } => {
                self.clocks.heard(consenter, sent, clock_ms);
                messages::decode(&reply).map_err(|error| CallError::Refused(error.to_string()))
            }
            ConsensusReply::Failed(reason) => Err(CallError::Refused(reason)),
            _ => Err(CallError::Refused("an answer of another kind".to_owned())),
        }
    }
}

/// An answer's vote, unless its term is further ahead of the question's than elections come.
fn plausible(answered: VoteRecord, asked: &Vote<NodeId>) -> Result<(), CallError> {
    let term = asked.leader_id.term;
    if answered.term <= term.saturating_add(TERMS_AHEAD_MAX) {
        return Ok(());
    }
    Err(CallError::Refused(format!("its term {} is too far ahead of term {term}", answered.term)))
}

fn refused<E: std::error::Error>(error: &CallError) -> Refused<E> {
    // A node that refuses is left alone for a while, as one that is not reached: the library sends again at once after any
    // other error, and would fill link and log.
    RPCError::Unreachable(Unreachable::new(error))
}

impl RaftNetwork<RaftTypes> for Peer {
    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<RaftTypes>,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<NodeId>, Refused> {
        let answer = match request.entries.last().map(|entry| entry.log_id) {
            Some(last) => self.append(&request, last).await,
            None => self.way.call(append_message(&request), HEARTBEAT_TIMEOUT).await,
        };
        let answer = answer.and_then(|answer| {
            if let AppendAnswer::HigherVote(vote) = &answer {
                plausible(*vote, &request.vote)?;
            }
            Ok(answer)
        });
        answer.map(Into::into).map_err(|error| refused(&error))
    }

    async fn install_snapshot(
        &mut self,
        request: InstallSnapshotRequest<RaftTypes>,
        option: RPCOption,
    ) -> Result<InstallSnapshotResponse<NodeId>, Refused<InstallSnapshotError>> {
        let asked = request.vote;
        let message = RaftMessage::Snapshot(Bytes::from(codec::encode(&SnapshotMessage::new(request))));
        let vote: VoteRecord =
            self.way.call(message, option.hard_ttl()).await.map_err(|error| refused(&error))?;
        plausible(vote, &asked).map_err(|error| refused(&error))?;
        Ok(InstallSnapshotResponse { vote: vote.into() })
    }

    async fn vote(
        &mut self,
        request: VoteRequest<NodeId>,
        option: RPCOption,
    ) -> Result<VoteResponse<NodeId>, Refused> {
        let message = RaftMessage::Vote(Bytes::from(codec::encode(&VoteMessage::new(&request))));
        let answer: VoteAnswer =
            self.way.call(message, option.hard_ttl()).await.map_err(|error| refused(&error))?;
        plausible(answer.vote, &request.vote).map_err(|error| refused(&error))?;
        Ok(answer.into())
    }

    fn backoff(&self) -> Backoff {
        Backoff::new(std::iter::repeat(BACKOFF))
    }
}

#[cfg(test)]
mod tests;
