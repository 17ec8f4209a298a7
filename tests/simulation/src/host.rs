//! A node's process: the real consenter over simulated links, clock and disk, and the listener before it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use msp::SigningIdentity;
use orderer::simulated::{Chain, ChainParts, Channel, Clocks, Consenter, Surroundings, answer_to, store_on};
use protocol::{ConsensusRequest, codec};
use turmoil::net::UdpSocket;

use crate::links::{DATAGRAM_BYTES_MAX, Datagram, Links, send};
use crate::stage::{PORT, Process, Stage};

/// Runs node `place` until its host crashes.
///
/// # Errors
/// A process that does not start; a datagram that is none.
pub async fn run(stage: Arc<Stage>, place: usize) -> turmoil::Result {
    let socket = Arc::new(UdpSocket::bind(("0.0.0.0", PORT)).await?);
    let links = Arc::new(Links::new(Arc::clone(&stage), place, Arc::clone(&socket)));
    let mut consenter = start(&stage, place, &links).await?;
    let channel = Arc::clone(consenter.channel());
    *stage.nodes[place].process() = Some(Process { channel: Arc::clone(&channel), lost: None });
    stage.note(format_args!("{place} is up at block {}", channel.chain.last_header().number));
    let host = Host { stage, place, socket, links, channel };
    tokio::select! {
        biased;
        served = host.serve() => served,
        why = consenter.lost() => {
            if let Some(process) = &mut *host.stage.nodes[place].process() {
                process.lost = Some(why);
            }
            Ok(())
        }
    }
}

async fn start(stage: &Arc<Stage>, place: usize, links: &Arc<Links>) -> anyhow::Result<Consenter> {
    let (node, org) = (&stage.nodes[place], &stage.world.orgs[place]);
    let (cert, key) = (org.orderer.cert_pem.as_bytes(), org.orderer.key_pem.as_bytes());
    let signer = SigningIdentity::from_pem(org.msp_id.clone(), cert, key)?;
    let parts = ChainParts {
        store: store_on(&node.disk()),
        genesis: stage.genesis.clone(),
        bundle: Arc::clone(&stage.bundle),
        certificate: Bytes::copy_from_slice(signer.certificate_der()),
        signer: Arc::new(signer),
    };
    let clock = Arc::clone(stage);
    let surround = |chain: &Chain| Surroundings {
        consenters: Arc::clone(links) as _,
        clocks: Arc::new(Clocks::new(move || clock.clock_ms(place), chain.last_header().timestamp_ms)),
        own: node.key,
        first: stage.bundle.config().orderer.consenters.iter().map(|it| it.tls_spki).collect(),
        // As whoever runs a network does: `--bootstrap` at the very first start, and never again.
        begins: node.starts.fetch_add(1, Ordering::Relaxed) == 0,
    };
    Consenter::start(parts, surround).await
}

struct Host {
    stage: Arc<Stage>,
    place: usize,
    socket: Arc<UdpSocket>,
    links: Arc<Links>,
    channel: Arc<Channel>,
}

impl Host {
    async fn serve(&self) -> turmoil::Result {
        let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
        loop {
            let (length, from) = self.socket.recv_from(&mut buffer).await?;
            match codec::decode(&buffer[..length], DATAGRAM_BYTES_MAX)? {
                Datagram::Ask { call, from: asker, request } => self.answer(from, asker, call, request),
                Datagram::Told { call, reply } => self.links.told(call, reply),
                Datagram::Order { call, envelope } => self.order(from, call, envelope),
                Datagram::Ordered { .. } => {}
            }
        }
    }

    fn answer(&self, to: SocketAddr, asker: usize, call: u64, request: ConsensusRequest) {
        let (stage, socket) = (Arc::clone(&self.stage), Arc::clone(&self.socket));
        let (channel, key, place) = (Arc::clone(&self.channel), self.stage.nodes[asker].key, self.place);
        tokio::spawn(async move {
            let reply = answer_to(channel, key, request).await;
            stage.note(format_args!("{place} tells {asker} {call}"));
            send(&stage, &socket, to, &Datagram::Told { call, reply });
        });
    }

    fn order(&self, to: SocketAddr, call: u64, envelope: Bytes) {
        let (stage, socket) = (Arc::clone(&self.stage), Arc::clone(&self.socket));
        let channel = Arc::clone(&self.channel);
        tokio::spawn(async move {
            let (status, text) = channel.order(envelope).await;
            send(&stage, &socket, to, &Datagram::Ordered { call, status: status.into(), text });
        });
    }
}
