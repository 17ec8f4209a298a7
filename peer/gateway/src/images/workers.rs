//! The workers of a peer: some wait, some are asked; whoever asks more than that waits in line.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use imaging::DecodeLimits;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::error::ImageError;
use super::process::{Worker, WorkerCommand};
use super::reader::{ImageReader, ReadImage};

/// A PNG of one grey pixel: what a peer decodes first, to know that its workers work.
const ONE_PIXEL: &[u8] = include_bytes!("one_pixel.png");

/// How many workers there are, and how long each may take.
#[derive(Clone, Copy, Debug)]
pub struct WorkerLimits {
    /// Images that are decoded at once; each may take 1.2 GiB.
    pub at_once_max: usize,
    /// Images that wait for that, in the order in which they came.
    pub waiting_max: usize,
    /// Processes that wait for an image.
    pub spares: usize,
    /// Time from the question to the answer.
    pub deadline: Duration,
}

impl Default for WorkerLimits {
    /// Five at once: as many as examinations for others and seals of own users may be, so that neither waits for the other;
    /// sixteen waiting, more than both have places; two spares, since starts overlap with decoding; 30 s, of which 20 may be
    /// processor time.
    fn default() -> Self {
        Self { at_once_max: 5, waiting_max: 16, spares: 2, deadline: Duration::from_secs(30) }
    }
}

/// What workers have done since the peer started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkerCounts {
    /// Processes started.
    pub started: u64,
    /// Images that were answered, refusals included.
    pub answered: u64,
    /// Images that ended their worker.
    pub ended: u64,
    /// Images that took too long.
    pub deadline_exceeded: u64,
    /// Images whose worker answered garbage.
    pub garbage: u64,
    /// Images that were turned away because too many waited.
    pub busy: u64,
    /// Images that wait now.
    pub waiting: u64,
    /// Images that are decoded now.
    pub running: u64,
}

#[derive(Debug, Default)]
struct Counters {
    started: AtomicU64,
    answered: AtomicU64,
    ended: AtomicU64,
    deadline_exceeded: AtomicU64,
    garbage: AtomicU64,
    busy: AtomicU64,
}

/// Decodes images in processes of their own.
pub struct ImageWorkers {
    command: WorkerCommand,
    limits: WorkerLimits,
    turns: Semaphore,
    waiting: AtomicUsize,
    spares: Mutex<VecDeque<Worker>>,
    counters: Counters,
}

impl std::fmt::Debug for ImageWorkers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ImageWorkers").field("command", &self.command).finish_non_exhaustive()
    }
}

impl ImageWorkers {
    /// Starts workers and has one of them decode an image of one pixel.
    ///
    /// # Errors
    /// [`ImageError`] where that fails: no upload could be checked by this peer.
    pub async fn start(command: WorkerCommand, limits: WorkerLimits) -> Result<Self, ImageError> {
        let workers = Self {
            command,
            limits,
            turns: Semaphore::new(limits.at_once_max),
            waiting: AtomicUsize::new(0),
            spares: Mutex::default(),
            counters: Counters::default(),
        };
        workers.read_image(ONE_PIXEL, &DecodeLimits::default()).await?;
        Ok(workers)
    }

    /// What was done so far, and what is under way.
    #[must_use]
    pub fn counts(&self) -> WorkerCounts {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Counters { started, answered, ended, deadline_exceeded, garbage, busy } = &self.counters;
        WorkerCounts {
            started: of(started),
            answered: of(answered),
            ended: of(ended),
            deadline_exceeded: of(deadline_exceeded),
            garbage: of(garbage),
            busy: of(busy),
            waiting: self.waiting.load(Ordering::Relaxed) as u64,
            running: self.limits.at_once_max.saturating_sub(self.turns.available_permits()) as u64,
        }
    }

    async fn read_image(&self, file: &[u8], limits: &DecodeLimits) -> Result<ReadImage, ImageError> {
        let _turn = self.turn().await?;
        let worker = self.take()?;
        self.fill();
        let outcome = worker.ask(file, limits, self.limits.deadline).await;
        self.count(&outcome);
        outcome
    }

    /// A place among those who are decoded; first come, first served.
    async fn turn(&self) -> Result<SemaphorePermit<'_>, ImageError> {
        if let Ok(turn) = self.turns.try_acquire() {
            return Ok(turn);
        }
        let _place = Place::of(self)?;
        let closed = |_| ImageError::Fault { cause: "the peer is shutting down".to_owned() };
        self.turns.acquire().await.map_err(closed)
    }

    /// A worker that waits, or a new one.
    fn take(&self) -> Result<Worker, ImageError> {
        while let Some(mut worker) = self.spares().pop_front() {
            if worker.is_waiting() {
                return Ok(worker);
            }
            tracing::warn!("an image worker ended before it was asked");
        }
        self.start_one()
    }

    /// Starts workers in place of those that were taken, while these decode.
    fn fill(&self) {
        let mut spares = self.spares();
        while spares.len() < self.limits.spares {
            match self.start_one() {
                Ok(worker) => spares.push_back(worker),
                Err(error) => {
                    // The next image asks again; whoever then gets none is told.
                    tracing::error!(%error, "images.start");
                    return;
                }
            }
        }
    }

    fn start_one(&self) -> Result<Worker, ImageError> {
        let worker = Worker::start(&self.command)?;
        self.counters.started.fetch_add(1, Ordering::Relaxed);
        Ok(worker)
    }

    fn spares(&self) -> std::sync::MutexGuard<'_, VecDeque<Worker>> {
        self.spares.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, outcome: &Result<ReadImage, ImageError>) {
        let counter = match outcome {
            Ok(_) | Err(ImageError::Refused { .. }) => &self.counters.answered,
            Err(ImageError::DeadlineExceeded { .. }) => &self.counters.deadline_exceeded,
            Err(ImageError::Garbage) => &self.counters.garbage,
            Err(_) => &self.counters.ended,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = outcome
            && !matches!(error, ImageError::Refused { .. })
        {
            tracing::warn!(%error, "images.read");
        }
    }
}

impl ImageReader for ImageWorkers {
    fn read<'a>(
        &'a self,
        file: &'a [u8],
        limits: &'a DecodeLimits,
    ) -> BoxFuture<'a, Result<ReadImage, ImageError>> {
        self.read_image(file, limits).boxed()
    }
}

/// A place in the line, given back when dropped.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn of(workers: &'a ImageWorkers) -> Result<Self, ImageError> {
        let place = Self(&workers.waiting);
        let before = workers.waiting.fetch_add(1, Ordering::Relaxed);
        if before < workers.limits.waiting_max {
            return Ok(place);
        }
        workers.counters.busy.fetch_add(1, Ordering::Relaxed);
        Err(ImageError::Busy { waiting: before })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
