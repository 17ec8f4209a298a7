//! The peer as released: with the chaincodes of this repository.

use std::process::ExitCode;

fn main() -> ExitCode {
    peer::run(peer::chaincodes())
}
