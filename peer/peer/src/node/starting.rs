//! The start of a peer, in the order in which faults must be met: settings, disk, chaincodes, channels, ports.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, Weak};

use configtx::Capabilities;
use gateway::{
    AttestationService, Attestations, CUSTODY_FAMILIES, Custody, CustodyService, Dialer, Examiner,
    ExchangeService, FetchLimits, Fetcher, GatewayLimits, GatewayService, ImageWorkers, NodeGuard,
    RemotePeers, ReportLimits, ReportParts, ReportService, ServeLimits, Stop, Upkeep, WorkerCommand,
    WorkerLimits,
};
use host::{ChaincodeHost, HostLimits};
use imaging::DecodeLimits;
use ipfs::{SEALED_FAMILIES, SealedStore};
use msp::MspSet;
use node::{Health, Metrics, grpc_observer, health_route, metrics_route, shutdown_signal};
use shim::Chaincode;
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

use super::channels::Channels;
use super::endorser::{Endorser, PROPOSALS_MAX};
use super::fault::NodeFault;
use super::followers::Following;
use super::health;
use super::metrics::{self, PeerMetrics};
use super::peer_node::PeerNode;
use super::settings::{Settings, with_causes};
use super::system::Joined;
use crate::installed::{Program, with_system_chaincode};

/// The hidden verb by which this program becomes an image worker.
pub const IMAGE_WORKER: &str = "image-worker";
/// Layout of the stores that this release writes.
const STORE_LAYOUT: u32 = 1;

/// Runs a program's peer until it is told to end.
///
/// # Errors
/// [`NodeFault`]: nothing was bound then, or everything was closed again.
pub async fn start(file: Option<&Path>, program: Program) -> Result<(), NodeFault> {
    let Program { chaincodes, known } = program;
    let settings = Settings::load(file)?;
    let metrics = Metrics::new();
    let host = start_chaincodes(chaincodes, &settings)?;
    let images = start_images().await?;
    let parts = Parts::prepare(&settings, (host, images, known), &metrics)?;
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
    fn prepare(
        settings: &Settings,
        (host, images, known): (ChaincodeHost, Arc<ImageWorkers>, Capabilities),
        metrics: &Metrics,
    ) -> Result<Self, NodeFault> {
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
        let (roots, own_roots) = (settings.roots.clone(), settings.own_roots.clone());
        let channels = Channels::open(ledgers, roots, own_roots, known)?;
        let channels = Arc::new(channels);
        let gate = revocation_gate(channels.clone());
        let client = TlsClient::gated(&settings.tls, &settings.roots, &gate);
        let dialer = Dialer::new(client, node_guard(channels.clone()));
        let peers = Arc::new(RemotePeers::new(dialer.clone()));
        let fetcher = Arc::new(Fetcher::new(sealed.clone(), peers.clone(), FetchLimits::default()));
        metrics::ask(metrics, &channels, &images);
        let registry = metrics;
        let metrics = Arc::new(PeerMetrics::new(metrics));
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
        metrics::ask_chaincodes(registry, &endorser);
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
        let limits = GatewayLimits::default().outlasting_runs_of(settings.execute_timeout);
        let gateway = GatewayService::new(node(), self.dialer.clone(), self.custody.clone(), limits);
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

/// The threads on which this program's chaincodes run.
fn start_chaincodes(
    of_program: Vec<Arc<dyn Chaincode>>,
    settings: &Settings,
) -> Result<ChaincodeHost, NodeFault> {
    let fault = |cause: String| NodeFault::Start { what: "the chaincode host", cause };
    let chaincodes = with_system_chaincode(of_program).map_err(|error| fault(error.to_string()))?;
    let limits = HostLimits { deadline: settings.execute_timeout, ..HostLimits::default() };
    let host = ChaincodeHost::start(chaincodes, limits).map_err(|error| fault(with_causes(&error)))?;
    tracing::info!(installed = ?host.installed(), "chaincodes");
    Ok(host)
}

/// Workers that this very program becomes; they have proved to work when this returns.
async fn start_images() -> Result<Arc<ImageWorkers>, NodeFault> {
    let command = WorkerCommand::own(IMAGE_WORKER);
    let workers = ImageWorkers::start(command, WorkerLimits::default()).await;
    workers
        .map(Arc::new)
        .map_err(|error| NodeFault::Start { what: "an image worker", cause: error.to_string() })
}

/// What stops a channel whose ledger others contradict.
fn stop_of(channels: &Arc<Channels>) -> Stop {
    let channels = Arc::clone(channels);
    Box::new(move |name, outvoted| {
        if let Some(channel) = channels.channel(name) {
            channel.stop_outvoted(outvoted);
        }
    })
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
