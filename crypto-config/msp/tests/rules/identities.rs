//! Which identities are accepted, with which roles, and why others are refused.

use std::sync::LazyLock;

use msp::{IdentityRejection as R, Msp, MspSet};
use proptest::prelude::*;
use protocol::{MspConfig, Role, limits::IDENTITY_BYTES_MAX};
use rcgen::{KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519};
use time::{Duration, macros::datetime};

use crate::fixture::{
    BEGIN, BEGIN_MS, Ca, END_MS, NOW_MS, RawEd25519, config, extension, key, leaf_params, msp_id, pem_block,
    serialized, small_order,
};

/// A set and a certificate that it accepts.
static FUZZED: LazyLock<(MspSet, Vec<u8>)> = LazyLock::new(|| {
    let ca = Ca::root("ca.a");
    (MspSet::new([&config("AMSP", &ca)]).unwrap(), ca.issue("p", &["peer"]).der)
});

/// What became of an identity: its roles, or the name of the rejection.
fn verdict(set: &MspSet, identity: &[u8]) -> Result<Vec<Role>, String> {
    match set.identify(identity, NOW_MS) {
        Ok(identity) => Ok(identity.roles().to_vec()),
        Err(rejection) => Err(name(&rejection)),
    }
}

fn name(rejection: &R) -> String {
    let debug = format!("{rejection:?}");
    debug.split([' ', '{']).next().unwrap_or_default().to_owned()
}

#[test]
fn node_ous_give_exactly_one_role_beside_member() {
    let ca = Ca::root("ca.a");
    let mut named = config("AMSP", &ca);
    let listed_admin = ca.issue("listed", &[]);
    let listed_peer = ca.issue("listed peer", &["peer"]);
    let listed_two = ca.issue("listed twice", &["peer", "client"]);
    for leaf in [&listed_admin, &listed_peer, &listed_two] {
        named.admin_certs.push(leaf.der.clone().into());
    }
    let set = MspSet::new([&named]).unwrap();
    let rows = [
        (ca.issue("u", &["client"]), Ok(vec![Role::Member, Role::Client])),
        (ca.issue("u", &["peer"]), Ok(vec![Role::Member, Role::Peer])),
        (ca.issue("u", &["admin"]), Ok(vec![Role::Member, Role::Admin])),
        (ca.issue("u", &["orderer"]), Ok(vec![Role::Member, Role::Orderer])),
        (ca.issue("u", &["client", "department1"]), Ok(vec![Role::Member, Role::Client])),
        (ca.issue("u", &["department1", "peer"]), Ok(vec![Role::Member, Role::Peer])),
        (ca.issue("u", &[]), Err("WrongOu")),
        (ca.issue("u", &["Peer"]), Err("WrongOu")),
        (ca.issue("u", &["nurse"]), Err("WrongOu")),
        (ca.issue("u", &["client", "admin"]), Err("WrongOu")),
        (listed_admin, Ok(vec![Role::Member, Role::Admin])),
        (listed_peer, Ok(vec![Role::Member, Role::Admin, Role::Peer])),
        (listed_two, Err("WrongOu")),
    ];
    for (at, (leaf, expected)) in rows.into_iter().enumerate() {
        let found = verdict(&set, &serialized("AMSP", leaf.pem.as_bytes()));
        assert_eq!(found, expected.map_err(str::to_owned), "row {at}");
    }
}

#[test]
fn without_node_ous_everybody_is_a_member_and_admins_are_listed() {
    let ca = Ca::root("ca.a");
    let admin = ca.issue("admin", &[]);
    let same_key = rcgen::KeyPair::from_pem(&admin.key_pem).unwrap();
    let renewed_admin = ca.issue_for(&leaf_params("admin renewed", &[]), &same_key);
    let mut plain = config("AMSP", &ca);
    plain.node_ous = None;
    plain.admin_certs.push(admin.der.clone().into());
    let set = MspSet::new([&plain]).unwrap();
    let rows = [
        (ca.issue("user", &[]), vec![Role::Member]),
        (ca.issue("peer", &["peer"]), vec![Role::Member]),
        (admin, vec![Role::Member, Role::Admin]),
        (renewed_admin, vec![Role::Member, Role::Admin]),
    ];
    for (leaf, roles) in rows {
        assert_eq!(verdict(&set, &serialized("AMSP", leaf.pem.as_bytes())), Ok(roles));
    }
}

#[test]
fn a_role_may_demand_its_own_ca() {
    let (root, other) = (Ca::root("root"), Ca::root("other"));
    let (peers, users) = (root.intermediate("peers"), root.intermediate("users"));
    let mut named = config("AMSP", &root);
    named.root_certs.push(other.der.clone());
    named.intermediate_certs = vec![peers.der.clone(), users.der.clone()];
    if let Some(ous) = &mut named.node_ous {
        ous.peer.as_mut().unwrap().certificate = Some(peers.der.clone());
        ous.client.as_mut().unwrap().certificate = Some(root.der.clone());
    }
    let set = MspSet::new([&named]).unwrap();
    let rows = [
        (peers.issue("p", &["peer"]), Ok(vec![Role::Member, Role::Peer])),
        (users.issue("p", &["peer"]), Err("WrongOu")),
        (users.issue("u", &["client"]), Ok(vec![Role::Member, Role::Client])),
        (other.issue("u", &["client"]), Err("WrongOu")),
        (other.issue("u", &["admin"]), Ok(vec![Role::Member, Role::Admin])),
    ];
    for (at, (leaf, expected)) in rows.into_iter().enumerate() {
        let found = verdict(&set, &serialized("AMSP", leaf.pem.as_bytes()));
        assert_eq!(found, expected.map_err(str::to_owned), "row {at}");
    }
}

#[test]
fn each_broken_certificate_is_refused_by_its_own_reason() {
    let (ca, foreign) = (Ca::root("ca.a"), Ca::root("ca.b"));
    // The same name and another key: the issuer field fits, the signature does not.
    let impostor = Ca::root("ca.a");
    let set = MspSet::new([&config("AMSP", &ca)]).unwrap();
    let peer = leaf_params("p", &["peer"]);
    let mut no_usage = peer.clone();
    no_usage.key_usages = vec![KeyUsagePurpose::KeyEncipherment];
    let mut silent_usage = peer.clone();
    silent_usage.key_usages.clear();
    let mut critical = peer.clone();
    critical.custom_extensions = vec![extension(&[1, 3, 6, 1, 4, 1, 99999], &[5, 0], true)];
    let mut harmless = peer.clone();
    harmless.custom_extensions = vec![extension(&[1, 3, 6, 1, 4, 1, 99999], &[5, 0], false)];
    let mut silent_ca_flag = peer.clone();
    silent_ca_flag.is_ca = rcgen::IsCa::NoCa;
    let peer_roles = vec![Role::Member, Role::Peer];
    let rows = [
        ("good", ca.issue_params(&peer).pem, Ok(peer_roles.clone())),
        ("no key usage extension", ca.issue_params(&silent_usage).pem, Ok(peer_roles.clone())),
        ("no basic constraints", ca.issue_params(&silent_ca_flag).pem, Ok(peer_roles.clone())),
        ("unknown extension, not critical", ca.issue_params(&harmless).pem, Ok(peer_roles.clone())),
        ("unknown extension, critical", ca.issue_params(&critical).pem, Err("CriticalExtension")),
        ("key may not sign", ca.issue_params(&no_usage).pem, Err("KeyUsage")),
        ("foreign CA", foreign.issue_params(&peer).pem, Err("ForeignCa")),
        ("CA of the same name", impostor.issue_params(&peer).pem, Err("ForeignCa")),
        ("CA as identity", ca.pem.clone(), Err("CaAsIdentity")),
        ("intermediate as identity", ca.intermediate("i").pem, Err("CaAsIdentity")),
        ("Ed25519", ca.issue_for(&peer, &key(&PKCS_ED25519)).pem, Ok(peer_roles)),
        (
            "Ed25519 of small order",
            pem_of(&ca.certify_key("w", false, &small_order())),
            Err("UnsupportedKey"),
        ),
        ("Ed25519, second form", pem_of(&ca.certify_key("w", false, &second_form())), Err("UnsupportedKey")),
        (
            "Ed25519, no point",
            pem_of(&ca.certify_key("w", false, &RawEd25519([2; 32]))),
            Err("UnsupportedKey"),
        ),
        ("P-384", ca.issue_for(&peer, &key(&PKCS_ECDSA_P384_SHA384)).pem, Err("UnsupportedKey")),
    ];
    for (what, pem, expected) in rows {
        let found = verdict(&set, &serialized("AMSP", pem.as_bytes()));
        assert_eq!(found, expected.map_err(str::to_owned), "{what}");
    }
}

fn pem_of(der: &[u8]) -> String {
    pem_block("CERTIFICATE", der)
}

/// y = 3 with the field's order added.
fn second_form() -> RawEd25519 {
    let mut bytes = [0xff; 32];
    (bytes[0], bytes[31]) = (0xf0, 0x7f);
    RawEd25519(bytes)
}

#[test]
fn malformed_identities_are_refused_before_anything_is_believed() {
    let ca = Ca::root("ca.a");
    let set = MspSet::new([&config("AMSP", &ca)]).unwrap();
    let leaf = ca.issue("p", &["peer"]);
    let pem = leaf.pem.as_str();
    let trailing = [leaf.der.as_slice(), &[0]].concat();
    let mut flipped = leaf.der.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let rows: Vec<(&str, Vec<u8>, Result<(), &str>)> = vec![
        ("one PEM", pem.into(), Ok(())),
        ("white space around it", format!("\n{pem}\n\n").into(), Ok(())),
        ("CR LF line ends", pem.replace('\n', "\r\n").into(), Ok(())),
        ("DER", leaf.der.clone(), Ok(())),
        ("two PEMs", format!("{pem}{pem}").into(), Err("Malformed")),
        ("text before", format!("Certificate:\n{pem}").into(), Err("Malformed")),
        ("a key", leaf.key_pem.clone().into(), Err("Malformed")),
        ("no PEM", b"hello".to_vec(), Err("Malformed")),
        ("nothing", Vec::new(), Err("Malformed")),
        ("truncated PEM", pem[..pem.len() / 2].into(), Err("Malformed")),
        ("truncated DER", leaf.der[..leaf.der.len() - 1].to_vec(), Err("Malformed")),
        ("trailing bytes", trailing, Err("Malformed")),
        ("changed signature", flipped, Err("ForeignCa")),
    ];
    for (what, bytes, expected) in rows {
        let found = verdict(&set, &serialized("AMSP", &bytes)).map(|_| ());
        assert_eq!(found, expected.map_err(str::to_owned), "{what}");
    }
    let plain = serialized("AMSP", pem.as_bytes());
    let (msp_id, certificate) = plain.split_at(6);
    for (what, bytes) in [
        ("no message", b"\xff\xff".to_vec()),
        ("a byte behind the message", [&plain[..], &[0]].concat()),
        ("an unknown field", [&plain[..], &[0x78, 1]].concat()),
        ("a field twice", [msp_id, &plain].concat()),
        ("fields in another order", [certificate, msp_id].concat()),
    ] {
        assert_eq!(verdict(&set, &bytes).err().as_deref(), Some("Malformed"), "{what}");
    }
    let large = serialized("AMSP", &vec![b'\n'; IDENTITY_BYTES_MAX]);
    assert_eq!(verdict(&set, &large).err().as_deref(), Some("TooLarge"));
}

#[test]
fn every_byte_of_a_certificate_matters() {
    for algorithm in [&PKCS_ECDSA_P256_SHA256, &PKCS_ED25519] {
        let ca = Ca::root_of("ca.a", algorithm);
        let set = MspSet::new([&config("AMSP", &ca)]).unwrap();
        let leaf = ca.issue_for(&leaf_params("p", &["peer"]), &key(algorithm));
        for at in 0..leaf.der.len() {
            let mut changed = leaf.der.clone();
            changed[at] ^= 0x01;
            assert!(set.identify(&serialized("AMSP", &changed), NOW_MS).is_err(), "byte {at}");
            assert!(set.identify(&serialized("AMSP", &leaf.der[..at]), NOW_MS).is_err(), "cut at {at}");
        }
    }
}

/// An ECDSA certificate with another signature of the same CA key over the same bytes: n - s in the place of s.
fn with_high_s(der: &[u8]) -> Vec<u8> {
    let tbs_length = usize::from(u16::from_be_bytes([der[6], der[7]])) + 4;
    let (signed, rest) = der[4..].split_at(tbs_length);
    let (algorithm, bits) = rest.split_at(12);
    // BIT STRING, its length, no unused bits, then the signature.
    let signature = crate::signatures::high_s(&bits[3..]);
    let bits = [&[3, u8::try_from(signature.len() + 1).unwrap(), 0], &signature[..]].concat();
    let body = [signed, algorithm, &bits].concat();
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [&[0x30, 0x82, length[0], length[1]], &body[..]].concat()
}

#[test]
fn a_certificate_whose_ca_signed_with_a_high_s_is_the_same_identity() {
    let ca = Ca::root("ca.a");
    let set = MspSet::new([&config("AMSP", &ca)]).unwrap();
    // Go's authorities, Fabric CA among them, write a high s in half of what they issue. Whoever changes one changes the
    // identity's bytes, which its own signatures cover, so nothing can be made of it.
    let mut seen_high = 0;
    for round in 0..48 {
        let leaf = ca.issue(&format!("p{round}"), &["peer"]);
        let is_low = leaf.der[leaf.der.len() - 34..][..2] != [33, 0];
        let twin = if is_low { with_high_s(&leaf.der) } else { leaf.der.clone() };
        let identify = |der: &[u8]| set.identify(&serialized("AMSP", der), NOW_MS).unwrap();
        assert_eq!(identify(&twin), identify(&leaf.der));
        seen_high += usize::from(is_low);
    }
    assert!(seen_high > 0, "48 certificates in a row with a high s");
}

#[test]
fn the_rejection_of_an_unknown_msp_names_those_known() {
    let (a, b) = (Ca::root("ca.a"), Ca::root("ca.b"));
    let configs = [config("BMSP", &b), config("AMSP", &a)];
    let set = MspSet::new(&configs).unwrap();
    let leaf = a.issue("p", &["peer"]);
    let rejection = set.identify(&serialized("CMSP", leaf.pem.as_bytes()), NOW_MS).unwrap_err();
    assert_eq!(
        rejection,
        R::UnknownMsp { msp_id: "CMSP".to_owned(), known: vec![msp_id("AMSP"), msp_id("BMSP")] }
    );
    assert_eq!(rejection.to_string(), "MSP CMSP is unknown here; known are AMSP, BMSP");
    // A right certificate under another organisation's name is foreign there.
    let swapped = set.identify(&serialized("BMSP", leaf.pem.as_bytes()), NOW_MS).unwrap_err();
    assert!(matches!(swapped, R::ForeignCa { .. }), "{swapped}");
}

#[test]
fn expiry_is_judged_at_the_time_given_and_both_ends_are_valid() {
    let ca = Ca::root_until("ca.a", BEGIN + Duration::days(1));
    let set = MspSet::new([&config("AMSP", &ca)]).unwrap();
    let leaf = ca.issue("p", &["peer"]);
    let identity = serialized("AMSP", leaf.pem.as_bytes());
    let rows = [
        (BEGIN_MS - 1, Err("NotYetValid")),
        (BEGIN_MS, Ok(())),
        (NOW_MS, Ok(())),
        (END_MS, Ok(())),
        (END_MS + 1, Err("ExpiredCertificate")),
        (u64::MAX, Err("ExpiredCertificate")),
    ];
    let certified = set.certify(&identity).unwrap();
    for (at_ms, expected) in rows {
        let expected = expected.map_err(str::to_owned);
        assert_eq!(set.identify(&identity, at_ms).map(|_| ()).map_err(|r| name(&r)), expected, "{at_ms}");
        assert_eq!(certified.at(at_ms).map(|_| ()).map_err(|r| name(&r)), expected, "cached, {at_ms}");
    }
}

#[test]
fn an_identity_is_its_key_and_tells_what_its_certificate_says() {
    let ca = Ca::root("ca.a");
    let set = MspSet::new([&config("AMSP", &ca)]).unwrap();
    let key = key(&PKCS_ECDSA_P256_SHA256);
    let mut params = leaf_params("dr-17", &["client"]);
    params.custom_extensions = vec![extension(
        &[1, 2, 3, 4, 5, 6, 7, 8, 1],
        br#"{"attrs":{"role":"doctor","hf.Type":"client"}}"#,
        false,
    )];
    let first = ca.issue_for(&params, &key);
    params.not_after = datetime!(2040-01-01 00:00 UTC);
    params.custom_extensions = vec![extension(&[1, 2, 3, 4, 5, 6, 7, 8, 1], b"{not json", false)];
    let renewed = ca.issue_for(&params, &key);
    let identify = |pem: &str| set.identify(&serialized("AMSP", pem.as_bytes()), NOW_MS).unwrap();
    let (one, two) = (identify(&first.pem), identify(&renewed.pem));
    assert_eq!(one, two);
    assert_eq!(one.poi(), two.poi());
    assert_eq!(*one.poi().as_bytes(), msp::spki_sha256(&first.der).unwrap());
    assert_eq!(one.subject_common_name(), "dr-17");
    assert_eq!(one.not_after_ms(), END_MS);
    assert_eq!(one.attributes().get("role").map(String::as_str), Some("doctor"));
    assert!(two.attributes().is_empty());
    assert!(one.has_role(Role::Client) && !one.has_role(Role::Peer));
    assert_ne!(one, identify(&ca.issue("dr-18", &["client"]).pem));
    assert_eq!(one.certificate_der(), first.der);
}

#[test]
fn a_ca_of_any_kind_issues_identities_of_any_kind_directly_and_through_intermediates() {
    let kinds = [&PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P384_SHA384, &PKCS_ED25519];
    for of_root in kinds {
        let root = Ca::root_of("root", of_root);
        for of_middle in kinds {
            let middle = root.intermediate_of("middle", of_middle);
            let configs = [
                (config("AMSP", &root), &root),
                (
                    MspConfig { intermediate_certs: vec![middle.der.clone()], ..config("AMSP", &root) },
                    &middle,
                ),
            ];
            for (config, ca) in &configs {
                let set = MspSet::new([config]).unwrap();
                for of_leaf in [&PKCS_ECDSA_P256_SHA256, &PKCS_ED25519] {
                    let leaf = ca.issue_for(&leaf_params("p", &["peer"]), &key(of_leaf));
                    let signer = leaf.signer("AMSP");
                    let identity = set.identify(&signer.serialized(), NOW_MS).unwrap();
                    assert!(identity.has_role(Role::Peer));
                    assert!(identity.verify(b"m", &signer.sign(b"m")).is_ok());
                    // A stranger of the same name and kind is none of theirs.
                    let stranger =
                        Ca::root_of("root", of_root).issue_for(&leaf_params("p", &["peer"]), &key(of_leaf));
                    let found = verdict(&set, &serialized("AMSP", stranger.pem.as_bytes()));
                    assert_eq!(found.err().as_deref(), Some("ForeignCa"));
                }
            }
        }
    }
}

#[test]
fn a_tls_certificate_is_told_from_a_signing_certificate() {
    let (ca, tls_root, other) = (Ca::root("ca.a"), Ca::root("tlsca.a"), Ca::root("tlsca.b"));
    let tls_low = tls_root.intermediate("tlsca.a.low");
    let rooted = MspConfig { tls_root_certs: vec![tls_root.der.clone()], ..config("AMSP", &ca) };
    let deep = MspConfig { tls_intermediate_certs: vec![tls_low.der.clone()], ..rooted.clone() };
    let (by_root, by_low) = (tls_root.issue("node", &[]).der, tls_low.issue("node", &[]).der);
    let (by_other, signing) = (other.issue("node", &[]).der, ca.issue("node", &["peer"]).der);
    let ours = "signed by no TLS CA of the MSP";
    let swapped = "AMSP: the certificate of OU=peer, CN=node is a signing certificate";
    let rows: [(&str, MspConfig, &[u8], &str); 10] = [
        ("by the TLS root", rooted.clone(), &by_root, "accepted"),
        ("by a TLS CA below it that the MSP lacks", rooted.clone(), &by_low, ours),
        ("by a TLS CA below it", deep.clone(), &by_low, "accepted"),
        ("by a TLS root that has CAs below it", deep.clone(), &by_root, ours),
        ("by another organisation's TLS CA", deep.clone(), &by_other, ours),
        ("a signing certificate", rooted.clone(), &signing, swapped),
        ("a signing certificate where no TLS CA is known", config("AMSP", &ca), &signing, swapped),
        ("any other where no TLS CA is known", config("AMSP", &ca), &by_root, "accepted"),
        ("the TLS CA itself", rooted.clone(), &tls_root.der, ours),
        ("no certificate", rooted, &[0x30, 0], "the TLS certificate: it is not a DER"),
    ];
    for (name, config, certificate, expected) in rows {
        let checked = Msp::new(&config).unwrap().check_tls(certificate);
        let found = checked.map_or_else(|error| error.to_string(), |()| "accepted".to_owned());
        assert!(found.contains(expected), "{name}: {found:?} should hold {expected:?}");
    }
}

#[test]
fn a_tls_certificate_belongs_to_the_msp_whose_tls_ca_issued_it() {
    let tls_a = Ca::root("tlsca.a");
    let (tls_b_root, stranger) = (Ca::root("tlsca.b"), Ca::root("tlsca.x"));
    let tls_b = tls_b_root.intermediate("tlsca.b.i");
    let (ca_a, ca_b) = (Ca::root("ca.a"), Ca::root("ca.b"));
    let a = MspConfig { tls_root_certs: vec![tls_a.der.clone()], ..config("AMSP", &ca_a) };
    let b = MspConfig {
        tls_root_certs: vec![tls_b_root.der.clone()],
        tls_intermediate_certs: vec![tls_b.der.clone()],
        ..config("BMSP", &ca_b)
    };
    let set = MspSet::new([&a, &b]).unwrap();
    let ed25519 = tls_a.issue_for(&leaf_params("node", &[]), &key(&PKCS_ED25519));
    let rows = [
        ("A's node", tls_a.issue("node", &[]).der, Some("AMSP")),
        ("A's node with another key type", ed25519.der, Some("AMSP")),
        ("B's node", tls_b.issue("node", &[]).der, Some("BMSP")),
        ("by the CA of identities", ca_a.issue("node", &[]).der, None),
        ("by a CA that has intermediates", tls_b_root.issue("node", &[]).der, None),
        ("a stranger", stranger.issue("node", &[]).der, None),
        ("a TLS CA itself", tls_a.der.to_vec(), None),
        ("no certificate", vec![0x30, 0], None),
    ];
    for (what, der, expected) in rows {
        assert_eq!(set.tls_msp(&der), expected.map(msp_id), "{what}");
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = FUZZED.0.identify(&bytes, NOW_MS);
        let _ = FUZZED.0.identify(&serialized("AMSP", &bytes), NOW_MS);
        let _ = FUZZED.0.tls_msp(&bytes);
        let _ = msp::spki_sha256(&bytes);
    }

    #[test]
    fn no_damaged_certificate_panics_or_passes(
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), 1_u8..), 1..6)
    ) {
        let (set, leaf) = &*FUZZED;
        let mut der = leaf.clone();
        for (at, mask) in damage {
            der[at.index(leaf.len())] ^= mask;
        }
        let found = set.identify(&serialized("AMSP", &der), NOW_MS);
        prop_assert_eq!(found.is_ok(), der == *leaf);
    }
}
