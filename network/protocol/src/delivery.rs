//! The answer of a deliver stream between our own nodes.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// One message of a deliver stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeliverReply {
    /// A block's bytes, with the signatures of a majority of the consenters.
    Block(Bytes),
    /// The stream ends: Fabric's `common.Status` number and a text.
    Status(i32, String),
}
