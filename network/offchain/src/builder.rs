//! Builds the DAG of content that arrives in pieces, and hands out each block as soon as it is known.
//!
//! A link node follows all its children, so a sink that stores blocks in order never holds a node whose children it
//! lacks; the root comes last. A node is made when one more link arrives for it or the content ends, never before: the
//! 1,024th leaf ends no level, the 1,025th does. Held at any time: one chunk, and at most one node's links a level.

use bytes::{Bytes, BytesMut};
use thiserror::Error;

use crate::cid::Cid;
use crate::node::{Link, encode};
use crate::profile::{DAG_DEPTH_MAX, Profile};

/// Where blocks go: a store, a channel, a counter. Any closure of the same signature is one.
pub trait BlockSink {
    /// Why the sink cannot take a block.
    type Error;

    /// Takes the next block.
    ///
    /// # Errors
    /// The sink's own; the builder stops at the first one.
    fn put(&mut self, cid: Cid, block: Bytes) -> Result<(), Self::Error>;
}

impl<E, F: FnMut(Cid, Bytes) -> Result<(), E>> BlockSink for F {
    type Error = E;

    fn put(&mut self, cid: Cid, block: Bytes) -> Result<(), E> {
        self(cid, block)
    }
}

/// What a finished DAG is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Root {
    /// The root block: the name of the content.
    pub cid: Cid,
    /// Content bytes.
    pub size: u64,
    /// Blocks handed out, equal ones counted each time.
    pub blocks: u64,
    /// Bytes of all of them.
    pub dag_bytes: u64,
}

/// Why a DAG could not be built.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum BuildError<E> {
    /// The sink refused a block.
    #[error("block {cid} could not be handed on")]
    Sink {
        /// The block.
        cid: Cid,
        /// The sink's reason.
        #[source]
        source: E,
    },
    /// The content needs more levels than a walk accepts.
    #[error(
        "the content is too large for this profile: {size} bytes read need more than {DAG_DEPTH_MAX} levels of links"
    )]
    TooDeep {
        /// Content bytes read so far.
        size: u64,
    },
}

/// Builds one DAG; see the module's documentation for order and memory.
#[derive(Debug)]
pub struct DagBuilder<S> {
    profile: Profile,
    sink: S,
    chunk: BytesMut,
    /// Links waiting for their node, the leaves' level first; at most one node's worth each.
    levels: Vec<Vec<Link>>,
    size: u64,
    blocks: u64,
}

impl<S: BlockSink> DagBuilder<S> {
    /// A builder of profile `unixfs-v1-2025`.
    #[must_use]
    pub fn new(sink: S) -> Self {
        Self::with_profile(Profile::UNIXFS_V1_2025, sink)
    }

    /// A builder of another profile.
    #[must_use]
    pub fn with_profile(profile: Profile, sink: S) -> Self {
        Self { profile, sink, chunk: BytesMut::new(), levels: Vec::new(), size: 0, blocks: 0 }
    }

    /// Adds the next bytes of the content; how it is cut does not matter.
    ///
    /// # Errors
    /// [`BuildError`]; the builder must be dropped then.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), BuildError<S::Error>> {
        let chunk_bytes = self.profile.chunk_bytes() as usize;
        while !bytes.is_empty() {
            // A full chunk leaves only when another byte follows: the first and only chunk is the root itself.
            if self.chunk.len() == chunk_bytes {
                self.emit_leaf()?;
                self.chunk.reserve(chunk_bytes);
            }
            let (head, tail) = bytes.split_at(bytes.len().min(chunk_bytes - self.chunk.len()));
            self.chunk.extend_from_slice(head);
            self.size = self.size.saturating_add(head.len() as u64);
            bytes = tail;
        }
        Ok(())
    }

    /// Ends the content and hands out what is left, the root last. Empty content is one empty leaf.
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn finish(mut self) -> Result<Root, BuildError<S::Error>> {
        let mut top = self.emit_leaf_link()?;
        if self.levels.is_empty() {
            return Ok(self.root(top));
        }
        self.add(0, top)?;
        let mut level = 0;
        while level < self.levels.len() {
            let links = std::mem::take(&mut self.levels[level]);
            top = self.emit_node(&links)?;
            if level + 1 < self.levels.len() {
                self.add(level + 1, top)?;
            }
            level += 1;
        }
        Ok(self.root(top))
    }

    fn root(&self, top: Link) -> Root {
        Root { cid: top.cid, size: top.content_bytes, blocks: self.blocks, dag_bytes: top.dag_bytes }
    }

    fn emit_leaf(&mut self) -> Result<(), BuildError<S::Error>> {
        let leaf = self.emit_leaf_link()?;
        self.add(0, leaf)
    }

    fn emit_leaf_link(&mut self) -> Result<Link, BuildError<S::Error>> {
        let block = self.chunk.split().freeze();
        let bytes = block.len() as u64;
        let link = Link { cid: Cid::of_raw(&block), content_bytes: bytes, dag_bytes: bytes };
        self.emit(link.cid, block)?;
        Ok(link)
    }

    fn emit_node(&mut self, links: &[Link]) -> Result<Link, BuildError<S::Error>> {
        let (link, block) = encode(links).ok_or(BuildError::TooDeep { size: self.size })?;
        self.emit(link.cid, block)?;
        Ok(link)
    }

    fn emit(&mut self, cid: Cid, block: Bytes) -> Result<(), BuildError<S::Error>> {
        self.blocks += 1;
        self.sink.put(cid, block).map_err(|source| BuildError::Sink { cid, source })
    }

    /// Adds a link to a level, closing the full nodes that it finds on its way up.
    fn add(&mut self, level: usize, link: Link) -> Result<(), BuildError<S::Error>> {
        let (mut level, mut link) = (level, link);
        loop {
            if level == usize::from(DAG_DEPTH_MAX) {
                return Err(BuildError::TooDeep { size: self.size });
            }
            if level == self.levels.len() {
                self.levels.push(Vec::new());
            }
            if self.levels[level].len() < self.profile.links_max() as usize {
                self.levels[level].push(link);
                return Ok(());
            }
            let full = std::mem::replace(&mut self.levels[level], vec![link]);
            link = self.emit_node(&full)?;
            level += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cuts `bytes` zeros into one-byte chunks under two-link nodes, and returns the kinds of blocks in their order.
    fn order(bytes: usize) -> String {
        let mut kinds = String::new();
        let mut builder = DagBuilder::with_profile(Profile::new(1, 2).unwrap(), |cid: Cid, _| {
            kinds.push(if cid.codec() == crate::Codec::Raw { 'l' } else { 'N' });
            Ok::<(), ()>(())
        });
        builder.push(&vec![0; bytes]).unwrap();
        builder.finish().unwrap();
        kinds
    }

    #[test]
    fn a_node_follows_its_children_and_the_root_comes_last() {
        for (bytes, expected) in
            [(0, "l"), (1, "l"), (2, "llN"), (3, "lllNNN"), (4, "lllNlNN"), (5, "lllNllNNNNN")]
        {
            assert_eq!(order(bytes), expected, "{bytes} bytes");
        }
    }

    #[test]
    fn a_sink_that_fails_stops_the_builder_with_its_reason() {
        let mut left = 2;
        let mut builder = DagBuilder::with_profile(Profile::new(1, 2).unwrap(), |_, _| {
            left -= 1;
            if left == 0 { Err("disk full") } else { Ok(()) }
        });
        let error = builder.push(b"abc").unwrap_err();
        assert_eq!(error, BuildError::Sink { cid: Cid::of_raw(b"b"), source: "disk full" });
    }

    #[test]
    fn content_beyond_the_depth_limit_is_refused() {
        let build = |bytes: usize| {
            let mut builder = DagBuilder::with_profile(Profile::new(1, 2).unwrap(), |_, _| Ok::<(), ()>(()));
            builder.push(&vec![0; bytes])?;
            builder.finish()
        };
        assert_eq!(build(256).unwrap().size, 256);
        assert!(matches!(build(257), Err(BuildError::TooDeep { .. })));
    }
}
