//! How many calls the gateway runs at a time. Each method has its own places, so that slow endorsements refuse neither
//! reads nor submissions.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use protocol::MspId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use transport::Status;

/// A hint for gRPC clients that retry by themselves (gRPC's retry design, "pushback").
const PUSHBACK_MS: &str = "500";
const PUSHBACK_KEY: &str = "grpc-retry-pushback-ms";
/// What the gateway gives a proposal beyond the time of a chaincode's run, so that the endorser's own reason is heard.
const RUN_MARGIN: Duration = Duration::from_secs(5);

/// Bounds of the gateway service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GatewayLimits {
    /// Calls of each of Evaluate, Endorse and Submit at a time: Fabric's default for the whole service.
    pub calls_max: usize,
    /// Clients that wait for a verdict at a time. A waiter holds some hundred bytes and no thread.
    pub waiters_max: usize,
    /// Streams of chaincode events at a time. One holds the events of one block.
    pub streams_max: usize,
    /// Streams of one hospital's readers, so that no other hospital is left without.
    pub streams_of_one_hospital_max: usize,
    /// How long a client waits for a verdict; it may ask again.
    pub commit_status: Duration,
    /// How long an evaluation may take.
    pub evaluate: Duration,
    /// How long collecting endorsements may take.
    pub endorse: Duration,
    /// The same for an upload, whose checkers fetch and decode the report.
    pub endorse_upload: Duration,
    /// How long the orderers may take: Fabric's default, longer than any election.
    pub broadcast: Duration,
    /// After this time without an answer other organisations are asked as well, uploads apart.
    pub hedge_after: Duration,
    /// How long to wait for blocks that another endorser has already.
    pub catch_up: Duration,
}

impl Default for GatewayLimits {
    fn default() -> Self {
        Self {
            calls_max: 500,
            waiters_max: 20_000,
            streams_max: 1_000,
            streams_of_one_hospital_max: 400,
            commit_status: Duration::from_secs(600),
            evaluate: Duration::from_secs(30),
            endorse: Duration::from_secs(30),
            endorse_upload: Duration::from_secs(600),
            broadcast: Duration::from_secs(30),
            hedge_after: Duration::from_secs(2),
            catch_up: Duration::from_secs(3),
        }
    }
}

impl GatewayLimits {
    /// These limits for a peer whose chaincodes may run for so long: whoever evaluates or endorses is waited for longer.
    #[must_use]
    pub fn outlasting_runs_of(self, execute_timeout: Duration) -> Self {
        let outlasting = execute_timeout + RUN_MARGIN;
        Self { evaluate: outlasting, endorse: outlasting, ..self }
    }
}

/// Places of one method.
#[derive(Debug)]
pub(super) struct Places {
    method: &'static str,
    limit: usize,
    free: Arc<Semaphore>,
}

impl Places {
    pub(super) fn new(method: &'static str, limit: usize) -> Self {
        let limit = limit.min(Semaphore::MAX_PERMITS);
        Self { method, limit, free: Arc::new(Semaphore::new(limit)) }
    }

    /// Takes a place until the permit is dropped.
    pub(super) fn enter(&self) -> Result<OwnedSemaphorePermit, Status> {
        Arc::clone(&self.free).try_acquire_owned().map_err(|_| {
            let (method, limit) = (self.method, self.limit);
            too_many(format!(
                "too many requests for /gateway.Gateway/{method}, exceeding concurrency limit ({limit}); try again later"
            ))
        })
    }
}

fn too_many(text: String) -> Status {
    with_pushback(Status::resource_exhausted(text))
}

/// The refusal with the hint when to come again.
pub(super) fn with_pushback(mut status: Status) -> Status {
    if let Ok(pushback) = PUSHBACK_MS.parse() {
        status.metadata_mut().insert(PUSHBACK_KEY, pushback);
    }
    status
}

/// Places of streams: a bound over all, and one for each hospital.
#[derive(Debug)]
pub(super) struct StreamPlaces {
    all: Places,
    of_one_max: usize,
    held: Arc<Mutex<BTreeMap<MspId, usize>>>,
}

/// A stream's place, free again when this is dropped.
#[derive(Debug)]
pub(super) struct StreamPlace {
    msp_id: MspId,
    held: Arc<Mutex<BTreeMap<MspId, usize>>>,
    _permit: OwnedSemaphorePermit,
}

impl StreamPlaces {
    pub(super) fn new(method: &'static str, limits: &GatewayLimits) -> Self {
        let all = Places::new(method, limits.streams_max);
        Self { all, of_one_max: limits.streams_of_one_hospital_max, held: Arc::default() }
    }

    /// Takes a place for a stream of that hospital.
    pub(super) fn enter(&self, msp_id: &MspId) -> Result<StreamPlace, Status> {
        let permit = self.all.enter()?;
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.entry(msp_id.clone()).or_default();
        if *count >= self.of_one_max {
            return Err(too_many(format!(
                "too many requests for /gateway.Gateway/{}: {msp_id} has {count} streams here, the limit of one hospital; \
                 end one, or share a stream",
                self.all.method
            )));
        }
        *count += 1;
        Ok(StreamPlace { msp_id: msp_id.clone(), held: Arc::clone(&self.held), _permit: permit })
    }
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(&self.msp_id) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.msp_id);
            }
        }
    }
}
