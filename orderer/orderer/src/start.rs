//! The life of the node: open, bind, serve, stop.
//!
//! Settings and ledgers are checked before a port is bound, so that a start that cannot succeed leaves no trace. The end
//! comes by signal: listeners first, then consensus, then the store, which closes with its last user.

use std::net::TcpListener;
use std::sync::Arc;

use anyhow::Context as _;
use node::{Component, Health, Metrics, grpc_observer, health_route, metrics_route};
use protocol::{BlockNumber, ChannelId, LogState};
use serde_json::json;
use store::{Read as _, Store, StoreOptions};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use transport::Server;
use transport::services::broadcast::AtomicBroadcastServer;
use transport::services::consensus::ConsensusServer;
use transport::services::delivery::DeliveryServer;
use web::WebServer;

use crate::backend::{Halted, OrderingBackend};
use crate::broadcast::Broadcast;
use crate::catching_up::{CatchingUp, Target, catch_up};
use crate::chain::{Chain, ChainParts, Trusting, chain_families};
use crate::channel::Channel;
use crate::channels::Channels;
use crate::clocks::{Clocks, system_clock_ms};
use crate::configuration::{ChannelSettings, Settings};
use crate::consensus_service::ConsensusService;
use crate::consenters::{ConsenterKey, ConsenterNetwork, TlsConsenters};
use crate::deliver::Deliver;
use crate::forwarding::{ForwardParts, forward};
use crate::leader::{LeaderParts, lead};
use crate::metrics::OrdererMetrics;
use crate::raft::{self, LOG_FAMILIES, RaftConsensus, RaftParts, Recovered, Unconfirmed};
use crate::sharing::{Sharing, share};
use crate::trusting::Trust;

/// What a ledger folder of an orderer is called inside, and the layout of its families.
const PURPOSE: &str = "orderer";
const LAYOUT: u32 = 1;
/// Envelopes between the services and the leader's loop, which takes them as they come; beyond it senders wait.
const SUBMISSIONS_MAX: usize = 4096;
/// Envelopes on their way to be forwarded: they are put into their organisation's queue as they come.
const FORWARDINGS_MAX: usize = 4096;

/// Runs the node until `shutdown` ends. `begins` says that channels without a log begin.
///
/// # Errors
/// What keeps it from starting; the loss of the logs of all its channels.
pub async fn run(settings: Settings, begins: bool, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
    let (ending, ends) = watch::channel(false);
    let (closing, closes) = watch::channel(false);
    let opened = open_all(&settings)?;
    let count = opened.len();
    let (losing, mut lost) = mpsc::channel(count.max(1));
    let (host, port) = &settings.listen;
    let listener = tokio::net::TcpListener::bind((host.as_str(), *port)).await.with_context(|| {
        format!("address {host}:{port} (General.ListenAddress, ListenPort) cannot be bound")
    })?;
    let operations = settings.operations.as_deref().map(bind_operations).transpose()?;
    let chains = opened.iter().map(|(chain, _)| Arc::clone(chain)).collect();
    let trust = Arc::new(Trust::new(settings.roots.clone(), settings.own_roots.clone(), chains));
    trust.renew();

    let mut tasks = JoinSet::new();
    let mut begun = Vec::new();
    for opened in opened {
        begun.push(begin(opened, (&settings, begins), &mut tasks, (&ends, &losing)).await?);
    }
    let channels = Arc::new(Channels::new(begun));
    for channel in channels.iter() {
        tasks.spawn(Arc::clone(&trust).follow(Arc::clone(&channel.chain), ends.clone()));
    }

    let health = Health::new(env!("CARGO_PKG_VERSION"));
    watch_health(&health, &channels);
    let metrics = Metrics::new();
    let own_metrics = Arc::new(OrdererMetrics::new(&metrics, &channels));
    let web = match operations {
        Some(listener) => {
            let routes = vec![health_route(health), metrics_route(metrics.clone())];
            Some(WebServer::serve(listener, &settings.tls, &settings.operators, routes).await?)
        }
        None => None,
    };
    for channel in channels.iter() {
        say_ready(channel, &listener.local_addr()?);
    }
    let broadcast = Broadcast::new(Arc::clone(&channels), closes.clone(), Arc::clone(&own_metrics));
    let deliver = Deliver::new(Arc::clone(&channels), closes, own_metrics);
    let mut loss = None;
    Server::new(&settings.tls, &settings.roots)
        .observer(grpc_observer(&metrics))
        .add_service(AtomicBroadcastServer::new(broadcast))
        .add_service(DeliveryServer::new(deliver))
        .add_service(ConsensusServer::new(ConsensusService::new(Arc::clone(&channels))))
        .serve(listener, async {
            tokio::select! {
                () = shutdown => {}
                said = all_lost(&mut lost, count) => loss = Some(said),
            }
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
    loss.map_or(Ok(()), |text| Err(anyhow::Error::msg(text)))
}

/// Makes the ledger of a channel usable after the majority of the logs is lost.
///
/// # Errors
/// A channel that these settings do not name; a ledger that is damaged, or in use; entries of unknown fate of which nobody
/// has said what becomes of them.
pub async fn recover(
    settings: &Settings,
    channel: &str,
    unconfirmed: Unconfirmed,
) -> anyhow::Result<Recovered> {
    let named = settings.channels.iter().find(|it| it.bundle.config().channel.as_str() == channel);
    let named = named
        .with_context(|| format!("General.BootstrapFile names no genesis block of channel '{channel}'"))?;
    let path = settings.ledger.join(channel);
    if !path.is_dir() {
        anyhow::bail!(
            "{} (FileLedger.Location) holds no ledger of channel '{channel}'",
            settings.ledger.display()
        );
    }
    let (chain, _) = open(settings, named)?;
    Ok(raft::recover(chain, unconfirmed).await?)
}

/// Own signatures as a chain makes them.
pub type OwnShares = mpsc::Receiver<protocol::SignatureShare>;

/// Opens the ledger of every channel. A ledger without a genesis block is none that may be forgotten: this node counts in
/// its channel's majority.
fn open_all(settings: &Settings) -> anyhow::Result<Vec<(Arc<Chain>, OwnShares)>> {
    let folder = || format!("{} (FileLedger.Location)", settings.ledger.display());
    std::fs::create_dir_all(&settings.ledger).with_context(|| format!("{} cannot be made", folder()))?;
    for entry in std::fs::read_dir(&settings.ledger).with_context(folder)? {
        let name = entry.with_context(folder)?.file_name().to_string_lossy().into_owned();
        let is_known = |channel: &ChannelSettings| channel.bundle.config().channel.as_str() == name;
        if ChannelId::new(&name).is_ok() && !settings.channels.iter().any(is_known) {
            anyhow::bail!(
                "{} holds the ledger of channel '{name}', and General.BootstrapFile names no genesis block of it; \
                 put its block back, or move the ledger away",
                folder()
            );
        }
    }
    settings.channels.iter().map(|channel| open(settings, channel)).collect()
}

/// Opens the channel's ledger, or begins it.
fn open(settings: &Settings, channel: &ChannelSettings) -> anyhow::Result<(Arc<Chain>, OwnShares)> {
    let path = settings.ledger.join(channel.bundle.config().channel.as_str());
    let mut families = chain_families();
    families.extend(LOG_FAMILIES);
    let store = Store::open(&path, &families, StoreOptions::new(PURPOSE, LAYOUT))
        .with_context(|| format!("the ledger in {} (FileLedger.Location) was not opened", path.display()))?;
    let parts = ChainParts {
        store,
        genesis: channel.genesis.clone(),
        bundle: Arc::clone(&channel.bundle),
        certificate: settings.signer.certificate_der().clone(),
        signer: settings.signer.clone(),
    };
    Ok(Chain::open(parts)?)
}

fn bind_operations(address: &str) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address)
        .with_context(|| format!("address {address} (Operations.ListenAddress) cannot be bound"))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Starts consensus of a channel, its loops, and the sharing of signatures.
async fn begin(
    (chain, own_shares): (Arc<Chain>, OwnShares),
    (settings, begins): (&Settings, bool),
    tasks: &mut JoinSet<()>,
    (ends, losing): (&watch::Receiver<bool>, &mpsc::Sender<String>),
) -> anyhow::Result<Arc<Channel>> {
    let bundle = chain.bundle();
    let named = &bundle.config().orderer.consenters;
    let surroundings = Surroundings {
        consenters: Arc::new(TlsConsenters::new(named, &settings.tls, &settings.roots)),
        clocks: Arc::new(Clocks::new(system_clock_ms, chain.last_header().timestamp_ms)),
        own: settings.tls.spki(),
        first: first_consenters(settings, chain.channel()),
        begins,
    };
    begin_among((chain, own_shares), surroundings, tasks, (ends, losing)).await
}

/// What a channel meets on this node, or in a simulation.
pub struct Surroundings {
    /// The way to the other consenters.
    pub consenters: Arc<dyn ConsenterNetwork>,
    /// The consenters' clocks.
    pub clocks: Arc<Clocks>,
    /// This consenter.
    pub own: ConsenterKey,
    /// The consenters of the channel's first configuration, by number.
    pub first: Vec<ConsenterKey>,
    /// Whether a channel without a log begins.
    pub begins: bool,
}

/// The same in any surroundings.
///
/// # Errors
/// Consensus that does not start.
pub async fn begin_among(
    (chain, own_shares): (Arc<Chain>, OwnShares),
    surroundings: Surroundings,
    tasks: &mut JoinSet<()>,
    (ends, losing): (&watch::Receiver<bool>, &mpsc::Sender<String>),
) -> anyhow::Result<Arc<Channel>> {
    let Surroundings { consenters, clocks, own, first, begins } = surroundings;
    let sharing = Sharing {
        chain: Arc::clone(&chain),
        consenters: Arc::clone(&consenters),
        clocks: Arc::clone(&clocks),
    };
    tasks.spawn(share(sharing, own_shares, ends.clone()));
    let nothing = Target { number: BlockNumber(0), trusting: Trusting::Majority };
    let (targets, wanted) = watch::channel(nothing);
    let catching_up = CatchingUp {
        chain: Arc::clone(&chain),
        consenters: Arc::clone(&consenters),
        clocks: Arc::clone(&clocks),
    };
    tasks.spawn(catch_up(catching_up, wanted, ends.clone()));
    let started = RaftConsensus::start(RaftParts {
        chain: Arc::clone(&chain),
        consenters: Arc::clone(&consenters),
        clocks: Arc::clone(&clocks),
        own,
        first,
        begins,
        targets,
    });
    let backend: Arc<dyn OrderingBackend> = match started.await {
        Ok(consensus) => {
            let consensus = Arc::new(consensus);
            tasks.spawn(keep_logs(Arc::clone(&consensus), losing.clone(), ends.clone()));
            consensus
        }
        Err(fault) => match chain.stopped().borrow().as_ref() {
            // The log holds a configuration that an earlier run stopped at already.
            Some(stopped) if stopped.needed.is_some() => Arc::new(Halted::new(stopped.reason.clone())),
            _ => return Err(fault.into()),
        },
    };
    let (submissions, submitted) = mpsc::channel(SUBMISSIONS_MAX);
    let (forwardings, forwarded) = mpsc::channel(FORWARDINGS_MAX);
    let parts = LeaderParts {
        chain: Arc::clone(&chain),
        backend: Arc::clone(&backend),
        clocks: Arc::clone(&clocks),
        submissions: submitted,
    };
    tasks.spawn(lead(parts, ends.clone()));
    // Ends with the channel, whose queue it reads.
    tokio::spawn(forward(ForwardParts {
        channel: chain.channel().clone(),
        consenters: Arc::clone(&consenters),
        leadership: backend.leadership(),
        forwardings: forwarded,
    }));
    Ok(Arc::new(Channel { chain, backend, clocks, consenters, submissions, forwardings }))
}

fn first_consenters(settings: &Settings, channel: &ChannelId) -> Vec<ConsenterKey> {
    let of_it = settings.channels.iter().filter(|it| it.bundle.config().channel == *channel);
    of_it.flat_map(|it| &it.bundle.config().orderer.consenters).map(|it| it.tls_spki).collect()
}

/// Keeps the membership of a channel until `ends` turns true. Where its logs are lost the channel stops, and no other.
async fn keep_logs(
    consensus: Arc<RaftConsensus>,
    losing: mpsc::Sender<String>,
    mut ends: watch::Receiver<bool>,
) {
    let lost = tokio::select! {
        _ = ends.wait_for(|ends| *ends) => return,
        lost = raft::keep(Arc::clone(&consensus)) => lost,
    };
    let text = consensus.restoring(&lost);
    tracing::error!("{text}");
    consensus.halt(&lost).await;
    // There is room for every channel.
    let _ = losing.try_send(text);
}

/// Waits until so many channels have stopped: a node without a channel ends. What each of them said is returned.
async fn all_lost(lost: &mut mpsc::Receiver<String>, count: usize) -> String {
    let mut said = Vec::new();
    while said.len() < count.max(1) {
        match lost.recv().await {
            Some(text) => said.push(text),
            None => return std::future::pending().await,
        }
    }
    said.join("\n")
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
    let standing = channel.backend.standing();
    let is_new = standing.as_ref().is_some_and(|it| it.log != LogState::Begun);
    let role = match leadership.leader {
        None if channel.chain.consenter().is_none() && !is_new => "removed",
        None if is_new => "joining",
        Some(_) if leadership.is_own => "leader",
        Some(_) => "follower",
        None => "candidate",
    };
    let facts = json!({
        "consenter": channel.chain.consenter(),
        "role": role,
        "voters": standing.as_ref().map(|it| it.voters.len()),
        "votes": standing.map(|it| it.voters.iter().any(|(log, _)| *log == it.instance)),
        "leader": leadership.leader.and_then(|key| channel.chain.bundle().consenter_of_tls_spki(&key)),
        "term": leadership.term,
        "height": channel.chain.applied().borrow().next().0,
        "deliverable_height": channel.chain.deliverable().borrow().next().0,
        "missing": channel.consenters.missing(),
    });
    match leadership.leader {
        Some(_) if channel.stopped().is_none() => Component::up(facts),
        _ => Component::down(channel.unavailable().1, facts),
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
