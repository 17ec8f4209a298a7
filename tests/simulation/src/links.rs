//! The consenters' network in the simulation: calls as datagrams between turmoil's hosts.
//!
//! A call is a question and an answer with one number. Our nodes speak over TLS, where nothing is lost as long as a
//! connection lives: so a datagram that the weather takes breaks its call after a moment, and a process that ended resets
//! the calls to it. Between hosts that are separated a call hangs until its deadline or that of the keepalive.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use orderer::simulated::{CallError, ConsenterKey, ConsenterNetwork};
use protocol::{ConsensusReply, ConsensusRequest, Consenter, RaftMessage, codec};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};
use turmoil::net::UdpSocket;

use crate::stage::{PORT, Stage};

/// A consenter that was not heard of for so long is called missing, as over TLS.
const MISSING_AFTER: Duration = Duration::from_secs(3);
/// The transport's keepalive ends a connection that is silent for so long.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// How often a call looks whether the process that it waits for still runs.
const RESET_CHECK: Duration = Duration::from_millis(250);
/// How long a late datagram stays on its way.
const LATE_MS_MIN: u64 = 200;
const LATE_MS_MAX: u64 = 2_500;
/// Bytes of one datagram, more than any block of these worlds.
pub const DATAGRAM_BYTES_MAX: usize = 4 << 20;

/// What travels between hosts.
#[derive(Serialize, Deserialize)]
pub enum Datagram {
    /// A consenter asks another one.
    Ask {
        /// The call.
        call: u64,
        /// Who asks, by number.
        from: usize,
        /// What.
        request: ConsensusRequest,
    },
    /// The answer.
    Told {
        /// The call.
        call: u64,
        /// The answer; none where the asker is no consenter.
        reply: Option<ConsensusReply>,
    },
    /// A client wants an envelope ordered.
    Order {
        /// The call.
        call: u64,
        /// The envelope.
        envelope: Bytes,
    },
    /// The answer to the client.
    Ordered {
        /// The call.
        call: u64,
        /// Fabric's status.
        status: i32,
        /// What it says.
        text: String,
    },
}

/// The name of a node's host.
#[must_use]
pub fn host_of(node: usize) -> String {
    format!("orderer{node}")
}

/// Sends a datagram under the weather; `false` where it is lost.
pub fn send(stage: &Stage, socket: &Arc<UdpSocket>, to: impl Into<Address>, datagram: &Datagram) -> bool {
    let (weather, to) = (stage.weather(), to.into());
    if stage.chance.happens(weather.lost) {
        return false;
    }
    let bytes = codec::encode(datagram);
    if stage.chance.happens(weather.doubled) {
        to.take(socket, &bytes);
    }
    if stage.chance.happens(weather.late) {
        let (socket, wait) = (Arc::clone(socket), stage.chance.wait(LATE_MS_MIN, LATE_MS_MAX));
        tokio::spawn(async move {
            sleep(wait).await;
            to.take(&socket, &bytes);
        });
    } else {
        to.take(socket, &bytes);
    }
    true
}

/// Where a datagram goes.
#[derive(Clone, Copy)]
pub enum Address {
    /// To a node.
    Node(usize),
    /// To whoever asked.
    Host(SocketAddr),
}

impl Address {
    fn take(self, socket: &UdpSocket, bytes: &[u8]) {
        // A host that is separated takes nothing, and says nothing.
        let _ = match self {
            Self::Node(node) => socket.try_send_to(bytes, (host_of(node).as_str(), PORT)),
            Self::Host(address) => socket.try_send_to(bytes, address),
        };
    }
}

impl From<usize> for Address {
    fn from(node: usize) -> Self {
        Self::Node(node)
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Host(address)
    }
}

type Waiting = BTreeMap<u64, oneshot::Sender<Option<ConsensusReply>>>;

/// The other consenters as one process sees them.
pub struct Links {
    stage: Arc<Stage>,
    own: usize,
    socket: Arc<UdpSocket>,
    waiting: Mutex<Waiting>,
    others: RwLock<BTreeMap<ConsenterKey, String>>,
    leaving: RwLock<Vec<ConsenterKey>>,
    heard: Mutex<BTreeMap<ConsenterKey, Instant>>,
}

impl Links {
    /// Ways from node `own`, over its socket.
    #[must_use]
    pub fn new(stage: Arc<Stage>, own: usize, socket: Arc<UdpSocket>) -> Self {
        let links = Self {
            own,
            socket,
            waiting: Mutex::default(),
            others: RwLock::default(),
            leaving: RwLock::default(),
            heard: Mutex::default(),
            stage,
        };
        links.renew(&links.stage.bundle.config().orderer.consenters);
        links
    }

    /// An answer has come. One that nobody waits for any more is a repetition, or too late.
    pub fn told(&self, call: u64, reply: Option<ConsensusReply>) {
        if let Some(waiting) = self.waiting().remove(&call) {
            // Whoever asked may have given up.
            let _ = waiting.send(reply);
        }
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(
        &self,
        consenter: ConsenterKey,
        request: ConsensusRequest,
        deadline: Duration,
    ) -> Result<ConsensusReply, CallError> {
        let unreachable = |text: &str| CallError::Unreachable(text.to_owned());
        let to = self.stage.place_of(consenter).ok_or_else(|| unreachable("no such host"))?;
        let call = self.stage.next_call();
        self.stage.note(format_args!("{} asks {to} {call} {}", self.own, said(&request)));
        let starts = self.stage.nodes[to].starts.load(Ordering::Relaxed);
        if self.stage.nodes[to].channel().is_none() {
            sleep(self.stage.chance.wait(2, 40)).await;
            return Err(unreachable("connection refused"));
        }
        let (answer, mut answered) = oneshot::channel();
        self.waiting().insert(call, answer);
        let _forgotten = Forgotten { links: self, call };
        let datagram = Datagram::Ask { call, from: self.own, request };
        if !send(&self.stage, &self.socket, to, &datagram) {
            sleep(self.stage.chance.wait(20, 800)).await;
            return Err(unreachable("connection broken"));
        }
        let ends_at = Instant::now() + deadline.min(KEEPALIVE);
        loop {
            let left = ends_at.saturating_duration_since(Instant::now());
            match timeout(left.min(RESET_CHECK), &mut answered).await {
                Ok(Ok(Some(reply))) => return Ok(reply),
                Ok(Ok(None)) => return Err(CallError::Refused("no consenter".to_owned())),
                Ok(Err(_)) => return Err(unreachable("connection broken")),
                Err(_) if left <= RESET_CHECK => return Err(unreachable("no answer")),
                Err(_) if starts != self.stage.nodes[to].starts.load(Ordering::Relaxed) => {
                    return Err(unreachable("connection reset"));
                }
                Err(_) => {}
            }
        }
    }
}

/// A call that ends, however it ends, waits no more.
struct Forgotten<'a> {
    links: &'a Links,
    call: u64,
}

impl Drop for Forgotten<'_> {
    fn drop(&mut self) {
        self.links.waiting().remove(&self.call);
    }
}

impl ConsenterNetwork for Links {
    fn call(
        &self,
        consenter: ConsenterKey,
        request: ConsensusRequest,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<ConsensusReply, CallError>> {
        async move {
            let answer = self.ask(consenter, request, timeout).await;
            if answer.is_ok() {
                self.heard(consenter);
            }
            answer
        }
        .boxed()
    }

    fn probe<'a>(
        &'a self,
        consenter: &'a Consenter,
        request: ConsensusRequest,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<ConsensusReply, CallError>> {
        self.ask(consenter.tls_spki, request, timeout).boxed()
    }

    fn renew(&self, consenters: &[Consenter]) {
        let own = self.stage.nodes[self.own].key;
        let others = consenters.iter().filter(|consenter| consenter.tls_spki != own);
        let named = |it: &Consenter| (it.tls_spki, format!("{} at {}", it.msp_id, it.endpoint));
        *self.others.write().unwrap_or_else(PoisonError::into_inner) = others.map(named).collect();
    }

    fn leave(&self, leaving: &[Consenter]) {
        let keys = leaving.iter().map(|it| it.tls_spki).filter(|key| *key != self.stage.nodes[self.own].key);
        *self.leaving.write().unwrap_or_else(PoisonError::into_inner) = keys.collect();
    }

    fn leaving(&self) -> Vec<ConsenterKey> {
        self.leaving.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn others(&self) -> Vec<ConsenterKey> {
        self.others.read().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
    }

    fn heard(&self, consenter: ConsenterKey) {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).insert(consenter, Instant::now());
    }

    fn missing(&self) -> Vec<String> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let is_missing = |key| heard.get(key).is_none_or(|heard| heard.elapsed() > MISSING_AFTER);
        let others = self.others.read().unwrap_or_else(PoisonError::into_inner);
        others.iter().filter(|(key, _)| is_missing(key)).map(|(_, name)| name.clone()).collect()
    }
}

/// What a question is about, in words that are the same whatever keys were drawn.
fn said(request: &ConsensusRequest) -> String {
    match request {
        ConsensusRequest::Raft { message, .. } => match message {
            RaftMessage::Append(_) => "append".to_owned(),
            RaftMessage::Vote(_) => "vote".to_owned(),
            RaftMessage::Snapshot(_) => "snapshot".to_owned(),
        },
        ConsensusRequest::Share { shares, .. } => {
            let numbers: Vec<u64> = shares.iter().map(|share| share.number.0).collect();
            format!("signed {numbers:?}")
        }
        ConsensusRequest::Shares { from, .. } => format!("signatures from {from}"),
        ConsensusRequest::Forward { envelopes, .. } => format!("order {}", envelopes.len()),
        ConsensusRequest::Standing { .. } => "standing".to_owned(),
        ConsensusRequest::Blocks { from, .. } => format!("blocks from {from}"),
    }
}
