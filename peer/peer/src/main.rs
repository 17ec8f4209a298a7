//! The peer of a Consilium network: the node and its command line in one binary.
//!
//! [`node`] is what `peer node start` runs; [`cli`] reads arguments, calls peers and prints results. Neither knows more of
//! the other than that entry.

mod cli;
mod node;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main(std::env::args_os())
}
