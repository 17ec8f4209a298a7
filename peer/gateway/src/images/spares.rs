//! Workers that wait for an image, and the making of new ones. A start takes milliseconds and a `fork` of the whole peer, so
//! it happens on threads that may block, after a question was sent, and never under the lock.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::spawn_blocking;

use super::error::ImageError;
use super::process::{Worker, WorkerCommand};

/// Workers that wait.
pub(super) struct Spares {
    command: WorkerCommand,
    max: usize,
    places: Mutex<Places>,
    started: AtomicU64,
    failed: AtomicU64,
}

#[derive(Default)]
struct Places {
    waiting: VecDeque<Worker>,
    /// Workers that are being started.
    coming: usize,
}

impl Spares {
    pub(super) fn new(command: WorkerCommand, max: usize) -> Arc<Self> {
        let (started, failed) = (AtomicU64::new(0), AtomicU64::new(0));
        Arc::new(Self { command, max, places: Mutex::default(), started, failed })
    }

    pub(super) const fn command(&self) -> &WorkerCommand {
        &self.command
    }

    /// Processes started.
    pub(super) fn started(&self) -> u64 {
        self.started.load(Ordering::Relaxed)
    }

    /// Workers of which this peer is to blame that they read nothing.
    pub(super) fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Counts a worker that failed without a fault of its image.
    pub(super) fn count_failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// A worker that waits, or a new one.
    pub(super) async fn take(self: &Arc<Self>) -> Result<Worker, ImageError> {
        loop {
            let waiting = self.places().waiting.pop_front();
            let Some(mut worker) = waiting else { break };
            if worker.is_waiting() {
                return Ok(worker);
            }
            tracing::warn!("an image worker ended before it was asked");
        }
        let spares = Arc::clone(self);
        let started = spawn_blocking(move || spares.start_one()).await;
        started.unwrap_or_else(|_| Err(no_worker()))
    }

    /// Has workers started in place of those that were taken. Returns at once.
    pub(super) fn fill(self: &Arc<Self>) {
        let spares = Arc::clone(self);
        spawn_blocking(move || {
            while spares.reserve() {
                let started = spares.start_one();
                let mut places = spares.places();
                places.coming -= 1;
                match started {
                    Ok(worker) => places.waiting.push_back(worker),
                    // The next image asks again; whoever then gets none is told.
                    Err(_) => return,
                }
            }
        });
    }

    /// Whether one more is wanted, which then counts as coming.
    fn reserve(&self) -> bool {
        let mut places = self.places();
        let is_wanted = places.waiting.len() + places.coming < self.max;
        places.coming += usize::from(is_wanted);
        is_wanted
    }

    fn start_one(&self) -> Result<Worker, ImageError> {
        match Worker::start(&self.command) {
            Ok(worker) => {
                self.started.fetch_add(1, Ordering::Relaxed);
                Ok(worker)
            }
            Err(error) => {
                self.count_failed();
                tracing::error!(%error, program = %self.command.program.display(), "images.start");
                Err(no_worker())
            }
        }
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a sender hears; the log says why.
fn no_worker() -> ImageError {
    ImageError::Fault { cause: "no image worker could be started".to_owned() }
}
