//! ZIP 215's own test set, what every other rule would get wrong, and that many together are judged as each alone.

use std::collections::BTreeSet;

use aws_lc_rs::digest::{Context, SHA512};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use curve25519_dalek::{constants::EIGHT_TORSION, edwards::CompressedEdwardsY, scalar::Scalar};
use proptest::prelude::*;

use super::*;

/// The message of ZIP 215's test set; any other has the same verdicts.
const MESSAGE: &[u8] = b"Zcash";
/// The group's order, little-endian.
const GROUP_ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];
const SIGN: u8 = 0x80;

/// Every encoding of a point of small order: the eight canonical ones, those whose y is written with the field's order
/// added, and those with the sign of an x that is zero.
fn small_order_encodings() -> Vec<[u8; 32]> {
    let mut found: BTreeSet<[u8; 32]> = BTreeSet::new();
    for point in EIGHT_TORSION {
        let canonical = point.compress().to_bytes();
        let mut with_sign = canonical;
        with_sign[31] ^= SIGN;
        let mut candidates = vec![canonical, with_sign];
        for encoding in [canonical, with_sign] {
            // y + p fits into 255 bits for y below 19.
            if encoding[0] < 19 && encoding[1..31].iter().all(|byte| *byte == 0) && encoding[31] & 0x7f == 0 {
                let mut shifted = [0xff; 32];
                shifted[0] = 0xed + encoding[0];
                shifted[31] = 0x7f | encoding[31];
                candidates.push(shifted);
            }
        }
        // A sign flipped is another point, unless x is zero.
        found.extend(candidates.into_iter().filter(|encoding| {
            CompressedEdwardsY(*encoding).decompress().is_some_and(|decoded| decoded.is_small_order())
        }));
    }
    found.into_iter().collect()
}

/// A claim whose message comes in two parts.
fn claim<'a>(key: &'a Ed25519Key, message: &'a [u8], signature: &'a [u8]) -> Claim<'a> {
    let (first, second) = message.split_at(message.len() / 2);
    Claim { key, message: [first, second], signature }
}

fn joined(r: &[u8; 32], s: &[u8; 32]) -> [u8; 64] {
    let mut out = [0; 64];
    out[..32].copy_from_slice(r);
    out[32..].copy_from_slice(s);
    out
}

fn pair(number: u8) -> (Ed25519KeyPair, Ed25519Key) {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[number; 32]).unwrap();
    let key = Ed25519Key::from_bytes(pair.public_key().as_ref()).unwrap();
    (pair, key)
}

/// What the library that signs says: it verifies by RFC 8032's stricter reading.
fn by_rfc_8032(key: &[u8; 32], signature: &[u8; 64]) -> bool {
    UnparsedPublicKey::new(&ED25519, key).verify(MESSAGE, signature).is_ok()
}

#[test]
fn all_196_cases_of_zip_215_hold_alone_and_together() {
    let encodings = small_order_encodings();
    assert_eq!(encodings.len(), 14);
    let keys: Vec<Ed25519Key> = encodings.iter().map(|bytes| Ed25519Key::decode(*bytes).unwrap()).collect();
    let signatures: Vec<[u8; 64]> = encodings.iter().map(|r| joined(r, &[0; 32])).collect();
    let mut claims = Vec::new();
    for key in &keys {
        claims.extend(signatures.iter().map(|signature| claim(key, MESSAGE, signature)));
    }
    assert_eq!(claims.len(), 196);
    let readings = claims.iter().map(|claim| read(claim.signature).unwrap()).collect::<Vec<_>>();
    let pairs: Vec<_> = claims.iter().zip(&readings).collect();
    assert!(hold_together(&pairs), "in one equation");
    for (at, claim) in claims.iter().enumerate() {
        assert_eq!(claim.key.verify(MESSAGE, claim.signature), Ok(()), "case {at}");
    }
    assert!(verify_all(&claims).iter().all(Result::is_ok));
    // The set tells rules apart: a stricter one refuses most of it.
    let strict = encodings.iter().flat_map(|key| signatures.iter().filter(|s| by_rfc_8032(key, s))).count();
    assert!(strict < 100, "{strict}");
}

#[test]
fn a_part_of_small_order_in_key_or_commitment_changes_no_verdict() {
    let (pair, key) = pair(1);
    let point = CompressedEdwardsY(key.as_bytes().try_into().unwrap()).decompress().unwrap();
    let secret = {
        let mut scalar = [0; 32];
        let hash = aws_lc_rs::digest::digest(&SHA512, &[1; 32]);
        scalar.copy_from_slice(&hash.as_ref()[..32]);
        Scalar::from_bytes_mod_order(curve25519_dalek::scalar::clamp_integer(scalar))
    };
    assert_eq!(pair.public_key().as_ref(), key.as_bytes());
    for torsion in &EIGHT_TORSION[1..] {
        // A signature with nonce 7 by the same secret, under a key and a commitment that are off by the torsion.
        let mixed_key = (point + torsion).compress().to_bytes();
        let nonce = Scalar::from(7_u8);
        let commitment = (curve25519_dalek::EdwardsPoint::mul_base(&nonce) + torsion).compress().to_bytes();
        let hash = {
            let mut context = Context::new(&SHA512);
            context.update(&commitment);
            context.update(&mixed_key);
            context.update(MESSAGE);
            let mut wide = [0; 64];
            wide.copy_from_slice(context.finish().as_ref());
            Scalar::from_bytes_mod_order_wide(&wide)
        };
        let signature = joined(&commitment, &(nonce + hash * secret).to_bytes());
        let mixed = Ed25519Key::from_bytes(&mixed_key).unwrap();
        assert_eq!(mixed.verify(MESSAGE, &signature), Ok(()));
        let claims = [claim(&mixed, MESSAGE, &signature); BATCH_MIN];
        assert!(verify_all(&claims).iter().all(Result::is_ok));
    }
}

#[test]
fn a_signature_is_refused_as_it_is_by_the_equation_alone() {
    let (signer, key) = pair(1);
    let (_, stranger) = pair(2);
    let good: [u8; 64] = signer.sign(MESSAGE).as_ref().try_into().unwrap();
    let with = |change: &dyn Fn(&mut [u8; 64])| {
        let mut signature = good;
        change(&mut signature);
        signature.to_vec()
    };
    // s + order is the same number to the group, and a second form of the signature.
    let second_form = with(&|signature| {
        let mut carry = 0_u16;
        for (digit, order) in signature[32..].iter_mut().zip(GROUP_ORDER) {
            let sum = u16::from(*digit) + u16::from(order) + carry;
            (*digit, carry) = (sum.to_le_bytes()[0], sum >> 8);
        }
    });
    let no_point = (0_u8..).find(|y| CompressedEdwardsY([*y; 32]).decompress().is_none()).unwrap();
    let malformed = Err(SignatureRejection::Malformed { what: "an Ed25519 signature has 64 bytes" });
    let bad = Err(SignatureRejection::BadSignature);
    let rows: Vec<(&str, &Ed25519Key, &[u8], Vec<u8>, Result<(), SignatureRejection>)> = vec![
        ("as made", &key, MESSAGE, good.to_vec(), Ok(())),
        ("another message", &key, b"zcash", good.to_vec(), bad),
        ("another key", &stranger, MESSAGE, good.to_vec(), bad),
        ("another R", &key, MESSAGE, with(&|s| s[0] ^= 1), bad),
        ("another s", &key, MESSAGE, with(&|s| s[32] ^= 1), bad),
        ("s with the order added", &key, MESSAGE, second_form, bad),
        ("the order as s", &key, MESSAGE, with(&|s| s[32..].copy_from_slice(&GROUP_ORDER)), bad),
        ("the greatest s", &key, MESSAGE, with(&|s| s[32..].fill(0xff)), bad),
        ("an R that is no point", &key, MESSAGE, with(&|s| s[..32].fill(no_point)), bad),
        ("all zero", &key, MESSAGE, vec![0; 64], bad),
        ("none", &key, MESSAGE, vec![], malformed),
        ("63 bytes", &key, MESSAGE, good[..63].to_vec(), malformed),
        ("a byte behind it", &key, MESSAGE, [&good[..], &[0]].concat(), malformed),
    ];
    for (name, key, message, signature, verdict) in &rows {
        assert_eq!(key.verify(message, signature), *verdict, "{name}");
    }
    // The same rows beside each other, and each among good ones.
    let claims: Vec<Claim<'_>> =
        rows.iter().map(|(_, key, message, signature, _)| claim(key, message, signature)).collect();
    let verdicts: Vec<_> = rows.iter().map(|(.., verdict)| *verdict).collect();
    assert_eq!(verify_all(&claims), verdicts);
    for (claim, verdict) in claims.iter().zip(&verdicts) {
        let mut among = vec![claims[0]; 2 * BATCH_MAX];
        among[BATCH_MAX / 2] = *claim;
        let found = verify_all(&among);
        assert_eq!(found[BATCH_MAX / 2], *verdict);
        assert_eq!(
            found.iter().filter(|found| found.is_ok()).count(),
            among.len() - usize::from(verdict.is_err())
        );
    }
}

#[test]
fn a_certificate_may_state_only_a_canonical_key_of_full_order() {
    let (_, key) = pair(1);
    let mut noncanonical = [0xff; 32];
    // y = 3 with the field's order added: a point that nobody of small order would be suspected of.
    (noncanonical[0], noncanonical[31]) = (0xed + 3, 0x7f);
    assert!(Ed25519Key::decode(noncanonical).is_some());
    let no_point = (0_u8..).find(|y| CompressedEdwardsY([*y; 32]).decompress().is_none()).unwrap();
    let rows: [(&[u8], Result<(), &str>); 5] = [
        (key.as_bytes(), Ok(())),
        (&key.as_bytes()[..31], Err("an Ed25519 key that has not 32 bytes")),
        (&noncanonical, Err("an Ed25519 key in a second encoding")),
        (&[no_point; 32], Err("an Ed25519 key that is no point of the curve")),
        (&[0; 32], Err("an Ed25519 key of small order, for which anybody can sign")),
    ];
    for (bytes, verdict) in rows {
        assert_eq!(Ed25519Key::from_bytes(bytes).map(drop), verdict, "{bytes:02x?}");
    }
    assert!(small_order_encodings().iter().all(|bytes| Ed25519Key::from_bytes(bytes).is_err()));
}

#[test]
fn coefficients_follow_from_every_part_of_the_batch() {
    let (_, key) = pair(1);
    let (_, other) = pair(2);
    let (first, second) = (joined(&[1; 32], &[2; 32]), joined(&[1; 32], &[3; 32]));
    let drawn = |claims: &[Claim<'_>]| {
        let readings: Vec<Signature> = claims.iter().map(|claim| read(claim.signature).unwrap()).collect();
        let mut coefficients = Coefficients::of(&claims.iter().zip(&readings).collect::<Vec<_>>());
        let mut bytes = [0; 80];
        coefficients.try_fill_bytes(&mut bytes).unwrap();
        bytes
    };
    let batches: Vec<Vec<Claim<'_>>> = vec![
        vec![claim(&key, b"ab", &first)],
        vec![claim(&other, b"ab", &first)],
        vec![claim(&key, b"ac", &first)],
        vec![claim(&key, b"ab", &second)],
        vec![claim(&key, b"ab", &first), claim(&key, b"ab", &first)],
        vec![claim(&key, b"ab", &first), claim(&key, b"ab", &second)],
        vec![claim(&key, b"ab", &second), claim(&key, b"ab", &first)],
    ];
    let found: BTreeSet<[u8; 80]> = batches.iter().map(|batch| drawn(batch)).collect();
    assert_eq!(found.len(), batches.len(), "no two batches share coefficients");
    assert_eq!(drawn(&batches[0]), drawn(&batches[0]), "one batch has one set of them");
    assert_ne!(drawn(&batches[0])[..32], drawn(&batches[0])[32..64], "they differ among themselves");
}

/// One claim of a random batch: who signs, over what, and what is then done to the signature.
#[derive(Clone, Debug)]
enum Made {
    Good { key: u8, message: Vec<u8> },
    Damaged { key: u8, message: Vec<u8>, at: prop::sample::Index, mask: u8 },
    Cut { key: u8, length: usize },
    SmallOrder { key: prop::sample::Index, r: prop::sample::Index, message: Vec<u8> },
}

fn made() -> impl Strategy<Value = Made> {
    let (key, message) = (0..4_u8, proptest::collection::vec(any::<u8>(), 0..40));
    let index = any::<prop::sample::Index>;
    prop_oneof![
        8 => (key.clone(), message.clone()).prop_map(|(key, message)| Made::Good { key, message }),
        1 => (key.clone(), message.clone(), index(), 1_u8..)
            .prop_map(|(key, message, at, mask)| Made::Damaged { key, message, at, mask }),
        1 => (key, 0..64_usize).prop_map(|(key, length)| Made::Cut { key, length }),
        2 => (index(), index(), message).prop_map(|(key, r, message)| Made::SmallOrder { key, r, message }),
    ]
}

impl Made {
    fn claim(&self) -> (Ed25519Key, Vec<u8>, Vec<u8>) {
        let signed = |number: u8, message: &[u8]| {
            let (signer, key) = pair(number);
            (key, message.to_vec(), signer.sign(message).as_ref().to_vec())
        };
        match self {
            Self::Good { key, message } => signed(*key, message),
            Self::Damaged { key, message, at, mask } => {
                let (key, message, mut signature) = signed(*key, message);
                signature[at.index(64)] ^= mask;
                (key, message, signature)
            }
            Self::Cut { key, length } => {
                let (key, message, mut signature) = signed(*key, b"cut");
                signature.truncate(*length);
                (key, message, signature)
            }
            Self::SmallOrder { key, r, message } => {
                let encodings = small_order_encodings();
                let key = Ed25519Key::decode(encodings[key.index(encodings.len())]).unwrap();
                let r = encodings[r.index(encodings.len())];
                (key, message.clone(), joined(&r, &[0; 32]).to_vec())
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn many_together_are_judged_as_each_alone(made in proptest::collection::vec(made(), 0..150)) {
        let parts: Vec<_> = made.iter().map(Made::claim).collect();
        let claims: Vec<Claim<'_>> =
            parts.iter().map(|(key, message, signature)| claim(key, message, signature)).collect();
        let alone: Vec<_> = parts.iter().map(|(key, message, signature)| key.verify(message, signature)).collect();
        prop_assert_eq!(verify_all(&claims), alone);
    }

    #[test]
    fn no_bytes_panic(key in proptest::collection::vec(any::<u8>(), 0..40), bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        if let Ok(key) = Ed25519Key::from_bytes(&key) {
            prop_assert!(key.verify(MESSAGE, &bytes).is_err());
        }
        prop_assert!(pair(1).1.verify(MESSAGE, &bytes).is_err());
    }
}
