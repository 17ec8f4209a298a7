//! What a memory of signatures may answer: what a verification would, and nothing else.

use msp::{KnownSignatures, MspSet, SignatureRejection as R, Signer, SigningIdentity, VerifiedIdentity};

use crate::fixture::{Ca, NOW_MS, config};

fn pair(ca: &Ca, name: &str) -> (SigningIdentity, VerifiedIdentity) {
    let set = MspSet::new([&config("AMSP", ca)]).unwrap();
    let signer = ca.issue(name, &["peer"]).signer("AMSP");
    let identity = set.identify(&signer.serialized(), NOW_MS).unwrap();
    (signer, identity)
}

#[test]
fn a_memory_answers_as_a_verification_does_before_and_after_it_remembers() {
    let ca = Ca::root("ca.a");
    let (signer, identity) = pair(&ca, "p");
    let (_, other) = pair(&ca, "q");
    let (message, good) = (&b"proposal"[..], signer.sign(b"proposal"));
    let bad = [&good[..], &[0]].concat();
    let rows = [
        ("as made", &identity, message, &good, Ok(())),
        ("another message", &identity, &b"Proposal"[..], &good, Err(R::BadSignature)),
        ("another key", &other, message, &good, Err(R::BadSignature)),
        ("trailing", &identity, message, &bad, Err(R::Malformed { what: "bytes follow the signature" })),
    ];
    let known = KnownSignatures::default();
    for round in ["first", "second", "third"] {
        for (what, identity, message, signature, verdict) in &rows {
            let found = known.verify(identity, message, signature).map(|_| ());
            assert_eq!(found, *verdict, "{what}, {round} time");
        }
    }
    assert_eq!(known.verify(&identity, message, &good).unwrap().identity(), &identity);
}

#[test]
fn what_was_signed_here_is_known_and_still_names_who_signed() {
    let ca = Ca::root("ca.a");
    let (signer, identity) = pair(&ca, "p");
    let (_, other) = pair(&ca, "q");
    let known = KnownSignatures::default();
    let signature = known.remembering(&signer).sign(b"endorsement").unwrap();
    assert_eq!(known.verify(&identity, b"endorsement", &signature).unwrap().identity(), &identity);
    assert_eq!(known.verify(&other, b"endorsement", &signature).map(|_| ()), Err(R::BadSignature));
    // A plain verification agrees: the memory knows nothing that is not so.
    identity.verify(b"endorsement", &signature).unwrap();
}
