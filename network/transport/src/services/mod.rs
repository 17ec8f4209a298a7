//! Every gRPC service of the network, one module each.
//!
//! | Module | Path | Methods |
//! |---|---|---|
//! | [`gateway`] | `gateway.Gateway` | Fabric's client gateway: Evaluate, Endorse, Submit, CommitStatus, ChaincodeEvents |
//! | [`endorser`] | `protos.Endorser` | ProcessProposal |
//! | [`broadcast`] | `orderer.AtomicBroadcast` | Broadcast |
//! | [`delivery`] | `consilium.Delivery` | Deliver |
//! | [`consensus`] | `consilium.Consensus` | Call |
//! | [`attestations`] | `consilium.Attestations` | Attest |
//! | [`custody`] | `consilium.Custody` | Request, Deposit |
//! | [`exchange`] | `consilium.Exchange` | Fetch |
//! | [`reports`] | `consilium.Reports` | Seal, Download, Verify, Uploaded |
//!
//! Each module has a trait to implement with plain `async fn` (no macro needed), a server type that takes an
//! implementation, and a client type that takes a [`crate::Channel`]. Message limits are set in both. A stream of answers
//! is a [`ResponseStream`] on the server and a [`crate::Streaming`] at the client. A request's [`crate::PeerCertificate`]
//! is among its extensions.

use std::pin::Pin;

use futures_util::Stream;
use tonic::Status;

#[macro_use]
mod declare;

pub mod attestations;
pub mod broadcast;
pub mod consensus;
pub mod custody;
pub mod delivery;
pub mod endorser;
pub mod exchange;
pub mod gateway;
pub mod reports;

/// A stream of answers, as a service returns it: `Box::pin(...)` of any stream of results. Dropped when the client leaves.
pub type ResponseStream<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send + 'static>>;
