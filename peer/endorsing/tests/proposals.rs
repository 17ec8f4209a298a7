//! What a proposal must keep, one row a rule.
#![allow(clippy::expect_used, reason = "tests")]

mod fixture;

use std::collections::BTreeMap;

use bytes::Bytes;
use endorsing::{check_proposal, parse_proposal, proposal_hash, sign_proposal, stored_proposal_payload};
use fixture::{EXPIRED_MS, NOW_MS, Network, bundle, draft, high_s, proposal};
use msp::SigningIdentity;
use proptest::prelude::*;
use prost::Message;
use protocol::{
    Digest, TxId,
    fabric::{
        ChaincodeHeaderExtension, ChaincodeId, ChaincodeInvocationSpec, ChaincodeProposalPayload,
        ChannelHeader, Header, Proposal, SignatureHeader, SignedProposal,
    },
};

/// A proposal taken apart, to be changed and signed again.
struct Parts {
    channel: ChannelHeader,
    signer: SignatureHeader,
    payload: ChaincodeProposalPayload,
    proposal_tail: Vec<u8>,
    header_tail: Vec<u8>,
    extension: Bytes,
    signature: Option<Bytes>,
    now_ms: u64,
}

impl Parts {
    fn of(signed: &SignedProposal) -> Self {
        let proposal = Proposal::decode(signed.proposal_bytes.clone()).expect("a proposal");
        let header = Header::decode(proposal.header).expect("a header");
        Self {
            channel: ChannelHeader::decode(header.channel_header).expect("a header"),
            signer: SignatureHeader::decode(header.signature_header).expect("a header"),
            payload: ChaincodeProposalPayload::decode(proposal.payload).expect("a payload"),
            proposal_tail: vec![],
            header_tail: vec![],
            extension: Bytes::new(),
            signature: None,
            now_ms: NOW_MS,
        }
    }

    fn signed(self, signer: &SigningIdentity) -> SignedProposal {
        let header = Header {
            channel_header: self.channel.encode_to_vec().into(),
            signature_header: self.signer.encode_to_vec().into(),
        };
        let header = [header.encode_to_vec(), self.header_tail].concat();
        let payload = self.payload.encode_to_vec().into();
        let proposal = Proposal { header: header.into(), payload, extension: self.extension };
        let proposal_bytes: Bytes = [proposal.encode_to_vec(), self.proposal_tail].concat().into();
        let signature = self.signature.unwrap_or_else(|| signer.sign(&proposal_bytes).into());
        SignedProposal { proposal_bytes, signature }
    }

    /// Gives the header the id that belongs to nonce and creator.
    fn rename(&mut self) {
        self.channel.tx_id = TxId::of(&self.signer.nonce, &self.signer.creator).as_str().to_owned();
    }

    fn named(&mut self, header: &str, invocation: &str) {
        let id = |name: &str| Some(ChaincodeId { name: name.to_owned(), ..ChaincodeId::default() });
        self.channel.extension = ChaincodeHeaderExtension { chaincode_id: id(header) }.encode_to_vec().into();
        let mut spec = ChaincodeInvocationSpec::decode(self.payload.input.clone()).expect("a spec");
        spec.chaincode_spec.as_mut().expect("a spec").chaincode_id = id(invocation);
        self.payload.input = spec.encode_to_vec().into();
    }
}

type Change = fn(&mut Parts);

/// An unknown field with number 15.
const UNKNOWN_FIELD: [u8; 2] = [0x78, 1];

#[test]
fn a_proposal_is_refused_by_the_first_rule_that_it_breaks() {
    let rows: Vec<(&str, Change, &str)> = vec![
        ("as the client made it", |_| (), "accepted"),
        ("14 minutes late", |p| p.now_ms += 14 * 60_000, "accepted"),
        ("16 minutes late", |p| p.now_ms += 16 * 60_000, "by more than 15 minutes"),
        ("16 minutes early", |p| p.now_ms -= 16 * 60_000, "by more than 15 minutes"),
        ("no time", |p| p.channel.timestamp = None, "has no timestamp"),
        ("time before 1970", |p| p.channel.timestamp.as_mut().unwrap().seconds = -1, "out of range"),
        (
            "nanoseconds over a second",
            |p| p.channel.timestamp.as_mut().unwrap().nanos = 1_000_000_000,
            "out of range",
        ),
        ("another header type", |p| p.channel.r#type = 1, "header type 1"),
        ("an epoch", |p| p.channel.epoch = 1, "epoch 1"),
        ("another channel", |p| p.channel.channel_id = "other".into(), "for channel other"),
        ("no channel", |p| p.channel.channel_id.clear(), "channel header is malformed"),
        ("another tx id", |p| p.channel.tx_id = "ab".repeat(32), "is not hex(SHA-256"),
        (
            "an upper-case tx id",
            |p| p.channel.tx_id = p.channel.tx_id.to_uppercase(),
            "channel header is malformed",
        ),
        ("no nonce", |p| (p.signer.nonce = Bytes::new(), p.rename()).1, "creator and nonce must be present"),
        ("a nonce of 64 bytes", |p| (p.signer.nonce = vec![1; 64].into(), p.rename()).1, "accepted"),
        ("a nonce of 65 bytes", |p| (p.signer.nonce = vec![1; 65].into(), p.rename()).1, "the nonce has 65"),
        (
            "no creator",
            |p| (p.signer.creator = Bytes::new(), p.rename()).1,
            "creator and nonce must be present",
        ),
        (
            "a creator that is no identity",
            |p| (p.signer.creator = vec![9; 9].into(), p.rename()).1,
            "is refused",
        ),
        ("a huge creator", |p| p.signer.creator = vec![0; 40_000].into(), "the creator has 40000"),
        ("a forged signature", |p| p.signature = Some(vec![0; 70].into()), "signature is refused"),
        ("a huge signature", |p| p.signature = Some(vec![0; 2_000].into()), "signature has 2000"),
        ("two names of the chaincode", |p| p.named("basic", "reports"), "must be the same"),
        ("no chaincode in the header", |p| p.channel.extension = Bytes::new(), "names no chaincode"),
        ("an unknown chaincode", |p| p.named("nothing", "nothing"), "has no chaincode \"nothing\""),
        ("a name that is none", |p| p.named("a b", "a b"), "chaincode's name is malformed"),
        ("no invocation", |p| p.payload.input = Bytes::new(), "it has no spec"),
        ("garbage as invocation", |p| p.payload.input = vec![0xff; 9].into(), "invocation is malformed"),
        (
            "an unknown field in the proposal",
            |p| p.proposal_tail = UNKNOWN_FIELD.to_vec(),
            "unknown or repeated",
        ),
        ("an unknown field in the header", |p| p.header_tail = UNKNOWN_FIELD.to_vec(), "unknown or repeated"),
        ("an extension", |p| p.extension = vec![1].into(), "its extension has no meaning"),
        (
            "too many transient fields",
            |p| p.payload.transient_map = (0..65).map(|n| (n.to_string(), vec![])).collect(),
            "field count has 65",
        ),
    ];
    let network = Network::new();
    let bundle = bundle(&network);
    let user = network.identity("HospitalA", "user");
    let original = sign_proposal(draft(user, b"nonce"), user).expect("signs");
    for (name, change, verdict) in rows {
        let mut parts = Parts::of(&original);
        change(&mut parts);
        let now_ms = parts.now_ms;
        let signed = parts.signed(user);
        let result =
            parse_proposal(&signed).and_then(|parsed| check_proposal(parsed, &signed, &bundle, now_ms));
        let found = result.map_or_else(|rejection| rejection.to_string(), |_| "accepted".to_owned());
        assert!(found.contains(verdict), "{name}: {found}");
    }
}

#[test]
fn creators_are_refused_for_signature_time_and_authority() {
    let (network, others) = (Network::new(), Network::new());
    let bundle = bundle(&network);
    let user = network.identity("HospitalA", "user");
    let forged = sign_proposal(draft(user, b"1"), network.identity("HospitalB", "user")).expect("signs");
    let good = sign_proposal(draft(user, b"2"), user).expect("signs");
    let twin = sign_proposal(draft(user, b"4"), user).expect("signs");
    let twin = SignedProposal { signature: high_s(&twin.signature).into(), ..twin };
    let [by_tls_ca, by_ca] = network.orgs["HospitalA"].tls_signers();
    let by_tls_ca = sign_proposal(draft(&by_tls_ca, b"5"), &by_tls_ca).expect("signs");
    let by_ca = sign_proposal(draft(&by_ca, b"6"), &by_ca).expect("signs");
    let foreign = others.identity("HospitalA", "user");
    let foreign = sign_proposal(draft(foreign, b"3"), foreign).expect("signs");
    let rows = [
        ("signed by its creator", good, NOW_MS, "accepted"),
        ("signed by another key", forged, NOW_MS, "does not verify"),
        ("of another authority with the same name", foreign, NOW_MS, "signed by no CA"),
        ("signed with a high s", twin, NOW_MS, "has a high s"),
        ("signed with the key of a TLS certificate", by_tls_ca, NOW_MS, "signed by no CA"),
        ("signed so where one CA does both", by_ca, NOW_MS, "carries none of the role OUs"),
        ("after the certificate's end", fixture_late(user), EXPIRED_MS, "expired"),
    ];
    for (name, signed, now_ms, verdict) in rows {
        let parsed = parse_proposal(&signed).expect("well formed");
        let result = check_proposal(parsed, &signed, &bundle, now_ms);
        let found = result.map_or_else(|rejection| rejection.to_string(), |_| "accepted".to_owned());
        assert!(found.contains(verdict), "{name}: {found}");
    }
}

fn fixture_late(user: &SigningIdentity) -> SignedProposal {
    let mut draft = draft(user, b"late");
    draft.timestamp_ms = EXPIRED_MS;
    sign_proposal(draft, user).expect("signs")
}

#[test]
fn a_creator_outside_the_writers_may_not_propose() {
    let mut network = Network::new();
    network.config.policies.insert("/Channel/Application/Writers".into(), "OR('HospitalB.member')".into());
    let bundle = bundle(&network);
    let user = network.identity("HospitalA", "user");
    let signed = sign_proposal(draft(user, b"nonce"), user).expect("signs");
    let parsed = parse_proposal(&signed).expect("well formed");
    let rejection = check_proposal(parsed, &signed, &bundle, NOW_MS).expect_err("not a writer");
    assert!(
        rejection.to_string().contains("may not propose: policy /Channel/Application/Writers"),
        "{rejection}"
    );
}

#[test]
fn a_parsed_proposal_holds_what_was_drafted_and_hides_what_is_secret() {
    let network = Network::new();
    let (signed, verified) = proposal(&network, &bundle(&network));
    let parsed = verified.proposal();
    let drafted = draft(network.identity("HospitalA", "user"), b"nonce");
    assert_eq!(parsed.tx_id, drafted.tx_id());
    assert_eq!((&parsed.args, &parsed.transient), (&drafted.args, &drafted.transient));
    assert_eq!((parsed.timestamp_ms, parsed.chaincode.as_str()), (NOW_MS, "basic"));
    assert_eq!(parsed.transient.get("secret").map(Vec::as_slice), Some(&b"do not tell"[..]));
    for shown in [format!("{parsed:?}"), format!("{drafted:?}"), format!("{signed:?} {:?}", parsed.transient)]
    {
        assert!(
            !shown.contains("secret") && !shown.contains("do not tell") && !shown.contains("value"),
            "{shown}"
        );
    }
}

#[test]
fn the_proposal_hash_covers_headers_and_input_but_no_transient_data() {
    let network = Network::new();
    let (signed, verified) = proposal(&network, &bundle(&network));
    let parsed = verified.proposal();
    let stored = stored_proposal_payload(&parsed.input);
    let joined = [&parsed.channel_header[..], &parsed.signature_header[..], &stored[..]].concat();
    assert_eq!(proposal_hash(&parsed.channel_header, &parsed.signature_header, &stored), Digest::of(&joined));
    let payload = ChaincodeProposalPayload::decode(stored).expect("a payload");
    assert_eq!(
        payload,
        ChaincodeProposalPayload { input: parsed.input.clone(), transient_map: BTreeMap::new() }
    );
    let headers = Header {
        channel_header: parsed.channel_header.clone(),
        signature_header: parsed.signature_header.clone(),
    };
    let proposal = Proposal::decode(signed.proposal_bytes).expect("a proposal");
    assert_eq!(proposal.header, headers.encode_to_vec(), "the headers are the bytes that were signed");
}

proptest! {
    #[test]
    fn hostile_proposals_never_panic(
        proposal_bytes in proptest::collection::vec(any::<u8>(), 0..300),
        signature in proptest::collection::vec(any::<u8>(), 0..80),
    ) {
        let signed = SignedProposal { proposal_bytes: proposal_bytes.into(), signature: signature.into() };
        let _ = parse_proposal(&signed);
    }

    #[test]
    fn a_damaged_proposal_never_panics(place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        static SIGNED: std::sync::OnceLock<(Network, SignedProposal)> = std::sync::OnceLock::new();
        let (network, signed) = SIGNED.get_or_init(|| {
            let network = Network::new();
            let signed = proposal(&network, &bundle(&network)).0;
            (network, signed)
        });
        let mut bytes = signed.proposal_bytes.to_vec();
        let place = place.index(bytes.len());
        prop_assume!(bytes[place] != byte);
        bytes[place] = byte;
        let damaged = SignedProposal { proposal_bytes: bytes.into(), signature: signed.signature.clone() };
        if let Ok(parsed) = parse_proposal(&damaged) {
            prop_assert!(check_proposal(parsed, &damaged, &bundle(network), NOW_MS).is_err());
        }
    }
}

/// What the stock clients build: a change of these bytes parts our clients from Fabric's.
#[test]
fn the_bytes_of_a_draft_are_frozen() {
    let network = Network::new();
    let mut draft = draft(network.identity("HospitalA", "user"), b"nonce");
    draft.creator = Bytes::from_static(b"creator");
    let bytes = draft.clone().into_bytes();
    assert_eq!(bytes, draft.clone().into_bytes(), "equal drafts, equal bytes");
    assert_eq!(Digest::of(&bytes).to_string(), GOLDEN_DRAFT);
    let proposal = Proposal::decode(bytes).expect("a proposal");
    let header = Header::decode(proposal.header).expect("a header");
    let channel = ChannelHeader::decode(header.channel_header).expect("a channel header");
    assert_eq!((channel.r#type, channel.version, channel.epoch), (3, 0, 0));
    assert!(channel.tls_cert_hash.is_empty());
    assert_eq!(channel.tx_id, TxId::of(b"nonce", b"creator").as_str());
}

const GOLDEN_DRAFT: &str = "de95b813e1eace6f3baf141d4f6953e1806c461edc84bbb1a3427ce2999e9a12";
