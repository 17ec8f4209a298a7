//! Clients side by side: closed loop, where each waits for its verdict, or open loop, where transactions begin at a rate.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use client::{ClientError, Connection, Deadlines, Upload};
use protocol::ChannelId;
use scenarios::{Image, connection_settings};
use testnet::{Network, User};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::options::RunOptions;
use crate::workload::{Step, Steps};

/// Clients that share one connection: a node takes 256 requests at a time on each.
const CLIENTS_A_CONNECTION: usize = 100;
/// Transactions that prepare a workload and are under way at a time.
const PREPARED_AT_A_TIME: usize = 64;
/// Edge of a drawn image, pixels.
const IMAGE_EDGE: u32 = 512;

/// What became of one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Committed as valid, or read.
    Done,
    /// Committed with another verdict; its name.
    Invalid(String),
    /// No verdict; what went wrong.
    Failed(String),
}

/// One step with the time of its phases; a phase that it did not have is zero.
#[derive(Clone, Debug)]
pub struct Sample {
    /// When it ended.
    pub ended_at: Instant,
    /// Propose, endorse, check, sign.
    pub endorse: Duration,
    /// Until an orderer had it.
    pub order: Duration,
    /// Until the own peer told the verdict.
    pub commit: Duration,
    /// All of it.
    pub total: Duration,
    /// What became of it.
    pub outcome: Outcome,
}

/// Who works, with what.
pub struct Crew {
    connections: Vec<Connection>,
    channel: ChannelId,
    steps: Steps,
    images: PathBuf,
    image: Option<PathBuf>,
    under_way_max: usize,
    ends: AtomicBool,
}

impl Crew {
    /// Connects to the gateways.
    ///
    /// # Errors
    /// Where one is not reached.
    pub async fn connect(network: &Network, options: &RunOptions) -> Result<Self> {
        let per_gateway = options.clients.div_ceil(options.gateways).div_ceil(CLIENTS_A_CONNECTION);
        let mut connections = Vec::new();
        // Neighbours in the list are at different gateways, so that any number of clients is spread evenly.
        for _ in 0..per_gateway {
            for hospital in options.gateway_hospitals() {
                connections.push(open(&network.doctor(hospital)).await?);
            }
        }
        let images = network.path("load-images");
        std::fs::create_dir_all(&images)?;
        Ok(Self {
            connections,
            channel: ChannelId::new(network.options().channel.as_str())?,
            steps: Steps::new(options.workload)?,
            images,
            image: options.image.clone(),
            under_way_max: options.clients,
            ends: AtomicBool::new(false),
        })
    }

    /// The first connection, for questions about the channel.
    ///
    /// # Errors
    /// Never for a crew that was connected.
    pub fn first(&self) -> Result<&Connection> {
        self.connections.first().context("a crew has a connection")
    }

    /// The channel.
    #[must_use]
    pub const fn channel(&self) -> &ChannelId {
        &self.channel
    }

    /// Lets a closed loop end before its time.
    pub fn end(&self) {
        self.ends.store(true, Ordering::Relaxed);
    }

    fn is_over(&self, until: Instant) -> bool {
        Instant::now() >= until || self.ends.load(Ordering::Relaxed)
    }

    /// Writes what the workload reads.
    ///
    /// # Errors
    /// The first transaction that fails.
    pub async fn prepare(self: &Arc<Self>) -> Result<()> {
        let places = Arc::new(Semaphore::new(PREPARED_AT_A_TIME));
        let mut tasks = JoinSet::new();
        for (number, draft) in self.steps.prepared().into_iter().enumerate() {
            let place = Arc::clone(&places).acquire_owned().await?;
            let crew = Arc::clone(self);
            tasks.spawn(async move {
                let result = crew.connection(number).submit(&crew.channel, &draft).await;
                drop(place);
                result
            });
        }
        while let Some(result) = tasks.join_next().await {
            result?.context("a transaction that prepares the workload")?;
        }
        Ok(())
    }

    fn connection(&self, client: usize) -> &Connection {
        &self.connections[client % self.connections.len()]
    }

    /// Closed loop until `until`, or until `transactions` steps have begun.
    ///
    /// # Errors
    /// Where a client panicked.
    pub async fn closed(
        self: &Arc<Self>,
        clients: usize,
        until: Instant,
        transactions: Option<usize>,
    ) -> Result<Vec<Sample>> {
        let begun = Arc::new(AtomicU64::new(0));
        let limit = transactions.map_or(u64::MAX, |count| count as u64);
        let mut tasks = JoinSet::new();
        for client in 0..clients {
            let (crew, begun) = (Arc::clone(self), Arc::clone(&begun));
            tasks.spawn(async move {
                let mut samples = Vec::new();
                let mut step = 0;
                while !crew.is_over(until) && begun.fetch_add(1, Ordering::Relaxed) < limit {
                    samples.push(crew.act(client, step).await);
                    step += 1;
                }
                samples
            });
        }
        let mut samples = Vec::new();
        while let Some(result) = tasks.join_next().await {
            samples.extend(result?);
        }
        Ok(samples)
    }

    /// Open loop: begins a step each `1 / rate` seconds until `until`. Returns the samples, and how many steps found as
    /// many under way as there are clients and were left out.
    ///
    /// # Errors
    /// Where a client panicked.
    pub async fn open_loop(self: &Arc<Self>, rate: u32, until: Instant) -> Result<(Vec<Sample>, u64)> {
        let places = Arc::new(Semaphore::new(self.under_way_max));
        let mut ticks = tokio::time::interval(Duration::from_secs(1) / rate);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
        let (mut tasks, mut samples) = (JoinSet::new(), Vec::new());
        let (mut number, mut missed) = (0_u64, 0);
        while Instant::now() < until {
            ticks.tick().await;
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                missed += 1;
                continue;
            };
            let crew = Arc::clone(self);
            tasks.spawn(async move {
                let sample = crew.act(usize::try_from(number).unwrap_or_default(), number).await;
                drop(place);
                sample
            });
            number += 1;
            while let Some(result) = tasks.try_join_next() {
                samples.push(result?);
            }
        }
        while let Some(result) = tasks.join_next().await {
            samples.push(result?);
        }
        Ok((samples, missed))
    }

    async fn act(&self, client: usize, step: u64) -> Sample {
        let connection = self.connection(client);
        let start = Instant::now();
        let mut times = [Duration::ZERO; 3];
        let result = match self.steps.of(client, step) {
            Step::Evaluate(draft) => connection.evaluate(&self.channel, &draft, &[]).await.map(drop),
            Step::Submit(draft) => self.submit(connection, &draft, &mut times).await,
            Step::Upload(seed) => self.upload(connection, seed).await,
        };
        let outcome = match result {
            Ok(()) => Outcome::Done,
            Err(ClientError::Rejected(rejection)) => match &*rejection {
                client::Rejection::Invalid { code, .. } => Outcome::Invalid(code.name().to_owned()),
                other => Outcome::Failed(other.code_name()),
            },
            Err(error) => Outcome::Failed(kind(&error)),
        };
        let [endorse, order, commit] = times;
        Sample { ended_at: Instant::now(), endorse, order, commit, total: start.elapsed(), outcome }
    }

    async fn submit(
        &self,
        connection: &Connection,
        draft: &client::Draft,
        times: &mut [Duration; 3],
    ) -> Result<(), ClientError> {
        let [endorse, order, commit] = times;
        let start = Instant::now();
        let endorsed = connection.endorse(&self.channel, draft).await;
        *endorse = start.elapsed();
        let endorsed = endorsed?;
        let start = Instant::now();
        let ordered = connection.order(&self.channel, &endorsed).await;
        *order = start.elapsed();
        ordered?;
        let start = Instant::now();
        let committed = connection.committed(&self.channel, endorsed).await;
        *commit = start.elapsed();
        committed.map(drop)
    }

    async fn upload(&self, connection: &Connection, seed: u32) -> Result<(), ClientError> {
        let path = match &self.image {
            Some(path) => path.clone(),
            None => self.drawn(seed),
        };
        let upload = Upload {
            path,
            patient: format!("load-{seed}"),
            modality: "CR".to_owned(),
            share_with: Vec::new(),
        };
        connection.upload_report(&self.channel, &upload, &|_| {}).await.map(drop)
    }

    /// An image of its own for each seed. Where it cannot be written, the upload says so.
    fn drawn(&self, seed: u32) -> PathBuf {
        let path = self.images.join(format!("{seed}.png"));
        if let Err(error) = Image::rings(IMAGE_EDGE, IMAGE_EDGE, seed).write(&path) {
            eprintln!("load: {error:#}");
        }
        path
    }
}

/// The first words of an error, so that equal causes count together.
fn kind(error: &ClientError) -> String {
    const CHARS_MAX: usize = 80;
    error.to_string().chars().take(CHARS_MAX).collect()
}

async fn open(user: &User) -> Result<Connection> {
    let connection = Connection::open(connection_settings(user, Deadlines::default())?).await?;
    ensure!(connection.msp_id().as_str() == user.hospital().msp_id(), "the user is of another hospital");
    Ok(connection)
}
