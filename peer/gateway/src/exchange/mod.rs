//! The exchange of sealed blocks between peers.
//!
//! [`ExchangeService`] serves the blocks of one DAG to whoever may have them; [`Fetcher`] gets a DAG from holders in turn
//! and believes nothing but hashes. What moves here is ciphertext; keys are custody's matter.

mod fetcher;
mod permission;
mod service;

pub use fetcher::{FetchError, FetchLimits, Fetcher, HolderAnswer, WantedDag};
pub(crate) use service::store_status;
pub use service::{ExchangeService, ServeLimits};

use protocol::limits::REPORT_BYTES_MAX;

/// Most bytes of a sealed file: a report and what age adds to it.
pub(crate) const SEALED_BYTES_MAX: u64 = REPORT_BYTES_MAX + (REPORT_BYTES_MAX >> 10);

#[cfg(test)]
mod tests;
