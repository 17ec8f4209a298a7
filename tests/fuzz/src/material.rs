//! A channel with real certificates, from files, so that targets reach what lies behind a signature.
//!
//! `tests/seeds.rs` makes the files; see README.md for when.

use std::path::PathBuf;
use std::sync::OnceLock;

use configtx::{ConfigBundle, config_of_block};
use protocol::Block;

/// The time at which certificates are judged: when the material's were issued.
pub const NOW_MS: u64 = 1_700_000_000_000;

/// The channel's first block.
pub const GENESIS: &[u8] = include_bytes!("../material/genesis.block");
/// A message, the identity that signed it, its signature: what [`SIGNED_MESSAGE`] was signed by.
pub const SIGNER: &[u8] = include_bytes!("../material/signer.identity");
/// The signature of [`SIGNER`] over [`SIGNED_MESSAGE`].
pub const SIGNATURE: &[u8] = include_bytes!("../material/signer.signature");
/// What was signed.
pub const SIGNED_MESSAGE: &[u8] = b"a message that was signed once";

/// The configuration of the material's channel, resolved.
///
/// # Panics
/// If the files in `material` are no channel.
pub fn bundle() -> &'static ConfigBundle {
    static BUNDLE: OnceLock<ConfigBundle> = OnceLock::new();
    BUNDLE.get_or_init(|| {
        let genesis = Block::from_bytes(GENESIS).expect("the material holds a block");
        let config = config_of_block(&genesis).expect("the block holds a configuration");
        ConfigBundle::new(config).expect("the configuration holds")
    })
}

/// The folder of this crate, for seeds.
#[must_use]
pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
