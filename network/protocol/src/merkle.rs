//! Merkle roots with RFC 6962's leaf and node prefixes; the empty root is SHA-256 of nothing.

use sha2::{Digest as _, Sha256};

use crate::ids::Digest;

/// The hash of one leaf: SHA-256(0x00 ‖ leaf).
#[must_use]
pub fn leaf_hash(leaf: &[u8]) -> Digest {
    Digest(Sha256::new().chain_update([0]).chain_update(leaf).finalize().into())
}

/// The root over leaf hashes, in the order given (RFC 6962, section 2.1).
#[must_use]
pub fn root(leaf_hashes: &[Digest]) -> Digest {
    match leaf_hashes {
        [] => Digest(Sha256::digest([]).into()),
        [only] => *only,
        many => {
            let (left, right) = many.split_at(split_point(many.len()));
            node_hash(&root(left), &root(right))
        }
    }
}

/// The audit path of leaf `index`: siblings from the leaf upwards (RFC 6962, section 2.1.1). Empty if out of range.
#[must_use]
pub fn path(leaf_hashes: &[Digest], index: usize) -> Vec<Digest> {
    if index >= leaf_hashes.len() || leaf_hashes.len() == 1 {
        return Vec::new();
    }
    let split = split_point(leaf_hashes.len());
    let (left, right) = leaf_hashes.split_at(split);
    let (mut siblings, other) = if index < split {
        (path(left, index), root(right))
    } else {
        (path(right, index - split), root(left))
    };
    siblings.push(other);
    siblings
}

/// The root that leaf `index` of `leaves` leaves and its audit path lead to; `None` if the path has another length than
/// such a tree gives.
#[must_use]
pub fn root_of_path(leaf: Digest, index: usize, leaves: usize, siblings: &[Digest]) -> Option<Digest> {
    if leaves == 0 || index >= leaves {
        return None;
    }
    if leaves == 1 {
        return siblings.is_empty().then_some(leaf);
    }
    let (last, below) = siblings.split_last()?;
    let split = split_point(leaves);
    if index < split {
        Some(node_hash(&root_of_path(leaf, index, split, below)?, last))
    } else {
        Some(node_hash(last, &root_of_path(leaf, index - split, leaves - split, below)?))
    }
}

fn node_hash(left: &Digest, right: &Digest) -> Digest {
    Digest(Sha256::new().chain_update([1]).chain_update(left.0).chain_update(right.0).finalize().into())
}

/// The largest power of two below `len`, for `len` of 2 and more.
const fn split_point(len: usize) -> usize {
    len.next_power_of_two() / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6962 test vectors as published with Certificate Transparency: roots over the first n of these leaves.
    #[test]
    fn roots_equal_the_published_vectors() {
        let leaves: Vec<Vec<u8>> = [
            "",
            "00",
            "10",
            "2021",
            "3031",
            "40414243",
            "5051525354555657",
            "606162636465666768696a6b6c6d6e6f",
        ]
        .iter()
        .map(|leaf| hex::decode(leaf).expect("hex"))
        .collect();
        let hashes: Vec<Digest> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
        let rows: &[(usize, &str)] = &[
            (0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
            (2, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
            (3, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
            (8, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
        ];
        for (count, expected) in rows {
            assert_eq!(root(&hashes[..*count]).to_string(), *expected, "{count} leaves");
        }
    }

    #[test]
    fn every_path_leads_to_its_root_and_to_no_other() {
        for leaves in 1..=33_usize {
            let hashes: Vec<Digest> = (0..leaves).map(|i| leaf_hash(&i.to_be_bytes())).collect();
            let expected = root(&hashes);
            for (index, leaf) in hashes.iter().enumerate() {
                let siblings = path(&hashes, index);
                assert_eq!(root_of_path(*leaf, index, leaves, &siblings), Some(expected));
                assert_ne!(root_of_path(leaf_hash(b"other"), index, leaves, &siblings), Some(expected));
                let mut longer = siblings.clone();
                longer.push(expected);
                assert_ne!(root_of_path(*leaf, index, leaves, &longer), Some(expected));
            }
            assert_eq!(root_of_path(hashes[0], leaves, leaves, &[]), None);
        }
    }
}
