//! What every node process needs before and around its work: settings, MSP folders, logs, health, an orderly end.
//!
//! - [`Layers`] reads settings (defaults, file, environment, flags) and [`Layers::resolve`] turns what users wrote into
//!   what the node runs with; every problem of both steps is reported together, with its origin and its fix, before a
//!   port is bound.
//! - [`load_msp`] and [`load_folder`] read crypto material from disk within limits.
//! - [`forbid_core_dumps`] keeps keys and reports out of what a crash leaves behind.
//! - [`init_tracing`] sends logs to stderr; [`shutdown_signal`] waits for SIGINT or SIGTERM.
//! - [`Health`] collects how each component fares; [`health_route`] answers `/healthz` from it.
//! - [`Metrics`] counts and times; [`metrics_route`] answers `/metrics` from it.

mod core_dumps;
mod folder;
mod health;
mod layers;
mod logs;
mod metrics;
mod problems;
mod signal;

pub use core_dumps::forbid_core_dumps;
pub use folder::{FolderError, MspLoadError, load_folder, load_msp};
pub use health::{Component, Health, health_route};
pub use layers::{Layers, Loaded};
pub use logs::{LogFormat, LogsError, init_tracing};
pub use metrics::{
    Counter, Description, Gauge, Histogram, Metrics, Seconds, describe, grpc_observer, metrics_route,
};
pub use problems::{Origins, Problem, Problems, SettingsErrors};
pub use signal::shutdown_signal;
