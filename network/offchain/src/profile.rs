//! The parameters of a balanced UnixFS DAG, and the shape that they give to content of a known size.
//!
//! Reports are written with [`Profile::UNIXFS_V1_2025`] only; other values exist so that tests reach depth with few
//! bytes and check further rows of the vectors. The shape is arithmetic: height and spans follow from the size alone,
//! which is what lets a reader refuse any other tree. Source: IPIP-499, facts measured against two other importers.

use protocol::limits::DAG_BLOCK_BYTES_MAX;

/// Links in one node of any profile.
pub const LINKS_MAX: u32 = 1024;

/// Levels of link nodes above the leaves. Three suffice for a petabyte under the profile in use; eight bounds any walk.
pub const DAG_DEPTH_MAX: u8 = 8;

/// Chunk size and links of a node: what, with the content, determines every block of a DAG.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    chunk_bytes: u32,
    links_max: u32,
}

impl Profile {
    /// `unixfs-v1-2025`: leaves of 1 MiB, at most 1,024 links.
    pub const UNIXFS_V1_2025: Self = Self { chunk_bytes: 1 << 20, links_max: LINKS_MAX };

    /// A profile of other parameters; none if a chunk would be empty or above the block limit, or a node would have
    /// fewer than two links or more than [`LINKS_MAX`].
    #[must_use]
    pub const fn new(chunk_bytes: u32, links_max: u32) -> Option<Self> {
        if chunk_bytes == 0
            || chunk_bytes as usize > DAG_BLOCK_BYTES_MAX
            || links_max < 2
            || links_max > LINKS_MAX
        {
            return None;
        }
        Some(Self { chunk_bytes, links_max })
    }

    /// Bytes of every leaf but the last.
    #[must_use]
    pub const fn chunk_bytes(&self) -> u32 {
        self.chunk_bytes
    }

    /// Links of a full node.
    #[must_use]
    pub const fn links_max(&self) -> u32 {
        self.links_max
    }

    /// Levels of link nodes over content of this size: 0 where the only leaf is the root; none above
    /// [`DAG_DEPTH_MAX`].
    pub(crate) fn height(&self, content_bytes: u64) -> Option<u8> {
        (0..=DAG_DEPTH_MAX).find(|height| self.span_bytes(*height) >= content_bytes)
    }

    /// Content under a full subtree of this height.
    pub(crate) fn span_bytes(&self, height: u8) -> u64 {
        (0..height)
            .fold(u64::from(self.chunk_bytes), |span, _| span.saturating_mul(u64::from(self.links_max)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn height_follows_from_size_alone() {
        let tiny = Profile::new(2, 3).unwrap();
        for (bytes, height) in
            [(0, 0), (1, 0), (2, 0), (3, 1), (6, 1), (7, 2), (18, 2), (19, 3), (54, 3), (55, 4)]
        {
            assert_eq!(tiny.height(bytes), Some(height), "{bytes} bytes");
        }
        assert_eq!(tiny.height(2 * 3u64.pow(8)), Some(8));
        assert_eq!(tiny.height(2 * 3u64.pow(8) + 1), None, "deeper than any walk goes");
        let real = Profile::UNIXFS_V1_2025;
        assert_eq!(real.height(1 << 30), Some(1), "1,024 leaves are one level");
        assert_eq!(real.height((1 << 30) + 1), Some(2), "the 1,025th leaf adds a level");
        assert!(real.height(u64::MAX).is_some());
    }

    #[test]
    fn parameters_outside_the_limits_are_no_profile() {
        for (chunk, links, accepted) in [
            (0, 2, false),
            (1, 1, false),
            (1, 2, true),
            (1, LINKS_MAX, true),
            (1, LINKS_MAX + 1, false),
            (2 << 20, 2, true),
            ((2 << 20) + 1, 2, false),
        ] {
            assert_eq!(Profile::new(chunk, links).is_some(), accepted, "chunk {chunk}, links {links}");
        }
    }
}
