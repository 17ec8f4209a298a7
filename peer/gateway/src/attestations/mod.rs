//! Attestations of other peers: taken, kept, compared with the own ledger, and acted on.
//!
//! After its commits a peer tells the channel's other peers, its own organisation's too, which commit hash it reached; who
//! calls gets the called peer's newest in return. [`Attestations`] keeps the newest of each peer. A majority of organisations
//! that reached another hash stops the own channel; a minority is logged once, shown, and its peers are avoided. What follows
//! from what is decided by [`validation::concord`]; nothing here commits or judges a block.

mod registry;
mod service;
#[cfg(test)]
mod tests;

pub use registry::{Attestations, Attested, Stop};
pub use service::AttestationService;
