//! A client against a gateway that it should not trust, over real TLS.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod parts;
mod reports;
mod tampering;
mod transactions;
mod world;
