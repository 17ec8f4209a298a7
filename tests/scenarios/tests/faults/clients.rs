//! Clients that write throughout, each through the gateway of its hospital, and know what became of every transaction.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use client::{ClientError, Connection, Deadlines, Draft};
use protocol::{ChaincodeName, ChannelId, TxId};
use scenarios::{Witness, connection_settings, settle};
use testnet::{Network, User};
use tokio::sync::{RwLock, RwLockReadGuard};
use tokio::task::JoinSet;

/// Clients of each gateway.
const CLIENTS_A_GATEWAY: usize = 3;
/// For one transaction with all its retries: it outlives a round and the recovery from it.
const PATIENCE: Duration = Duration::from_secs(150);
/// Short ones: what a node did not answer is asked again soon.
const DEADLINES: Deadlines = Deadlines {
    evaluate: Duration::from_secs(5),
    endorse: Duration::from_secs(5),
    submit: Duration::from_secs(5),
    commit: Duration::from_secs(5),
    stream_idle: Duration::from_secs(5),
};

/// What the clients share, and what became of it.
#[derive(Default)]
pub(super) struct Writing {
    next: AtomicUsize,
    round: AtomicUsize,
    ends: AtomicBool,
    failed: AtomicBool,
    /// Held for reading by whoever has a transaction under way; held for writing while nobody may.
    gate: RwLock<()>,
    log: Mutex<Log>,
}

/// What is known of the transactions.
#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    /// What was acknowledged as valid, with the round in which it was.
    pub(super) valid: Vec<(TxId, usize)>,
    /// Acknowledged by gateway in the running round's recovery.
    recent: BTreeMap<String, usize>,
    /// What was met and retried, by kind.
    pub(super) met: BTreeMap<String, usize>,
}

impl Witness for Writing {
    fn met(&self, error: &ClientError) {
        let kind = match error {
            ClientError::Rejected(rejection) => rejection.code_name(),
            ClientError::Fault(_) => "a fault".to_owned(),
        };
        *self.log().met.entry(kind).or_default() += 1;
    }

    fn is_over(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }
}

impl Writing {
    fn log(&self) -> std::sync::MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known so far.
    pub(super) fn so_far(&self) -> Log {
        self.log().clone()
    }

    /// Begins a round.
    pub(super) fn begins(&self, round: usize) {
        self.round.store(round, Ordering::Relaxed);
        self.log().met.clear();
    }

    /// Lets the clients end, at once where it failed.
    pub(super) fn end(&self, failed: bool) {
        self.ends.store(true, Ordering::Relaxed);
        self.failed.fetch_or(failed, Ordering::Relaxed);
    }

    /// Waits until each of these gateways has acknowledged another transaction from now on.
    pub(super) fn goes_on(&self, users: &[User], deadline: Duration) -> Result<()> {
        self.log().recent.clear();
        Network::wait_until("another transaction by each gateway", deadline, || {
            if self.is_over() {
                bail!("a client has ended");
            }
            let recent = self.log().recent.clone();
            for user in users {
                ensure!(recent.contains_key(user.address()), "none by {}", user.address());
            }
            Ok(())
        })
    }

    /// Lets every transaction under way come to its verdict and holds all others back; `calm` finds the network at rest.
    pub(super) fn pause<T>(&self, calm: impl FnOnce() -> Result<T>) -> Result<T> {
        let _closed = self.gate.blocking_write();
        ensure!(!self.is_over(), "a client has ended");
        calm()
    }

    async fn enter(&self) -> Option<RwLockReadGuard<'_, ()>> {
        let entered = self.gate.read().await;
        (!self.ends.load(Ordering::Relaxed) && !self.is_over()).then_some(entered)
    }

    fn acknowledged(&self, tx_id: TxId, gateway: &str) {
        let round = self.round.load(Ordering::Relaxed);
        let mut log = self.log();
        log.valid.push((tx_id, round));
        *log.recent.entry(gateway.to_owned()).or_default() += 1;
    }
}

/// Writes until the end.
///
/// # Errors
/// A transaction without a verdict, or with one that it cannot have.
pub(super) fn write(users: &[User], writing: &Arc<Writing>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let outcome = runtime.block_on(async {
        let mut clients = JoinSet::new();
        for user in users {
            let connection = Arc::new(Connection::open(connection_settings(user, DEADLINES)?).await?);
            for _ in 0..CLIENTS_A_GATEWAY {
                let (connection, user, writing) =
                    (Arc::clone(&connection), user.clone(), Arc::clone(writing));
                clients.spawn(async move { one(&connection, &user, &writing).await });
            }
        }
        while let Some(ended) = clients.join_next().await {
            let ended = ended.context("a client panicked")?;
            // The others would wait for their patience's end.
            writing.failed.fetch_or(ended.is_err(), Ordering::Relaxed);
            ended?;
        }
        Ok(())
    });
    writing.failed.fetch_or(outcome.is_err(), Ordering::Relaxed);
    outcome
}

async fn one(connection: &Connection, user: &User, writing: &Writing) -> Result<()> {
    let channel = ChannelId::new(user.channel())?;
    while let Some(_under_way) = writing.enter().await {
        let number = writing.next.fetch_add(1, Ordering::Relaxed);
        let args = [&format!("asset-{number}"), "blue", "5", "Tomoko", "300"];
        let draft = Draft::new(ChaincodeName::new("asset-transfer")?, "CreateAsset", &args);
        let settled = settle((connection, &channel), &draft, PATIENCE, writing).await;
        let (tx_id, code) = settled.with_context(|| format!("asset {number} by {}", user.address()))?;
        // Nobody else writes this key.
        ensure!(code.is_valid(), "asset {number}, {tx_id}, is {code}");
        writing.acknowledged(tx_id, user.address());
    }
    Ok(())
}
