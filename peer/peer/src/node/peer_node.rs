//! The peer as the gateway's services see it.

use std::sync::Arc;

use gateway::ports::{ChannelLedger, CommittedAt, Node};
use msp::{Signer, SigningIdentity};
use protocol::fabric::{ProposalResponse, SignedProposal};
use protocol::{ChannelId, MspId, TxId};
use transport::Status;

use super::channel::Channel;
use super::channels::Channels;
use super::endorser::Endorser;

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
}

impl PeerNode {
    fn channel(&self, channel: &ChannelId) -> Result<Arc<Channel>, Status> {
        self.channels
            .channel(channel)
            .filter(|channel| channel.stopped().is_none())
            .ok_or_else(|| self.absent(channel))
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
        stopped.map_or_else(
            || {
                let text = format!("this peer has not joined channel {channel}; ask its operator to join it");
                Status::not_found(text)
            },
            Status::unavailable,
        )
    }

    fn channels(&self) -> Vec<ChannelId> {
        self.channels.all().iter().map(|channel| channel.channel().clone()).collect()
    }

    async fn endorse(&self, proposal: SignedProposal) -> Result<ProposalResponse, Status> {
        self.endorser.process(proposal).await
    }

    async fn committed(&self, channel: &ChannelId, tx_id: &TxId) -> Result<CommittedAt, Status> {
        self.channel(channel)?.committed(tx_id).await.map_err(Status::unavailable)
    }

    async fn reached(&self, channel: &ChannelId, height: u64) -> Result<(), Status> {
        let mut heights = self.channel(channel)?.heights();
        heights
            .wait_for(|reached| *reached >= height)
            .await
            .map(|_| ())
            .map_err(|_| Status::unavailable("the peer is shutting down"))
    }
}
