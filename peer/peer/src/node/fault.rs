//! Why a peer, or one of its channels, cannot do its work.

use configtx::NeededRelease;
use protocol::{BlockNumber, ChannelId};
use thiserror::Error;

/// A fault of the node. It is logged where it is met.
#[derive(Debug, Error)]
pub enum NodeFault {
    /// The settings do not hold.
    #[error(transparent)]
    Settings(#[from] node::SettingsErrors),
    /// The block is no genesis block of a channel that this peer can join.
    #[error("the genesis block is not usable: {cause}")]
    Genesis {
        /// What is wrong.
        cause: String,
    },
    /// The peer has as many channels as it may have.
    #[error(
        "this peer is in {most} channels, the limit of one peer; join channel {channel} with another peer of the organisation"
    )]
    TooManyChannels {
        /// The channel that was to be joined.
        channel: ChannelId,
        /// The limit.
        most: usize,
    },
    /// The ledger is damaged or its disk fails.
    #[error("the ledger cannot be used: {cause}")]
    Ledger {
        /// What is wrong.
        cause: String,
    },
    /// The channel's configuration demands what this release does not know.
    #[error(
        "block {number} puts a configuration in force that this release cannot follow: it demands {needed}"
    )]
    Release {
        /// The block, which is not committed.
        number: BlockNumber,
        /// The release that is needed.
        needed: NeededRelease,
    },
    /// A folder or store of the node.
    #[error("{what} at {path}: {cause}")]
    Disk {
        /// What is kept there.
        what: &'static str,
        /// Where.
        path: String,
        /// What is wrong.
        cause: String,
    },
    /// A port is not to be had.
    #[error("cannot listen on {address}: {cause}; choose another address or stop what uses it")]
    Listen {
        /// The address.
        address: String,
        /// What is wrong.
        cause: String,
    },
    /// A part of the node did not start.
    #[error("{what} does not start: {cause}")]
    Start {
        /// The part.
        what: &'static str,
        /// What is wrong.
        cause: String,
    },
}

impl NodeFault {
    /// The release that a channel needs to go on.
    pub const fn needed_release(&self) -> Option<&NeededRelease> {
        match self {
            Self::Release { needed, .. } => Some(needed),
            _ => None,
        }
    }
}
