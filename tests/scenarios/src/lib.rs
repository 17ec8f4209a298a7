//! Behaviours of whole networks: what the tests in `tests/behaviours` share.
//!
//! A scenario is a story that a hospital could live through, told with real processes, real TLS and real stores: it starts
//! a network, acts as users do (through the command line or the client crate), damages or stops what the story damages or
//! stops, and asserts what people see: bytes, exit codes, messages. Nothing waits for a fixed time: conditions have
//! deadlines. One integration test binary holds all of them, so that it is linked once.

mod changing;
mod doctor;
mod heights;
mod images;
mod ledgers;
mod processes;
mod searching;
mod settling;
mod stage;
mod steps;

pub use changing::{ChannelUpdate, same_config_block};
pub use doctor::{Doctor, connection_settings, endpoint, signer, tls_identity};
pub use heights::{ChannelHeight, channel_height, height_on, leader, same_heights, wait_for_same_heights};
pub use images::{BombIn, Image, png_claiming, png_with_bomb};
pub use ledgers::{LedgerContent, LedgerTransaction};
pub use processes::{Process, children};
pub use searching::{files_holding, find_in_json};
pub use settling::{Witness, settle};
pub use stage::Stage;
pub use steps::{download, openings, share, show, try_upload, try_upload_again, unshare, upload, verify};

use std::path::PathBuf;

/// A file of the shared corpus of openly licensed images; `None` (and a line that says so) where the corpus is not here.
#[must_use]
pub fn corpus(name: &str) -> Option<PathBuf> {
    testnet::shared_data(&format!("data/corpus/open/{name}"))
}
