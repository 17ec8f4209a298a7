//! Messages by which peers exchange sealed blocks. Nothing outside the DAG of the named root is served.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::ids::{ChannelId, TxId};

/// Why the asker may have the blocks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FetchReason {
    /// The asker is owner, custodian, configured holder or holds a live grant for this report.
    Report(TxId),
    /// The asker was asked to endorse this upload: the signed proposal's bytes, which name the CID.
    Endorsement(Bytes),
}

/// Asks for the blocks of one DAG. Signed with [`crate::SigningDomain::BlockRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockRequest {
    /// Version of this type's encoding.
    pub version: u16,
    /// The channel.
    pub channel: ChannelId,
    /// Root CID, text.
    pub root: String,
    /// Why the asker may have it.
    pub reason: FetchReason,
}

/// One message of the answer's stream. Blocks come in the order of a depth-first walk, each once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BlockResponse {
    /// A block's bytes; the receiver knows from its walk which CID they must have.
    Block(Bytes),
    /// This node does not hold the DAG, or not all of it.
    NotHeld(String),
    /// The asker may not have it; why.
    Refused(String),
}
