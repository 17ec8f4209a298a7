//! What counts as a signature of an identity.

use msp::{
    MspError, MspSet, SignatureClaim, SignatureRejection as R, Signer, SigningIdentity, VerifiedIdentity,
    verify_all,
};
use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, SignatureAlgorithm};

use crate::fixture::{Ca, NOW_MS, config, key, leaf_params, msp_id, pem_block};

/// The order of P-256.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
    0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

fn pair() -> (SigningIdentity, VerifiedIdentity) {
    pair_of(&PKCS_ECDSA_P256_SHA256)
}

fn pair_of(algorithm: &'static SignatureAlgorithm) -> (SigningIdentity, VerifiedIdentity) {
    let ca = Ca::root_of("ca.a", algorithm);
    let set = MspSet::new([&config("AMSP", &ca)]).unwrap();
    let signer = ca.issue_for(&leaf_params("p", &["peer"]), &key(algorithm)).signer("AMSP");
    let identity = set.identify(&signer.serialized(), NOW_MS).unwrap();
    (signer, identity)
}

/// The same signature with n − s, which verifies as well.
pub(crate) fn high_s(der: &[u8]) -> Vec<u8> {
    let r_end = 4 + usize::from(der[3]);
    let digits = &der[r_end + 2..];
    let mut s = [0_u8; 32];
    s[32 - digits.len().min(32)..].copy_from_slice(&digits[digits.len().saturating_sub(32)..]);
    let mut borrow = 0;
    for at in (0..32).rev() {
        let digit = i32::from(ORDER[at]) - i32::from(s[at]) - borrow;
        borrow = i32::from(digit < 0);
        s[at] = u8::try_from(digit.rem_euclid(256)).unwrap();
    }
    let body = [&der[2..r_end], &[2, 33, 0], &s].concat();
    [&[0x30, u8::try_from(body.len()).unwrap()], &body[..]].concat()
}

#[test]
fn a_signature_counts_only_as_it_was_made() {
    let (signer, identity) = pair();
    let (_, stranger) = pair();
    let message = b"proposal";
    let good = signer.sign(message);
    let truncated = good[..good.len() - 1].to_vec();
    let trailing = [&good[..], &[0]].concat();
    let rows = [
        ("as made", &identity, &message[..], good.clone(), Ok(())),
        ("another message", &identity, &b"Proposal"[..], good.clone(), Err(R::BadSignature)),
        ("an empty message", &identity, &b""[..], good.clone(), Err(R::BadSignature)),
        ("another key", &stranger, &message[..], good.clone(), Err(R::BadSignature)),
        ("high s", &identity, &message[..], high_s(&good), Err(R::HighS)),
        ("truncated", &identity, &message[..], truncated, Err(R::Malformed { what: "it is truncated" })),
        (
            "trailing",
            &identity,
            &message[..],
            trailing,
            Err(R::Malformed { what: "bytes follow the signature" }),
        ),
        ("none", &identity, &message[..], Vec::new(), Err(R::Malformed { what: "it is empty" })),
    ];
    for (what, identity, message, signature, verdict) in rows {
        assert_eq!(identity.verify(message, &signature).map(|_| ()), verdict, "{what}");
    }
    assert_eq!(identity.verify(message, &good).unwrap().identity(), &identity);
}

#[test]
fn an_ed25519_signature_counts_only_as_it_was_made() {
    let (signer, identity) = pair_of(&PKCS_ED25519);
    let (_, stranger) = pair_of(&PKCS_ED25519);
    let (ecdsa_signer, ecdsa) = pair();
    let good = signer.sign(b"proposal");
    let malformed = Err(R::Malformed { what: "an Ed25519 signature has 64 bytes" });
    let not_der = Err(R::Malformed { what: "it is not a DER sequence of two integers" });
    let rows: [(&str, &VerifiedIdentity, &[u8], Vec<u8>, Result<(), R>); 8] = [
        ("as made", &identity, b"proposal", good.clone(), Ok(())),
        ("another message", &identity, b"Proposal", good.clone(), Err(R::BadSignature)),
        ("another key", &stranger, b"proposal", good.clone(), Err(R::BadSignature)),
        ("truncated", &identity, b"proposal", good[..63].to_vec(), malformed),
        ("trailing", &identity, b"proposal", [&good[..], &[0]].concat(), malformed),
        ("none", &identity, b"proposal", Vec::new(), malformed),
        ("of ECDSA", &identity, b"proposal", ecdsa_signer.sign(b"proposal"), malformed),
        ("under an ECDSA key", &ecdsa, b"proposal", [&[0x31], &good[1..]].concat(), not_der),
    ];
    for (what, identity, message, signature, verdict) in rows {
        assert_eq!(identity.verify(message, &signature).map(|_| ()), verdict, "{what}");
    }
    assert_eq!(signer.sign(b"m"), signer.sign(b"m"), "no random number enters");
}

#[test]
fn many_signatures_of_both_kinds_are_judged_as_each_alone() {
    let pairs = [pair(), pair_of(&PKCS_ED25519), pair_of(&PKCS_ED25519), pair()];
    let mut made = Vec::new();
    for round in 0..40_usize {
        for (at, (signer, _)) in pairs.iter().enumerate() {
            let message = format!("message {round} of {at}");
            let mut signature = signer.sign(message.as_bytes());
            match (round + at) % 9 {
                3 => signature[20] ^= 1,
                5 => drop(signature.pop()),
                7 => signature.clear(),
                _ => {}
            }
            made.push((at, message, signature));
        }
    }
    let claims: Vec<SignatureClaim<'_>> = made
        .iter()
        .map(|(at, message, signature)| {
            let (first, second) = message.as_bytes().split_at(5);
            SignatureClaim { identity: &pairs[*at].1, message: [first, second], signature }
        })
        .collect();
    let alone: Vec<_> = made
        .iter()
        .map(|(at, message, signature)| pairs[*at].1.verify(message.as_bytes(), signature))
        .collect();
    assert_eq!(verify_all(&claims), alone);
    assert!(alone.iter().filter(|verdict| verdict.is_ok()).count() > 80);
    assert!(verify_all(&[]).is_empty());
}

#[test]
fn the_high_s_twin_would_verify_if_it_were_not_refused() {
    let (signer, _) = pair();
    let twin = high_s(&signer.sign(b"m"));
    let certificate = x509_point(signer.certificate_der());
    let key = aws_lc_rs::signature::UnparsedPublicKey::new(
        &aws_lc_rs::signature::ECDSA_P256_SHA256_ASN1,
        certificate,
    );
    assert!(key.verify(b"m", &twin).is_ok());
}

/// The uncompressed point that follows the P-256 algorithm identifier.
fn x509_point(der: &[u8]) -> Vec<u8> {
    let marker = [0x03, 0x42, 0x00, 0x04];
    let at = der.windows(4).position(|window| window == marker).unwrap();
    der[at + 3..at + 68].to_vec()
}

#[test]
fn every_signature_made_has_a_low_s_and_verifies() {
    let (signer, identity) = pair();
    for round in 0..200_u32 {
        let message = round.to_be_bytes();
        let signature = Signer::sign(&signer, &message).unwrap();
        assert_eq!(identity.verify(&message, &signature).map(|_| ()), Ok(()), "round {round}");
    }
}

#[test]
fn a_signing_identity_needs_its_own_key_of_a_supported_type() {
    let ca = Ca::root("ca.a");
    let (one, other) = (ca.issue("one", &["peer"]), ca.issue("other", &["peer"]));
    // PKCS#8 wraps the SEC 1 form, which is its last 109 bytes for P-256.
    let sec1 = pem_block("EC PRIVATE KEY", &one.key_der[one.key_der.len() - 109..]);
    let parameters = pem_block("EC PARAMETERS", &[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7]);
    let encrypted = pem_block("ENCRYPTED PRIVATE KEY", &[0x30, 0]);
    let ed25519 = ca.issue_for(&leaf_params("e", &["peer"]), &key(&PKCS_ED25519));
    let p384 = ca.issue_for(&leaf_params("e", &["peer"]), &key(&PKCS_ECDSA_P384_SHA384));
    let rows = [
        (one.key_pem.clone(), "accepted"),
        (sec1.clone(), "accepted"),
        (parameters + &sec1, "accepted"),
        (other.key_pem, "no key in keystore/ matches"),
        (encrypted, "the key is encrypted"),
        (ed25519.key_pem.clone(), "no key in keystore/ matches"),
        (p384.key_pem, "not an ECDSA P-256 or Ed25519 private key"),
        (pem_block("PRIVATE KEY", &[0x30, 1]), "not an ECDSA P-256 or Ed25519 private key"),
        (one.pem.clone(), "holds no PEM private key"),
        (String::new(), "holds no PEM private key"),
    ];
    for (key_pem, expected) in rows {
        let found = SigningIdentity::from_pem(msp_id("AMSP"), one.pem.as_bytes(), key_pem.as_bytes());
        let found = found.map_or_else(|error| error.to_string(), |_| "accepted".to_owned());
        assert!(found.contains(expected), "{found:?} should hold {expected:?}");
    }
    // PKCS#8 version 2, which rcgen writes, and version 1, which Go and OpenSSL write: without the public key behind it.
    let seed =
        &ed25519.key_der[ed25519.key_der.windows(4).position(|w| w == [4, 34, 4, 32]).unwrap() + 4..][..32];
    let version_1 = [&[0x30, 46, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 34, 4, 32], seed].concat();
    for key_pem in [&ed25519.key_pem, &pem_block("PRIVATE KEY", &version_1)] {
        SigningIdentity::from_pem(msp_id("AMSP"), ed25519.pem.as_bytes(), key_pem.as_bytes()).unwrap();
    }
    let no_certificate = SigningIdentity::from_pem(msp_id("AMSP"), b"", one.key_pem.as_bytes());
    assert!(matches!(no_certificate, Err(MspError::Certificate { .. })));
}

#[test]
fn the_serialised_identity_holds_the_certificate_as_it_was_supplied() {
    let ca = Ca::root("ca.a");
    let leaf = ca.issue("one", &["peer"]);
    let signer = leaf.signer("AMSP");
    assert_eq!(signer.serialized(), crate::fixture::serialized("AMSP", leaf.pem.as_bytes()));
    assert_eq!(Signer::serialized_identity(&signer), signer.serialized());
    assert_eq!(*signer.poi().as_bytes(), msp::spki_sha256(&leaf.der).unwrap());
    assert_eq!(signer.certificate_der()[..], leaf.der[..]);
    assert_eq!(signer.msp_id(), &msp_id("AMSP"));
}

#[test]
fn debug_output_never_shows_a_key() {
    let (signer, identity) = pair();
    let expected = format!("SigningIdentity {{ msp_id: MspId(\"AMSP\"), poi: {:?}, .. }}", signer.poi());
    assert_eq!(format!("{signer:?}"), expected);
    assert!(!format!("{identity:?}").contains("Parsed"));
}
