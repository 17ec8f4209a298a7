//! MSP folders: what is read, skipped, warned of and refused.

use std::collections::BTreeMap;

use msp::{Msp, MspError, MspFolder, MspSet};
use protocol::{NodeOus, Role};

use crate::fixture::{Ca, NOW_MS, default_node_ous, files, msp_id};

const NODE_OUS: &str = "NodeOUs:
  Enable: true
  ClientOUIdentifier: { Certificate: cacerts/ca.pem, OrganizationalUnitIdentifier: client }
  PeerOUIdentifier: { OrganizationalUnitIdentifier: peer }
  AdminOUIdentifier: { OrganizationalUnitIdentifier: admin }
  OrdererOUIdentifier: { OrganizationalUnitIdentifier: orderer }
";

fn parse(files: &BTreeMap<String, Vec<u8>>) -> Result<MspFolder, MspError> {
    MspFolder::parse(msp_id("AMSP"), files)
}

fn text(result: Result<MspFolder, MspError>) -> String {
    result.map_or_else(|error| error.to_string(), |_| "accepted".to_owned())
}

#[test]
fn a_node_folder_gives_configuration_and_signer() {
    let (ca, tls) = (Ca::root("ca"), Ca::root("tlsca"));
    let (peer, other) = (ca.issue("peer0", &["peer"]), ca.issue("other", &["peer"]));
    let folder = parse(&files([
        ("cacerts/ca.pem", &ca.pem),
        ("./tlscacerts/tls.pem", &tls.pem),
        ("config.yaml", NODE_OUS),
        ("keystore/a_sk", &other.key_pem),
        ("keystore/whatever.name", &peer.key_pem),
        ("keystore/z", "not a key"),
        ("signcerts/peer0.pem", &peer.pem),
        ("cacerts/README.md", "roots of the hospital"),
        ("crls/crl.pem", "-"),
        ("IssuerPublicKey", "left by the CA's client"),
    ]))
    .unwrap();
    assert_eq!(folder.config.root_certs, std::slice::from_ref(&ca.der));
    assert_eq!(folder.config.tls_root_certs, std::slice::from_ref(&tls.der));
    let ous = folder.config.node_ous.clone().unwrap();
    assert_eq!(ous.client.unwrap().certificate, Some(ca.der.clone()));
    assert_eq!(ous.peer.unwrap().certificate, None);
    assert_eq!(
        folder.warnings(),
        [
            "cacerts/README.md was skipped: it holds no PEM certificate",
            "crls/crl.pem was not read: revocations are transactions here, not lists in a folder",
        ]
    );
    let msp = Msp::new(&folder.config).unwrap();
    let signer = folder.into_signer().unwrap();
    let identity = msp.identify(signer.certificate_der(), NOW_MS).unwrap();
    assert!(identity.verify(b"m", &signer.sign(b"m")).is_ok());
}

#[test]
fn roles_are_guessed_only_where_the_folder_says_nothing() {
    let ca = Ca::root("ca");
    let admin = ca.issue("admin", &[]);
    let with = |entries: &[(&str, &str)]| -> Option<NodeOus> {
        let mut all = files([("cacerts/ca.pem", &ca.pem)]);
        all.extend(entries.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())));
        parse(&all).unwrap().config.node_ous
    };
    let rows: [(Option<NodeOus>, Option<NodeOus>); 5] = [
        (with(&[]), Some(default_node_ous())),
        (with(&[("admincerts/a.pem", &admin.pem)]), None),
        (with(&[("config.yaml", "")]), None),
        (with(&[("config.yaml", "NodeOUs: { Enable: false }")]), None),
        (
            with(&[(
                "config.yaml",
                "NodeOUs:\n  Enable: true\n  PeerOUIdentifier: { OrganizationalUnitIdentifier: peer }",
            )]),
            Some(NodeOus { client: None, admin: None, orderer: None, ..default_node_ous() }),
        ),
    ];
    for (at, (found, expected)) in rows.into_iter().enumerate() {
        assert_eq!(found, expected, "row {at}");
    }
}

#[test]
fn each_fault_of_a_folder_names_the_file_and_the_fix() {
    let (ca, foreign) = (Ca::root("ca"), Ca::root("foreign"));
    let (peer, second, third) =
        (ca.issue("peer0", &["peer"]), ca.issue("second", &["peer"]), foreign.issue("third", &["peer"]));
    let nurse = ca.issue("nurse", &["nurse"]);
    let elsewhere = foreign.intermediate("i");
    let broken = "-----BEGIN CERTIFICATE-----\nMIIB\n";
    let misnamed = NODE_OUS.replace("cacerts/ca.pem", "cacerts/old.pem");
    let ca_row = ("cacerts/ca.pem", ca.pem.as_str());
    let cert_row = ("signcerts/p.pem", peer.pem.as_str());
    let rows: Vec<(Vec<(&str, &str)>, &str)> = vec![
        (vec![], "AMSP: cacerts/ holds no certificate"),
        (
            vec![("cacerts/ca.pem", broken)],
            "AMSP: cacerts/ca.pem: a PEM block that begins at byte 0 has no END line",
        ),
        (
            vec![("cacerts/ca.pem", &peer.pem)],
            "AMSP: cacerts/ca.pem: OU=peer, CN=peer0 is not a CA certificate",
        ),
        (
            vec![ca_row, ("intermediatecerts/x.pem", &elsewhere.pem)],
            "AMSP: intermediatecerts/x.pem: CN=i is signed by no CA",
        ),
        (vec![ca_row, ("config.yaml", "NodeOU: 1")], "config.yaml: unknown field `NodeOU`"),
        (vec![ca_row, ("config.yaml", "NodeOUs: [")], "config.yaml: "),
        (
            vec![ca_row, ("config.yaml", &misnamed)],
            "NodeOUs.ClientOUIdentifier.Certificate names cacerts/old.pem: there is no such file; found cacerts/ca.pem",
        ),
        (
            vec![
                ca_row,
                ("config.yaml", "OrganizationalUnitIdentifiers: [{OrganizationalUnitIdentifier: x}]"),
            ],
            "OrganizationalUnitIdentifiers is not supported",
        ),
        (vec![ca_row, ("config.yaml", "NodeOUs: { Enable: true }")], "name no OU"),
        (
            vec![ca_row, cert_row, ("signcerts/q.pem", &second.pem)],
            "signcerts/q.pem: signcerts/ holds a second certificate besides signcerts/p.pem",
        ),
        (
            vec![ca_row, cert_row, ("keystore/k", &second.key_pem)],
            "no key in keystore/ matches the certificate signcerts/p.pem (SKI ",
        ),
        (
            vec![ca_row, cert_row, ("keystore/k", "junk")],
            "found 1 key: keystore/k (it holds no PEM private key",
        ),
        (
            vec![ca_row, ("signcerts/t.pem", &third.pem)],
            "signcerts/t.pem would be refused by its own MSP: certificate of OU=peer, CN=third is signed by no CA of AMSP",
        ),
        (
            vec![ca_row, ("tlscacerts/t.pem", &foreign.pem), ("signcerts/t.pem", &third.pem)],
            "AMSP: signcerts/t.pem is a TLS certificate: a CA in tlscacerts/ issued it; put the signing certificate into",
        ),
        (
            vec![ca_row, ("config.yaml", NODE_OUS), ("signcerts/n.pem", &nurse.pem)],
            "signcerts/n.pem would be refused by its own MSP: certificate of OU=nurse, CN=nurse carries none of the role OUs",
        ),
    ];
    for (entries, expected) in rows {
        let all = entries.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect();
        let found = text(parse(&all));
        assert!(found.contains(expected), "{found:?} should hold {expected:?}");
        assert!(!found.contains("PRIVATE KEY-----"), "{found}");
    }
}

#[test]
fn keys_that_do_not_match_are_listed_with_their_ski() {
    let ca = Ca::root("ca");
    let (peer, one, two) = (ca.issue("p", &["peer"]), ca.issue("1", &["peer"]), ca.issue("2", &["peer"]));
    let all = files([
        ("cacerts/ca.pem", &ca.pem),
        ("signcerts/p.pem", &peer.pem),
        ("keystore/one_sk", &one.key_pem),
        ("keystore/two_sk", &two.key_pem),
    ]);
    let Err(MspError::NoMatchingKey { certificate, ski, found, .. }) = parse(&all) else {
        panic!("a folder without the right key was accepted");
    };
    assert_eq!((certificate.as_str(), ski.len(), found.len()), ("signcerts/p.pem", 64, 2));
    assert!(found[0].starts_with("keystore/one_sk (SKI ") && found[1].starts_with("keystore/two_sk (SKI "));
}

#[test]
fn a_folder_without_a_key_says_so_and_still_gives_the_organisation() {
    let ca = Ca::root("ca");
    let peer = ca.issue("p", &["peer"]);
    let organisation = parse(&files([("cacerts/ca.pem", &ca.pem)])).unwrap();
    assert!(organisation.signer.is_none() && organisation.warnings().is_empty());
    let error = organisation.into_signer().unwrap_err().to_string();
    assert_eq!(
        error,
        "AMSP: this MSP folder cannot sign: signcerts/ holds no certificate; this is an organisation's folder"
    );

    let keyless = parse(&files([("cacerts/ca.pem", &ca.pem), ("signcerts/p.pem", &peer.pem)])).unwrap();
    assert!(keyless.signer.is_none());
    assert!(keyless.warnings()[0].starts_with("keystore/ holds no key for signcerts/p.pem (SKI "));
    assert!(keyless.into_signer().is_err());
}

#[test]
fn a_user_without_a_role_is_a_warning_where_roles_are_guessed() {
    let ca = Ca::root("ca");
    let user = ca.issue("u", &[]);
    let all =
        files([("cacerts/ca.pem", &ca.pem), ("signcerts/u.pem", &user.pem), ("keystore/k", &user.key_pem)]);
    let folder = parse(&all).unwrap();
    assert!(folder.signer.is_some());
    assert!(folder.warnings()[0].contains("carries none of the role OUs of AMSP"));
}

#[test]
fn a_folder_with_intermediates_and_admins_by_certificate_gives_roles_and_tls() {
    let (root, tls_root) = (Ca::root("root"), Ca::root("tlsroot"));
    let (low, tls_low) = (root.intermediate("low"), tls_root.intermediate("tlslow"));
    let (admin, user) = (low.issue("admin", &[]), low.issue("user", &[]));
    let folder = parse(&files([
        ("admincerts/admin.pem", &admin.pem),
        ("cacerts/root.pem", &root.pem),
        ("intermediatecerts/low.pem", &low.pem),
        ("keystore/k", &admin.key_pem),
        ("signcerts/admin.pem", &admin.pem),
        ("tlscacerts/root.pem", &tls_root.pem),
        ("tlsintermediatecerts/low.pem", &tls_low.pem),
    ]))
    .unwrap();
    assert!(folder.warnings().is_empty(), "{:?}", folder.warnings());
    assert_eq!(folder.config.node_ous, None);
    assert_eq!(
        folder.config.tls_ca_certs().cloned().collect::<Vec<_>>(),
        [tls_root.der.clone(), tls_low.der.clone()]
    );
    let set = MspSet::new([&folder.config]).unwrap();
    let roles = |pem: &str| {
        let identity = set.identify(&crate::fixture::serialized("AMSP", pem.as_bytes()), NOW_MS);
        identity.map(|identity| identity.roles().to_vec()).map_err(|rejection| rejection.to_string())
    };
    assert_eq!(roles(&admin.pem), Ok(vec![Role::Member, Role::Admin]));
    assert_eq!(roles(&user.pem), Ok(vec![Role::Member]));
    let by_root = roles(&root.issue("user", &[]).pem).unwrap_err();
    assert!(by_root.contains("enrol it with an intermediate CA"), "{by_root}");
    assert_eq!(set.tls_msp(&tls_low.issue("node", &[]).der), Some(msp_id("AMSP")));
    assert_eq!(set.tls_msp(&low.issue("node", &[]).der), None);
    let msp = Msp::new(&folder.config).unwrap();
    msp.check_tls(&tls_low.issue("node", &[]).der).unwrap();
    assert!(folder.into_signer().is_ok());
}

#[test]
fn bundles_and_chains_in_one_file_are_read() {
    let root = Ca::root("root");
    let (low, second) = (root.intermediate("low"), root.intermediate("second"));
    let peer = low.issue("p", &["peer"]);
    let folder = parse(&files([
        ("cacerts/ca.pem", &format!("# the hospital's root\n{}{}", root.pem, root.pem)),
        ("intermediatecerts/bundle.pem", &format!("{}{}", low.pem, second.pem)),
        ("signcerts/p.pem", &format!("text\n{}{}", peer.pem, low.pem)),
        ("keystore/k", &peer.key_pem),
    ]))
    .unwrap();
    assert_eq!(folder.config.root_certs.len(), 1);
    assert_eq!(folder.config.intermediate_certs.len(), 2);
    let signer = folder.into_signer().unwrap();
    assert_eq!(signer.serialized(), crate::fixture::serialized("AMSP", peer.pem.as_bytes()));
}
