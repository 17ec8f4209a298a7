//! Which CAs an MSP may have, and how far their word reaches.

use msp::{IdentityRejection, Msp, MspError, MspSet};
use protocol::{MspConfig, Role};
use rcgen::{KeyUsagePurpose, PKCS_ED25519};

use crate::fixture::{Ca, NOW_MS, config, extension, key, leaf_params, msp_id, small_order};

fn reason(result: Result<Msp, MspError>) -> String {
    match result {
        Ok(_) => "accepted".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn each_unusable_configuration_is_named() {
    let root = Ca::root("root");
    let with = |change: &dyn Fn(&mut MspConfig)| {
        let mut config = config("AMSP", &root);
        change(&mut config);
        reason(Msp::new(&config))
    };
    let leaf = root.issue("leaf", &["peer"]);
    let orphan = Ca::root("elsewhere").intermediate("orphan");
    let mut usage = leaf_params("no usage", &[]);
    usage.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    usage.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let no_usage = Ca::root_with(usage.clone(), key(&rcgen::PKCS_ECDSA_P256_SHA256));
    usage.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    usage.custom_extensions = vec![extension(&[1, 2, 3, 4], &[5, 0], true)];
    let critical = Ca::root_with(usage, key(&rcgen::PKCS_ECDSA_P256_SHA256));
    let ed25519 = Ca::root_of("ed", &PKCS_ED25519);
    let weak = root.certify_key("weak", true, &small_order());
    let mut forged = root.der.to_vec();
    *forged.last_mut().unwrap() ^= 1;
    let many = vec![root.der.clone(); 300];
    let rows: Vec<(String, &str)> = vec![
        (with(&|_| ()), "accepted"),
        (with(&|c| c.root_certs.push(root.der.clone())), "accepted"),
        (with(&|c| c.intermediate_certs.push(root.der.clone())), "accepted"),
        (with(&|c| c.root_certs.clear()), "cacerts/ holds no certificate"),
        (with(&|c| c.root_certs = many.clone()), "the limit is 256"),
        (with(&|c| c.root_certs.push(leaf.der.clone().into())), "is not a CA certificate"),
        (with(&|c| c.root_certs.push(no_usage.der.clone())), "without keyCertSign"),
        (with(&|c| c.root_certs.push(critical.der.clone())), "critical extension 1.2.3.4"),
        (with(&|c| c.root_certs.push(ed25519.der.clone())), "accepted"),
        (
            with(&|c| c.intermediate_certs.push(weak.clone())),
            "unsupported key type (an Ed25519 key of small order",
        ),
        (with(&|c| c.root_certs.push(forged.clone().into())), "self-signature does not verify"),
        (with(&|c| c.root_certs.push(vec![1, 2].into())), "cacerts certificate 2: it is not a DER"),
        (with(&|c| c.intermediate_certs.push(orphan.der.clone())), "is signed by no CA of this MSP"),
        (with(&|c| c.tls_root_certs.push(leaf.der.clone().into())), "tlscacerts certificate 1"),
        (with(&|c| c.admin_certs.push(vec![1].into())), "admincerts certificate 1"),
        (with(&|c| peer_ou(c).certificate = Some(orphan.der.clone())), "the peer OU names a CA certificate"),
        (with(&|c| peer_ou(c).organizational_unit = "client".into()), "stands for two roles"),
        (with(&no_ous), "name no OU"),
    ];
    for (found, expected) in rows {
        assert!(found.contains(expected), "{found:?} should hold {expected:?}");
    }
}

fn peer_ou(config: &mut MspConfig) -> &mut protocol::OuIdentifier {
    config.node_ous.as_mut().unwrap().peer.as_mut().unwrap()
}

fn no_ous(config: &mut MspConfig) {
    config.node_ous = Some(protocol::NodeOus { client: None, peer: None, admin: None, orderer: None });
}

#[test]
fn path_lengths_hold_for_intermediates() {
    let limit_0 = Ca::root_limited("r0", 0);
    let limit_1 = Ca::root_limited("r1", 1);
    let below_0 = limit_0.intermediate("i0");
    let below_1 = limit_1.intermediate("i1");
    let deeper_1 = below_1.intermediate("ii1");
    let rows = [
        (vec![&limit_0], vec![], true),
        (vec![&limit_0], vec![&below_0], false),
        (vec![&limit_1], vec![&below_1], true),
        (vec![&limit_1], vec![&below_1, &deeper_1], false),
    ];
    for (at, (roots, intermediates, accepted)) in rows.into_iter().enumerate() {
        let mut config = config("AMSP", roots[0]);
        config.intermediate_certs = intermediates.into_iter().map(|ca| ca.der.clone()).collect();
        assert_eq!(Msp::new(&config).is_ok(), accepted, "row {at}");
    }
}

#[test]
fn only_cas_at_the_end_of_the_tree_issue_identities() {
    let root = Ca::root("root");
    let (middle, second_root) = (root.intermediate("middle"), Ca::root("second"));
    let low = middle.intermediate("low");
    let mut config = config("AMSP", &root);
    config.root_certs.push(second_root.der.clone());
    config.intermediate_certs = vec![low.der.clone(), middle.der.clone()];
    let msp = Msp::new(&config).unwrap();
    let rows = [(&low, true), (&second_root, true), (&middle, false), (&root, false)];
    for (at, (ca, accepted)) in rows.into_iter().enumerate() {
        let found = msp.identify(&ca.issue("p", &["peer"]).der, NOW_MS);
        match found {
            Ok(identity) => assert!(accepted && identity.has_role(Role::Peer), "row {at}"),
            Err(rejection) => {
                assert!(!accepted && matches!(rejection, IdentityRejection::InternalCa { .. }), "row {at}");
            }
        }
    }
}

#[test]
fn a_ring_of_cross_signed_cas_leads_to_no_root() {
    let (root, other) = (Ca::root("root"), Ca::root("a"));
    let b = other.intermediate("b");
    let mut config = config("AMSP", &root);
    config.intermediate_certs = vec![b.der.clone(), other.der.clone()];
    assert!(reason(Msp::new(&config)).contains("is signed by no CA of this MSP"));
}

#[test]
fn two_organisations_share_neither_an_issuing_ca_nor_a_name() {
    let (a, b, root) = (Ca::root("a"), Ca::root("b"), Ca::root("root"));
    let (low_a, low_b) = (root.intermediate("a"), root.intermediate("b"));
    let under =
        |name: &str, low: &Ca| MspConfig { intermediate_certs: vec![low.der.clone()], ..config(name, &root) };
    let with_tls =
        |name: &str, ca: &Ca| MspConfig { tls_root_certs: vec![root.der.clone()], ..config(name, ca) };
    let shared = |kind| {
        let subject = "CN=root".to_owned();
        Err(MspError::SharedCa { first: msp_id("AMSP"), second: msp_id("BMSP"), kind, subject })
    };
    let rows = [
        ([config("AMSP", &a), config("BMSP", &b)], Ok(())),
        ([under("AMSP", &low_a), under("BMSP", &low_b)], Ok(())),
        ([config("AMSP", &root), config("BMSP", &root)], shared("identity")),
        ([with_tls("AMSP", &a), with_tls("BMSP", &b)], shared("TLS")),
        ([config("AMSP", &a), config("AMSP", &b)], Err(MspError::DuplicateMsp { msp_id: msp_id("AMSP") })),
    ];
    for (configs, expected) in rows {
        assert_eq!(MspSet::new(&configs).map(|_| ()), expected);
    }
}
