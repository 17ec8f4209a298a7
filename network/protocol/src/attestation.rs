//! A peer's word that at a block it reached a commit hash.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::ids::{BlockHash, BlockNumber, ChannelId, CommitHash};

/// What a peer states after it committed a block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitAttestation {
    /// Version of this type's encoding.
    pub version: u16,
    /// The channel.
    pub channel: ChannelId,
    /// The block committed.
    pub number: BlockNumber,
    /// Its hash.
    pub block_hash: BlockHash,
    /// The commit hash reached.
    pub commit_hash: CommitHash,
}

impl CommitAttestation {
    /// The version that this release writes.
    pub const VERSION: u16 = 1;
}

/// An attestation's bytes with a peer's signature over them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedAttestation {
    /// MessagePack of a [`CommitAttestation`].
    pub attestation: Bytes,
    /// Serialised identity of the peer.
    pub peer: Bytes,
    /// Its signature over `attestation`.
    pub signature: Bytes,
}
