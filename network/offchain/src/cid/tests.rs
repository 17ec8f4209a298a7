//! Which texts and bytes are CIDs, and what they are turned into.

use super::*;

const EMPTY_LEAF: &str = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";

fn bytes_of(head: &[u8], digest_bytes: usize, tail: &[u8]) -> Vec<u8> {
    [head, &vec![7; digest_bytes], tail].concat()
}

#[test]
fn the_empty_leaf_has_its_well_known_name() {
    let cid = Cid::of_raw(b"");
    assert_eq!(cid.to_string(), EMPTY_LEAF);
    assert_eq!(EMPTY_LEAF.parse::<Cid>().unwrap(), cid);
    assert_eq!(format!("{cid:?}"), format!("Cid({EMPTY_LEAF})"));
    assert_eq!(cid.codec(), Codec::Raw);
    assert!(Cid::of(Codec::DagPb, b"").to_string().starts_with("bafybei"));
}

#[test]
fn bytes_are_accepted_in_one_form_only() {
    let rows: &[(&str, Vec<u8>, &str)] = &[
        ("raw", bytes_of(&[1, 0x55, 0x12, 32], 32, &[]), "ok"),
        ("dag-pb", bytes_of(&[1, 0x70, 0x12, 32], 32, &[]), "ok"),
        ("empty", vec![], "is not a CID"),
        ("version 0", bytes_of(&[0x12, 32], 32, &[]), "version 0"),
        ("version 2", bytes_of(&[2, 0x55, 0x12, 32], 32, &[]), "is not a CID"),
        ("dag-cbor", bytes_of(&[1, 0x71, 0x12, 32], 32, &[]), "codec 0x71"),
        ("sha2-512", bytes_of(&[1, 0x55, 0x13, 64], 64, &[]), "hash 0x13 of 64 bytes"),
        ("identity", bytes_of(&[1, 0x55, 0x00, 4], 4, &[]), "hash 0x0 of 4 bytes"),
        ("short digest", bytes_of(&[1, 0x55, 0x12, 20], 20, &[]), "of 20 bytes"),
        ("truncated", bytes_of(&[1, 0x55, 0x12, 32], 31, &[]), "is not a CID"),
        ("trailing byte", bytes_of(&[1, 0x55, 0x12, 32], 32, &[0]), "1 bytes follow"),
        ("padded varint", bytes_of(&[0x81, 0x00, 0x55, 0x12, 32], 32, &[]), "is not a CID"),
        ("huge", vec![1; 4096], "longer than"),
    ];
    for (name, bytes, verdict) in rows {
        match Cid::from_bytes(bytes) {
            Ok(cid) => assert!(*verdict == "ok" && cid.to_bytes() == bytes[..], "{name}"),
            Err(error) => assert!(error.to_string().contains(verdict), "{name}: {error}"),
        }
    }
}

#[test]
fn text_is_read_in_any_base_and_written_in_one() {
    use ::cid::multibase::{Base, encode};
    let cid = Cid::of_raw(b"report");
    for base in [Base::Base58Btc, Base::Base32Upper, Base::Base16Lower, Base::Base64Url, Base::Base2] {
        let text = encode(base, cid.to_bytes());
        assert_eq!(text.parse::<Cid>().unwrap(), cid, "{text}");
    }
    let with_path = format!("/ipfs/{cid}");
    let trailing = encode(Base::Base32Lower, [&cid.to_bytes()[..], &[0]].concat());
    let long = "b".repeat(5000);
    let rows = [
        ("", "is not a CID"),
        ("b", "is not a CID"),
        ("bafk", "is not a CID"),
        ("\u{e9}\u{e9}\u{e9}\u{e9}", "is not a CID"),
        (&with_path, "is not a CID"),
        (&trailing, "bytes follow"),
        (&long, "longer than"),
        ("QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH", "version 0"),
    ];
    for (text, verdict) in rows {
        let error = text.parse::<Cid>().unwrap_err().to_string();
        assert!(error.contains(verdict), "{text:.80}: {error}");
    }
}

#[test]
fn serde_writes_bytes_to_messagepack_and_text_to_json() {
    let cid = Cid::of_raw(b"report");
    let packed = rmp_serde::to_vec(&cid).unwrap();
    assert_eq!(packed[..2], [0xc4, 36], "one binary of 36 bytes");
    assert_eq!(rmp_serde::from_slice::<Cid>(&packed).unwrap(), cid);
    let json = serde_json::to_string(&cid).unwrap();
    assert_eq!(json, format!("\"{cid}\""));
    assert_eq!(serde_json::from_str::<Cid>(&json).unwrap(), cid);
    assert!(rmp_serde::from_slice::<Cid>(&packed[..20]).is_err());
}

#[test]
fn a_block_is_hashed_only_below_the_limit() {
    let cid = Cid::of_raw(b"report");
    assert_eq!(cid.verify(b"report"), Ok(()));
    assert_eq!(cid.verify(b"Report"), Err(DagError::WrongHash { cid }));
    let large = vec![0; DAG_BLOCK_BYTES_MAX + 1];
    assert!(matches!(Cid::of_raw(&large).verify(&large), Err(DagError::BlockTooLarge { .. })));
    assert_eq!(Cid::of_raw(&large[1..]).verify(&large[1..]), Ok(()));
}

#[test]
fn the_stored_form_is_frozen() {
    let frozen = "c42401551220e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(crate::binding::hex(&rmp_serde::to_vec(&Cid::of_raw(b"")).unwrap()), frozen);
    let node = Cid::of(Codec::DagPb, b"").to_bytes();
    assert_eq!(node[..4], [0x01, 0x70, 0x12, 0x20]);
    assert_eq!(node[4..], Cid::of_raw(b"").to_bytes()[4..], "only the codec differs");
}

#[test]
fn names_order_leaves_before_nodes_and_then_by_digest() {
    let mut names = [Cid::of(Codec::DagPb, b"a"), Cid::of_raw(b"a"), Cid::of_raw(b"b")];
    names.sort();
    assert_eq!(names.map(|cid| cid.codec()), [Codec::Raw, Codec::Raw, Codec::DagPb]);
    assert!(names[0].digest() < names[1].digest());
}
