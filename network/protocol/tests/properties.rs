//! What holds of every encoding of this crate: a value reads back from its bytes; bytes that are hashed have one form;
//! no prefix and no longer form of a message is one. And of Merkle paths: one leaf, one place, one root.

#![allow(clippy::expect_used, reason = "tests")]

use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;
use prost::Message;
use protocol::fabric::{Endorsement, Envelope, ProposalResponsePayload, SeekInfo};
use protocol::{
    Block, BlockHeader, BlockRequest, BlockResponse, ChannelConfig, CommitAttestation, ConsensusReply,
    ConsensusRequest, DeliverReply, Digest, DownloadEvent, DownloadRequest, IdentityRecord, KeyDeposit,
    KeyRelease, KeyRequest, Outvoted, ReadWriteSet, SealDescription, SealRequest, SealedReport,
    SignedAttestation, SignedRequest, UploadedBefore, UploadedRequest, VerifyReport, VerifyRequest, codec,
    merkle,
};
use serde::{Serialize, de::DeserializeOwned};

const LIMIT: usize = 1 << 20;

/// Reads bytes and returns what the value is written as; `None` where they are refused.
type Reread = fn(&[u8]) -> Option<Vec<u8>>;

/// A type, by the name of its golden file.
struct Row {
    name: &'static str,
    reread: Reread,
    /// Whether its bytes are hashed or signed, so that they have one form.
    is_hashed: bool,
}

const fn hashed(name: &'static str, reread: Reread) -> Row {
    Row { name, reread, is_hashed: true }
}

const fn sent(name: &'static str, reread: Reread) -> Row {
    Row { name, reread, is_hashed: false }
}

const ROWS: [Row; 27] = [
    hashed("block", |bytes| Some(Block::from_bytes(bytes).ok()?.to_bytes())),
    hashed("block_header", canonical::<BlockHeader>),
    hashed("block_header_v2", canonical::<BlockHeader>),
    hashed("channel_config", |bytes| Some(ChannelConfig::from_bytes(bytes).ok()?.to_bytes())),
    hashed("commit_attestation", canonical::<CommitAttestation>),
    hashed("identity_record", canonical::<IdentityRecord>),
    hashed("read_write_set", |bytes| Some(ReadWriteSet::from_bytes(bytes).ok()?.to_bytes())),
    sent("block_request", plain::<Vec<BlockRequest>>),
    sent("block_response", plain::<Vec<BlockResponse>>),
    sent("consensus_reply", plain::<Vec<ConsensusReply>>),
    sent("consensus_request", plain::<Vec<ConsensusRequest>>),
    sent("deliver_reply", plain::<Vec<DeliverReply>>),
    sent("key_deposit", plain::<KeyDeposit>),
    sent("outvoted", |bytes| Some(Outvoted::from_bytes(bytes).ok()?.to_bytes())),
    sent("key_release", plain::<Vec<KeyRelease>>),
    sent("key_request", plain::<KeyRequest>),
    sent("signed_request", plain::<SignedRequest>),
    sent("download_event", plain::<Vec<DownloadEvent>>),
    sent("download_request", plain::<DownloadRequest>),
    sent("seal_description", plain::<SealDescription>),
    sent("seal_request", plain::<Vec<SealRequest>>),
    sent("sealed_report", plain::<SealedReport>),
    sent("signed_attestation", plain::<SignedAttestation>),
    sent("uploaded_before", plain::<Vec<UploadedBefore>>),
    sent("uploaded_request", plain::<UploadedRequest>),
    sent("verify_report", plain::<VerifyReport>),
    sent("verify_request", plain::<VerifyRequest>),
];

fn canonical<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Option<Vec<u8>> {
    codec::decode_canonical::<T>(bytes, LIMIT).ok().map(|value| codec::encode(&value))
}

fn plain<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Option<Vec<u8>> {
    codec::decode::<T>(bytes, LIMIT).ok().map(|value| codec::encode(&value))
}

fn golden(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.hex"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    hex::decode(text.lines().next().expect("a line of bytes")).expect("hex")
}

#[test]
fn golden_bytes_read_back_and_are_neither_shorter_nor_longer() {
    for Row { name, reread, .. } in ROWS {
        let bytes = golden(name);
        assert_eq!(reread(&bytes).as_ref(), Some(&bytes), "{name}");
        for cut in 0..bytes.len() {
            assert_eq!(reread(&bytes[..cut]), None, "{name} cut at {cut}");
        }
        for trailing in [0x00, 0x90, 0xc0, 0xff] {
            assert_eq!(reread(&[&bytes[..], &[trailing]].concat()), None, "{name} followed by {trailing:#x}");
        }
    }
}

/// Every byte of every golden file set to every value: what is still accepted must be what is written.
#[test]
fn a_changed_byte_of_a_hashed_type_gives_another_value_or_none() {
    for Row { name, reread, is_hashed } in ROWS {
        let original = golden(name);
        for at in 0..original.len() {
            for byte in 0..=u8::MAX {
                let mut bytes = original.clone();
                bytes[at] = byte;
                check(name, reread, is_hashed, &bytes);
            }
        }
    }
}

fn check(name: &str, reread: Reread, is_hashed: bool, bytes: &[u8]) {
    let Some(written) = reread(bytes) else { return };
    if is_hashed {
        assert_eq!(written, bytes, "{name} accepts a second form of a value");
    } else {
        assert_eq!(reread(&written).as_ref(), Some(&written), "{name} does not read back what it writes");
    }
}

/// Wider forms of the same values: integers, lengths of texts, of binaries, of arrays.
fn widened(bytes: &[u8]) -> Vec<Vec<u8>> {
    let wider = |at: usize| -> Vec<Vec<u8>> {
        let byte = bytes[at];
        let heads: Vec<Vec<u8>> = match byte {
            0x00..=0x7f => vec![vec![0xcc, byte], vec![0xcd, 0, byte], vec![0xd0, byte]],
            0x90..=0x9f => vec![vec![0xdc, 0, byte & 0x0f]],
            0xa0..=0xbf => vec![vec![0xd9, byte & 0x1f], vec![0xda, 0, byte & 0x1f]],
            0xc4 => vec![vec![0xc5, 0]],
            0xd9 => vec![vec![0xda, 0]],
            _ => vec![],
        };
        heads.into_iter().map(|head| [&bytes[..at], &head, &bytes[at + 1..]].concat()).collect()
    };
    (0..bytes.len()).flat_map(wider).collect()
}

#[test]
fn no_wider_form_of_a_hashed_type_is_accepted() {
    for Row { name, reread, is_hashed } in ROWS {
        for bytes in widened(&golden(name)) {
            check(name, reread, is_hashed, &bytes);
        }
    }
}

#[test]
fn golden_bytes_of_fabrics_messages_read_back() {
    fn reread<M: Message + Default>(bytes: &[u8]) -> Vec<u8> {
        M::decode(bytes).expect("a message").encode_to_vec()
    }
    let rows: [(&str, fn(&[u8]) -> Vec<u8>); 4] = [
        ("fabric_envelope", reread::<Envelope>),
        ("fabric_endorsement", reread::<Endorsement>),
        ("fabric_proposal_response_payload", reread::<ProposalResponsePayload>),
        ("fabric_seek_info", reread::<SeekInfo>),
    ];
    for (name, reread) in rows {
        let bytes = golden(name);
        assert_eq!(reread(&bytes), bytes, "{name}");
    }
}

/// RFC 6962, section 2.1, written as it stands there.
fn root_by_the_book(leaves: &[Vec<u8>]) -> Digest {
    match leaves {
        [] => Digest::of(b""),
        [only] => Digest::of(&[&[0][..], only].concat()),
        many => {
            let mut split = 1;
            while split * 2 < many.len() {
                split *= 2;
            }
            let (left, right) = (root_by_the_book(&many[..split]), root_by_the_book(&many[split..]));
            Digest::of(&[&[1][..], left.as_bytes(), right.as_bytes()].concat())
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn several_changed_bytes_give_another_value_or_none(
        row in 0..ROWS.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..6),
    ) {
        let Row { name, reread, is_hashed } = ROWS[row];
        let mut bytes = golden(name);
        for (at, byte, kind) in changes {
            let at = at.index(bytes.len().max(1)).min(bytes.len().saturating_sub(1));
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ if bytes.len() > 1 => drop(bytes.remove(at)),
                _ => {}
            }
        }
        check(name, reread, is_hashed, &bytes);
    }

    #[test]
    fn roots_are_those_of_the_book(leaves in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..5), 0..40)) {
        let hashes: Vec<Digest> = leaves.iter().map(|leaf| merkle::leaf_hash(leaf)).collect();
        prop_assert_eq!(merkle::root(&hashes), root_by_the_book(&leaves));
    }

    #[test]
    fn a_path_holds_for_its_leaf_its_place_and_its_root_alone(
        count in 1..70_usize,
        at in any::<prop::sample::Index>(),
        elsewhere in any::<prop::sample::Index>(),
        flip in any::<prop::sample::Index>(),
        bit in 0..8_u32,
    ) {
        let hashes: Vec<Digest> = (0..count).map(|leaf| merkle::leaf_hash(&leaf.to_be_bytes())).collect();
        let (index, other) = (at.index(count), elsewhere.index(count));
        let (root, path) = (merkle::root(&hashes), merkle::path(&hashes, index));
        let leads = |leaf: Digest, index, count, path: &[Digest]| {
            merkle::root_of_path(leaf, index, count, path) == Some(root)
        };
        prop_assert!(leads(hashes[index], index, count, &path));
        prop_assert_eq!(leads(hashes[other], index, count, &path), other == index, "another leaf");
        prop_assert_eq!(leads(hashes[index], other, count, &path), other == index, "another place");
        prop_assert!(!leads(root, index, count, &path) || count == 1, "a node is no leaf");
        if !path.is_empty() {
            let mut flipped = path.clone();
            flipped[flip.index(path.len())].0[other % 32] ^= 1 << bit;
            prop_assert!(!leads(hashes[index], index, count, &flipped), "a flipped bit");
            prop_assert!(!leads(hashes[index], index, count, &path[1..]), "a shorter path");
            let mut turned = path.clone();
            turned.reverse();
            prop_assert!(!leads(hashes[index], index, count, &turned) || path.len() == 1, "a turned path");
        }
        prop_assert!(!leads(hashes[index], index, count, &[&path[..], &[root]].concat()), "a longer path");
    }
}
