//! The supervisor of one chaincode: queues runs, hands them to workers, replaces threads that do not come back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Actor, Addr, AsyncContext, Context, Handler, Message, SyncArbiter};
use shim::{Chaincode, Invocation, SimulationLimits, StateReader};
use tokio::sync::oneshot;

use crate::error::HostError;
use crate::host::{ExecutionResult, HostLimits};
use crate::queue::FairQueue;
use crate::worker::{Job, Worker};

/// How often runs past their deadline are looked for. A caller learns of one at most this much late.
const CHECK_EVERY: Duration = Duration::from_millis(100);
/// Time after its deadline in which a run that calls its stub notices by itself.
const GRACE: Duration = Duration::from_millis(200);

pub(crate) type Reply = oneshot::Sender<Result<ExecutionResult, HostError>>;

/// Asks for a run.
pub(crate) struct Invoke {
    pub(crate) invocation: Invocation,
    pub(crate) state: Arc<dyn StateReader>,
    pub(crate) ends_at: Instant,
    pub(crate) reply: Reply,
    pub(crate) span: tracing::Span,
}

impl Message for Invoke {
    type Result = ();
}

/// A worker's word that it is free again.
pub(crate) struct Finished {
    pub(crate) number: u64,
    pub(crate) worker: usize,
    pub(crate) result: ExecutionResult,
}

impl Message for Finished {
    type Result = ();
}

struct Running {
    worker: usize,
    ends_at: Instant,
    /// Taken when the caller has been answered.
    reply: Option<Reply>,
}

struct Thread {
    worker: Addr<Worker>,
    is_idle: bool,
}

/// The actor.
pub(crate) struct Supervisor {
    chaincode: Arc<dyn Chaincode>,
    limits: HostLimits,
    threads: Vec<Thread>,
    waiting: FairQueue<Invoke>,
    running: BTreeMap<u64, Running>,
    runs: u64,
}

impl Supervisor {
    pub(crate) fn new(chaincode: Arc<dyn Chaincode>, limits: HostLimits) -> Self {
        let waiting = FairQueue::new(limits.waiting_max);
        Self { chaincode, limits, threads: Vec::new(), waiting, running: BTreeMap::new(), runs: 0 }
    }

    fn start_thread(&mut self) {
        let chaincode = Arc::clone(&self.chaincode);
        let worker = SyncArbiter::start(1, move || Worker { chaincode: Arc::clone(&chaincode) });
        self.threads.push(Thread { worker, is_idle: true });
    }

    fn stuck(&self) -> usize {
        self.running.values().filter(|run| run.reply.is_none()).count()
    }

    fn dispatch(&mut self, own: &Addr<Self>) {
        while let Some(worker) = self.threads.iter().position(|thread| thread.is_idle) {
            let Some(next) = self.waiting.pop() else { return };
            if next.ends_at <= Instant::now() {
                let _ = next.reply.send(Err(self.deadline_exceeded()));
                continue;
            }
            self.runs += 1;
            self.threads[worker].is_idle = false;
            self.running
                .insert(self.runs, Running { worker, ends_at: next.ends_at, reply: Some(next.reply) });
            self.threads[worker].worker.do_send(Job {
                number: self.runs,
                worker,
                invocation: next.invocation,
                state: next.state,
                ends_at: next.ends_at,
                limits: SimulationLimits::default(),
                supervisor: own.clone(),
                span: next.span,
            });
        }
    }

    /// Answers the callers of runs that are over time, waiting ones too, and starts a thread in place of each that is stuck.
    fn check_deadlines(&mut self, now: Instant) {
        let deadline_exceeded = self.deadline_exceeded();
        for waiting in self.waiting.remove(|waiting| waiting.ends_at <= now) {
            let _ = waiting.reply.send(Err(deadline_exceeded.clone()));
        }
        for run in self.running.values_mut().filter(|run| run.reply.is_some() && run.ends_at + GRACE <= now) {
            tracing::error!(
                chaincode = self.chaincode.name(),
                thread = run.worker,
                "a run does not end; its thread is lost until it does"
            );
            if let Some(reply) = run.reply.take() {
                let _ = reply.send(Err(deadline_exceeded.clone()));
            }
        }
        let wanted = (self.limits.threads + self.stuck()).min(2 * self.limits.threads);
        while self.threads.len() < wanted {
            self.start_thread();
        }
    }

    fn deadline_exceeded(&self) -> HostError {
        HostError::DeadlineExceeded {
            chaincode: self.chaincode.name().to_owned(),
            deadline_ms: u64::try_from(self.limits.deadline.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

impl Actor for Supervisor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        context.set_mailbox_capacity(self.limits.waiting_max);
        for _ in 0..self.limits.threads {
            self.start_thread();
        }
        context.run_interval(CHECK_EVERY, |supervisor, context| {
            supervisor.check_deadlines(Instant::now());
            supervisor.dispatch(&context.address());
        });
    }
}

impl Handler<Invoke> for Supervisor {
    type Result = ();

    fn handle(&mut self, invoke: Invoke, context: &mut Context<Self>) {
        let chaincode = self.chaincode.name().to_owned();
        if self.stuck() >= 2 * self.limits.threads {
            let _ = invoke.reply.send(Err(HostError::Stuck { chaincode, threads: self.threads.len() }));
            return;
        }
        let msp_id = invoke.invocation.creator.msp_id.clone();
        if let Err(refused) = self.waiting.push(&msp_id, invoke) {
            let _ = refused.reply.send(Err(HostError::Busy { chaincode, waiting: self.waiting.len() }));
            return;
        }
        self.dispatch(&context.address());
    }
}

impl Handler<Finished> for Supervisor {
    type Result = ();

    fn handle(&mut self, finished: Finished, context: &mut Context<Self>) {
        if let Some(thread) = self.threads.get_mut(finished.worker) {
            thread.is_idle = true;
        }
        if let Some(reply) = self.running.remove(&finished.number).and_then(|run| run.reply) {
            let _ = reply.send(Ok(finished.result));
        }
        self.dispatch(&context.address());
    }
}
