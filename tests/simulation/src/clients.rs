//! Clients that have transactions ordered, and do not give up: each envelope is sent, to one node after the other and
//! sometimes to two at once, until one says that it is in a block.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use protocol::codec;
use protocol::fabric::Status;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use turmoil::net::UdpSocket;

use crate::chance::Chance;
use crate::links::{DATAGRAM_BYTES_MAX, Datagram, send};
use crate::stage::{PORT, Stage};

/// The clients' host.
pub const HOST: &str = "clients";
/// Clients at a time.
const CLIENTS: u64 = 4;
/// A node answers within its own deadline of 10 s, or never.
const PATIENCE: Duration = Duration::from_secs(11);
/// Between two transactions of a client.
const PAUSE_MS_MAX: u64 = 900;
/// Before an envelope is sent again.
const RETRY_MS_MAX: u64 = 400;
/// Of a thousand sendings, how many go to two nodes at once.
const TWICE: u64 = 150;

/// What the clients want, and have.
pub struct Load {
    /// Transactions, numbered from 0.
    pub count: u64,
    /// The last so many are sent only when all faults are over.
    pub kept_back: u64,
    is_over: AtomicBool,
    acknowledged: Mutex<BTreeSet<u64>>,
    refused: Mutex<Vec<String>>,
}

impl Load {
    /// Nothing ordered yet.
    #[must_use]
    pub fn new(count: u64, kept_back: u64) -> Self {
        let (acknowledged, refused) = (Mutex::default(), Mutex::default());
        Self { count, kept_back, is_over: AtomicBool::new(false), acknowledged, refused }
    }

    /// All faults are over: the rest may be sent.
    pub fn over(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    /// The transactions that a node said are in a block.
    pub fn acknowledged(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers that no envelope of a client should get.
    pub fn refused(&self) -> MutexGuard<'_, Vec<String>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Answer = (i32, String);

struct Clients {
    stage: Arc<Stage>,
    load: Arc<Load>,
    chance: Chance,
    socket: Arc<UdpSocket>,
    waiting: Mutex<BTreeMap<u64, oneshot::Sender<Answer>>>,
}

/// Runs the clients; does not end.
///
/// # Errors
/// A datagram that is none.
pub async fn run(stage: Arc<Stage>, load: Arc<Load>, chance: Chance) -> turmoil::Result {
    let socket = Arc::new(UdpSocket::bind(("0.0.0.0", PORT)).await?);
    let clients = Arc::new(Clients { stage, load, chance, socket, waiting: Mutex::default() });
    for client in 0..CLIENTS {
        tokio::spawn(Arc::clone(&clients).work(client));
    }
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        let (length, _) = clients.socket.recv_from(&mut buffer).await?;
        if let Datagram::Ordered { call, status, text } =
            codec::decode(&buffer[..length], DATAGRAM_BYTES_MAX)?
            && let Some(waiting) = clients.waiting().remove(&call)
        {
            // Whoever asked may have given up.
            let _ = waiting.send((status, text));
        }
    }
}

impl Clients {
    fn waiting(&self) -> MutexGuard<'_, BTreeMap<u64, oneshot::Sender<Answer>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn work(self: Arc<Self>, client: u64) {
        let mut number = client;
        while number < self.load.count {
            sleep(self.chance.wait(0, PAUSE_MS_MAX)).await;
            let is_kept = number + self.load.kept_back >= self.load.count;
            if !is_kept || self.load.is_over.load(Ordering::Relaxed) {
                self.transact(number).await;
                number += CLIENTS;
            }
        }
    }

    /// Has one transaction ordered.
    async fn transact(&self, number: u64) {
        let org = usize::try_from(number).unwrap_or_default() % self.stage.world.orgs.len();
        let envelope = self.stage.world.envelope(org, number);
        let mut node = self.chance.place(self.stage.nodes.len());
        loop {
            if self.chance.happens(TWICE) {
                let other = (node + 1) % self.stage.nodes.len();
                let _ = self.send(other, &envelope);
            }
            let (status, text) = self.ask(node, &envelope).await;
            match Status::try_from(status) {
                Ok(Status::Success) => {
                    self.stage.note(format_args!("{number} acknowledged by {node}"));
                    self.load.acknowledged().insert(number);
                    return;
                }
                Ok(Status::ServiceUnavailable | Status::TooManyRequests | Status::InternalServerError) => {
                    sleep(self.chance.wait(20, RETRY_MS_MAX)).await;
                    node = (node + 1) % self.stage.nodes.len();
                }
                _ => {
                    let text = format!("node {node} refused transaction {number}: {status} {text}");
                    self.load.refused().push(text);
                    return;
                }
            }
        }
    }

    async fn ask(&self, node: usize, envelope: &Bytes) -> Answer {
        let nobody = || (Status::ServiceUnavailable.into(), "no answer".to_owned());
        if self.stage.nodes[node].channel().is_none() {
            return nobody();
        }
        let (call, answer) = self.send(node, envelope);
        let answered = timeout(PATIENCE, answer).await;
        self.waiting().remove(&call);
        answered.ok().and_then(Result::ok).unwrap_or_else(nobody)
    }

    fn send(&self, node: usize, envelope: &Bytes) -> (u64, oneshot::Receiver<Answer>) {
        let call = self.stage.next_call();
        let (answer, answered) = oneshot::channel();
        self.waiting().insert(call, answer);
        send(&self.stage, &self.socket, node, &Datagram::Order { call, envelope: envelope.clone() });
        (call, answered)
    }
}
