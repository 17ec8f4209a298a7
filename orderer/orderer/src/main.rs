//! The orderer as released: with the capabilities that this release knows.

use std::process::ExitCode;

use configtx::Capabilities;

fn main() -> ExitCode {
    orderer::run(Capabilities::RELEASED)
}
