//! Puts a genesis block where it belongs, and replaces none by accident.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use configtx::config_of_block;
use protocol::limits::BLOCK_BYTES_MAX;
use protocol::{Block, BlockHash, ChannelConfig};

use crate::failure::Failure;

/// What was done.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The block was written.
    Written,
    /// A block with the same configuration was there, with this hash.
    Unchanged(BlockHash),
}

/// Writes `block` to `path`, unless a block with an equal configuration is there.
///
/// # Errors
/// Rejected where a file is there that says something else, unless `force`.
pub fn place(path: &Path, block: &Block, force: bool) -> Result<Outcome, Failure> {
    if path.exists() && !force {
        let existing = read(path)?;
        let config = |block| config_of_block(block).map_err(|error| Failure::rejected(path, &error));
        let differences = differences(&config(&existing)?, &config(block)?);
        if differences.is_empty() {
            return Ok(Outcome::Unchanged(existing.header.hash()));
        }
        let reason = format!(
            "is the genesis block of a channel with another configuration (other: {}); kept. Name another file, or \
             give --force: nodes that began with the old block must then begin anew",
            differences.join(", ")
        );
        return Err(Failure::rejected(path, &reason));
    }
    write(path, &block.to_bytes()).with_context(|| format!("{}: cannot be written", path.display()))?;
    Ok(Outcome::Written)
}

/// Reads a block.
///
/// # Errors
/// Rejected where the file is no block.
pub fn read(path: &Path) -> Result<Block, Failure> {
    let length = fs::metadata(path).with_context(|| format!("{}: cannot be read", path.display()))?.len();
    if length > BLOCK_BYTES_MAX as u64 {
        return Err(Failure::rejected(path, &format!("has {length} bytes: this is no block")));
    }
    let bytes = fs::read(path).with_context(|| format!("{}: cannot be read", path.display()))?;
    Block::from_bytes(&bytes).map_err(|error| Failure::rejected(path, &format!("is no block: {error}")))
}

/// The parts in which two configurations differ.
fn differences(left: &ChannelConfig, right: &ChannelConfig) -> Vec<&'static str> {
    let rows = [
        ("channel", left.channel == right.channel),
        ("capabilities", left.capabilities == right.capabilities),
        ("organizations", left.organizations == right.organizations),
        ("orderer", left.orderer == right.orderer),
        ("policies", left.policies == right.policies),
        ("chaincodes", left.chaincodes == right.chaincodes),
        ("reports", left.reports == right.reports),
        ("identities", left.identities == right.identities),
        ("registered identities", left.first_identities == right.first_identities),
        ("version or sequence", (left.version, left.sequence) == (right.version, right.sequence)),
    ];
    rows.into_iter().filter(|(_, equal)| !equal).map(|(name, _)| name).collect()
}

/// Writes a whole file or none: nobody finds half a block.
///
/// # Errors
/// What the system says.
pub fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder)?;
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let unfinished = PathBuf::from(name);
    let mut file = fs::File::create(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)
}
