//! The peer of a Consilium network, node and command line, as a library: a program is this and a list of chaincodes.
//!
//! `main.rs` is the peer as released. A hospital whose channels run chaincode of its own writes another `main` of the same
//! three lines, with a longer list; all else, the command line included, is the same program:
//!
//! ```text
//! fn main() -> ExitCode {
//!     let mut chaincodes = peer::chaincodes();
//!     chaincodes.push(Arc::new(Consents));
//!     peer::run(chaincodes)
//! }
//! ```
//!
//! The module `node` is what `peer node start` runs; `cli` reads arguments, calls peers and prints results. Neither knows
//! more of the other than that entry. Nothing else of this crate is for other crates.

mod cli;
mod duration;
mod installed;
mod node;

pub use cli::{run, run_knowing};
pub use installed::chaincodes;
