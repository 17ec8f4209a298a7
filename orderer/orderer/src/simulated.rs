//! A consenter of one channel over another network, clock and disk: what `tests/simulation` drives.
//!
//! Everything between the surface of a channel and its surroundings is what [`run`](crate::run) starts: chain, consensus,
//! the leader's loop, sharing, catching up, forwarding, and the answers to other consenters. Listeners, TLS and files are
//! not. The other types that are named here are the orderer's own, and no promise to anybody else.

use std::sync::Arc;

use protocol::{ConsensusReply, ConsensusRequest};
use store::{MemoryDisk, Store};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

pub use crate::backend::{Leadership, OrderingBackend};
pub use crate::chain::{Applied, Chain, ChainParts};
pub use crate::channel::{Answer, Channel};
pub use crate::clocks::Clocks;
pub use crate::consenters::{CallError, ConsenterKey, ConsenterNetwork};
pub use crate::raft::seed;
pub use crate::start::Surroundings;

use crate::chain::chain_families;
use crate::consensus_service::{answer, is_consenter};
use crate::raft::LOG_FAMILIES;
use crate::start::begin_among;

/// The store of a consenter on a disk in memory.
#[must_use]
pub fn store_on(disk: &MemoryDisk) -> Store {
    let mut families = chain_families();
    families.extend(LOG_FAMILIES);
    Store::in_memory(disk, &families)
}

/// A consenter that runs. It ends as a killed process does: when the runtime that it was started on is dropped.
pub struct Consenter {
    channel: Arc<Channel>,
    lost: mpsc::Receiver<String>,
    _tasks: JoinSet<()>,
    _ends: watch::Sender<bool>,
}

impl Consenter {
    /// Opens the chain and starts everything over it, in the surroundings that this chain meets.
    ///
    /// # Errors
    /// A chain that does not open; consensus that does not start.
    pub async fn start(
        parts: ChainParts,
        surround: impl FnOnce(&Chain) -> Surroundings,
    ) -> anyhow::Result<Self> {
        let (losing, lost) = mpsc::channel(1);
        let (ending, ends) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let opened = Chain::open(parts)?;
        let surroundings = surround(&opened.0);
        let channel = begin_among(opened, surroundings, &mut tasks, (&ends, &losing)).await?;
        Ok(Self { channel, lost, _tasks: tasks, _ends: ending })
    }

    /// Its channel.
    #[must_use]
    pub fn channel(&self) -> &Arc<Channel> {
        &self.channel
    }

    /// Why it gave up, once it does.
    pub async fn lost(&mut self) -> String {
        match self.lost.recv().await {
            Some(why) => why,
            None => std::future::pending().await,
        }
    }
}

/// Answers the consenter with TLS key `from`, as the service does behind TLS.
pub async fn answer_to(
    channel: Arc<Channel>,
    from: ConsenterKey,
    request: ConsensusRequest,
) -> Option<ConsensusReply> {
    if !is_consenter(&channel, from) {
        return None;
    }
    channel.consenters.heard(from);
    Some(answer(channel, from, request).await)
}
