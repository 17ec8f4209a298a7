//! The life of the node: open, bind, serve, stop.
//!
//! Settings and ledgers are checked before a port is bound, so that a start that cannot succeed leaves no trace. The end
//! comes by signal: listeners first, then consensus, then the store, which closes with its last user.

use std::net::TcpListener;
use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use node::{Component, Health, Metrics, grpc_observer, health_route, metrics_route};
use serde_json::json;
use store::{Read as _, Store, StoreOptions};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use transport::services::broadcast::AtomicBroadcastServer;
use transport::services::consensus::ConsensusServer;
use transport::services::delivery::DeliveryServer;
use transport::{Server, TlsClient, TrustRoots};
use web::WebServer;

use crate::backend::OrderingBackend;
use crate::broadcast::Broadcast;
use crate::chain::{Chain, ChainParts, chain_families};
use crate::channel::Channel;
use crate::channels::Channels;
use crate::clocks::{Clocks, system_clock_ms};
use crate::configuration::{Settings, trusted};
use crate::consensus_service::ConsensusService;
use crate::consenters::{ConsenterNetwork, TlsConsenters};
use crate::deliver::Deliver;
use crate::forwarding::forward;
use crate::leader::{LeaderParts, lead};
use crate::metrics::OrdererMetrics;
use crate::raft::{LOG_FAMILIES, RaftConsensus, RaftParts};
use crate::sharing::share;

/// What a ledger folder of an orderer is called inside, and the layout of its families.
const PURPOSE: &str = "orderer";
const LAYOUT: u32 = 1;
/// Envelopes between the services and the leader's loop: a few blocks' worth; beyond it senders wait.
const SUBMISSIONS_MAX: usize = 4096;
/// Envelopes that wait to be forwarded.
const FORWARDINGS_MAX: usize = 4096;

/// Runs the node until `shutdown` ends.
///
/// # Errors
/// What keeps it from starting.
pub async fn run(settings: Settings, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
    let (ending, ends) = watch::channel(false);
    let (closing, closes) = watch::channel(false);
    let (chain, own_shares) = open(&settings)?;
    let (host, port) = &settings.listen;
    let listener = tokio::net::TcpListener::bind((host.as_str(), *port)).await.with_context(|| {
        format!("address {host}:{port} (General.ListenAddress, ListenPort) cannot be bound")
    })?;
    let operations = settings.operations.as_deref().map(bind_operations).transpose()?;
    trust(&settings.roots, &settings.own_roots, &chain);

    let tls = TlsClient::new(&settings.tls, &settings.roots);
    let bundle = chain.bundle();
    let consenters = &bundle.config().orderer.consenters;
    let consenters = Arc::new(TlsConsenters::new(consenters, settings.consenter, &tls));
    let mut tasks = JoinSet::new();
    tasks.spawn(share(Arc::clone(&chain), consenters.clone(), own_shares, ends.clone()));
    tasks.spawn(trust_always(
        settings.roots.clone(),
        settings.own_roots.clone(),
        Arc::clone(&chain),
        ends.clone(),
    ));
    let channel = begin(chain, consenters.clone(), &mut tasks, ends.clone()).await?;
    let channels = Arc::new(Channels::new([Arc::clone(&channel)]));

    let health = Health::new(env!("CARGO_PKG_VERSION"));
    watch_health(&health, &channels);
    let metrics = Metrics::new();
    let own_metrics = Arc::new(OrdererMetrics::new(&metrics, &channels));
    let web = match operations {
        Some(listener) => {
            let routes = vec![health_route(health), metrics_route(metrics.clone())];
            Some(WebServer::serve(listener, &settings.tls, &settings.roots, routes).await?)
        }
        None => None,
    };
    say_ready(&channel, &listener.local_addr()?);
    let broadcast = Broadcast::new(Arc::clone(&channels), closes.clone(), Arc::clone(&own_metrics));
    let deliver = Deliver::new(Arc::clone(&channels), closes, own_metrics);
    Server::new(&settings.tls, &settings.roots)
        .observer(grpc_observer(&metrics))
        .add_service(AtomicBroadcastServer::new(broadcast))
        .add_service(DeliveryServer::new(deliver))
        .add_service(ConsensusServer::new(ConsensusService::new(Arc::clone(&channels), consenters)))
        .serve(listener, async {
            shutdown.await;
            // Streams without an end would hold the listener up to its deadline.
            closing.send_replace(true);
        })
        .await;

    ending.send_replace(true);
    if let Some(web) = web {
        web.shutdown().await;
    }
    for channel in channels.iter() {
        channel.backend.shutdown().await;
    }
    while tasks.join_next().await.is_some() {}
    tracing::info!("orderer stopped");
    Ok(())
}

/// TLS believes the organisations in force, and no others: connections of whoever left end.
fn trust(roots: &TrustRoots, own: &[Bytes], chain: &Chain) {
    if let Err(error) = roots.replace(trusted(own, Some(&chain.bundle()))) {
        tracing::error!(%error, "TLS believes the organisations of before");
    }
}

/// Keeps whom TLS believes in step with the configuration until `shutdown` turns true.
async fn trust_always(
    roots: TrustRoots,
    own: Vec<Bytes>,
    chain: Arc<Chain>,
    mut shutdown: watch::Receiver<bool>,
) {
    let mut configurations = chain.configurations();
    loop {
        // What changed before this task ran is in force already.
        trust(&roots, &own, &chain);
        tokio::select! {
            _ = shutdown.wait_for(|ends| *ends) => return,
            changed = configurations.changed() => if changed.is_err() {
                return;
            },
        }
    }
}

type OwnShares = mpsc::Receiver<protocol::SignatureShare>;

/// Opens the channel's ledger, or begins it.
fn open(settings: &Settings) -> anyhow::Result<(Arc<Chain>, OwnShares)> {
    let path = settings.ledger.join(settings.bundle.config().channel.as_str());
    let mut families = chain_families();
    families.extend(LOG_FAMILIES);
    std::fs::create_dir_all(&settings.ledger)
        .with_context(|| format!("{} (FileLedger.Location) cannot be made", settings.ledger.display()))?;
    let store = Store::open(&path, &families, StoreOptions::new(PURPOSE, LAYOUT))
        .with_context(|| format!("the ledger in {} (FileLedger.Location) was not opened", path.display()))?;
    let parts = ChainParts {
        store,
        genesis: settings.genesis.clone(),
        bundle: Arc::clone(&settings.bundle),
        signer: settings.signer.clone(),
        consenter: settings.consenter,
    };
    Ok(Chain::open(parts)?)
}

fn bind_operations(address: &str) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address)
        .with_context(|| format!("address {address} (Operations.ListenAddress) cannot be bound"))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Starts consensus and the loops of a channel.
async fn begin(
    chain: Arc<Chain>,
    consenters: Arc<TlsConsenters>,
    tasks: &mut JoinSet<()>,
    ends: watch::Receiver<bool>,
) -> anyhow::Result<Arc<Channel>> {
    let clocks = Arc::new(Clocks::new(system_clock_ms));
    let consenters: Arc<dyn ConsenterNetwork> = consenters;
    let parts = RaftParts {
        chain: Arc::clone(&chain),
        consenters: Arc::clone(&consenters),
        clocks: Arc::clone(&clocks),
    };
    let backend: Arc<dyn OrderingBackend> = Arc::new(RaftConsensus::start(parts).await?);
    let (submissions, submitted) = mpsc::channel(SUBMISSIONS_MAX);
    let (forwardings, forwarded) = mpsc::channel(FORWARDINGS_MAX);
    let parts = LeaderParts {
        chain: Arc::clone(&chain),
        backend: Arc::clone(&backend),
        clocks: Arc::clone(&clocks),
        submissions: submitted,
    };
    tasks.spawn(lead(parts, ends));
    // Ends with the channel, whose queue it reads.
    tokio::spawn(forward(chain.channel().clone(), Arc::clone(&consenters), forwarded));
    Ok(Arc::new(Channel { chain, backend, clocks, consenters, submissions, forwardings }))
}

fn watch_health(health: &Health, channels: &Channels) {
    for channel in channels.iter() {
        let name = format!("channel {}", channel.chain.channel());
        let channel = Arc::clone(channel);
        health.ask(&name, move || component(&channel));
    }
}

/// How a channel fares: who leads, how high it stands, who is not heard of.
fn component(channel: &Channel) -> Component {
    let leadership = channel.leadership().borrow().clone();
    let own = channel.chain.consenter();
    let role = match leadership.leader {
        Some(leader) if leader == own => "leader",
        Some(_) => "follower",
        None => "candidate",
    };
    let facts = json!({
        "consenter": own,
        "role": role,
        "leader": leadership.leader,
        "term": leadership.term,
        "height": channel.chain.applied().borrow().next().0,
        "deliverable_height": channel.chain.deliverable().borrow().next().0,
        "missing": channel.consenters.missing(),
    });
    match leadership.leader {
        Some(_) => Component::up(facts),
        None => Component::down(channel.unavailable().1, facts),
    }
}

fn say_ready(channel: &Channel, address: &std::net::SocketAddr) {
    let chain = &channel.chain;
    tracing::info!(
        %address,
        channel = %chain.channel(),
        consenter = chain.consenter(),
        height = chain.applied().borrow().next().0,
        config_block = %chain.last_config(),
        config_sequence = chain.bundle().config().sequence,
        ledger = %chain.store().path().display(),
        "orderer ready"
    );
}
