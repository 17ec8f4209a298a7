//! A channel's configuration: what it must keep, what it means, and the block that begins a channel with it.
//!
//! [`ConfigBundle::new`] checks every rule of a [`protocol::ChannelConfig`] and reports all problems at once; the bundle
//! holds the compiled organisations and policies, and judges the consenters' signatures of a block. [`genesis_block`]
//! writes a configuration into block 0, [`config_of_block`] reads it back.
//!
//! What is deliberately absent: updates of a configuration. A configuration block after genesis reads back by the same
//! function; who may write one is decided nowhere in this release, so validation refuses it.

mod bundle;
mod check;
mod consenters;
mod envelope;
mod identities;
mod order;
mod policies;
mod problem;
mod system;

pub use bundle::ConfigBundle;
pub use check::{CAPABILITY, PROFILES};
pub use consenters::{BlockSignatureRejection, SignatureFlaw};
pub use envelope::{ConfigBlockError, config_envelope, config_of_block, genesis_block, is_config_envelope};
pub use order::in_canonical_order;
pub use policies::paths;
pub use problem::{ConfigError, ConfigProblem};
pub use system::{IDENTITIES_VERSION, is_system_chaincode};
