//! What runs for each joined channel: its committer, the follower of its orderers, and its attester.

use std::sync::{Arc, Mutex, PoisonError};

use gateway::ports::ChannelLedger as _;
use gateway::{Attestations, Dialer, Upkeep};
use msp::SigningIdentity;
use protocol::BlockNumber;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use transport::ConnectionGate;

use super::attesting::Attester;
use super::channel::Channel;
use super::channels::Channels;
use super::committing::{self, AfterCommit};
use super::fault::NodeFault;
use super::following::Follower;
use super::metrics::PeerMetrics;
use super::peer_node::PeerNode;
use super::settings::with_causes;

/// Followers of all channels.
pub struct Following {
    pub(super) channels: Arc<Channels>,
    pub(super) signer: Arc<SigningIdentity>,
    pub(super) dialer: Dialer,
    pub(super) upkeep: Arc<Upkeep<PeerNode>>,
    pub(super) metrics: Arc<PeerMetrics>,
    pub(super) attestations: Arc<Attestations>,
    /// Judges live connections again after a block that revoked somebody or changed a configuration.
    pub(super) gate: ConnectionGate,
    pub(super) runtime: Handle,
    pub(super) tasks: Mutex<JoinSet<()>>,
    pub(super) committers: Mutex<Vec<std::thread::JoinHandle<()>>>,
}

impl Following {
    /// Starts committer and follower of a channel; of one that was stopped for good, nothing.
    pub(super) fn follow(&self, channel: Arc<Channel>) -> Result<(), NodeFault> {
        if channel.stopped().is_some() {
            return Ok(());
        }
        tracing::info!(channel = %channel.channel(), height = channel.height(), "following");
        let (upkeep, gate, channels) = (self.upkeep.clone(), self.gate.clone(), self.channels.clone());
        let after: AfterCommit = Arc::new(move |channel: &Channel, number| {
            trust_anew(&channels, channel, number);
            if channel.revocations().is_of(number) {
                gate.recheck();
            }
            look_after(&upkeep, channel, number);
        });
        // A node that ended between a block's write and its upkeep does the upkeep now; how far it came is on disk.
        if let Err(fault) = self.upkeep.resume(&*channel) {
            tracing::error!(channel = %channel.channel(), fault = with_causes(&fault), "reports of earlier blocks were not looked after");
        }
        let (arrivals, committer) = committing::start(channel.clone(), after, self.metrics.clone())?;
        self.committers.lock().unwrap_or_else(PoisonError::into_inner).push(committer);
        let attester = Attester {
            channel: channel.clone(),
            signer: self.signer.clone(),
            dialer: self.dialer.clone(),
            attestations: self.attestations.clone(),
        };
        let (signer, dialer) = (self.signer.clone(), self.dialer.clone());
        let follower = Follower { channel, arrivals, signer, dialer };
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.spawn_on(follower.run(), &self.runtime);
        tasks.spawn_on(attester.run(), &self.runtime);
        Ok(())
    }

    /// Ends the followers, and with them their committers, and waits for both.
    pub(super) async fn end(&self) {
        let mut tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        tasks.shutdown().await;
        let committers = std::mem::take(&mut *self.committers.lock().unwrap_or_else(PoisonError::into_inner));
        let joined = tokio::task::spawn_blocking(move || {
            committers.into_iter().filter_map(|committer| committer.join().err()).count()
        });
        if joined.await.map_or(true, |panicked| panicked > 0) {
            tracing::error!("a committer had panicked");
        }
    }
}

fn look_after(upkeep: &Upkeep<PeerNode>, channel: &Channel, number: BlockNumber) {
    if let Err(fault) = upkeep.committed(channel, number) {
        tracing::error!(channel = %channel.channel(), block_number = number.0, fault = with_causes(&fault), "reports of a block were not looked after");
    }
}

/// After a configuration block, TLS believes the organisations that it names and no others.
fn trust_anew(channels: &Channels, channel: &Channel, number: BlockNumber) {
    if channel.ledger().last_header().last_config != number {
        return;
    }
    let sequence = channel.bundle().config().sequence;
    tracing::info!(channel = %channel.channel(), block_number = number.0, sequence, "configuration in force");
    if let Err(fault) = channels.trust() {
        tracing::error!(channel = %channel.channel(), block_number = number.0, fault = with_causes(&fault), "TLS believes the organisations of before");
    }
}
