//! Trees written by Fabric's own cryptogen load unchanged, and give the roles that Fabric gives.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use msp::{Msp, MspError, MspFolder, MspSet};
use protocol::Role;

use crate::fixture::{msp_id, serialized};

/// Milliseconds of a day.
const DAY_MS: u64 = 86_400_000;

fn tree(name: &str) -> Option<PathBuf> {
    let shared = std::env::var_os("CONSILIUM_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let tree = shared.join("data/fabric-crypto/trees").join(name);
    if tree.is_dir() {
        return Some(tree);
    }
    println!("DATA ABSENT: fabric-crypto/trees/{name}");
    None
}

fn read_folder(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            files.extend(
                read_folder(&path).into_iter().map(|(inner, bytes)| (format!("{name}/{inner}"), bytes)),
            );
        } else {
            files.insert(name, fs::read(&path).unwrap());
        }
    }
    files
}

const ROWS: [(&str, &str, &[Role], &[Role]); 8] = [
    ("Org1MSP", "peerOrganizations/org1.example.com/peers/peer0.org1.example.com", &[Role::Peer], &[]),
    (
        "Org1MSP",
        "peerOrganizations/org1.example.com/users/Admin@org1.example.com",
        &[Role::Admin],
        &[Role::Admin],
    ),
    ("Org1MSP", "peerOrganizations/org1.example.com/users/User1@org1.example.com", &[Role::Client], &[]),
    ("Org2MSP", "peerOrganizations/org2.example.com/peers/peer0.org2.example.com", &[Role::Peer], &[]),
    (
        "Org2MSP",
        "peerOrganizations/org2.example.com/users/Admin@org2.example.com",
        &[Role::Admin],
        &[Role::Admin],
    ),
    ("Org2MSP", "peerOrganizations/org2.example.com/users/User1@org2.example.com", &[Role::Client], &[]),
    ("OrdererMSP", "ordererOrganizations/example.com/orderers/orderer.example.com", &[Role::Orderer], &[]),
    (
        "OrdererMSP",
        "ordererOrganizations/example.com/users/Admin@example.com",
        &[Role::Admin],
        &[Role::Admin],
    ),
];

fn organisation(tree: &Path, msp: &str, node: &str) -> MspFolder {
    let organisation: PathBuf = Path::new(node).components().take(2).collect();
    MspFolder::parse(msp_id(msp), &read_folder(&tree.join(organisation).join("msp"))).unwrap()
}

/// Each identity's roles besides member, as the organisation's own folder judges them.
fn check(name: &str, roles_of: impl Fn(&(&str, &str, &'static [Role], &'static [Role])) -> &'static [Role]) {
    let Some(tree) = tree(name) else { return };
    for row in &ROWS {
        let (msp, node, ..) = row;
        let files = read_folder(&tree.join(node).join("msp"));
        let folder = MspFolder::parse(msp_id(msp), &files).unwrap();
        assert!(folder.signer.is_none(), "the sample holds no keys");
        assert!(folder.warnings()[0].starts_with("keystore/ holds no key for signcerts/"), "{node}");
        let (_, pem) = files.iter().find(|(path, _)| path.starts_with("signcerts/")).unwrap();
        let set = MspSet::new([&organisation(&tree, msp, node).config]).unwrap();
        let certified = set.certify(&serialized(msp, pem)).unwrap();
        let mut expected = vec![Role::Member];
        expected.extend(roles_of(row));
        assert_eq!(certified.roles(), expected, "{node}");
    }
}

#[test]
fn the_tree_with_node_ous_gives_each_node_and_user_its_role() {
    check("nodeous", |row| row.2);
}

#[test]
fn the_tree_without_node_ous_gives_members_and_listed_admins() {
    check("default", |row| row.3);
}

#[test]
fn the_organisations_of_a_tree_stand_side_by_side_and_tell_tls_certificates_apart() {
    for name in ["nodeous", "default"] {
        let Some(tree) = tree(name) else { continue };
        let rows = [ROWS[0], ROWS[3], ROWS[6]];
        let configs: Vec<_> =
            rows.iter().map(|(msp, node, ..)| organisation(&tree, msp, node).config).collect();
        let set = MspSet::new(&configs).unwrap();
        for (msp, node, ..) in rows {
            let pem = fs::read(tree.join(node).join("tls/server.crt")).unwrap();
            assert_eq!(set.tls_msp(&der(&pem)), Some(msp_id(msp)), "{node}");
            set.msp(&msp_id(msp)).unwrap().check_tls(&der(&pem)).unwrap();
            let files = read_folder(&tree.join(node).join("msp"));
            let (_, signcert) = files.iter().find(|(path, _)| path.starts_with("signcerts/")).unwrap();
            let swapped = set.msp(&msp_id(msp)).unwrap().check_tls(&der(signcert));
            assert!(matches!(swapped, Err(MspError::SigningCertificateForTls { .. })), "{node}: {swapped:?}");
        }
    }
}

#[test]
fn the_sample_is_valid_for_ten_years_and_not_longer() {
    let Some(tree) = tree("nodeous") else { return };
    let (msp, node, ..) = ROWS[0];
    let files = read_folder(&tree.join(node).join("msp"));
    let (_, pem) = files.iter().find(|(path, _)| path.starts_with("signcerts/")).unwrap();
    let verifier = Msp::new(&organisation(&tree, msp, node).config).unwrap();
    let end_ms = (0..40 * 365)
        .map(|day| 1_704_067_200_000 + day * DAY_MS)
        .find_map(|at_ms| verifier.identify(pem, at_ms).ok())
        .unwrap()
        .not_after_ms();
    assert!(verifier.identify(pem, end_ms).is_ok());
    assert!(verifier.identify(pem, end_ms + 1).is_err());
    assert!(verifier.identify(pem, end_ms - 3_650 * DAY_MS - 1).is_err());
}

/// The only certificate of a PEM text, read by way of a folder that takes it for a listed admin.
fn der(pem: &[u8]) -> Vec<u8> {
    let ca = crate::fixture::Ca::root("any");
    let mut files = crate::fixture::files([("cacerts/ca.pem", &ca.pem)]);
    files.insert("admincerts/a.pem".to_owned(), pem.to_vec());
    MspFolder::parse(msp_id("AnyMSP"), &files).unwrap().config.admin_certs[0].to_vec()
}
