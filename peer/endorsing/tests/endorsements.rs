//! From endorsements to an envelope, and what a client makes of it.
#![allow(clippy::expect_used, reason = "tests")]

mod fixture;

use bytes::Bytes;
use endorsing::{
    AssembleRejection, EndorsementFault, ExecutionResult, assemble, check_prepared, compare_responses,
    sign_envelope,
};
use fixture::{NOW_MS, Network, bundle, endorse, msp_id, proposal, result, rwset, success};
use prost::Message;
use protocol::{
    BlockNumber, KvRead, KvWrite, NamespaceSet, RangeQuery, ReadWriteSet, TxNumber, Version,
    fabric::{
        ChaincodeAction, ChaincodeActionPayload, ChaincodeEvent, ChaincodeProposalPayload, Envelope, Header,
        Payload, ProposalResponsePayload, Response, Transaction,
    },
};

fn read(key: &str, version: Option<(u64, u32)>) -> KvRead {
    let version =
        version.map(|(block, tx)| Version { block_number: BlockNumber(block), tx_number: TxNumber(tx) });
    KvRead { key: key.into(), version }
}

fn range(digest: &[(String, Version)]) -> ReadWriteSet {
    let range = RangeQuery {
        start: "a".into(),
        end: "z".into(),
        exhausted: true,
        digest: RangeQuery::digest_of(digest),
    };
    let set = NamespaceSet { name: "basic".into(), ranges: vec![range], ..NamespaceSet::default() };
    ReadWriteSet { version: 1, namespaces: vec![set] }
}

#[test]
fn an_endorsement_signs_payload_and_endorser() {
    let network = Network::new();
    let bundle = bundle(&network);
    let (_, verified) = proposal(&network, &bundle);
    let event = ChaincodeEvent { event_name: "Put".into(), ..ChaincodeEvent::default() };
    let response =
        endorse(&network, &verified, "HospitalB", ExecutionResult { event: Some(event), ..result() });
    let endorsement = response.endorsement.expect("endorsed");
    let peer = bundle.msps().identify(&endorsement.endorser, NOW_MS).expect("an identity");
    let message = [&response.payload[..], &endorsement.endorser[..]].concat();
    peer.verify(&message, &endorsement.signature).expect("the signature holds");
    let payload = ProposalResponsePayload::decode(response.payload).expect("a payload");
    let action = ChaincodeAction::decode(payload.extension).expect("an action");
    let event = ChaincodeEvent::decode(action.events).expect("an event");
    assert_eq!(event.tx_id, verified.proposal().tx_id.as_str(), "the endorser states whose event it is");
    assert_eq!((event.chaincode_id.as_str(), event.event_name.as_str()), ("basic", "Put"));
    assert_eq!(action.response.expect("a response").payload, Bytes::from_static(b"done"));
    assert_eq!(response.response.expect("a response").status, 200);
}

#[test]
fn an_error_of_the_chaincode_is_answered_and_not_endorsed() {
    let network = Network::new();
    let (_, verified) = proposal(&network, &bundle(&network));
    for (status, endorsed) in [(200, true), (399, true), (400, false), (500, false), (199, false), (0, false)]
    {
        let response = Response { status, message: "why".into(), payload: Bytes::new() };
        let answer = endorse(&network, &verified, "HospitalA", ExecutionResult { response, ..result() });
        assert_eq!(answer.endorsement.is_some(), endorsed, "status {status}");
        assert_eq!(answer.payload.is_empty(), !endorsed, "status {status}");
        assert_eq!(answer.response.map(|response| response.status), Some(status));
    }
}

#[test]
fn a_result_that_nobody_could_commit_is_not_endorsed() {
    let network = Network::new();
    let (_, verified) = proposal(&network, &bundle(&network));
    let unsorted = rwset(&[], &[("b", None), ("a", None)]);
    let value = Some(Bytes::from(vec![0; 7 << 20]));
    let writes = ["a", "b"].map(|key| KvWrite { key: key.into(), value: value.clone() }).to_vec();
    let large = NamespaceSet { name: "basic".into(), writes, ..NamespaceSet::default() };
    let large = ReadWriteSet { version: 1, namespaces: vec![large] };
    for (name, rwset) in [("unsorted writes", unsorted), ("14 MiB of writes", large)] {
        let signer = network.identity("HospitalA", "peer0");
        let fault = endorsing::endorse(&verified, ExecutionResult { rwset, ..result() }, signer, NOW_MS);
        assert!(matches!(fault, Err(EndorsementFault::ReadWriteSet(_))), "{name}: {fault:?}");
    }
    let response = Response { payload: vec![0; 15 << 20].into(), ..success(b"") };
    let signer = network.identity("HospitalA", "peer0");
    let fault = endorsing::endorse(&verified, ExecutionResult { response, ..result() }, signer, NOW_MS);
    assert!(matches!(fault, Err(EndorsementFault::TooLarge { .. })), "{fault:?}");
}

#[test]
fn a_difference_is_named_by_its_first_field() {
    let with = |set: ReadWriteSet| ExecutionResult { rwset: set, ..result() };
    let failed = |text: &str| ExecutionResult {
        response: Response { status: 500, message: text.into(), payload: Bytes::new() },
        ..result()
    };
    let named = |event: &str| ExecutionResult {
        event: Some(ChaincodeEvent { event_name: event.into(), ..ChaincodeEvent::default() }),
        ..result()
    };
    let write = |value: Option<&'static [u8]>| with(rwset(&[], &[("key", value)]));
    let version = Version { block_number: BlockNumber(3), tx_number: TxNumber(1) };
    let mut elsewhere = rwset(&[], &[("key", Some(b"value"))]);
    elsewhere.namespaces[0].name = "reports".into();
    let rows: Vec<(&str, ExecutionResult, ExecutionResult, &str)> = vec![
        ("equal", result(), result(), "equal"),
        ("equal failures", failed("no"), failed("no"), "equal"),
        ("one failed", result(), failed("no such key"), "chaincode status 200 \"\" and 500 \"no such key\""),
        ("other failures", failed("a"), failed("b"), "500 \"a\" and 500 \"b\""),
        (
            "another version",
            result(),
            ExecutionResult { chaincode_version: "1.1".into(), ..result() },
            "basic 1.0 and basic 1.1",
        ),
        (
            "another response",
            result(),
            ExecutionResult { response: success(b"other"), ..result() },
            "response status 200 with 4 bytes",
        ),
        (
            "another message",
            result(),
            ExecutionResult { response: Response { message: "m".into(), ..success(b"done") }, ..result() },
            "and status 200 \"m\" with 4 bytes",
        ),
        ("another event", named("A"), named("B"), "event \"A\" of 0 bytes"),
        ("no event there", named("A"), result(), "and \"\" of none; the chaincode is not deterministic"),
        ("another value", write(Some(b"1")), write(Some(b"2")), "write of \"key\" in \"basic\": 1 bytes"),
        ("a deletion", write(Some(b"1")), write(None), "and deleted"),
        (
            "a key less",
            with(rwset(&[], &[("a", None), ("b", None)])),
            with(rwset(&[], &[("a", None)])),
            "\"b\" in \"basic\": deleted and not written",
        ),
        ("another namespace", result(), with(elsewhere), "namespace \"basic\" was touched by one"),
        (
            "another height",
            with(rwset(&[read("key", Some((3, 1)))], &[("key", Some(b"1"))])),
            with(rwset(&[read("key", Some((4, 0)))], &[("key", Some(b"2"))])),
            "read of \"key\" in \"basic\": version 3:1 and version 4:0; the peers are at different heights",
        ),
        (
            "absent here",
            with(rwset(&[read("k", None)], &[])),
            with(rwset(&[read("k", Some((1, 0)))], &[])),
            "absent and version 1:0",
        ),
        (
            "not read there",
            with(rwset(&[read("k", None)], &[])),
            with(rwset(&[], &[])),
            "absent and not read; the chaincode took different ways",
        ),
        (
            "another scan",
            with(range(&[])),
            with(range(&[("k".into(), version)])),
            "scan of \"a\" to \"z\" in \"basic\"; the peers are at different heights",
        ),
        (
            "no scan there",
            with(range(&[])),
            with(rwset(&[read("a", None)], &[])),
            "read of \"a\" in \"basic\": not read and absent",
        ),
    ];
    let network = Network::new();
    let (_, verified) = proposal(&network, &bundle(&network));
    for (name, first, second, verdict) in rows {
        let responses = [
            (msp_id("HospitalA"), endorse(&network, &verified, "HospitalA", first)),
            (msp_id("HospitalB"), endorse(&network, &verified, "HospitalB", second)),
        ];
        let found = compare_responses(&responses)
            .map_or_else(|difference| difference.to_string(), |()| "equal".into());
        assert!(found.contains(verdict), "{name}: {found}");
        assert!(
            found == "equal" || found.starts_with("HospitalA and HospitalB answered differently"),
            "{found}"
        );
    }
    assert!(compare_responses(&[]).is_ok());
}

/// What a client reads of two values, long ones too: where they begin to differ.
#[test]
fn the_clients_text_quotes_values_and_the_plain_text_does_not() {
    let long = |tail: &str| Bytes::from(format!("{}{tail}{}", "x".repeat(500), "y".repeat(500)));
    let rows = [
        (Some(Bytes::from_static(b"1")), Some(Bytes::from_static(b"2")), "\"1\" and \"2\""),
        (Some(Bytes::from_static(b"1")), None, "\"1\" and deleted"),
        (Some(Bytes::from_static(b"\x1b[2J")), None, "\"\\u{1b}[2J\" and deleted"),
        (Some(long("A")), Some(long("B")), "xxA"),
        (Some(long("A")), Some(long("B")), "…\" and \"…"),
    ];
    let network = Network::new();
    let (_, verified) = proposal(&network, &bundle(&network));
    for (first, second, quoted) in rows {
        let write = |value: Option<Bytes>| {
            let mut set = rwset(&[], &[("key", None)]);
            set.namespaces[0].writes[0].value = value;
            ExecutionResult { rwset: set, ..result() }
        };
        let responses = [
            (msp_id("HospitalA"), endorse(&network, &verified, "HospitalA", write(first))),
            (msp_id("HospitalB"), endorse(&network, &verified, "HospitalB", write(second))),
        ];
        let difference = compare_responses(&responses).expect_err("different");
        let (text, plain) = (format!("{difference:#}"), difference.to_string());
        assert!(text.contains(quoted) && text.len() < 600, "{quoted}: {text}");
        assert!(!plain.contains(quoted) && plain.contains("SHA-256"), "{plain}");
    }
}

#[test]
fn only_equal_endorsements_make_an_envelope() {
    let network = Network::new();
    let (_, verified) = proposal(&network, &bundle(&network));
    let a = endorse(&network, &verified, "HospitalA", result());
    let b = endorse(&network, &verified, "HospitalB", result());
    let other = ExecutionResult { response: success(b"other"), ..result() };
    let other = endorse(&network, &verified, "HospitalC", other);
    let failed = ExecutionResult { response: Response { status: 500, ..success(b"") }, ..result() };
    let failed = endorse(&network, &verified, "HospitalC", failed);
    let count = |envelope: Envelope| {
        let payload = Payload::decode(envelope.payload).expect("a payload");
        let transaction = Transaction::decode(payload.data).expect("a transaction");
        let action =
            ChaincodeActionPayload::decode(transaction.actions[0].payload.clone()).expect("an action");
        action.action.expect("endorsed").endorsements.len()
    };
    let rows = [
        ("two", vec![a.clone(), b.clone()], Ok(2)),
        ("one twice", vec![a.clone(), a.clone(), b.clone()], Ok(2)),
        ("none", vec![], Err(AssembleRejection::NoResponses)),
        ("another result", vec![a.clone(), other], Err(AssembleRejection::Different { place: 1 })),
        ("a failure", vec![a, b, failed], Err(AssembleRejection::NotEndorsed { place: 2, status: 500 })),
    ];
    for (name, responses, verdict) in rows {
        assert_eq!(assemble(verified.proposal(), &responses).map(count), verdict, "{name}");
    }
}

/// An envelope taken apart.
struct Prepared {
    header: Header,
    transaction: Transaction,
    action: ChaincodeActionPayload,
    tail: Vec<u8>,
}

impl Prepared {
    fn of(envelope: &Envelope) -> Self {
        let payload = Payload::decode(envelope.payload.clone()).expect("a payload");
        let transaction = Transaction::decode(payload.data).expect("a transaction");
        let action =
            ChaincodeActionPayload::decode(transaction.actions[0].payload.clone()).expect("an action");
        Self { header: payload.header.expect("a header"), transaction, action, tail: vec![] }
    }

    fn envelope(mut self) -> Envelope {
        if let Some(action) = self.transaction.actions.first_mut() {
            action.payload = self.action.encode_to_vec().into();
        }
        let payload = Payload { header: Some(self.header), data: self.transaction.encode_to_vec().into() };
        Envelope { payload: [payload.encode_to_vec(), self.tail].concat().into(), signature: Bytes::new() }
    }

    fn endorsed(&mut self) -> &mut protocol::fabric::ChaincodeEndorsedAction {
        self.action.action.as_mut().expect("endorsed")
    }

    fn change_result(&mut self, change: fn(&mut ChaincodeAction)) {
        let mut payload = ProposalResponsePayload::decode(self.endorsed().proposal_response_payload.clone())
            .expect("a payload");
        let mut action = ChaincodeAction::decode(payload.extension.clone()).expect("an action");
        change(&mut action);
        payload.extension = action.encode_to_vec().into();
        self.endorsed().proposal_response_payload = payload.encode_to_vec().into();
    }
}

type Change = fn(&mut Prepared);

#[test]
fn a_client_signs_only_what_it_proposed() {
    let rows: Vec<(&str, Change, &str)> = vec![
        ("as assembled", |_| (), "accepted"),
        (
            "another channel header",
            |p| p.header.channel_header = Bytes::from_static(b""),
            "channel header differs",
        ),
        (
            "another signature header",
            |p| p.header.signature_header = Bytes::from_static(b""),
            "signature header (creator and nonce) differs",
        ),
        ("no action", |p| p.transaction.actions.clear(), "must hold one action"),
        (
            "two actions",
            |p| p.transaction.actions.push(p.transaction.actions[0].clone()),
            "must hold one action",
        ),
        (
            "another header of the action",
            |p| p.transaction.actions[0].header = Bytes::new(),
            "header of the action",
        ),
        (
            "other arguments",
            |p| {
                p.action.chaincode_proposal_payload = ChaincodeProposalPayload {
                    input: Bytes::from_static(b"\x0a\x00"),
                    ..ChaincodeProposalPayload::default()
                }
                .encode_to_vec()
                .into()
            },
            "chaincode or arguments differs",
        ),
        (
            "transient data",
            |p| {
                let mut payload =
                    ChaincodeProposalPayload::decode(p.action.chaincode_proposal_payload.clone()).unwrap();
                payload.transient_map.insert("secret".into(), vec![1]);
                p.action.chaincode_proposal_payload = payload.encode_to_vec().into();
            },
            "would publish",
        ),
        ("nothing endorsed", |p| p.action.action = None, "no endorsement"),
        ("no endorsement", |p| p.endorsed().endorsements.clear(), "no endorsement"),
        (
            "empty endorsements",
            |p| p.endorsed().endorsements.iter_mut().for_each(|e| e.signature = Bytes::new()),
            "no endorsement",
        ),
        (
            "garbage as result",
            |p| p.endorsed().proposal_response_payload = Bytes::from_static(b"\xff"),
            "response payload",
        ),
        (
            "a result of another proposal",
            |p| p.endorsed().proposal_response_payload = Bytes::new(),
            "proposal hash differs",
        ),
        (
            "a result of another chaincode",
            |p| p.change_result(|a| a.chaincode_id = None),
            "chaincode of the result",
        ),
        ("a failure", |p| p.change_result(|a| a.response.as_mut().unwrap().status = 500), "status 500"),
        ("an unknown field", |p| p.tail = vec![0x78, 1], "unknown fields"),
    ];
    let network = Network::new();
    let (_, verified) = proposal(&network, &bundle(&network));
    let responses = ["HospitalA", "HospitalB"].map(|org| endorse(&network, &verified, org, result()));
    let envelope = assemble(verified.proposal(), &responses).expect("equal endorsements");
    for (name, change, verdict) in rows {
        let mut prepared = Prepared::of(&envelope);
        change(&mut prepared);
        let result = check_prepared(&prepared.envelope(), verified.proposal());
        let found = result.map_or_else(|rejection| rejection.to_string(), |_| "accepted".to_owned());
        assert!(found.contains(verdict), "{name}: {found}");
    }
    let action = check_prepared(&envelope, verified.proposal()).expect("what was proposed");
    assert_eq!(action.response, Some(success(b"done")), "the result is what the client asked for");
    let user = network.identity("HospitalA", "user");
    let signed = sign_envelope(envelope.clone(), user).expect("signs");
    assert_eq!(signed.payload, envelope.payload);
    verified.creator().verify(&signed.payload, &signed.signature).expect("the signature is the creator's");
}
