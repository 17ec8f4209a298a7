//! A peer of a later release: the same program, which knows one capability more.

use std::process::ExitCode;

use configtx::Capabilities;

fn main() -> ExitCode {
    peer::run_knowing(peer::chaincodes(), Capabilities::TESTED)
}
