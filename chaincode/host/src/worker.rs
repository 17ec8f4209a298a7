//! A thread that runs one chaincode, one run at a time.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use actix::{Actor, Addr, Handler, Message, SyncContext};
use bytes::Bytes;
use protocol::ReadWriteSet;
use protocol::fabric::Response;
use protocol::limits::VALUE_BYTES_MAX;
use shim::{
    Chaincode, ChaincodeError, Deadline, Invocation, RunOver, Simulation, SimulationLimits, StateReader,
    StubError,
};

use crate::host::{ExecutionResult, RunFailure};
use crate::panics::Running;
use crate::supervisor::{Finished, Outcome, Supervisor};

/// Bytes of a result: no more than a value may have, since it is stored in the transaction as one is.
const RESULT_BYTES_MAX: usize = VALUE_BYTES_MAX;
/// Characters of a refusal: it is a sentence for the client and stands in the response of every endorser.
const MESSAGE_CHARS_MAX: usize = 4_096;

/// Status of what is over a limit, as the stub's errors have it.
const OVER_LIMIT: i32 = 413;

/// What a worker is to run.
pub(crate) struct Job {
    pub(crate) number: u64,
    pub(crate) worker: usize,
    pub(crate) invocation: Invocation,
    pub(crate) state: Arc<dyn StateReader>,
    pub(crate) ends_at: Instant,
    pub(crate) limits: SimulationLimits,
    pub(crate) supervisor: Addr<Supervisor>,
    pub(crate) span: tracing::Span,
}

impl Message for Job {
    type Result = ();
}

/// The deadline as the stub sees it.
struct Until(Instant);

impl Deadline for Until {
    fn is_over(&self) -> bool {
        Instant::now() >= self.0
    }
}

/// The actor on a thread of its own.
pub(crate) struct Worker {
    pub(crate) chaincode: Arc<dyn Chaincode>,
}

impl Actor for Worker {
    type Context = SyncContext<Self>;
}

impl Handler<Job> for Worker {
    type Result = ();

    fn handle(&mut self, job: Job, _: &mut SyncContext<Self>) {
        let _entered = job.span.enter();
        let (number, worker, supervisor) = (job.number, job.worker, job.supervisor);
        let simulation = Simulation::new(job.invocation, job.state, Arc::new(Until(job.ends_at)), job.limits);
        // A panic in a handler would end this thread for good, so none leaves.
        let name = self.chaincode.name();
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let _running = Running::mark(name);
            run(self.chaincode.as_ref(), simulation)
        }));
        let outcome = outcome.unwrap_or_else(|unwound| unwound_with(name, unwound));
        supervisor.do_send(Finished { number, worker, outcome });
    }
}

/// A run that left by unwinding: over, and it went on; or a panic.
fn unwound_with(name: &str, unwound: Box<dyn Any + Send>) -> Outcome {
    match unwound.downcast::<RunOver>() {
        Ok(over) => over_by(&over.0),
        Err(_) => {
            let text = format!("chaincode {name} panicked; the log of the peer that ran it has the place");
            Outcome::Ended(failed(500, text, RunFailure::Panicked))
        }
    }
}

/// The end of a run of which the stub ended it, whatever it answers: it got less than it asked for.
fn over_by(reason: &StubError) -> Outcome {
    let failure = match reason {
        StubError::DeadlineExceeded => return Outcome::Late,
        StubError::State(_) => RunFailure::State,
        _ => RunFailure::OverLimit,
    };
    let error = ChaincodeError::from(reason.clone());
    Outcome::Ended(failed(error.status, error.message, failure))
}

fn run(chaincode: &dyn Chaincode, mut simulation: Simulation) -> Outcome {
    let answer = chaincode.invoke(&mut simulation);
    if let Some(reason) = simulation.ended() {
        return over_by(reason);
    }
    Outcome::Ended(match answer {
        // What a single call may not do, the stub refuses by the same status.
        Err(error) if error.status == OVER_LIMIT => failed(OVER_LIMIT, error.message, RunFailure::OverLimit),
        Err(error) => refused(error.status, error.message),
        Ok(payload) if payload.len() > RESULT_BYTES_MAX => {
            let (bytes, name) = (payload.len(), chaincode.name());
            let limit = format!("over the limit of {RESULT_BYTES_MAX}; ask for less at a time");
            let text = format!("the result of chaincode {name} has {bytes} bytes, {limit}");
            failed(OVER_LIMIT, text, RunFailure::OverLimit)
        }
        Ok(payload) => {
            let result = simulation.finish();
            ExecutionResult {
                response: Response { status: 200, message: String::new(), payload },
                rwset: result.rwset,
                event: result.event,
                failure: None,
            }
        }
    })
}

fn failed(status: i32, message: String, failure: RunFailure) -> ExecutionResult {
    ExecutionResult { failure: Some(failure), ..refused(status, message) }
}

/// A refusal leaves no read-write set: nothing of it is endorsed.
fn refused(status: i32, mut message: String) -> ExecutionResult {
    if let Some((end, _)) = message.char_indices().nth(MESSAGE_CHARS_MAX) {
        message.truncate(end);
    }
    ExecutionResult {
        response: Response { status: status.max(400), message, payload: Bytes::new() },
        rwset: ReadWriteSet::empty(),
        event: None,
        failure: None,
    }
}
