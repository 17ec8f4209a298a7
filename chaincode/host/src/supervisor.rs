//! The supervisor of one chaincode: queues runs, hands them to workers, replaces threads that do not come back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
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
/// A run that takes longer is slow: the slowest honest one, an evaluation that reads all that it may, takes a part of that.
const SLOW: Duration = Duration::from_secs(1);

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
    pub(crate) outcome: Outcome,
}

/// How a run ended.
pub(crate) enum Outcome {
    /// With an answer, of the chaincode or of the host.
    Ended(ExecutionResult),
    /// Past its deadline: the stub had stopped it.
    Late,
}

impl Message for Finished {
    type Result = ();
}

struct Running {
    worker: usize,
    began: Instant,
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
    /// What is told of [`Supervisor::stuck`] outside.
    stuck_shown: Arc<AtomicUsize>,
}

impl Supervisor {
    pub(crate) fn new(
        chaincode: Arc<dyn Chaincode>,
        limits: HostLimits,
        stuck_shown: Arc<AtomicUsize>,
    ) -> Self {
        let waiting = FairQueue::new(limits.waiting_max);
        Self {
            chaincode,
            limits,
            threads: Vec::new(),
            waiting,
            running: BTreeMap::new(),
            runs: 0,
            stuck_shown,
        }
    }

    fn start_thread(&mut self) {
        let chaincode = Arc::clone(&self.chaincode);
        let worker = SyncArbiter::start(1, move || Worker { chaincode: Arc::clone(&chaincode) });
        self.threads.push(Thread { worker, is_idle: true });
    }

    fn stuck(&self) -> usize {
        self.running.values().filter(|run| run.reply.is_none()).count()
    }

    /// Whether every thread has been in one run for a while, so that whoever waits waits long.
    fn is_slow(&self, now: Instant) -> bool {
        let slow = self.running.values().filter(|run| now.duration_since(run.began) >= SLOW).count();
        slow >= self.threads.len()
    }

    fn dispatch(&mut self, own: &Addr<Self>) {
        while let Some(worker) = self.threads.iter().position(|thread| thread.is_idle) {
            let Some(next) = self.waiting.pop() else { return };
            let began = Instant::now();
            if next.ends_at <= began {
                let _ = next.reply.send(Err(self.deadline_exceeded()));
                continue;
            }
            self.runs += 1;
            self.threads[worker].is_idle = false;
            let running = Running { worker, began, ends_at: next.ends_at, reply: Some(next.reply) };
            self.running.insert(self.runs, running);
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
        let stuck = self.stuck();
        self.stuck_shown.store(stuck, Ordering::Relaxed);
        let wanted = (self.limits.threads + stuck).min(2 * self.limits.threads);
        while self.threads.len() < wanted {
            self.start_thread();
        }
        self.thin_out(now);
    }

    /// Answers whoever waits in vain: all where no thread is left, and those beyond the few that may wait for slow runs.
    fn thin_out(&mut self, now: Instant) {
        let (kept, refusal) = match self.is_stuck() {
            true => (0, self.all_stuck()),
            false if self.is_slow(now) => (self.limits.waiting_slow_max, self.slow()),
            false => return,
        };
        for waiting in self.waiting.keep(kept) {
            let _ = waiting.reply.send(Err(refusal.clone()));
        }
    }

    fn is_stuck(&self) -> bool {
        self.stuck() >= 2 * self.limits.threads
    }

    fn all_stuck(&self) -> HostError {
        HostError::Stuck { chaincode: self.chaincode.name().to_owned(), threads: self.threads.len() }
    }

    fn slow(&self) -> HostError {
        HostError::Slow {
            chaincode: self.chaincode.name().to_owned(),
            slow_ms: u64::try_from(SLOW.as_millis()).unwrap_or(u64::MAX),
            waiting: self.limits.waiting_slow_max,
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
        if self.is_stuck() {
            let _ = invoke.reply.send(Err(self.all_stuck()));
            return;
        }
        if self.waiting.len() >= self.limits.waiting_slow_max && self.is_slow(Instant::now()) {
            let _ = invoke.reply.send(Err(self.slow()));
            return;
        }
        let msp_id = invoke.invocation.creator.msp_id.clone();
        if let Err(refused) = self.waiting.push(&msp_id, invoke) {
            let chaincode = self.chaincode.name().to_owned();
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
            let _ = reply.send(match finished.outcome {
                Outcome::Ended(result) => Ok(result),
                Outcome::Late => Err(self.deadline_exceeded()),
            });
        }
        self.stuck_shown.store(self.stuck(), Ordering::Relaxed);
        self.dispatch(&context.address());
    }
}
