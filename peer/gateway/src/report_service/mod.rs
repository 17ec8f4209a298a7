//! The report service: what a hospital's own users ask of their peer beside transactions.
//!
//! [`ReportService`] seals what a user uploads, hands out what a user opened on the ledger, and verifies a report against
//! the chain. It serves nobody of another hospital, and it takes no shortcut to a key: also its own users' keys come out
//! of custody by the release rule.

mod download;
mod holders;
mod key_request;
mod seal;
mod service;
mod uploaded;
mod verify;

pub use service::{ReportLimits, ReportParts, ReportService};

pub(crate) use holders::{holders_of, signed_block_request};
pub(crate) use service::SEALS_MAX;

#[cfg(test)]
mod tests;
