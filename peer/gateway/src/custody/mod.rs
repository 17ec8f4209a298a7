//! Key custody: where data keys of reports lie, and to whom they go.
//!
//! [`Custody`] keeps keys sealed to the own hospital's KEM key and remembers every release before it happens.
//! [`CustodyService`] answers other peers: it gathers facts from the own ledger and lets `endorsing::release` judge. No
//! key goes out on another way, not even to the own users.

mod deposits;
mod entry;
mod errands;
mod facts;
mod files;
mod hmac;
mod patients;
mod release;
mod service;
mod uploads;
mod vault;

pub(crate) use deposits::deliver_owed;
pub(crate) use errands::WantedReport;
pub(crate) use facts::{is_erased, live_grant};
pub(crate) use release::{release, wait_for};
pub use service::CustodyService;
pub(crate) use service::blocking;
pub(crate) use uploads::status as custody_status;
pub use vault::{CUSTODY_FAMILIES, Custody, CustodyError, OwedDeposit};
