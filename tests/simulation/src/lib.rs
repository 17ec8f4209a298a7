//! The ordering cluster in a world that a seed decides: network, clocks, chance and disks are simulated, all else is what
//! `orderer` runs.
//!
//! A [`Stage`](stage::Stage) holds what nodes share, a [`Theatre`](theatre::Theatre) lets time pass on it, [`faults`] says
//! what goes wrong, [`checks`] what must hold all the same. One process runs one world: chance that libraries draw from the
//! system is seeded a process at a time (`main.rs`).

pub mod adversaries;
pub mod chance;
pub mod checks;
pub mod clients;
pub mod faults;
pub mod host;
pub mod journal;
pub mod links;
pub mod scenes;
pub mod stage;
pub mod theatre;

#[path = "../../../orderer/ordering/src/world.rs"]
#[allow(
    dead_code,
    missing_docs,
    clippy::expect_used,
    reason = "shared with the tests of crate ordering, which use other parts"
)]
pub mod world;
