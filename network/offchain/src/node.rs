//! Link nodes: dag-pb around a UnixFS file message, in the one form that the profile writes.
//!
//! Decoding is strict by re-encoding: a node whose bytes differ from what [`encode`] makes of its links is refused, so
//! trailing bytes, unknown fields, padded varints, link names and reordered sections need no rule of their own. Sizes are
//! checked against each other here and against the blocks below in the walk. Source: dag-pb and UnixFS specifications;
//! links carry an empty name and precede the data, as measured in the vectors.

use bytes::Bytes;
use ipld_dagpb::{PbLink, PbNode};
use prost::Message as _;

use crate::cid::{Cid, Codec};
use crate::error::DagError;
use crate::profile::{LINKS_MAX, Profile};

/// UnixFS' number for a regular file.
const UNIXFS_FILE: i32 = 2;
/// The most one link takes: 38 bytes of CID field, 2 of name, 11 of size, 3 of its own frame, 11 of its block size.
const LINK_BYTES_MAX: u64 = 65;
/// The most that stands around the links: frame of the data, type, file size.
const FRAME_BYTES_MAX: u64 = 24;

/// One child of a link node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// The child block.
    pub cid: Cid,
    /// Content bytes under it.
    pub content_bytes: u64,
    /// Bytes of all blocks under it, its own included, a block that occurs twice counted twice.
    pub dag_bytes: u64,
}

/// A decoded link node: its children's sizes agree with its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) links: Vec<Link>,
    pub(crate) content_bytes: u64,
    pub(crate) dag_bytes: u64,
}

/// The file message of UnixFS, as far as a link node of a file has it.
#[derive(Clone, PartialEq, prost::Message)]
struct UnixFsFile {
    #[prost(int32, required, tag = "1")]
    kind: i32,
    #[prost(bytes = "vec", optional, tag = "2")]
    data: Option<Vec<u8>>,
    #[prost(uint64, optional, tag = "3")]
    file_bytes: Option<u64>,
    #[prost(uint64, repeated, packed = "false", tag = "4")]
    block_bytes: Vec<u64>,
}

/// The children of a block: none of a leaf. Pure: a node that serves a DAG learns from it which blocks are inside.
///
/// # Errors
/// [`DagError`] where the bytes are not the block of that CID, or not a canonical link node within the limits.
pub fn links(cid: Cid, block: &[u8]) -> Result<Vec<Link>, DagError> {
    cid.verify(block)?;
    match cid.codec() {
        Codec::Raw => Ok(Vec::new()),
        Codec::DagPb => Ok(decode(cid, block, Profile::UNIXFS_V1_2025)?.links),
    }
}

/// The node over these links and the link to it; none if sizes leave 64 bits.
pub(crate) fn encode(links: &[Link]) -> Option<(Link, Bytes)> {
    let content_bytes = sum(links.iter().map(|link| link.content_bytes))?;
    let file = UnixFsFile {
        kind: UNIXFS_FILE,
        data: None,
        file_bytes: Some(content_bytes),
        block_bytes: links.iter().map(|link| link.content_bytes).collect(),
    };
    let pb_links = links.iter().map(|link| {
        Some(PbLink { cid: link.cid.to_ipld()?, name: Some(String::new()), size: Some(link.dag_bytes) })
    });
    let node = PbNode { links: pb_links.collect::<Option<_>>()?, data: Some(file.encode_to_vec().into()) };
    let block = Bytes::from(node.into_bytes());
    let dag_bytes = sum(links.iter().map(|link| link.dag_bytes))?.checked_add(block.len() as u64)?;
    Some((Link { cid: Cid::of(Codec::DagPb, &block), content_bytes, dag_bytes }, block))
}

/// Decodes a link node whose hash the caller has checked.
pub(crate) fn decode(cid: Cid, block: &[u8], profile: Profile) -> Result<Node, DagError> {
    let bytes_max = u64::from(LINKS_MAX) * LINK_BYTES_MAX + FRAME_BYTES_MAX;
    let bytes = block.len() as u64;
    if bytes > bytes_max {
        return Err(DagError::BlockTooLarge { cid, bytes, bytes_max });
    }
    let malformed = |detail: String| DagError::Malformed { cid, detail };
    let pb = PbNode::from_bytes(Bytes::copy_from_slice(block)).map_err(|e| malformed(e.to_string()))?;
    let links_max = u64::from(profile.links_max());
    if pb.links.len() as u64 > links_max {
        return Err(DagError::TooManyLinks { cid, links: pb.links.len() as u64, links_max });
    }
    let data = pb.data.ok_or_else(|| malformed("no UnixFS message".to_owned()))?;
    let file = UnixFsFile::decode(data).map_err(|e| malformed(e.to_string()))?;
    if file.kind != UNIXFS_FILE || file.data.is_some() {
        return Err(malformed("it is not a file of links only".to_owned()));
    }
    let declared = file.file_bytes.ok_or_else(|| malformed("no file size".to_owned()))?;
    let links = pair(cid, pb.links, file.block_bytes)?;
    let (own, canonical) = encode(&links).ok_or_else(|| malformed("sizes leave 64 bits".to_owned()))?;
    if own.content_bytes != declared {
        let what = "the content of the node";
        return Err(DagError::SizeMismatch { cid, what, declared, actual: own.content_bytes });
    }
    if *canonical != *block {
        return Err(DagError::NotCanonical { cid });
    }
    Ok(Node { links, content_bytes: own.content_bytes, dag_bytes: own.dag_bytes })
}

/// Joins the dag-pb links with the UnixFS block sizes that stand apart from them.
fn pair(cid: Cid, pb_links: Vec<PbLink>, block_bytes: Vec<u64>) -> Result<Vec<Link>, DagError> {
    let malformed = |detail: String| DagError::Malformed { cid, detail };
    if pb_links.is_empty() || pb_links.len() != block_bytes.len() {
        return Err(malformed(format!("{} links with {} sizes", pb_links.len(), block_bytes.len())));
    }
    pb_links
        .into_iter()
        .zip(block_bytes)
        .map(|(pb, content_bytes)| {
            let child = Cid::from_ipld(pb.cid).map_err(|e| malformed(e.to_string()))?;
            let dag_bytes = pb.size.ok_or_else(|| malformed(format!("link to {child} has no size")))?;
            Ok(Link { cid: child, content_bytes, dag_bytes })
        })
        .collect()
}

fn sum(mut sizes: impl Iterator<Item = u64>) -> Option<u64> {
    sizes.try_fold(0u64, u64::checked_add)
}

#[cfg(test)]
mod tests;
