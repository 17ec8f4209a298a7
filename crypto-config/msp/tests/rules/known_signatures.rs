//! What a memory of signatures may answer: what a verification would, and nothing else.

use msp::{
    KnownSignatures, MspSet, SignatureClaim, SignatureRejection as R, SigningIdentity, VerifiedIdentity,
};

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

    // The same rows together, of which the memory knows none, some, or all that hold.
    let claims: Vec<SignatureClaim<'_>> = rows
        .iter()
        .map(|(_, identity, message, signature, _)| {
            let (first, second) = message.split_at(3);
            SignatureClaim { identity, message: [first, second], signature }
        })
        .collect();
    let verdicts: Vec<_> = rows.iter().map(|(.., verdict)| *verdict).collect();
    let fresh = KnownSignatures::default();
    let partial = KnownSignatures::default();
    partial.verify(&identity, message, &good).unwrap();
    for known in [&fresh, &fresh, &partial, &known] {
        let found = known.verify_all(&claims);
        assert_eq!(
            found.iter().map(|found| found.as_ref().map(|_| ()).map_err(|r| *r)).collect::<Vec<_>>(),
            verdicts
        );
        assert_eq!(found[0].as_ref().unwrap().identity(), &identity);
    }
    assert!(fresh.verify_all(&[]).is_empty());
}
