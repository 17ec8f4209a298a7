//! Clients in a closed loop: keys of their own, keys that everybody wants, and reads of what was acknowledged to them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use client::{ClientError, Connection, Deadlines, Draft};
use protocol::{ChaincodeName, ChannelId, TxId, TxValidationCode};
use scenarios::{Doctor, Witness, connection_settings, settle};
use serde_json::Value;
use testnet::User;
use tokio::task::JoinSet;

use super::memory::Memory;

const HOT_ASSETS: usize = 3;
/// One transaction in so many wants a hot asset.
const HOT_EVERY: usize = 10;
/// After so many transactions a client reads what it wrote.
const READ_EVERY: usize = 4;
/// Memory of all nodes is looked at after so many transactions.
const SAMPLED_EVERY: usize = 100;
/// For one transaction with all its retries: it outlives the restart of a node on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);
/// Between two attempts; asking again at once would slow down the restart that it waits for.
const RETRY_AFTER: Duration = Duration::from_millis(100);
/// Short ones: what a killed node did not answer is asked again soon.
const DEADLINES: Deadlines = Deadlines {
    evaluate: Duration::from_secs(10),
    endorse: Duration::from_secs(15),
    submit: Duration::from_secs(10),
    commit: Duration::from_secs(10),
    stream_idle: Duration::from_secs(10),
};

/// What the clients share, and what became of it.
pub(super) struct Work {
    least: usize,
    next: AtomicUsize,
    done: AtomicUsize,
    ends: AtomicBool,
    failed: AtomicBool,
    log: Mutex<Log>,
    pub(super) memory: Memory,
}

#[derive(Default)]
struct Log {
    acknowledged: Vec<TxId>,
    /// Verdicts other than VALID, and what was retried, by kind.
    kinds: BTreeMap<String, usize>,
}

impl Work {
    /// At least so many transactions, and as many more as fit before [`Work::end`].
    pub(super) fn new(least: usize, memory: Memory) -> Self {
        Self {
            least,
            next: AtomicUsize::new(0),
            done: AtomicUsize::new(0),
            ends: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            log: Mutex::default(),
            memory,
        }
    }

    /// Lets the clients stop when they have done enough, or at once.
    pub(super) fn end(&self, failed: bool) {
        self.ends.store(true, Ordering::Relaxed);
        self.failed.fetch_or(failed, Ordering::Relaxed);
    }

    pub(super) fn least(&self) -> usize {
        self.least
    }

    pub(super) fn done(&self) -> usize {
        self.done.load(Ordering::Relaxed)
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    pub(super) fn acknowledged(&self) -> Vec<TxId> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).acknowledged.clone()
    }

    pub(super) fn kinds(&self) -> BTreeMap<String, usize> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).kinds.clone()
    }

    fn take(&self) -> Option<usize> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let enough = number >= self.least && self.ends.load(Ordering::Relaxed);
        (!enough && !self.has_failed()).then_some(number)
    }

    fn settled(&self, tx_id: TxId, code: TxValidationCode) -> usize {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if code.is_valid() {
            log.acknowledged.push(tx_id);
        } else {
            *log.kinds.entry(code.name().to_owned()).or_default() += 1;
        }
        self.done.fetch_add(1, Ordering::Relaxed) + 1
    }
}

impl Witness for Work {
    fn met(&self, error: &ClientError) {
        let kind = match error {
            ClientError::Rejected(rejection) => rejection.code_name(),
            ClientError::Fault(_) => "a fault".to_owned(),
        };
        *self.log.lock().unwrap_or_else(PoisonError::into_inner).kinds.entry(kind).or_default() += 1;
    }

    fn is_over(&self) -> bool {
        self.has_failed()
    }
}

/// Creates what everybody wants.
pub(super) fn prepare(users: &[User]) -> Result<()> {
    let doctor = Doctor::connect(users.first().context("somebody works")?, Deadlines::default())?;
    for number in 0..HOT_ASSETS {
        let draft = asset("CreateAsset", &[&format!("hot-{number}"), "red", "1", "Tomoko", "1"])?;
        doctor.run(|peer, channel| peer.submit(channel, &draft))?;
    }
    Ok(())
}

pub(super) fn asset(function: &str, args: &[&str]) -> Result<Draft> {
    Ok(Draft::new(ChaincodeName::new("asset-transfer")?, function, args))
}

/// Works until there is no more to do.
pub(super) fn run(users: &[User], clients: usize, work: &Arc<Work>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let outcome = runtime.block_on(async {
        let mut tasks = JoinSet::new();
        let mut connections = Vec::new();
        for user in users {
            let connection = Connection::open(connection_settings(user, DEADLINES)?).await?;
            connections.push((Arc::new(connection), ChannelId::new(user.channel())?));
        }
        for (_, (connection, channel)) in (0..clients).zip(connections.iter().cycle()) {
            let client = Client {
                connection: Arc::clone(connection),
                channel: channel.clone(),
                work: Arc::clone(work),
            };
            tasks.spawn(async move {
                let outcome = client.take_all().await;
                if outcome.is_err() {
                    client.work.end(true);
                }
                outcome
            });
        }
        while let Some(client) = tasks.join_next().await {
            client.context("a client panicked")??;
        }
        Ok(())
    });
    // Whoever waits for progress waits in vain otherwise.
    work.failed.fetch_or(outcome.is_err(), Ordering::Relaxed);
    outcome
}

struct Client {
    connection: Arc<Connection>,
    channel: ChannelId,
    work: Arc<Work>,
}

impl Client {
    async fn take_all(&self) -> Result<()> {
        while let Some(number) = self.work.take() {
            let is_hot = number % HOT_EVERY == 0;
            let draft = if is_hot {
                let hot = format!("hot-{}", number / HOT_EVERY % HOT_ASSETS);
                asset("TransferAsset", &[&hot, &format!("owner-{number}")])?
            } else {
                asset("CreateAsset", &[&format!("asset-{number}"), "blue", "5", "Tomoko", "300"])?
            };
            let link = (&*self.connection, &self.channel);
            let settled = settle(link, &draft, PATIENCE, &*self.work).await;
            let (tx_id, code) = settled.with_context(|| format!("transaction {number}"))?;
            // A key of one's own is written by nobody else: only hot ones may come too late.
            ensure!(code.is_valid() || is_hot, "transaction {number}, {tx_id}, is {code}");
            let done = self.work.settled(tx_id, code);
            if done.is_multiple_of(SAMPLED_EVERY) {
                self.work.memory.sample(done);
            }
            if !is_hot && number % READ_EVERY == 0 {
                self.read(&format!("asset-{number}")).await?;
            }
        }
        Ok(())
    }

    /// What was acknowledged by a peer is read from it, also when it was killed in between.
    async fn read(&self, id: &str) -> Result<()> {
        let draft = asset("ReadAsset", &[id])?;
        let ends_at = Instant::now() + PATIENCE;
        loop {
            match self.connection.evaluate(&self.channel, &draft, &[]).await {
                Ok(response) => {
                    let read: Value = serde_json::from_slice(&response.payload)?;
                    ensure!(read["ID"] == id, "{id} was asked for, and {read} answered");
                    return Ok(());
                }
                Err(ClientError::Rejected(rejection)) if rejection.code_name().starts_with("CHAINCODE") => {
                    bail!("{id} was acknowledged, and its peer says: {rejection}")
                }
                Err(error) if Instant::now() > ends_at || self.work.has_failed() => {
                    return Err(error).with_context(|| format!("{id} cannot be read"));
                }
                Err(error) => self.work.met(&error),
            }
            tokio::time::sleep(RETRY_AFTER).await;
        }
    }
}
