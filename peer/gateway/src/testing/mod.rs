//! A consortium in memory for tests: three hospitals, their keys, one chain, and lines between their peers.

#[allow(clippy::duplicate_mod, reason = "the fixture is shared by the tests of several modules")]
#[path = "../../../../network/configtx/tests/fixture/mod.rs"]
mod fixture;
mod ledger;
mod lines;
mod picture;
mod same_process;
mod world;

pub(crate) use fixture::msp_id;
pub(crate) use lines::Hospital;
pub(crate) use picture::png;
pub(crate) use same_process::SameProcess;
pub(crate) use world::{Call, World, json, kem_bytes, upload_call};
