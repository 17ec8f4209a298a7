//! The workers of a peer: some wait, some are asked; whoever asks more than that waits in line.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use imaging::DecodeLimits;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::error::ImageError;
use super::process::WorkerCommand;
use super::reader::{ImageReader, ReadImage};
use super::spares::Spares;
use crate::examine::EXAMINATIONS_MAX;
use crate::report_service::SEALS_MAX;

/// A PNG of one grey pixel: what a peer decodes first, to know that its workers work.
const ONE_PIXEL: &[u8] = include_bytes!("one_pixel.png");

/// How many workers there are, and how long each may take.
#[derive(Clone, Copy, Debug)]
pub struct WorkerLimits {
    /// Images that are decoded at once; each may take 1.2 GiB.
    pub at_once_max: usize,
    /// Images that wait for that, in the order in which they came.
    pub waiting_max: usize,
    /// How long one of them waits.
    pub turn_deadline: Duration,
    /// Processes that wait for an image.
    pub spares: usize,
    /// Time from the question to the answer.
    pub deadline: Duration,
}

impl Default for WorkerLimits {
    /// As many at once as examinations for others and seals of own users may be, so that neither waits for the other;
    /// sixteen waiting, more than both have places, and each as long as an examination for its own turn; two spares, since
    /// starts overlap with decoding; 30 s, of which 20 may be processor time.
    fn default() -> Self {
        Self {
            at_once_max: EXAMINATIONS_MAX + SEALS_MAX,
            waiting_max: 16,
            turn_deadline: Duration::from_secs(60),
            spares: 2,
            deadline: Duration::from_secs(30),
        }
    }
}

/// What workers have done since the peer started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkerCounts {
    /// Processes started.
    pub started: u64,
    /// Images that were answered, refusals included.
    pub answered: u64,
    /// Workers that could not be started or confined, or that something outside their image ended.
    pub failed: u64,
    /// Images that ended their worker.
    pub ended: u64,
    /// Images that took too long.
    pub deadline_exceeded: u64,
    /// Images whose worker answered garbage.
    pub garbage: u64,
    /// Images that were turned away because too many waited, or waited for too long.
    pub busy: u64,
    /// Images that wait now.
    pub waiting: u64,
    /// Images that are decoded now.
    pub running: u64,
}

#[derive(Debug, Default)]
struct Counters {
    answered: AtomicU64,
    ended: AtomicU64,
    deadline_exceeded: AtomicU64,
    garbage: AtomicU64,
    busy: AtomicU64,
}

/// Decodes images in processes of their own.
pub struct ImageWorkers {
    limits: WorkerLimits,
    turns: Semaphore,
    waiting: AtomicUsize,
    spares: Arc<Spares>,
    counters: Counters,
}

impl std::fmt::Debug for ImageWorkers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ImageWorkers").field("command", self.spares.command()).finish_non_exhaustive()
    }
}

impl ImageWorkers {
    /// Starts workers and has one of them decode an image of one pixel.
    ///
    /// # Errors
    /// [`ImageError`] where that fails: no upload could be checked by this peer.
    pub async fn start(command: WorkerCommand, limits: WorkerLimits) -> Result<Self, ImageError> {
        let workers = Self {
            limits,
            turns: Semaphore::new(limits.at_once_max),
            waiting: AtomicUsize::new(0),
            spares: Spares::new(command, limits.spares),
            counters: Counters::default(),
        };
        workers.read_image(ONE_PIXEL, &DecodeLimits::default()).await?;
        Ok(workers)
    }

    /// What was done so far, and what is under way.
    #[must_use]
    pub fn counts(&self) -> WorkerCounts {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Counters { answered, ended, deadline_exceeded, garbage, busy } = &self.counters;
        WorkerCounts {
            started: self.spares.started(),
            answered: of(answered),
            failed: self.spares.failed(),
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
        let worker = self.spares.take().await?;
        // Starts of others overlap with the decoding, and delay no question.
        let outcome = worker.ask(file, limits, self.limits.deadline, || self.spares.fill()).await;
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
        let deadline = self.limits.turn_deadline;
        let Ok(turn) = timeout(deadline, self.turns.acquire()).await else {
            add(&self.counters.busy);
            return Err(ImageError::NoTurn { waited_ms: deadline.as_millis() });
        };
        turn.map_err(closed)
    }

    fn count(&self, outcome: &Result<ReadImage, ImageError>) {
        match outcome {
            Ok(_) | Err(ImageError::Refused { .. }) => add(&self.counters.answered),
            Err(ImageError::DeadlineExceeded { .. }) => add(&self.counters.deadline_exceeded),
            Err(ImageError::Garbage) => add(&self.counters.garbage),
            Err(ImageError::Ended { .. }) => add(&self.counters.ended),
            Err(ImageError::Busy { .. } | ImageError::NoTurn { .. }) => add(&self.counters.busy),
            Err(ImageError::Fault { .. }) => self.spares.count_failed(),
        }
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

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
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
        add(&workers.counters.busy);
        Err(ImageError::Busy { waiting: before })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
