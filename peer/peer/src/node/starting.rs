//! The start of a peer, in the order in which faults must be met: settings, disk, chaincodes, channels, ports.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use asset_transfer::AssetTransfer;
use gateway::ports::ChannelLedger as _;
use gateway::{
    AttestationService, Attestations, CUSTODY_FAMILIES, Custody, CustodyService, Dialer, Examiner,
    ExchangeService, FetchLimits, Fetcher, GatewayService, ImageWorkers, NodeGuard, RemotePeers,
    ReportLimits, ReportParts, ReportService, ServeLimits, Stop, Upkeep, WorkerCommand, WorkerLimits,
};
use host::{ChaincodeHost, HostLimits};
use identities::Identities;
use imaging::DecodeLimits;
use ipfs::{SEALED_FAMILIES, SealedStore};
use msp::{MspSet, SigningIdentity};
use node::{Health, Metrics, grpc_observer, health_route, metrics_route, shutdown_signal};
use protocol::BlockNumber;
use reports::Reports;
use store::{FamilySpec, Store, StoreOptions};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use transport::services::attestations::AttestationsServer;
use transport::services::custody::CustodyServer;
use transport::services::endorser::EndorserServer;
use transport::services::exchange::ExchangeServer;
use transport::services::gateway::GatewayServer;
use transport::services::reports::ReportsServer;
use transport::{ConnectionGate, Server, Status, TlsClient};
use web::WebServer;

use super::attesting::Attester;
use super::channel::Channel;
use super::channels::Channels;
use super::committing::{self, AfterCommit};
use super::endorser::{Endorser, PROPOSALS_MAX};
use super::fault::NodeFault;
use super::following::Follower;
use super::health;
use super::metrics::{self, PeerMetrics};
use super::peer_node::PeerNode;
use super::settings::{Settings, with_causes};
use super::system::Joined;

/// The hidden verb by which this program becomes an image worker.
pub const IMAGE_WORKER: &str = "image-worker";
/// Layout of the stores that this release writes.
const STORE_LAYOUT: u32 = 1;

/// Runs a peer until it is told to end.
///
/// # Errors
/// [`NodeFault`]: nothing was bound then, or everything was closed again.
pub async fn start(file: Option<&Path>) -> Result<(), NodeFault> {
    let settings = Settings::load(file)?;
    let metrics = Metrics::new();
    let images = start_images().await?;
    let parts = Parts::prepare(&settings, images, &metrics)?;
    let listener = listen(settings.listen).await?;
    let health = Health::new(env!("CARGO_PKG_VERSION"));
    health::register(
        &health,
        (&settings.id, settings.msp.msp_id.as_str()),
        &parts.channels,
        &parts.attestations,
    );
    let web = match settings.operations {
        Some(address) => Some(serve_operations(address, &settings, &health, &metrics).await?),
        None => None,
    };
    for channel in parts.channels.all() {
        parts.following.follow(channel)?;
    }
    let upkeep = parts.upkeep.clone();
    let background = tokio::spawn(async move { upkeep.run().await });
    tracing::info!(id = settings.id, msp_id = %settings.msp.msp_id, address = %settings.listen, channels = parts.channels.all().len(), "peer ready");
    parts
        .server(&settings)
        .observer(grpc_observer(&metrics))
        .serve(listener, async {
            let signal = shutdown_signal().await;
            tracing::info!(signal, "peer ends");
            // Streams and waiters end with a reason before the listener cuts what is left.
            parts.closing.send_replace(true);
        })
        .await;
    background.abort();
    parts.following.end().await;
    if let Some(web) = web {
        web.shutdown().await;
    }
    Ok(())
}

/// Everything but the ports.
struct Parts {
    channels: Arc<Channels>,
    gate: ConnectionGate,
    following: Arc<Following>,
    upkeep: Arc<Upkeep<PeerNode>>,
    node: Arc<PeerNode>,
    closing: watch::Sender<bool>,
    attestations: Arc<Attestations>,
    dialer: Dialer,
    custody: Arc<Custody>,
    sealed: SealedStore,
    fetcher: Arc<Fetcher>,
    peers: Arc<RemotePeers<Dialer>>,
    images: Arc<ImageWorkers>,
}

impl Parts {
    fn prepare(settings: &Settings, images: Arc<ImageWorkers>, metrics: &Metrics) -> Result<Self, NodeFault> {
        let start = |what: &'static str, error: &dyn std::error::Error| NodeFault::Start {
            what,
            cause: with_causes(error),
        };
        let signer = settings.signer.clone();
        let own_msp = MspSet::new([&settings.msp]).map_err(|error| start("the own MSP", &error))?;
        let store = open_store(settings, "custody", "key custody", &CUSTODY_FAMILIES)?;
        let custody =
            Custody::open(store, settings.kem.clone()).map_err(|error| start("key custody", &error))?;
        let custody = Arc::new(custody);
        let sealed = SealedStore::new(open_store(settings, "sealed", "sealed reports", &SEALED_FAMILIES)?);
        let ledgers = settings.folder.join("ledgers");
        let channels = Channels::open(ledgers, settings.roots.clone(), settings.own_roots.clone())?;
        let channels = Arc::new(channels);
        let gate = revocation_gate(channels.clone());
        let client = TlsClient::gated(&settings.tls, &settings.roots, &gate);
        let dialer = Dialer::new(client, node_guard(channels.clone()));
        let peers = Arc::new(RemotePeers::new(dialer.clone()));
        let fetcher = Arc::new(Fetcher::new(sealed.clone(), peers.clone(), FetchLimits::default()));
        metrics::ask(metrics, &channels, &images);
        let metrics = Arc::new(PeerMetrics::new(metrics));
        let host = ChaincodeHost::start(
            vec![Arc::new(Identities), Arc::new(Reports), Arc::new(AssetTransfer)],
            HostLimits::default(),
        )
        .map_err(|error| start("the chaincode host", &error))?;
        let joins: Arc<OnceLock<Weak<Following>>> = Arc::default();
        let endorser = Arc::new(Endorser {
            channels: channels.clone(),
            host,
            signer: signer.clone(),
            own_msp,
            examiner: Examiner::new(sealed.clone(), fetcher.clone(), images.clone(), DecodeLimits::default()),
            self_test_id: imaging::self_test(),
            joined: follow_when_joined(joins.clone()),
            turns: Semaphore::new(PROPOSALS_MAX),
            metrics: metrics.clone(),
        });
        let attestations =
            Arc::new(Attestations::new((signer.msp_id().clone(), signer.poi()), stop_of(&channels)));
        let address = settings.address.clone();
        let (closing, closed) = watch::channel(false);
        let node = Arc::new(PeerNode {
            channels: channels.clone(),
            endorser,
            signer: signer.clone(),
            address,
            closing: closed,
        });
        let upkeep =
            Upkeep::new(node.clone(), custody.clone(), sealed.clone(), fetcher.clone(), peers.clone());
        let upkeep = Arc::new(upkeep);
        let following = Arc::new(Following {
            channels: channels.clone(),
            signer,
            dialer: dialer.clone(),
            upkeep: upkeep.clone(),
            metrics,
            attestations: attestations.clone(),
            gate: gate.clone(),
            runtime: Handle::current(),
            tasks: Mutex::new(JoinSet::new()),
            committers: Mutex::default(),
        });
        // The endorser is part of what following needs, so it learns of it last, and does not own it.
        let _ = joins.set(Arc::downgrade(&following));
        Ok(Self {
            channels,
            gate,
            following,
            upkeep,
            node,
            closing,
            attestations,
            dialer,
            custody,
            sealed,
            fetcher,
            peers,
            images,
        })
    }

    fn server(&self, settings: &Settings) -> Server {
        let report_parts = ReportParts {
            custody: self.custody.clone(),
            store: self.sealed.clone(),
            fetcher: self.fetcher.clone(),
            peers: self.peers.clone(),
            images: self.images.clone(),
        };
        let node = || self.node.clone();
        let gateway = GatewayService::new(node(), self.dialer.clone(), self.custody.clone());
        let custody = CustodyService::new(node(), self.custody.clone());
        let exchange = ExchangeService::new(node(), self.sealed.clone(), ServeLimits::default());
        let reports = ReportService::new(node(), report_parts, ReportLimits::default());
        let attesting = AttestationService::new(node(), self.attestations.clone());
        Server::new(&settings.tls, &settings.roots)
            .gate(self.gate.clone())
            .add_service(EndorserServer::from_arc(self.node.endorser.clone()))
            .add_service(GatewayServer::new(gateway))
            .add_service(CustodyServer::new(custody))
            .add_service(ExchangeServer::new(exchange))
            .add_service(ReportsServer::new(reports))
            .add_service(AttestationsServer::new(attesting))
    }
}

/// No channel's proposals and keys go to a node whose TLS key that channel revoked, though another one admits it.
fn node_guard(channels: Arc<Channels>) -> NodeGuard {
    NodeGuard::new(move |channel, certificate| channels.believes(channel, certificate))
}

/// Refuses the TLS keys that are revoked on a channel here and admitted by none.
fn revocation_gate(channels: Arc<Channels>) -> ConnectionGate {
    ConnectionGate::new(move |certificate| channels.admits(certificate))
}

/// Workers that this very program becomes; they have proved to work when this returns.
async fn start_images() -> Result<Arc<ImageWorkers>, NodeFault> {
    let command = WorkerCommand::own(IMAGE_WORKER);
    let workers = ImageWorkers::start(command, WorkerLimits::default()).await;
    workers
        .map(Arc::new)
        .map_err(|error| NodeFault::Start { what: "an image worker", cause: error.to_string() })
}

/// Followers of all channels.
struct Following {
    channels: Arc<Channels>,
    signer: Arc<SigningIdentity>,
    dialer: Dialer,
    upkeep: Arc<Upkeep<PeerNode>>,
    metrics: Arc<PeerMetrics>,
    attestations: Arc<Attestations>,
    /// Judges live connections again after a block that revoked somebody or changed a configuration.
    gate: ConnectionGate,
    runtime: Handle,
    tasks: Mutex<JoinSet<()>>,
    committers: Mutex<Vec<std::thread::JoinHandle<()>>>,
}

impl Following {
    /// Starts committer and follower of a channel.
    fn follow(&self, channel: Arc<Channel>) -> Result<(), NodeFault> {
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
    async fn end(&self) {
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

/// What stops a channel whose ledger others contradict.
fn stop_of(channels: &Arc<Channels>) -> Stop {
    let channels = Arc::clone(channels);
    Box::new(move |name, reason| {
        if let Some(channel) = channels.channel(name) {
            channel.stop(reason);
        }
    })
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

/// What the endorser does when a channel was joined.
fn follow_when_joined(joins: Arc<OnceLock<Weak<Following>>>) -> Arc<Joined> {
    Arc::new(move |channel| {
        let following = joins
            .get()
            .and_then(Weak::upgrade)
            .ok_or_else(|| Status::unavailable("the peer is not ready"))?;
        following.follow(channel).map_err(|fault| Status::internal(fault.to_string()))
    })
}

fn open_store(
    settings: &Settings,
    folder: &str,
    purpose: &'static str,
    families: &[FamilySpec],
) -> Result<Store, NodeFault> {
    let path = settings.folder.join(folder);
    let fault = |cause: String| NodeFault::Disk { what: purpose, path: path.display().to_string(), cause };
    std::fs::create_dir_all(&settings.folder).map_err(|error| fault(error.to_string()))?;
    let options = StoreOptions::new(purpose, STORE_LAYOUT);
    Store::open(&path, families, options).map_err(|error| fault(with_causes(&error)))
}

async fn listen(address: SocketAddr) -> Result<TcpListener, NodeFault> {
    TcpListener::bind(address)
        .await
        .map_err(|error| NodeFault::Listen { address: address.to_string(), cause: error.to_string() })
}

async fn serve_operations(
    address: SocketAddr,
    settings: &Settings,
    health: &Health,
    metrics: &Metrics,
) -> Result<WebServer, NodeFault> {
    let fault = |cause: String| NodeFault::Listen { address: address.to_string(), cause };
    let listener = std::net::TcpListener::bind(address).map_err(|error| fault(error.to_string()))?;
    let routes = vec![health_route(health.clone()), metrics_route(metrics.clone())];
    WebServer::serve(listener, &settings.tls, &settings.operators, routes)
        .await
        .map_err(|error| fault(with_causes(&error)))
}
