//! The peer node: its parts, and how they are joined.
//!
//! Everything about configuration is decided before a port is bound ([`settings`]). A joined channel is a [`channel`]
//! with a committer ([`committing`]), a follower of the orderers ([`following`]) and an attester ([`attesting`]). Proposals go to the [`endorser`];
//! users and other peers to the services of the crate `gateway`, which sees the peer through [`peer_node`].

mod attesting;
mod channel;
mod channels;
mod clock;
mod committing;
mod differences;
mod endorser;
mod fault;
mod followers;
mod following;
mod health;
mod metrics;
mod peer_node;
mod revocations;
mod settings;
mod starting;
mod system;
#[cfg(test)]
mod tests;

pub use settings::with_causes;
pub use starting::{IMAGE_WORKER, start};
