//! Decoders that live in binary crates, included by their files: a binary is no dependency, and one copy is enough.
#![allow(dead_code, missing_docs, reason = "each file is a part of its own crate, where all of it is used")]

pub mod cli;
#[path = "../../../network/configtxgen/src/consortium.rs"]
pub mod consortium;
#[path = "../../../crypto-config/cryptogen/src/organization.rs"]
pub mod organization;
#[path = "../../../orderer/orderer/src/seek.rs"]
pub mod seek;
#[path = "../../../crypto-config/cryptogen/src/template.rs"]
pub mod template;
#[path = "../../../network/configtxgen/src/units.rs"]
pub mod units;
