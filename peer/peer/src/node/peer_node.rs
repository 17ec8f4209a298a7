//! The peer as the gateway's services see it.

use std::future::Future;
use std::sync::Arc;

use gateway::ports::{Asker, ChannelLedger, CommittedAt, Node, not_joined};
use msp::{Signer, SigningIdentity};
use protocol::fabric::{ProposalResponse, SignedProposal};
use protocol::{ChannelId, MspId, TxId};
use tokio::sync::watch;
use transport::{PeerCertificate, Status};

use super::channel::{Channel, SHUTTING_DOWN};
use super::channels::Channels;
use super::endorser::{Endorser, serving};

/// Implements the gateway's ports over channels and endorser.
pub struct PeerNode {
    /// The joined channels.
    pub channels: Arc<Channels>,
    /// The endorser.
    pub endorser: Arc<Endorser>,
    /// Who signs.
    pub signer: Arc<SigningIdentity>,
    /// Where others reach this peer.
    pub address: String,
    /// Turns true when the peer ends: nobody waits for anything then.
    pub closing: watch::Receiver<bool>,
}

impl PeerNode {
    fn channel(&self, channel: &ChannelId) -> Result<Arc<Channel>, Status> {
        self.channels
            .channel(channel)
            .filter(|channel| channel.stopped().is_none())
            .ok_or_else(|| self.absent(channel))
    }

    /// Waits, but not longer than the peer lives.
    async fn until_closing<T>(&self, waiting: impl Future<Output = Result<T, String>>) -> Result<T, Status> {
        let mut closing = self.closing.clone();
        tokio::select! {
            answer = waiting => answer.map_err(Status::unavailable),
            Ok(_) = closing.wait_for(|closes| *closes) => Err(Status::unavailable(SHUTTING_DOWN)),
        }
    }
}

impl Node for PeerNode {
    fn msp_id(&self) -> &MspId {
        self.signer.as_ref().msp_id()
    }

    fn address(&self) -> String {
        self.address.clone()
    }

    fn signer(&self) -> &dyn Signer {
        self.signer.as_ref()
    }

    fn ledger(&self, channel: &ChannelId) -> Option<Arc<dyn ChannelLedger>> {
        self.channel(channel).ok().map(|channel| channel as Arc<dyn ChannelLedger>)
    }

    fn absent(&self, channel: &ChannelId) -> Status {
        let stopped = self.channels.channel(channel).and_then(|channel| channel.unavailable());
        stopped.map_or_else(|| not_joined(channel), Status::unavailable)
    }

    fn admit(
        &self,
        channel: &ChannelId,
        caller: Option<&PeerCertificate>,
    ) -> Result<Arc<dyn ChannelLedger>, Status> {
        let channel = self.channels.admit(channel, caller)?;
        serving(&channel)?;
        Ok(channel)
    }

    fn channels(&self) -> Vec<ChannelId> {
        self.channels.all().iter().map(|channel| channel.channel().clone()).collect()
    }

    async fn endorse(&self, proposal: SignedProposal) -> Result<ProposalResponse, Status> {
        self.endorser.process(proposal, None).await
    }

    async fn committed(&self, channel: &ChannelId, tx_id: &TxId) -> Result<CommittedAt, Status> {
        let channel = self.channel(channel)?;
        self.until_closing(channel.committed(tx_id)).await
    }

    async fn revoked(&self, channel: &ChannelId, asker: &Asker) -> Status {
        match self.channels.channel(channel) {
            Some(channel) => channel.until_revoked(asker).await,
            None => std::future::pending().await,
        }
    }

    async fn reached(&self, channel: &ChannelId, height: u64) -> Result<(), Status> {
        let channel = self.channel(channel)?;
        self.until_closing(channel.reached(height)).await
    }
}
