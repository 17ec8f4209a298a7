//! Hostile DAGs: each row is a tree that an honest builder would not have made, and the reason it is refused.

use std::collections::BTreeMap;

use super::*;
use crate::builder::DagBuilder;
use crate::node::encode;

/// Leaves of 2 bytes, nodes of 3 links.
const TINY: (u32, u32) = (2, 3);

type Blocks = BTreeMap<Cid, Bytes>;

fn tiny() -> Profile {
    Profile::new(TINY.0, TINY.1).unwrap()
}

fn built(content: &[u8]) -> (Cid, Blocks) {
    let mut blocks = Blocks::new();
    let mut builder = DagBuilder::with_profile(tiny(), |cid, block| {
        blocks.insert(cid, block);
        Ok::<(), ()>(())
    });
    builder.push(content).unwrap();
    let root = builder.finish().unwrap();
    (root.cid, blocks)
}

fn walked(root: Cid, blocks: &Blocks, content_bytes_max: u64) -> Result<Vec<u8>, DagError> {
    let mut walk = DagWalk::with_profile(tiny(), root, content_bytes_max);
    let mut content = Vec::new();
    while let Next::Want(cid) = walk.next() {
        if let Some(piece) = walk.supply(cid, blocks[&cid].clone())? {
            content.extend_from_slice(&piece);
        }
    }
    assert_eq!(walk.size(), Some(content.len() as u64));
    assert_eq!(walk.given_bytes(), content.len() as u64);
    Ok(content)
}

/// A tree made by hand, with whatever sizes a test wants to claim.
#[derive(Default)]
struct Forge {
    blocks: Blocks,
}

impl Forge {
    fn leaf(&mut self, content: &[u8]) -> Link {
        let bytes = content.len() as u64;
        let cid = Cid::of_raw(content);
        self.blocks.insert(cid, Bytes::copy_from_slice(content));
        Link { cid, content_bytes: bytes, dag_bytes: bytes }
    }

    fn node(&mut self, links: &[Link]) -> Link {
        let (link, block) = encode(links).unwrap();
        self.blocks.insert(link.cid, block);
        link
    }
}

/// Makes a tree and returns its root.
type Forgery = fn(&mut Forge) -> Link;

#[test]
fn every_dag_that_the_builder_would_not_make_is_refused() {
    let rows: &[(&str, Forgery, &str)] = &[
        (
            "a node over one leaf",
            |f| {
                let a = f.leaf(b"ab");
                f.node(&[a])
            },
            "are one leaf",
        ),
        (
            "a node over an empty leaf",
            |f| {
                let a = f.leaf(b"");
                f.node(&[a])
            },
            "are one leaf",
        ),
        (
            "a short leaf before the last",
            |f| {
                let (a, b) = (f.leaf(b"a"), f.leaf(b"bc"));
                f.node(&[a, b])
            },
            "has 1 bytes where 2 stand",
        ),
        (
            "a leaf above the chunk size",
            |f| {
                let (a, b) = (f.leaf(b"abc"), f.leaf(b"d"));
                f.node(&[a, b])
            },
            "has 3 bytes where 2 stand",
        ),
        (
            "an empty leaf at the end",
            |f| {
                let (a, b, c) = (f.leaf(b"ab"), f.leaf(b"cd"), f.leaf(b""));
                f.node(&[a, b, c])
            },
            "3 links where 4 bytes take 2",
        ),
        (
            "more links than the profile has",
            |f| {
                let a = f.leaf(b"ab");
                f.node(&[a, a, a, a])
            },
            "4 links, above the limit of 3",
        ),
        (
            "a parent that overstates a leaf",
            |f| {
                let (a, b) = (f.leaf(b"ab"), f.leaf(b"c"));
                f.node(&[a, Link { content_bytes: 2, dag_bytes: 2, ..b }])
            },
            "a leaf is declared as 2 bytes but is 1",
        ),
        (
            "a parent that understates a leaf",
            |f| {
                let (a, b) = (f.leaf(b"ab"), f.leaf(b"cd"));
                f.node(&[a, Link { content_bytes: 1, dag_bytes: 1, ..b }])
            },
            "a leaf is declared as 1 bytes but is 2",
        ),
        (
            "a leaf whose total is not its length",
            |f| {
                let (a, b) = (f.leaf(b"ab"), f.leaf(b"cd"));
                f.node(&[a, Link { dag_bytes: 3, ..b }])
            },
            "total of its blocks is declared as 3 bytes but is 2",
        ),
        (
            "a node whose content is overstated",
            |f| {
                let (a, b) = (f.leaf(b"ab"), f.leaf(b"cd"));
                let (full, part) = (f.node(&[a, a, a]), f.node(&[a, b]));
                f.node(&[full, Link { content_bytes: 5, ..part }])
            },
            "content of the node is declared as 5 bytes but is 4",
        ),
        (
            "a node whose total is overstated",
            |f| {
                let (a, b) = (f.leaf(b"ab"), f.leaf(b"cd"));
                let (full, part) = (f.node(&[a, a, a]), f.node(&[a, b]));
                f.node(&[full, Link { dag_bytes: part.dag_bytes + 1, ..part }])
            },
            "total of its blocks is declared",
        ),
        (
            "a leaf where a node stands",
            |f| {
                let (a, b) = (f.leaf(b"ab"), f.leaf(b"c"));
                let full = f.node(&[a, a, a]);
                f.node(&[full, b])
            },
            "is Raw where DagPb stands",
        ),
        (
            "a node where a leaf stands",
            |f| {
                let a = f.leaf(b"a");
                let under = f.node(&[a]);
                let two = f.leaf(b"ab");
                f.node(&[two, under])
            },
            "is DagPb where Raw stands",
        ),
        (
            "an unbalanced tree",
            |f| {
                let a = f.leaf(b"ab");
                let low = f.node(&[a, a]);
                f.node(&[low, a])
            },
            "links where 6 bytes take 3",
        ),
        (
            "a chain of nodes with one link each",
            |f| {
                let a = f.leaf(b"ab");
                (0..100).fold(f.node(&[a, a]), |below, _| f.node(&[below]))
            },
            "1 links where 4 bytes take 2",
        ),
        (
            "a bomb: few blocks that repeat each other",
            |f| {
                let a = f.leaf(b"ab");
                (0..7).fold(f.node(&[a, a, a]), |below, _| f.node(&[below, below, below]))
            },
            "above the limit of 1000",
        ),
        (
            "a bomb of empty leaves",
            |f| {
                let a = f.leaf(b"");
                (0..7).fold(f.node(&[a, a, a]), |below, _| f.node(&[below, below, below]))
            },
            "are one leaf",
        ),
        (
            "a root that claims nearly all of 64 bits",
            |f| {
                let a = f.leaf(b"ab");
                f.node(&[
                    Link { content_bytes: u64::MAX / 2, ..a },
                    Link { content_bytes: u64::MAX / 2, ..a },
                ])
            },
            "above the limit of 1000",
        ),
        ("a root leaf above the chunk size", |f| f.leaf(b"abc"), "3 bytes, above the limit of 2"),
    ];
    for (name, forgery, verdict) in rows {
        let mut forge = Forge::default();
        let root = forgery(&mut forge);
        let error = walked(root.cid, &forge.blocks, 1000).expect_err(name).to_string();
        assert!(error.contains(verdict), "{name}: {error}");
    }
}

#[test]
fn a_root_deeper_than_any_walk_is_refused_whatever_the_caller_allows() {
    let mut forge = Forge::default();
    let a = forge.leaf(b"ab");
    let half = Link { content_bytes: u64::MAX / 2, ..a };
    let root = forge.node(&[half, half]);
    let error = walked(root.cid, &forge.blocks, u64::MAX).unwrap_err().to_string();
    assert!(error.contains("more levels than any walk goes down"), "{error}");
}

#[test]
fn an_error_leaves_the_walk_as_it_was() {
    let (root, blocks) = built(b"0123456789");
    let mut walk = DagWalk::with_profile(tiny(), root, 10);
    let right = blocks[&root].clone();
    let wrong = Bytes::from([&right[..], b"x"].concat());
    assert_eq!(walk.supply(root, wrong), Err(DagError::WrongHash { cid: root }));
    let other = Cid::of_raw(b"01");
    let unwanted = walk.supply(other, blocks[&other].clone());
    assert_eq!(unwanted, Err(DagError::Unwanted { cid: other, wanted: Some(root) }));
    assert_eq!(walk.next(), Next::Want(root));
    assert_eq!(walk.size(), None);
    assert_eq!(walk.supply(root, right), Ok(None));
    assert_eq!(walk.size(), Some(10));
}

#[test]
fn nothing_is_wanted_after_the_end() {
    let (root, blocks) = built(b"");
    let mut walk = DagWalk::with_profile(tiny(), root, 0);
    assert_eq!(walk.supply(root, blocks[&root].clone()), Ok(Some(Bytes::new())));
    assert_eq!(walk.next(), Next::Done);
    assert_eq!(walk.wants(4), []);
    let again = walk.supply(root, blocks[&root].clone());
    assert_eq!(again, Err(DagError::Unwanted { cid: root, wanted: None }));
}

#[test]
fn the_limit_on_content_is_exact() {
    let (root, blocks) = built(b"0123456789");
    assert_eq!(walked(root, &blocks, 10).unwrap(), b"0123456789");
    let error = walked(root, &blocks, 9).unwrap_err();
    assert_eq!(error, DagError::ContentTooLarge { cid: root, bytes: 10, bytes_max: 9 });
    let (leaf, blocks) = built(b"ab");
    assert!(walked(leaf, &blocks, 1).is_err());
}

#[test]
fn look_ahead_names_leaves_up_to_the_next_node() {
    let (root, blocks) = built(b"0123456789");
    let mut walk = DagWalk::with_profile(tiny(), root, 10);
    assert_eq!(walk.wants(9), [root]);
    walk.supply(root, blocks[&root].clone()).unwrap();
    let Next::Want(first) = walk.next() else { panic!("a node is wanted") };
    assert_eq!(walk.wants(9), [first], "what follows a node is not known before it came");
    walk.supply(first, blocks[&first].clone()).unwrap();
    let leaves = [b"01", b"23", b"45"].map(|content| Cid::of_raw(content));
    assert_eq!(walk.wants(2), leaves[..2]);
    assert_eq!(walk.wants(3), leaves);
    let ahead = walk.wants(9);
    assert_eq!((&ahead[..3], ahead.len()), (&leaves[..], 4), "the next node ends the list");
    assert_eq!(ahead[3].codec(), Codec::DagPb);
    assert_eq!(walk.wants(0), []);
}

#[test]
fn memory_is_bounded_by_one_nodes_links_a_level() {
    let content: Vec<u8> = (0..2000u16).map(|i| (i % 251) as u8).collect();
    let (root, blocks) = built(&content);
    let height = usize::from(tiny().height(2000).unwrap());
    assert_eq!(height, 7);
    let mut walk = DagWalk::with_profile(tiny(), root, 2000);
    while let Next::Want(cid) = walk.next() {
        walk.supply(cid, blocks[&cid].clone()).unwrap();
        // Each level but the one being read has given up at least one of its links already.
        assert!(
            walk.pending.len() <= height * (TINY.1 as usize - 1) + 1,
            "{} names held",
            walk.pending.len()
        );
    }
    assert_eq!(walk.given_bytes(), 2000);
}

#[test]
fn errors_name_the_block_and_what_to_do() {
    let cid = Cid::of_raw(b"");
    let rows = [
        (DagError::WrongHash { cid }, "do not hash to it: fetch it from another holder"),
        (DagError::Unwanted { cid, wanted: None }, "none is wanted"),
        (DagError::NotCanonical { cid }, "is not in canonical form"),
        (DagError::BlockTooLarge { cid, bytes: 9, bytes_max: 8 }, "has 9 bytes, above the limit of 8"),
        (DagError::ContentTooLarge { cid, bytes: 9, bytes_max: 8 }, "has 9 bytes, above the limit of 8"),
    ];
    for (error, part) in rows {
        let text = error.to_string();
        assert!(text.contains(part) && text.contains(&cid.to_string()), "{text}");
    }
}
