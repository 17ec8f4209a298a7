//! Transport over real sockets on the loopback: who gets in, what a failure says, what lives and what ends.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod dialling;
mod fixture;
mod handshake;
mod requests;
mod revocation;
mod world;
