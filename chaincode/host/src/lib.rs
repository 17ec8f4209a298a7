//! Actors that run chaincodes: one supervisor a chaincode, and worker threads on which it runs.
//!
//! A supervisor has a bounded queue that is fair between organisations, and hands one run at a time to each worker. A run
//! is synchronous and inside `catch_unwind`: a panic is a response with status 500. A run that makes no call of its stub
//! and does not end costs its thread; the supervisor starts another, up to twice the pool, and then refuses that
//! chaincode until a thread comes back. While all threads are in slow runs only few may wait, so that a chaincode that
//! hangs does not hold the places of those who call others. Compiled-in chaincode is trusted code, and the threat model
//! says so: an overflow of the stack, an abort and memory that it takes are the peer's.
//!
//! Nothing here knows a channel, a policy or the network.

mod error;
mod host;
mod panics;
mod queue;
mod supervisor;
mod worker;

pub use error::HostError;
pub use host::{ChaincodeHost, ExecutionResult, HostLimits, Run, RunFailure};
