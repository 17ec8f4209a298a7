//! The handle by which a node runs chaincodes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use actix::{Actor, Addr, System};
use bytes::Bytes;
use protocol::ReadWriteSet;
use protocol::fabric::Response;
use shim::{Chaincode, Invocation, StateReader};
use tokio::sync::oneshot;

use crate::error::HostError;
use crate::panics;
use crate::supervisor::{Invoke, Supervisor};

#[cfg(test)]
mod tests;

/// Worker threads a chaincode: signatures and not chaincodes fill the cores.
const THREADS: usize = 2;
/// Runs that wait: more than a gateway's callers and the endorser's places for proposals together.
const WAITING_MAX: usize = 1_024;
/// Runs that wait while the chaincode is slow: what its threads may answer within a deadline, and far fewer than the
/// endorser's places, which other chaincodes' callers need.
const WAITING_SLOW_MAX: usize = 32;
/// Fabric's own limit (`chaincode.executetimeout`).
const DEADLINE: Duration = Duration::from_secs(30);

/// How much one chaincode may use.
#[derive(Clone, Copy, Debug)]
pub struct HostLimits {
    /// Worker threads a chaincode; up to twice as many where some are stuck.
    pub threads: usize,
    /// Runs that wait for a thread, over all organisations.
    pub waiting_max: usize,
    /// The same while every thread has been in one run for over a second.
    pub waiting_slow_max: usize,
    /// Time from the request to the answer.
    pub deadline: Duration,
}

impl Default for HostLimits {
    /// Two threads, 1,024 runs waiting, 32 where the chaincode is slow, 30 s.
    fn default() -> Self {
        Self {
            threads: THREADS,
            waiting_max: WAITING_MAX,
            waiting_slow_max: WAITING_SLOW_MAX,
            deadline: DEADLINE,
        }
    }
}

/// One run: what is asked, and the state on which.
pub struct Run {
    /// What is asked.
    pub invocation: Invocation,
    /// Committed state.
    pub state: Arc<dyn StateReader>,
}

/// What a run gave.
#[derive(Clone, Debug, PartialEq)]
pub struct ExecutionResult {
    /// The chaincode's answer; a status of 400 and above is a refusal.
    pub response: Response,
    /// What it read and wrote; empty for a refusal.
    pub rwset: ReadWriteSet,
    /// Its event: name and content.
    pub event: Option<(String, Bytes)>,
    /// Why the host ended it; `None` for what the chaincode answered itself, refusals included.
    pub failure: Option<RunFailure>,
}

/// Why the host refuses what a run did. The response says it in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunFailure {
    /// It read, wrote or returned more than one run may.
    OverLimit,
    /// The world state could not be read.
    State,
    /// It panicked.
    Panicked,
}

/// The chaincodes of a node, running. Dropping it ends them.
pub struct ChaincodeHost {
    supervisors: BTreeMap<String, Addr<Supervisor>>,
    stuck: BTreeMap<String, Arc<AtomicUsize>>,
    versions: BTreeMap<String, String>,
    limits: HostLimits,
    system: System,
    thread: Option<JoinHandle<()>>,
}

impl ChaincodeHost {
    /// Starts a supervisor for each chaincode, on an actor system with a thread of its own.
    ///
    /// # Errors
    /// [`HostError::NotStarted`] where the system gives no sign of life.
    pub fn start(chaincodes: Vec<Arc<dyn Chaincode>>, limits: HostLimits) -> Result<Self, HostError> {
        panics::log_places();
        let versions =
            chaincodes.iter().map(|code| (code.name().to_owned(), code.version().to_owned())).collect();
        let stuck: BTreeMap<String, Arc<AtomicUsize>> =
            chaincodes.iter().map(|code| (code.name().to_owned(), Arc::default())).collect();
        let counters = stuck.clone();
        let (send, receive) = mpsc::channel();
        let body = move || {
            let runner = System::new();
            let supervisors: BTreeMap<_, _> = runner.block_on(async {
                let start = |code: Arc<dyn Chaincode>| {
                    let name = code.name().to_owned();
                    let counter = counters.get(&name).cloned().unwrap_or_default();
                    (name, Supervisor::new(code, limits, counter).start())
                };
                chaincodes.into_iter().map(start).collect()
            });
            let _ = send.send((System::current(), supervisors));
            let _ = runner.run();
        };
        let not_started = |cause: String| HostError::NotStarted { cause };
        let thread = std::thread::Builder::new()
            .name("chaincodes".to_owned())
            .spawn(body)
            .map_err(|error| not_started(error.to_string()))?;
        let (system, supervisors) = receive.recv().map_err(|error| not_started(error.to_string()))?;
        Ok(Self { supervisors, stuck, versions, limits, system, thread: Some(thread) })
    }

    /// The installed chaincodes: name and version.
    #[must_use]
    pub const fn installed(&self) -> &BTreeMap<String, String> {
        &self.versions
    }

    /// Threads of each chaincode that are in a run which was answered as late and has not ended.
    pub fn stuck_threads(&self) -> impl Iterator<Item = (&str, usize)> {
        self.stuck.iter().map(|(name, stuck)| (name.as_str(), stuck.load(Ordering::Relaxed)))
    }

    /// Runs a chaincode once. What it answers, refusals included, is the result.
    ///
    /// # Errors
    /// [`HostError`] where there is no such chaincode, no room, or no answer in time.
    pub async fn invoke(&self, run: Run) -> Result<ExecutionResult, HostError> {
        let chaincode = run.invocation.chaincode.as_str();
        let supervisor = self.supervisors.get(chaincode).ok_or_else(|| HostError::UnknownChaincode {
            chaincode: chaincode.to_owned(),
            installed: self.versions.keys().cloned().collect(),
        })?;
        let (reply, answer) = oneshot::channel();
        let invoke = Invoke {
            invocation: run.invocation,
            state: run.state,
            ends_at: Instant::now() + self.limits.deadline,
            reply,
            span: tracing::Span::current(),
        };
        supervisor.send(invoke).await.map_err(|_| HostError::Ended)?;
        answer.await.map_err(|_| HostError::Ended)?
    }
}

impl Drop for ChaincodeHost {
    fn drop(&mut self) {
        self.system.stop();
        // A thread that is stuck in a chaincode never ends; the system's own thread does, and only that one is joined.
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
