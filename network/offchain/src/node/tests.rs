//! Which bytes are a link node: the one canonical form, and each way to miss it.

use super::*;

fn leaf(content: &[u8]) -> Link {
    let bytes = content.len() as u64;
    Link { cid: Cid::of_raw(content), content_bytes: bytes, dag_bytes: bytes }
}

fn file(file_bytes: Option<u64>, block_bytes: &[u64]) -> UnixFsFile {
    UnixFsFile { kind: UNIXFS_FILE, data: None, file_bytes, block_bytes: block_bytes.to_vec() }
}

fn pb_link(link: Link) -> PbLink {
    PbLink { cid: link.cid.to_ipld().unwrap(), name: Some(String::new()), size: Some(link.dag_bytes) }
}

fn node(links: Vec<PbLink>, data: Option<UnixFsFile>) -> Vec<u8> {
    PbNode { links, data: data.map(|file| file.encode_to_vec().into()) }.into_bytes()
}

fn decoded(block: &[u8]) -> Result<Node, DagError> {
    decode(Cid::of(Codec::DagPb, block), block, Profile::UNIXFS_V1_2025)
}

#[test]
fn what_is_encoded_is_decoded() {
    let children = [leaf(b"one"), leaf(b"three"), leaf(b"one")];
    let (own, block) = encode(&children).unwrap();
    assert_eq!(own.content_bytes, 11);
    assert_eq!(own.dag_bytes, 11 + block.len() as u64);
    let node = decoded(&block).unwrap();
    assert_eq!(node.links, children);
    assert_eq!((node.content_bytes, node.dag_bytes), (own.content_bytes, own.dag_bytes));
    assert_eq!(links(own.cid, &block).unwrap(), children);
    assert_eq!(links(leaf(b"one").cid, b"one").unwrap(), []);
    assert!(matches!(links(own.cid, b"one"), Err(DagError::WrongHash { .. })));
}

#[test]
fn a_full_node_of_the_greatest_sizes_is_within_the_byte_limit() {
    let sizes = u64::MAX / 2048;
    let link = Link { cid: leaf(b"x").cid, content_bytes: sizes, dag_bytes: sizes };
    let (_, block) = encode(&vec![link; LINKS_MAX as usize]).unwrap();
    assert_eq!(decoded(&block).unwrap().links.len(), LINKS_MAX as usize);
    assert!(encode(&[Link { content_bytes: u64::MAX, ..link }, link]).is_none(), "sizes leave 64 bits");
    assert!(encode(&[Link { dag_bytes: u64::MAX, ..link }, link]).is_none(), "sizes leave 64 bits");
}

#[test]
fn every_other_form_is_refused() {
    let (one, two) = (leaf(b"one"), leaf(b"three"));
    let pair = || vec![pb_link(one), pb_link(two)];
    let good = node(pair(), Some(file(Some(8), &[3, 5])));
    assert!(decoded(&good).is_ok());
    let foreign = |text: &str| PbLink { cid: text.parse().unwrap(), ..pb_link(one) };
    let named = PbLink { name: Some("a".to_owned()), ..pb_link(one) };
    let nameless = PbLink { name: None, ..pb_link(one) };
    let sizeless = PbLink { size: None, ..pb_link(one) };
    let version_0 = foreign("QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH");
    let directory = UnixFsFile { kind: 1, ..file(Some(8), &[3, 5]) };
    let inline = UnixFsFile { data: Some(b"x".to_vec()), ..file(Some(8), &[3, 5]) };
    let many = vec![pb_link(one); LINKS_MAX as usize + 1];
    let many_sizes = vec![3; LINKS_MAX as usize + 1];
    let data_first = {
        let links_only = node(pair(), None);
        let data_only = node(vec![], Some(file(Some(8), &[3, 5])));
        [data_only, links_only].concat()
    };
    let rows: Vec<(&str, Vec<u8>, &str)> = vec![
        ("nothing", vec![], "no UnixFS message"),
        ("links without data", node(pair(), None), "no UnixFS message"),
        ("data without links", node(vec![], Some(file(Some(0), &[]))), "0 links with 0 sizes"),
        ("fewer sizes than links", node(pair(), Some(file(Some(3), &[3]))), "2 links with 1 sizes"),
        ("more sizes than links", node(pair(), Some(file(Some(8), &[3, 5, 0]))), "2 links with 3 sizes"),
        ("no file size", node(pair(), Some(file(None, &[3, 5]))), "no file size"),
        ("file size lies", node(pair(), Some(file(Some(9), &[3, 5]))), "declared as 9 bytes but is 8"),
        ("sizes overflow", node(pair(), Some(file(Some(1), &[u64::MAX, 2]))), "leave 64 bits"),
        ("a directory", node(pair(), Some(directory)), "not a file"),
        ("inline data", node(pair(), Some(inline)), "not a file"),
        ("a named link", node(vec![named, pb_link(two)], Some(file(Some(8), &[3, 5]))), "canonical"),
        (
            "a link without name",
            node(vec![nameless, pb_link(two)], Some(file(Some(8), &[3, 5]))),
            "canonical",
        ),
        (
            "a link without size",
            node(vec![sizeless, pb_link(two)], Some(file(Some(8), &[3, 5]))),
            "has no size",
        ),
        (
            "a child of version 0",
            node(vec![version_0, pb_link(two)], Some(file(Some(8), &[3, 5]))),
            "version 0",
        ),
        (
            "too many links",
            node(many, Some(file(Some(3075), &many_sizes))),
            "1025 links, above the limit of 1024",
        ),
        ("data before links", data_first, "canonical"),
        ("a trailing byte", [&good[..], &[0]].concat(), "malformed"),
        ("a trailing field", [&good[..], &[0x1a, 0]].concat(), "malformed"),
        ("a second data field", [&good[..], &[0x0a, 0]].concat(), "malformed"),
        ("truncated", good[..good.len() - 1].to_vec(), "malformed"),
        ("larger than any node", vec![0x0a; 70_000], "above the limit of 66584"),
        ("text", b"GET / HTTP/1.1".to_vec(), "malformed"),
    ];
    for (name, block, verdict) in rows {
        let error = decoded(&block).expect_err(name).to_string();
        assert!(error.contains(verdict), "{name}: {error}");
    }
}
