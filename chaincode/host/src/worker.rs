//! A thread that runs one chaincode, one run at a time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use actix::{Actor, Addr, Handler, Message, SyncContext};
use bytes::Bytes;
use protocol::ReadWriteSet;
use protocol::fabric::Response;
use protocol::limits::VALUE_BYTES_MAX;
use shim::{Chaincode, Deadline, Invocation, Simulation, SimulationLimits, StateReader};

use crate::host::ExecutionResult;
use crate::supervisor::{Finished, Supervisor};

/// Bytes of a result: no more than a value may have, since it is stored in the transaction as one is.
const RESULT_BYTES_MAX: usize = VALUE_BYTES_MAX;
/// Characters of a refusal: it is a sentence for the client and stands in the response of every endorser.
const MESSAGE_CHARS_MAX: usize = 4_096;

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
        let outcome = catch_unwind(AssertUnwindSafe(|| run(self.chaincode.as_ref(), simulation)));
        let result = outcome.unwrap_or_else(|_| {
            tracing::error!(chaincode = self.chaincode.name(), "the chaincode panicked");
            refused(500, "the chaincode panicked".to_owned())
        });
        supervisor.do_send(Finished { number, worker, result });
    }
}

fn run(chaincode: &dyn Chaincode, mut simulation: Simulation) -> ExecutionResult {
    match chaincode.invoke(&mut simulation) {
        Ok(payload) if payload.len() > RESULT_BYTES_MAX => {
            let (bytes, name) = (payload.len(), chaincode.name());
            let limit = format!("over the limit of {RESULT_BYTES_MAX}; ask for less at a time");
            refused(413, format!("the result of chaincode {name} has {bytes} bytes, {limit}"))
        }
        Ok(payload) => {
            let result = simulation.finish();
            ExecutionResult {
                response: Response { status: 200, message: String::new(), payload },
                rwset: result.rwset,
                event: result.event,
            }
        }
        Err(error) => refused(error.status, error.message),
    }
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
    }
}
