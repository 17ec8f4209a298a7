//! Why a block, or the DAG around it, is refused.
//!
//! Every variant names the block at fault, so that a caller can tell which holder sent it and ask another one. The walk
//! that returns one of these is unchanged: the right block may still be supplied.

use thiserror::Error;

use crate::cid::Cid;

/// A block or DAG that is not what its CID, its parent or the profile promises.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DagError {
    /// The caller supplied a block that the walk does not want now.
    #[error("block {cid} was supplied, but {} is wanted: supply blocks in the order of `next`", wanted_text(.wanted))]
    Unwanted {
        /// The block supplied.
        cid: Cid,
        /// The block wanted; none when the walk is done.
        wanted: Option<Cid>,
    },
    /// The block is larger than any block of its kind.
    #[error("block {cid} has {bytes} bytes, above the limit of {bytes_max}")]
    BlockTooLarge {
        /// The block.
        cid: Cid,
        /// Its length.
        bytes: u64,
        /// The limit for a block of its codec.
        bytes_max: u64,
    },
    /// The bytes do not hash to the CID: the holder sent a wrong or damaged block.
    #[error("the bytes received as block {cid} do not hash to it: fetch it from another holder")]
    WrongHash {
        /// The block asked for.
        cid: Cid,
    },
    /// The link node cannot be decoded.
    #[error("link node {cid} is malformed: {detail}")]
    Malformed {
        /// The node.
        cid: Cid,
        /// What the decoder met.
        detail: String,
    },
    /// The link node decodes, but not to the bytes that the profile writes (trailing, unknown or reordered fields).
    #[error("link node {cid} is not in canonical form")]
    NotCanonical {
        /// The node.
        cid: Cid,
    },
    /// The link node has more links than the profile allows.
    #[error("link node {cid} has {links} links, above the limit of {links_max}")]
    TooManyLinks {
        /// The node.
        cid: Cid,
        /// Its links.
        links: u64,
        /// The profile's limit.
        links_max: u64,
    },
    /// A declared size differs from the actual one.
    #[error("block {cid}: {what} is declared as {declared} bytes but is {actual}")]
    SizeMismatch {
        /// The block.
        cid: Cid,
        /// Which size.
        what: &'static str,
        /// As its parent, or the node itself, declares it.
        declared: u64,
        /// As found.
        actual: u64,
    },
    /// The node's links are not those of a balanced DAG of the profile.
    #[error("link node {cid} does not have the profile's shape: {detail}")]
    WrongShape {
        /// The node.
        cid: Cid,
        /// The difference.
        detail: String,
    },
    /// The whole content is larger than the caller accepts.
    #[error("content under {cid} has {bytes} bytes, above the limit of {bytes_max}")]
    ContentTooLarge {
        /// The root.
        cid: Cid,
        /// Its declared content.
        bytes: u64,
        /// The caller's limit.
        bytes_max: u64,
    },
}

fn wanted_text(wanted: &Option<Cid>) -> String {
    wanted.map_or_else(|| "none".to_owned(), |cid| cid.to_string())
}
