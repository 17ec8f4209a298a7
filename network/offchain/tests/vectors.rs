//! The CIDs of content of 19 sizes, as two independent importers agree on them.
//!
//! Every CIDv1 row with raw leaves is built, whatever its chunk size and links; those of `unixfs-v1-2025` must all be there.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use offchain::{Cid, DagBuilder, DagWalk, Next, Profile, links};
use serde_json::Value;

/// Byte i of the content is `(i * 31 + 7) mod 251`: it repeats after 251 bytes, so one buffer serves any position.
fn content() -> Vec<u8> {
    (0..251u64 * 4096).map(|i| u8::try_from((i * 31 + 7) % 251).unwrap()).collect()
}

fn cid_of(profile: Profile, size: u64, period: &[u8]) -> (Cid, u64) {
    let mut blocks_bytes = 0;
    let mut builder = DagBuilder::with_profile(profile, |_, block: bytes::Bytes| {
        blocks_bytes += block.len() as u64;
        Ok::<(), ()>(())
    });
    let mut left = size;
    while left > 0 {
        let piece = usize::try_from(left.min(period.len() as u64)).unwrap();
        builder.push(&period[..piece]).unwrap();
        left -= piece as u64;
    }
    let root = builder.finish().unwrap();
    assert_eq!(root.size, size);
    assert_eq!(root.dag_bytes, blocks_bytes, "the total counts every block handed out");
    (root.cid, root.blocks)
}

fn vectors() -> Option<Value> {
    let shared = std::env::var_os("CONSILIUM_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let text = std::fs::read_to_string(shared.join("data/cid-vectors.json")).ok()?;
    Some(serde_json::from_str(&text).unwrap())
}

#[test]
fn every_row_of_the_vectors_is_reproduced() {
    let Some(vectors) = vectors() else {
        println!("DATA ABSENT: cid-vectors.json, the agreed CIDs of 19 sizes");
        return;
    };
    let period = content();
    let (mut rows, mut rows_of_profile) = (0, 0);
    for row in vectors["vectors"].as_array().unwrap() {
        if row["cidVersion"] != 1 || row["rawLeaves"] != true {
            continue;
        }
        let number = |name: &str| row[name].as_u64().unwrap();
        let profile =
            Profile::new(u32::try_from(number("chunk")).unwrap(), u32::try_from(number("maxLinks")).unwrap());
        let profile = profile.unwrap();
        let (cid, _) = cid_of(profile, number("size"), &period);
        assert_eq!(cid.to_string(), row["cid"].as_str().unwrap(), "{row}");
        rows += 1;
        rows_of_profile += u32::from(profile == Profile::UNIXFS_V1_2025);
    }
    println!("{rows} rows reproduced, {rows_of_profile} of them unixfs-v1-2025");
    assert!(rows_of_profile >= 19, "only {rows_of_profile} rows of unixfs-v1-2025 were found");
}

#[test]
fn blocks_of_a_few_known_sizes() {
    let period = content();
    let rows = [
        (0, "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku", 1),
        (1, "bafkreigkgwdvr5wspzwpiutssn4xpj2i7wedshnwphhnu7ohx4pqaxxipe", 1),
        (1 << 20, "bafkreia4lg4goabhhbaug6a2rkf76lz3is6yqggq6u5rhmdeyi3vugx6ha", 1),
        ((1 << 20) + 1, "bafybeiaqfhzf4fft5arkdimw7quirxuglvotfah44yawdjg6zujvn6lidu", 3),
        (10 << 20, "bafybeihxol3bouahslqubdnfmf4d4xi6gkywxloosdyi4aczjqzamctom4", 11),
    ];
    for (size, cid, blocks) in rows {
        let (built, built_blocks) = cid_of(Profile::UNIXFS_V1_2025, size, &period);
        assert_eq!((built.to_string().as_str(), built_blocks), (cid, blocks), "{size} bytes");
    }
}

#[test]
fn a_dag_of_the_profile_in_use_is_walked_back_whole() {
    let period = content();
    for size in [0, 1, 1 << 20, (1 << 20) + 1, (5 << 20) - 1] {
        let whole: Vec<u8> = period.iter().copied().cycle().take(size).collect();
        let mut blocks = BTreeMap::new();
        let mut builder = DagBuilder::new(|cid, block: bytes::Bytes| {
            blocks.insert(cid, block);
            Ok::<(), ()>(())
        });
        builder.push(&whole).unwrap();
        let root = builder.finish().unwrap();
        let children = links(root.cid, &blocks[&root.cid]).unwrap();
        assert_eq!(
            children.iter().map(|link| link.content_bytes).sum::<u64>() as usize,
            if size > 1 << 20 { size } else { 0 }
        );
        let mut walk = DagWalk::new(root.cid, size as u64);
        let mut back = Vec::new();
        while let Next::Want(cid) = walk.next() {
            back.extend(walk.supply(cid, blocks[&cid].clone()).unwrap().unwrap_or_default());
        }
        assert!(back == whole, "{size} bytes");
    }
}
