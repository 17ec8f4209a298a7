//! Somebody who holds the keys of one consenter, and acts in its name.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use orderer::simulated::{Applied, Channel};
use ordering::{Assembly, assemble};
use protocol::{
    Block, BlockHeader, BlockNumber, BlockSignature, ConsensusReply, ConsensusRequest, SignatureShare, codec,
};
use tokio::time::timeout;
use turmoil::net::UdpSocket;

use crate::links::{DATAGRAM_BYTES_MAX, Datagram, send};
use crate::stage::{PORT, Stage};

/// How long the thief waits for an answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// The thief of one consenter's keys.
pub struct Thief {
    stage: Arc<Stage>,
    place: usize,
    channel: Arc<Channel>,
}

impl Thief {
    /// Sits in the process of that consenter.
    #[must_use]
    pub fn new(stage: Arc<Stage>, place: usize, channel: Arc<Channel>) -> Self {
        Self { stage, place, channel }
    }

    /// A block on top of the chain as the stolen consenter knows it, dated by these clocks.
    #[must_use]
    pub fn block(&self, envelopes: Vec<Bytes>, clock_ms: u64) -> Block {
        let (previous, bundle) = (self.channel.chain.last_header(), self.channel.chain.bundle());
        let facts = Assembly {
            previous: &previous,
            version: bundle.header_version(),
            last_config: self.channel.chain.last_config(),
            difficulty_bits: 0,
            clocks_ms: &[clock_ms],
        };
        assemble(&facts, envelopes)
    }

    /// Has the stolen consenter, which leads, propose a block; what became of it. Nothing, where no majority took it in a
    /// while, or the consenter leads no more.
    pub async fn propose(&self, block: &Block) -> Option<Applied> {
        let outcome = self.channel.backend.propose(block.to_bytes().into()).await;
        timeout(PATIENCE, outcome).await.ok()?.ok()
    }

    /// The stolen consenter's signature of a header, for whom it is good.
    ///
    /// # Errors
    /// A consenter that the channel does not have.
    pub fn share(&self, header: &BlockHeader) -> anyhow::Result<SignatureShare> {
        let key = &self.stage.world.orgs[self.place].orderer.identity;
        let signature = Bytes::from(key.sign(&codec::encode(header)));
        let consenter = self.channel.chain.consenter().context("the stolen key is no consenter's")?;
        let signature = BlockSignature { consenter, signature };
        Ok(SignatureShare { number: header.number, block_hash: header.hash(), signature })
    }

    /// Asks a consenter in the stolen one's name, by the thief's own socket.
    ///
    /// # Errors
    /// A datagram that is none.
    pub async fn ask(&self, to: usize, request: ConsensusRequest) -> anyhow::Result<Option<ConsensusReply>> {
        let socket = Arc::new(UdpSocket::bind(("0.0.0.0", PORT)).await?);
        let call = self.stage.next_call();
        send(&self.stage, &socket, to, &Datagram::Ask { call, from: self.place, request });
        let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
        let Ok(received) = timeout(PATIENCE, socket.recv_from(&mut buffer)).await else { return Ok(None) };
        match codec::decode(&buffer[..received?.0], DATAGRAM_BYTES_MAX)? {
            Datagram::Told { call: answered, reply } if answered == call => Ok(reply),
            _ => Ok(None),
        }
    }

    /// The other consenters.
    pub fn others(&self) -> impl Iterator<Item = usize> + use<> {
        let place = self.place;
        (0..self.stage.nodes.len()).filter(move |other| *other != place)
    }

    /// Gives all others signatures as the stolen consenter's.
    ///
    /// # Errors
    /// A datagram that is none.
    pub async fn give(&self, share: &SignatureShare) -> anyhow::Result<()> {
        for other in self.others() {
            let channel = self.channel.chain.channel().clone();
            self.ask(other, ConsensusRequest::Share { channel, shares: vec![share.clone()] }).await?;
        }
        Ok(())
    }

    /// What a consenter gives as its blocks from one on.
    ///
    /// # Errors
    /// A datagram that is none; an answer of another kind.
    pub async fn blocks_of(&self, other: usize, from: BlockNumber) -> anyhow::Result<Vec<Bytes>> {
        let channel = self.channel.chain.channel().clone();
        match self.ask(other, ConsensusRequest::Blocks { channel, from }).await? {
            Some(ConsensusReply::Blocks(blocks)) => Ok(blocks),
            other => anyhow::bail!("asked for blocks, answered {other:?}"),
        }
    }
}
