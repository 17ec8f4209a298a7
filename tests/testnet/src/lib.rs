//! Real networks for tests: crypto material by `cryptogen`, a genesis block by `configtxgen`, orderers and peers as
//! processes on loopback with free ports, and the command line `peer` run as a user.
//!
//! Where a test asks for it, each node has a network namespace, a wall clock and a small disk of its own, and links, clocks
//! and disks fail on command ([`Network::deafen`] and its like).
//!
//! A [`Network`] lives in a temporary folder and takes its processes with it. Nothing is faked: what a scenario sees is
//! what a hospital would see. Binaries are those of the build that the test belongs to.

mod binaries;
mod cli;
mod clock;
mod disk;
mod faults;
mod hospital;
mod material;
mod namespaces;
mod network;
mod node;
mod process;
mod tools;

pub use binaries::binary;
pub use cli::{CliOutput, User};
pub use hospital::Hospital;
pub use material::make_crypto;
pub use network::{Batching, Network, NetworkOptions};
pub use node::Node;
pub use process::NodeProcess;
pub use tools::missing_for_faults;

use std::path::PathBuf;

/// The folder with shared test data, from `CONSILIUM_SHARED` or beside the checkout; `None` (and a line that says so) where
/// `path` is not in it.
#[must_use]
pub fn shared_data(path: &str) -> Option<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let file = std::env::var_os("CONSILIUM_SHARED").map_or_else(beside, PathBuf::from).join(path);
    if file.exists() {
        return Some(file);
    }
    println!("DATA ABSENT: {path}");
    None
}
