//! The rules of `msp`, one table row a rule, over certificates made for the purpose and over trees made by Fabric.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail by panicking")]

mod chains;
mod fabric_trees;
mod fixture;
mod folders;
mod identities;
mod known_signatures;
mod signatures;
