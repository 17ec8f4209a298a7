//! A gateway that returns another transaction than the one proposed gets no signature.

use std::collections::BTreeMap;

use bytes::Bytes;
use client::{ClientError, Draft, Fault};
use protocol::ChaincodeName;
use protocol::fabric::{ChaincodeId, Endorsement, Envelope};

use crate::parts::Parts;
use crate::world::{Running, channel};

fn draft() -> Draft {
    let transient = BTreeMap::from([("secret".to_owned(), b"for endorsers".to_vec())]);
    Draft::new(ChaincodeName::new("asset").unwrap(), "Transfer", &["car", "bob"]).with_transient(transient)
}

type Change = fn(&mut Parts);

/// One row a tampering: its name, the change, the part that the refusal names.
const ROWS: &[(&str, Change, &str)] = &[
    ("another channel", |parts| parts.channel.channel_id = "other".to_owned(), "channel header"),
    ("another tx id", |parts| parts.channel.tx_id = "0".repeat(64), "channel header"),
    ("another time", |parts| parts.channel.timestamp.as_mut().unwrap().seconds += 1, "channel header"),
    ("another type", |parts| parts.channel.r#type = 2, "channel header"),
    ("a TLS hash", |parts| parts.channel.tls_cert_hash = Bytes::from_static(b"x"), "channel header"),
    ("another creator", |parts| parts.signer.creator = Bytes::from_static(b"mallory"), "creator"),
    ("another nonce", |parts| parts.signer.nonce = Bytes::from_static(b"012345678901234567890123"), "nonce"),
    (
        "other arguments",
        |parts| {
            let spec = parts.invocation.chaincode_spec.as_mut().unwrap();
            spec.input.as_mut().unwrap().args[2] = Bytes::from_static(b"mallory");
        },
        "arguments",
    ),
    (
        "one argument more",
        |parts| {
            let spec = parts.invocation.chaincode_spec.as_mut().unwrap();
            spec.input.as_mut().unwrap().args.push(Bytes::from_static(b"more"));
        },
        "arguments",
    ),
    (
        "another chaincode",
        |parts| {
            let spec = parts.invocation.chaincode_spec.as_mut().unwrap();
            spec.chaincode_id.as_mut().unwrap().name = "bank".to_owned();
        },
        "chaincode or arguments",
    ),
    (
        "a result of another chaincode",
        |parts| {
            parts.action.chaincode_id =
                Some(ChaincodeId { name: "bank".to_owned(), ..ChaincodeId::default() });
        },
        "chaincode of the result",
    ),
    (
        "another proposal hash",
        |parts| parts.answer.proposal_hash = Bytes::from_static(&[0; 32]),
        "proposal hash",
    ),
    ("an extra action", |parts| parts.copies = 2, "one action"),
    ("no action", |parts| parts.copies = 0, "one action"),
    ("another action header", |parts| parts.action_header = Bytes::from_static(b"x"), "header of the action"),
    (
        "transient data to be published",
        |parts| {
            parts.proposal.transient_map.insert("secret".to_owned(), b"for endorsers".to_vec());
        },
        "transient data",
    ),
    ("no endorsement", |parts| parts.endorsements.clear(), "no endorsement"),
    (
        "an endorsement without signature",
        |parts| parts.endorsements = vec![Endorsement::default()],
        "no endorsement",
    ),
    ("a failed result", |parts| parts.action.response.as_mut().unwrap().status = 500, "status 500"),
];

fn rebuilt(change: Change) -> impl Fn(Envelope) -> Envelope {
    move |envelope| {
        let mut parts = Parts::of(&envelope);
        change(&mut parts);
        parts.envelope()
    }
}

#[tokio::test]
async fn every_tampering_is_refused_before_anything_is_signed() {
    let running = Running::start().await;
    for (name, change, part) in ROWS {
        *running.world.tamper.lock().unwrap() = Box::new(rebuilt(*change));
        let error = running.connection.submit(&channel(), &draft()).await.expect_err(name);
        let text = error.to_string();
        let ClientError::Fault(fault) = error else { panic!("{name}: {text}") };
        assert!(matches!(*fault, Fault::Tampered { .. }), "{name}: {text}");
        assert!(text.contains(part), "{name}: {text}");
        assert!(text.contains("nothing was signed"), "{name}: {text}");
        assert!(!text.contains("for endorsers"), "{name}: {text}");
    }
    assert_eq!(running.world.submitted(), 0, "the gateway got no signature");
}

#[tokio::test]
async fn bytes_that_are_no_transaction_are_refused() {
    let running = Running::start().await;
    let rows: [(&str, fn(Envelope) -> Envelope); 3] = [
        ("empty", |_| Envelope::default()),
        ("noise", |_| Envelope { payload: Bytes::from_static(&[0xff; 40]), signature: Bytes::new() }),
        ("a field more", |envelope| {
            // Field 15, a varint: it would be signed without being understood.
            let payload = [&envelope.payload[..], &[0x78, 0x01]].concat();
            Envelope { payload: payload.into(), ..envelope }
        }),
    ];
    for (name, change) in rows {
        *running.world.tamper.lock().unwrap() = Box::new(change);
        let error = running.connection.submit(&channel(), &draft()).await.expect_err(name);
        assert!(error.to_string().contains("nothing was signed"), "{name}: {error}");
    }
    assert_eq!(running.world.submitted(), 0);
}

#[tokio::test]
async fn an_honest_envelope_is_signed_and_submitted() {
    let running = Running::start().await;
    *running.world.tamper.lock().unwrap() = Box::new(rebuilt(|_| {}));
    let submitted = running.connection.submit(&channel(), &draft()).await.unwrap();
    assert_eq!(&submitted.payload[..], b"result");
    assert_eq!((submitted.code.name(), submitted.block_number.0), ("VALID", 7));
    assert_eq!(running.world.submitted(), 1);
}
