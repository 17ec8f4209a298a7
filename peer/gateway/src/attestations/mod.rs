//! Attestations of other peers: taken, kept, compared with the own ledger, and acted on.
//!
//! After its commits a peer tells the channel's other peers, its own organisation's too, which commit hash it reached; who
//! calls gets the called peer's newest in return. [`Attestations`] keeps the newest of each peer. To
//! take one costs the same however many are kept; all of them are looked up after commits, and where the one may stop the
//! channel. A majority of organisations that reached another hash stops the own channel; a minority is logged once, shown,
//! and its peers are avoided. What follows from what is decided by [`validation::concord`]; nothing here commits or judges a
//! block.

mod known;
mod registry;
mod service;
#[cfg(test)]
mod tests;

pub use known::{Attestation, Said};
pub use registry::{Attestations, Stop};
pub use service::AttestationService;
