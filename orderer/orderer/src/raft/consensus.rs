//! Starts openraft over the chain, and answers for it behind [`OrderingBackend`].
//!
//! Whose logs count is kept by [`keep`](super::keep). A block that is stamped too far ahead of the own clock is refused
//! here, before openraft sees it: no majority, no such block. So is a snapshot whose blocks are not here yet: they are
//! fetched first.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use openraft::error::ClientWriteError;
use openraft::{Config, Raft, RaftMetrics, ServerState, SnapshotPolicy, Vote};
use ordering::CLOCK_AHEAD_MS_MAX;
use protocol::limits::BLOCK_BYTES_MAX;
use protocol::{BlockHeader, BlockNumber, LogState, RaftMessage, Standing, codec};
use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::sync::watch;
use tokio::time::Instant;

use super::log_store::{Flusher, LogStore};
use super::messages::{self, AppendAnswer, AppendMessage, SnapshotMessage, VoteAnswer, VoteMessage};
use super::network::Network;
use super::record::{EntryContent, VoteRecord};
use super::state_machine::{StateMachine, decode_snapshot};
use super::{Node, NodeId, Owners, ProposedBlock, RaftTypes};
use crate::backend::{Leadership, OrderingBackend, Outcome, ProposeError};
use crate::catching_up::Target;
use crate::chain::{Chain, ChainFault, Trusting};
use crate::clocks::Clocks;
use crate::consenters::{ConsenterKey, ConsenterNetwork};

/// Between two heartbeats: several round trips between hospitals and a loaded disk's fsync (8 ms) fit into it.
const HEARTBEAT_MS: u64 = 150;
/// Silence after which a follower stands for election: three heartbeats may be lost before.
const ELECTION_MS_MIN: u64 = 500;
/// Spread wide enough that two followers rarely stand at once.
const ELECTION_MS_MAX: u64 = 900;
/// A snapshot is small here; its time is that of a slow disk.
const SNAPSHOT_MS_MAX: u64 = 5_000;
/// Entries a message to a follower; their bytes are bounded by the log store.
const ENTRIES_MAX: u64 = 64;
/// Never reached: a follower gets a snapshot only where the log does not reach back to it.
const LAG_MAX: u64 = 1 << 48;
/// Entries between two snapshots: each costs one small synced write.
const SNAPSHOT_ENTRIES: u64 = 500;
/// Entries that the log keeps behind a snapshot, for followers that are a little late; others take blocks.
const KEPT_ENTRIES: u64 = 500;

/// Blocks that are asked for at a time; whoever lacks more says so again.
const WANTED_BLOCKS_MAX: u64 = 10_000;

/// Terms that another consenter may be ahead: an election each millisecond makes as many in 49 days. A term near the end of
/// numbers would be the last election of the channel.
pub(super) const TERMS_AHEAD_MAX: u64 = 1 << 32;
/// Entries that it may be ahead.
const ENTRIES_AHEAD_MAX: u64 = 1 << 48;

/// How long the log's thread may take to end, and how often it is looked at.
const LOG_END_DEADLINE: Duration = Duration::from_secs(3);
const LOG_END_CHECK: Duration = Duration::from_millis(10);

/// What consensus is started with.
pub struct RaftParts {
    /// The chain.
    pub chain: Arc<Chain>,
    /// The way to the other consenters.
    pub consenters: Arc<dyn ConsenterNetwork>,
    /// The consenters' clocks.
    pub clocks: Arc<Clocks>,
    /// This consenter.
    pub own: ConsenterKey,
    /// The consenters of the channel's first configuration, by number.
    pub first: Vec<ConsenterKey>,
    /// Whether whoever runs this node said that the channel begins.
    pub begins: bool,
    /// Where it is said up to which block others' blocks are wanted.
    pub targets: watch::Sender<Target>,
}

/// Why consensus did not start.
#[derive(Debug, thiserror::Error)]
pub enum RaftFault {
    /// The chain's records are unreadable.
    #[error(transparent)]
    Chain(#[from] ChainFault),
    /// The system starts no thread.
    #[error("no thread for the log")]
    Thread(#[source] std::io::Error),
    /// The log cannot be read, or has no id.
    #[error("the log cannot be used: {0}")]
    Log(String),
    /// The library refused.
    #[error("consensus did not start: {0}")]
    Library(String),
}

/// Consensus by openraft.
pub struct RaftConsensus {
    pub(super) raft: Raft<RaftTypes>,
    pub(super) chain: Arc<Chain>,
    pub(super) own: ConsenterKey,
    pub(super) owners: Owners,
    pub(super) id: NodeId,
    pub(super) targets: watch::Sender<Target>,
    pub(super) consenters: Arc<dyn ConsenterNetwork>,
    begins: bool,
    clocks: Arc<Clocks>,
    leadership: watch::Receiver<Leadership>,
    /// Whether the library still holds the log.
    log_in_use: Weak<Flusher>,
}

impl RaftConsensus {
    /// Starts consensus; a consenter of an existing channel goes on where it stopped.
    ///
    /// # Errors
    /// [`RaftFault`].
    pub async fn start(parts: RaftParts) -> Result<Self, RaftFault> {
        let RaftParts { chain, consenters, clocks, own, first, begins, targets } = parts;
        let library = |error: &dyn std::fmt::Display| RaftFault::Library(error.to_string());
        let config = Arc::new(config(chain.channel().as_str()).validate().map_err(|error| library(&error))?);
        let log = LogStore::new(chain.store().clone()).map_err(RaftFault::Thread)?;
        let number = first.iter().position(|consenter| *consenter == own);
        let number = number.and_then(|number| u32::try_from(number).ok());
        let id = log.instance(number).map_err(|error| RaftFault::Log(error.to_string()))?;
        let log_in_use = log.in_use();
        let state_machine = StateMachine::open(Arc::clone(&chain))?;
        let owners = Owners { first: Arc::new(first) };
        let (channel, network_clocks) = (chain.channel().clone(), Arc::clone(&clocks));
        let ways = Arc::clone(&consenters);
        let network = Network { channel, consenters: ways, clocks: network_clocks, owners: owners.clone() };
        let raft =
            Raft::new(id, config, network, log, state_machine).await.map_err(|error| library(&error))?;
        let leadership = follow(&raft, owners.clone());
        Ok(Self { raft, chain, own, owners, id, targets, consenters, begins, clocks, leadership, log_in_use })
    }

    /// A snapshot is taken when its last block is here: the blocks do not travel with it, so that it fits one message.
    fn check_snapshot(&self, message: &SnapshotMessage) -> Result<(), String> {
        if message.offset != 0 || !message.is_last {
            return Err("a snapshot comes in one message".to_owned());
        }
        let known = self.raft.metrics().borrow().last_log_index.unwrap_or_default();
        if message.last.is_some_and(|last| last.index > known.saturating_add(ENTRIES_AHEAD_MAX)) {
            return Err("a snapshot of an entry from far ahead".to_owned());
        }
        let record = decode_snapshot(&message.data).map_err(|error| error.to_string())?;
        let found = self.chain.block_hash(record.number).map_err(|error| error.to_string())?;
        match found {
            Some(hash) if hash == record.block_hash => Ok(()),
            Some(_) => Err(format!("block {} of this consenter is another", record.number)),
            None => {
                self.want(record.number, Trusting::Majority);
                Err(format!("the blocks up to {} are on their way to this consenter", record.number))
            }
        }
    }

    /// Asks for blocks of other consenters, up to this one or a good way towards it: it is what another one claims.
    pub(super) fn want(&self, number: BlockNumber, trusting: Trusting) {
        let last = self.chain.last_header().number;
        let number = number.min(BlockNumber(last.0.saturating_add(WANTED_BLOCKS_MAX)));
        self.targets.send_replace(Target { number, trusting });
    }

    /// Where this consenter stands.
    pub(super) fn stands(&self) -> Standing {
        let metrics = self.raft.metrics().borrow().clone();
        let is_begun = metrics.last_log_index.is_some() || metrics.vote != Vote::default();
        let log = match is_begun {
            true => LogState::Begun,
            false if self.begins => LogState::Beginning,
            false => LogState::Empty,
        };
        let membership = metrics.membership_config.membership();
        let voters = membership.voter_ids().filter_map(|id| {
            let node = membership.get_node(&id)?;
            Some((id, self.owners.of(id, node)?))
        });
        let last = self.chain.last_header();
        Standing {
            instance: self.id,
            log,
            applied: last.number,
            tip: last.hash(),
            deliverable: *self.chain.deliverable().borrow(),
            voters: voters.collect(),
        }
    }

    /// A consenter speaks for its own log only, and of terms that elections may have come to.
    fn check_sender(
        &self,
        VoteRecord { term, node: log, .. }: VoteRecord,
        from: ConsenterKey,
    ) -> Result<(), String> {
        let metrics = self.raft.metrics().borrow().clone();
        if term > metrics.current_term.saturating_add(TERMS_AHEAD_MAX) {
            return Err(format!("term {term} is too far ahead of term {}", metrics.current_term));
        }
        let known = metrics.membership_config.membership().get_node(&log).cloned();
        // A log that is not known here may have joined since.
        let owner = known.and_then(|node| self.owners.of(log, &node)).unwrap_or(from);
        if owner == from && log != self.id {
            return Ok(());
        }
        Err(format!("log {log} is not that of the consenter with TLS key {from}"))
    }

    async fn answer(&self, target: u64, from: ConsenterKey, message: RaftMessage) -> Result<Bytes, String> {
        if target != self.id {
            return Err(format!(
                "the log of this consenter is {}, not {target}: it lost the other one, or the endpoint is another's",
                self.id
            ));
        }
        let malformed = |error: codec::DecodeError| error.to_string();
        let bytes = match message {
            RaftMessage::Append(bytes) => {
                let message: AppendMessage = messages::read(&bytes).map_err(malformed)?;
                self.check_sender(message.vote, from)?;
                self.check_clock(&message)?;
                let response = self.raft.append_entries(message.into_request()).await;
                codec::encode(&AppendAnswer::from(response.map_err(|error| error.to_string())?))
            }
            RaftMessage::Vote(bytes) => {
                let message: VoteMessage = messages::read(&bytes).map_err(malformed)?;
                self.check_sender(message.vote, from)?;
                let response = self.raft.vote(message.into_request()).await;
                codec::encode(&VoteAnswer::from(response.map_err(|error| error.to_string())?))
            }
            RaftMessage::Snapshot(bytes) => {
                let message: SnapshotMessage = messages::read(&bytes).map_err(malformed)?;
                self.check_sender(message.vote, from)?;
                self.check_snapshot(&message)?;
                let response = self.raft.install_snapshot(message.into_request()).await;
                codec::encode(&VoteRecord::from(response.map_err(|error| error.to_string())?.vote))
            }
        };
        Ok(bytes.into())
    }

    fn check_clock(&self, message: &AppendMessage) -> Result<(), String> {
        let limit_ms = self.clocks.furthest_ms().saturating_add(CLOCK_AHEAD_MS_MAX);
        for entry in &message.entries {
            let EntryContent::Block(bytes) = &entry.content else { continue };
            let header = header_of(bytes).map_err(|error| error.to_string())?;
            if header.timestamp_ms > limit_ms {
                return Err(format!(
                    "block {} is stamped {} ms, over {CLOCK_AHEAD_MS_MAX} ms ahead of this consenter's clock: check the \
                     clocks of both nodes",
                    header.number, header.timestamp_ms
                ));
            }
        }
        Ok(())
    }
}

impl OrderingBackend for RaftConsensus {
    fn leadership(&self) -> watch::Receiver<Leadership> {
        self.leadership.clone()
    }

    fn propose(&self, block: Bytes) -> BoxFuture<'_, Outcome> {
        let handed = self.raft.client_write_ff(ProposedBlock(block));
        let outcome = handed.map(|handed| async move {
            let stopped = |reason: String| ProposeError::Stopped(reason);
            match handed.map_err(|error| stopped(error.to_string()))?.await {
                Ok(Ok(response)) => Ok(response.data),
                Ok(Err(ClientWriteError::ForwardToLeader(_))) => Err(ProposeError::NotLeader),
                Ok(Err(error)) => Err(stopped(error.to_string())),
                Err(_) => Err(stopped("it ended before it answered".to_owned())),
            }
        });
        outcome.map(FutureExt::boxed).boxed()
    }

    fn standing(&self) -> Option<Standing> {
        Some(self.stands())
    }

    fn receive(
        &self,
        target: u64,
        from: ConsenterKey,
        message: RaftMessage,
    ) -> BoxFuture<'_, Result<Bytes, String>> {
        self.answer(target, from, message).boxed()
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        async move {
            if let Err(error) = self.raft.shutdown().await {
                tracing::warn!(%error, "consensus did not stop cleanly");
            }
            // The library drops its log when its last task ends; the database must be closed before the process ends.
            let ends_at = Instant::now() + LOG_END_DEADLINE;
            while self.log_in_use.strong_count() > 0 && Instant::now() < ends_at {
                tokio::time::sleep(LOG_END_CHECK).await;
            }
        }
        .boxed()
    }
}

fn config(channel: &str) -> Config {
    Config {
        cluster_name: channel.to_owned(),
        heartbeat_interval: HEARTBEAT_MS,
        election_timeout_min: ELECTION_MS_MIN,
        election_timeout_max: ELECTION_MS_MAX,
        install_snapshot_timeout: SNAPSHOT_MS_MAX,
        max_payload_entries: ENTRIES_MAX,
        replication_lag_threshold: LAG_MAX,
        snapshot_policy: SnapshotPolicy::LogsSinceLast(SNAPSHOT_ENTRIES),
        max_in_snapshot_log_to_keep: KEPT_ENTRIES,
        ..Config::default()
    }
}

/// The header of a block, without its envelopes.
fn header_of(block: &[u8]) -> Result<BlockHeader, codec::DecodeError> {
    #[derive(Deserialize)]
    struct HeaderFirst(BlockHeader, IgnoredAny, IgnoredAny);
    let HeaderFirst(header, ..) = codec::decode(block, BLOCK_BYTES_MAX)?;
    Ok(header)
}

/// Translates openraft's metrics as they change. The task ends with openraft.
fn follow(raft: &Raft<RaftTypes>, owners: Owners) -> watch::Receiver<Leadership> {
    let mut metrics = raft.metrics();
    let first = leadership_of(&metrics.borrow_and_update(), &owners);
    let (sender, receiver) = watch::channel(first);
    tokio::spawn(async move {
        while metrics.changed().await.is_ok() {
            let now = leadership_of(&metrics.borrow_and_update(), &owners);
            sender.send_if_modified(|known| {
                let has_changed = *known != now;
                *known = now;
                has_changed
            });
        }
        sender.send_replace(Leadership::default());
    });
    receiver
}

fn leadership_of(metrics: &RaftMetrics<NodeId, Node>, owners: &Owners) -> Leadership {
    let has_applied_own = metrics.last_applied.map(|place| place.leader_id) == Some(metrics.vote.leader_id);
    let membership = metrics.membership_config.membership();
    let owner = |leader| owners.of(leader, membership.get_node(&leader)?);
    let is_own = metrics.state == ServerState::Leader;
    Leadership {
        leader: metrics.current_leader.and_then(owner),
        is_own,
        is_ready: is_own && has_applied_own && metrics.running_state.is_ok(),
        term: metrics.current_term,
    }
}

#[cfg(test)]
mod tests {
    use protocol::{Block, BlockHash, BlockNumber, ChannelId, Digest, Proof};

    use super::*;

    #[test]
    fn the_timings_are_what_the_library_accepts() {
        config("reports").validate().expect("valid");
    }

    #[test]
    fn a_header_is_read_without_its_envelopes() {
        let header = BlockHeader {
            version: BlockHeader::VERSION,
            channel: ChannelId::new("reports").expect("valid"),
            number: BlockNumber(4),
            previous_hash: BlockHash::ZERO,
            data_hash: Digest::ZERO,
            timestamp_ms: 12,
            last_config: BlockNumber(0),
            proof: Proof::default(),
            envelope_count: None,
        };
        let envelopes = vec![Bytes::from_static(b"one"), Bytes::from_static(b"two")];
        let bytes = Block { header: header.clone(), envelopes, signatures: Vec::new() }.to_bytes();
        assert_eq!(header_of(&bytes).expect("reads"), header);
        assert!(header_of(&bytes[..bytes.len() - 1]).is_err());
    }
}
