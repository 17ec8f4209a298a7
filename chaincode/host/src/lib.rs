//! Actors that run chaincodes: one supervisor a chaincode, and worker threads on which it runs.
//!
//! A supervisor has a bounded queue that is fair between organisations, and hands one run at a time to each worker. A run
//! is synchronous and inside `catch_unwind`: a panic is a response with status 500. A run that makes no call of its stub
//! and does not end costs its thread; the supervisor starts another, up to twice the pool, and then refuses that
//! chaincode until a thread comes back. Compiled-in chaincode is trusted code, and the threat model says so.
//!
//! Nothing here knows a channel, a policy or the network.

mod error;
mod host;
mod queue;
mod supervisor;
mod worker;

pub use error::HostError;
pub use host::{ChaincodeHost, ExecutionResult, HostLimits, Run};
