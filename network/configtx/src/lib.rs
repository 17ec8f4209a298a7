//! A channel's configuration: what it must keep, what it means, and the block that begins a channel with it.
//!
//! [`ConfigBundle::new`] checks every rule of a [`protocol::ChannelConfig`] and reports all problems at once; the bundle
//! holds the compiled organisations and policies, and judges the consenters' signatures of a block. [`genesis_block`]
//! writes a configuration into block 0, [`config_of_block`] reads it back.
//!
//! A change is a transaction: [`compute_update`] gives the difference of two configurations, administrators sign it
//! ([`PendingUpdate`]), and [`next_config`] judges it against the configuration in force: read set, policies of every
//! element written ([`ModPolicy`]), rules of the result. A configuration block holds configuration and update, and every
//! node derives the one from the other again ([`judge_config_envelope`]).

mod authorize;
mod bundle;
mod capabilities;
mod check;
mod consenters;
mod element;
mod envelope;
mod identities;
mod mod_policy;
mod next_config;
mod order;
mod pending;
mod policies;
mod problem;
mod rejection;
mod remembered;
mod system;
mod tls_members;
mod tree;
mod update;

pub use authorize::mod_policies;
pub use bundle::ConfigBundle;
pub use capabilities::{Capabilities, KnownCapability, NeededRelease, V1_0, V1_1, V9_9};
pub use check::PROFILES;
pub use consenters::{BlockSignatureRejection, SignatureFlaw};
pub use element::{Element, OrganizationPart};
pub use envelope::{ConfigBlockError, config_envelope, config_of_block, genesis_block, is_config_envelope};
pub use mod_policy::ModPolicy;
pub use next_config::{NextConfig, judge_config_envelope, next_config};
pub use order::in_canonical_order;
pub use pending::PendingUpdate;
pub use policies::paths;
pub use problem::{ConfigError, ConfigProblem};
pub use rejection::{UnmetPolicy, UpdateRejection};
pub use system::{IdentityRules, is_system_chaincode};
pub use update::{apply_update, compute_update};
