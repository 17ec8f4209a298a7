//! Properties: what is built is walked back whole, whatever the cuts and the shape; no bytes make a decoder panic.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::collections::BTreeMap;

use bytes::Bytes;
use offchain::{Cid, DagBuilder, DagError, DagWalk, Next, Profile, Root, links};
use proptest::prelude::*;

fn built(profile: Profile, content: &[u8], cuts: &[usize]) -> (Root, BTreeMap<Cid, Bytes>, Vec<Cid>) {
    let (mut blocks, mut order) = (BTreeMap::new(), Vec::new());
    let mut builder = DagBuilder::with_profile(profile, |cid, block| {
        blocks.insert(cid, block);
        order.push(cid);
        Ok::<(), ()>(())
    });
    let (mut rest, mut cuts) = (content, cuts.iter().cycle());
    while !rest.is_empty() {
        let (piece, tail) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
        builder.push(piece).unwrap();
        rest = tail;
    }
    let root = builder.finish().unwrap();
    (root, blocks, order)
}

/// Walks a whole DAG and returns content, blocks visited and the most names that look-ahead gave.
fn walked(profile: Profile, root: &Root, blocks: &BTreeMap<Cid, Bytes>) -> Result<(Vec<u8>, u64), DagError> {
    let mut walk = DagWalk::with_profile(profile, root.cid, root.size);
    let (mut content, mut visited) = (Vec::new(), 0);
    while let Next::Want(cid) = walk.next() {
        assert_eq!(walk.wants(5).first(), Some(&cid), "look-ahead begins with what is wanted");
        if let Some(piece) = walk.supply(cid, blocks[&cid].clone())? {
            content.extend_from_slice(&piece);
        }
        visited += 1;
    }
    Ok((content, visited))
}

fn profiles() -> impl Strategy<Value = Profile> {
    (1u32..9, 3u32..7).prop_map(|(chunk, links)| Profile::new(chunk, links).unwrap())
}

proptest! {
    #[test]
    fn what_is_built_is_walked_back(
        profile in profiles(),
        content in prop::collection::vec(any::<u8>(), 0..1500),
        cuts in prop::collection::vec(1usize..40, 1..8),
    ) {
        let (root, blocks, order) = built(profile, &content, &cuts);
        prop_assert_eq!(root.size, content.len() as u64);
        prop_assert_eq!(root.blocks, order.len() as u64);
        prop_assert_eq!(order.last(), Some(&root.cid));
        let (whole, ..) = built(profile, &content, &[usize::MAX]);
        prop_assert_eq!(whole, root, "cuts do not matter");
        let (back, visited) = walked(profile, &root, &blocks).unwrap();
        prop_assert_eq!(back, content);
        prop_assert_eq!(visited, root.blocks);
    }

    #[test]
    fn children_are_handed_out_before_their_parent(
        content in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let (_, blocks, order) = built(Profile::new(3, 3).unwrap(), &content, &[7]);
        for (position, cid) in order.iter().enumerate() {
            for link in links(*cid, &blocks[cid]).unwrap() {
                prop_assert!(order[..position].contains(&link.cid));
            }
        }
    }

    #[test]
    fn one_changed_bit_of_any_block_is_found(
        content in prop::collection::vec(any::<u8>(), 1..300),
        (index, bit) in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
    ) {
        let profile = Profile::new(5, 3).unwrap();
        let (root, mut blocks, order) = built(profile, &content, &[7]);
        let cid = order[index.index(order.len())];
        let mut bytes = blocks[&cid].to_vec();
        let bit = bit.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        blocks.insert(cid, bytes.into());
        prop_assert_eq!(walked(profile, &root, &blocks), Err(DagError::WrongHash { cid }));
    }

    #[test]
    fn a_changed_link_node_under_its_own_name_is_refused_or_is_another_dag(
        (index, byte) in (any::<prop::sample::Index>(), any::<u8>()),
        (cut, tail) in (0usize..3, prop::collection::vec(any::<u8>(), 0..6)),
    ) {
        // The attacker names his own root, so its hash holds; what he changed must still not pass for other content.
        let profile = Profile::new(2, 3).unwrap();
        let (root, mut blocks, _) = built(profile, b"0123456789ab", &[7]);
        let mut bytes = blocks[&root.cid].to_vec();
        let position = index.index(bytes.len());
        bytes[position] = byte;
        bytes.truncate(bytes.len() - cut);
        bytes.extend_from_slice(&tail);
        let Some(forged) = dag_pb_name(&bytes) else { return Ok(()) };
        blocks.insert(forged, bytes.into());
        let mut walk = DagWalk::with_profile(profile, forged, 12);
        let mut content = Vec::new();
        while let Next::Want(cid) = walk.next() {
            let Some(block) = blocks.get(&cid) else { return Ok(()) };
            match walk.supply(cid, block.clone()) {
                Ok(Some(piece)) => content.extend_from_slice(&piece),
                Ok(None) => {}
                Err(_) => return Ok(()),
            }
        }
        // It passed whole, so it is what the builder makes of that content.
        prop_assert_eq!(built(profile, &content, &[7]).0.cid, forged);
    }

    #[test]
    fn no_bytes_panic_as_cid_or_block(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "\\PC{0,80}") {
        let _ = Cid::from_bytes(&bytes);
        let _ = text.parse::<Cid>();
        if let Some(cid) = dag_pb_name(&bytes) {
            prop_assert!(links(cid, &bytes).is_err(), "random bytes are no canonical node");
        }
        prop_assert_eq!(links(Cid::of_raw(&bytes), &bytes), Ok(Vec::new()));
    }

    #[test]
    fn bytes_and_text_of_a_cid_come_back(content in prop::collection::vec(any::<u8>(), 0..50)) {
        let cid = Cid::of_raw(&content);
        prop_assert_eq!(Cid::from_bytes(&cid.to_bytes()), Ok(cid));
        prop_assert_eq!(cid.to_string().parse::<Cid>(), Ok(cid));
    }
}

/// The name of a link node with these bytes, true to its hash.
fn dag_pb_name(bytes: &[u8]) -> Option<Cid> {
    let mut name = Cid::of_raw(bytes).to_bytes();
    name[1] = 0x70;
    Cid::from_bytes(&name).ok()
}
