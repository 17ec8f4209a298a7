//! Walks a DAG from its root in content order, checking every block before anything is believed of it.
//!
//! A step machine without I/O: [`DagWalk::next`] says which block is wanted, [`DagWalk::supply`] takes it and gives the
//! next piece of content if it was a leaf. The root's declared size and the profile fix the whole tree, so each node must
//! have exactly the links and sizes that the builder would have written; no DAG can make the walk deeper, wider or longer
//! than the caller's limit on content allows. An error leaves the walk as it was, so the same block may come from
//! elsewhere. It never recurses and holds no blocks, only names still to visit: at most one node's links a level.

use bytes::Bytes;

use crate::cid::{Cid, Codec};
use crate::error::DagError;
use crate::node::{Link, Node, decode};
use crate::profile::Profile;

/// What a walk needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The block to supply.
    Want(Cid),
    /// Nothing: all content has been given out.
    Done,
}

/// A block still to visit. What its parent says of it is unknown only for the root.
#[derive(Debug, Clone, Copy)]
struct Pending {
    cid: Cid,
    expected: Option<Expected>,
}

#[derive(Debug, Clone, Copy)]
struct Expected {
    height: u8,
    content_bytes: u64,
    dag_bytes: u64,
}

/// A walk under way.
#[derive(Debug, Clone)]
pub struct DagWalk {
    profile: Profile,
    content_bytes_max: u64,
    size: Option<u64>,
    given_bytes: u64,
    /// The block wanted next is the last; what precedes it comes later in the content.
    pending: Vec<Pending>,
}

impl DagWalk {
    /// A walk of a DAG of profile `unixfs-v1-2025` with at most `content_bytes_max` bytes of content.
    #[must_use]
    pub fn new(root: Cid, content_bytes_max: u64) -> Self {
        Self::with_profile(Profile::UNIXFS_V1_2025, root, content_bytes_max)
    }

    /// A walk of a DAG of another profile.
    #[must_use]
    pub fn with_profile(profile: Profile, root: Cid, content_bytes_max: u64) -> Self {
        let pending = vec![Pending { cid: root, expected: None }];
        Self { profile, content_bytes_max, size: None, given_bytes: 0, pending }
    }

    /// The block to supply now.
    #[must_use]
    pub fn next(&self) -> Next {
        self.pending.last().map_or(Next::Done, |pending| Next::Want(pending.cid))
    }

    /// Blocks to fetch ahead, in the order in which they will be wanted, the one wanted now first; at most `count`.
    ///
    /// The list ends with the first link node, since what is wanted after it is not known yet. It shrinks as the walk
    /// proceeds and a caller that fetches ahead keeps what arrives early, so `count` also bounds the caller's memory.
    #[must_use]
    pub fn wants(&self, count: usize) -> Vec<Cid> {
        let mut wants = Vec::new();
        for pending in self.pending.iter().rev().take(count) {
            wants.push(pending.cid);
            if pending.cid.codec() == Codec::DagPb {
                break;
            }
        }
        wants
    }

    /// Size of the whole content, known once the root has been supplied.
    #[must_use]
    pub const fn size(&self) -> Option<u64> {
        self.size
    }

    /// Content bytes given out so far.
    #[must_use]
    pub const fn given_bytes(&self) -> u64 {
        self.given_bytes
    }

    /// Takes the block that [`Self::next`] wants. A leaf is returned as the next piece of the content; a link node gives
    /// none. Empty content gives one empty piece.
    ///
    /// # Errors
    /// [`DagError`] says how the block differs from what its CID, its parent and the profile promise; the walk is
    /// unchanged and still wants the same block.
    pub fn supply(&mut self, cid: Cid, block: Bytes) -> Result<Option<Bytes>, DagError> {
        let Some(pending) = self.pending.last().copied().filter(|pending| pending.cid == cid) else {
            return Err(DagError::Unwanted { cid, wanted: self.pending.last().map(|pending| pending.cid) });
        };
        cid.verify(&block)?;
        match cid.codec() {
            Codec::Raw => self.supply_leaf(pending, block).map(Some),
            Codec::DagPb => self.supply_node(pending, &block).map(|()| None),
        }
    }

    fn supply_leaf(&mut self, Pending { cid, expected }: Pending, block: Bytes) -> Result<Bytes, DagError> {
        let bytes = block.len() as u64;
        match expected {
            Some(expected) => agree(cid, "a leaf", expected.content_bytes, bytes)?,
            None => self.accept_root_leaf(cid, bytes)?,
        }
        self.pending.pop();
        self.size.get_or_insert(bytes);
        self.given_bytes += bytes;
        Ok(block)
    }

    fn accept_root_leaf(&self, cid: Cid, bytes: u64) -> Result<(), DagError> {
        let bytes_max = u64::from(self.profile.chunk_bytes());
        if bytes > bytes_max {
            return Err(DagError::BlockTooLarge { cid, bytes, bytes_max });
        }
        self.accept_content(cid, bytes)
    }

    fn accept_content(&self, cid: Cid, bytes: u64) -> Result<(), DagError> {
        let bytes_max = self.content_bytes_max;
        if bytes > bytes_max { Err(DagError::ContentTooLarge { cid, bytes, bytes_max }) } else { Ok(()) }
    }

    fn supply_node(&mut self, Pending { cid, expected }: Pending, block: &[u8]) -> Result<(), DagError> {
        let node = decode(cid, block, self.profile)?;
        let height = match expected {
            Some(expected) => {
                agree(cid, "the content of the node", expected.content_bytes, node.content_bytes)?;
                agree(cid, "the total of its blocks", expected.dag_bytes, node.dag_bytes)?;
                expected.height
            }
            None => {
                self.accept_content(cid, node.content_bytes)?;
                self.root_height(cid, node.content_bytes)?
            }
        };
        let children = self.children(cid, &node, height)?;
        self.pending.pop();
        self.size.get_or_insert(node.content_bytes);
        self.pending.extend(children.into_iter().rev());
        Ok(())
    }

    fn root_height(&self, cid: Cid, content_bytes: u64) -> Result<u8, DagError> {
        match self.profile.height(content_bytes) {
            Some(0) => {
                wrong_shape(cid, format!("{content_bytes} bytes are one leaf, without a node above it"))
            }
            Some(height) => Ok(height),
            None => {
                wrong_shape(cid, format!("{content_bytes} bytes need more levels than any walk goes down"))
            }
        }
    }

    /// The children of a node of this height, each checked to be what the profile puts there.
    fn children(&self, cid: Cid, node: &Node, height: u8) -> Result<Vec<Pending>, DagError> {
        let below = height.saturating_sub(1);
        let span = self.profile.span_bytes(below);
        let count = node.content_bytes.div_ceil(span);
        if node.links.len() as u64 != count {
            let detail =
                format!("{} links where {} bytes take {count}", node.links.len(), node.content_bytes);
            return wrong_shape(cid, detail);
        }
        let codec = if below == 0 { Codec::Raw } else { Codec::DagPb };
        let mut left = node.content_bytes;
        node.links.iter().map(|link| child(cid, link, (below, codec), take(&mut left, span))).collect()
    }
}

fn child(
    parent: Cid,
    link: &Link,
    (height, codec): (u8, Codec),
    content_bytes: u64,
) -> Result<Pending, DagError> {
    let cid = link.cid;
    if cid.codec() != codec {
        return wrong_shape(parent, format!("child {cid} is {:?} where {codec:?} stands", cid.codec()));
    }
    if link.content_bytes != content_bytes {
        let detail = format!("child {cid} has {} bytes where {content_bytes} stand", link.content_bytes);
        return wrong_shape(parent, detail);
    }
    if codec == Codec::Raw {
        agree(cid, "the total of its blocks", link.dag_bytes, content_bytes)?;
    }
    Ok(Pending { cid, expected: Some(Expected { height, content_bytes, dag_bytes: link.dag_bytes }) })
}

/// Takes a full span off what is left, or the rest.
fn take(left: &mut u64, span: u64) -> u64 {
    let taken = span.min(*left);
    *left -= taken;
    taken
}

fn agree(cid: Cid, what: &'static str, declared: u64, actual: u64) -> Result<(), DagError> {
    if declared == actual { Ok(()) } else { Err(DagError::SizeMismatch { cid, what, declared, actual }) }
}

fn wrong_shape<T>(cid: Cid, detail: String) -> Result<T, DagError> {
    Err(DagError::WrongShape { cid, detail })
}

#[cfg(test)]
mod tests;
