//! A transaction from a client's draft to its verdict, through every function that touches it on the way.
#![allow(clippy::expect_used, reason = "tests")]

mod fixture;

use bytes::Bytes;
use endorsing::{
    ExecutionResult, PlanRequest, ProposalDraft, TransientMap, VerifiedProposal, assemble, check_prepared,
    check_proposal, compare_responses, endorse, parse_proposal, plan, sign_envelope, sign_proposal,
};
use fixture::{Chain, NOW_MS, Network, Tx, msp_id, namespace, read, version, write};
use prost::Message;
use protocol::{
    ChaincodeName, ChannelId, MspId, NamespaceSet, ReadWriteSet, TxNumber, TxValidationCode, Version,
    fabric::{ChaincodeEvent, ProposalResponse, Response},
};
use validation::examine;

fn propose(network: &Network, chain: &Chain, nonce: &'static [u8]) -> VerifiedProposal {
    let user = network.identity("HospitalA", "user");
    let draft = ProposalDraft {
        channel: ChannelId::new("reports").expect("valid"),
        chaincode: ChaincodeName::new("basic").expect("valid"),
        args: vec![Bytes::from_static(b"Put"), Bytes::from_static(b"key")],
        transient: TransientMap::new([("secret".to_owned(), b"tell nobody".to_vec())].into()),
        creator: user.serialized(),
        nonce: Bytes::from_static(nonce),
        timestamp_ms: NOW_MS,
    };
    let signed = sign_proposal(draft, user).expect("signs");
    let parsed = parse_proposal(&signed).expect("well formed");
    check_proposal(parsed, &signed, &chain.bundle, NOW_MS).expect("holds")
}

/// What the chaincode does at a peer where `key` has that version.
fn run(seen: Option<Version>) -> ExecutionResult {
    let set =
        NamespaceSet { reads: vec![read("key", seen)], writes: vec![write("key")], ..namespace("basic") };
    ExecutionResult {
        rwset: ReadWriteSet { version: ReadWriteSet::VERSION, namespaces: vec![set] },
        response: Response { status: 200, message: String::new(), payload: Bytes::from_static(b"stored") },
        event: Some(ChaincodeEvent { event_name: "Stored".into(), ..ChaincodeEvent::default() }),
        chaincode_version: "1.0".into(),
    }
}

fn endorsements(
    network: &Network,
    proposal: &VerifiedProposal,
    peers: &[(&str, Option<Version>)],
) -> Vec<(MspId, ProposalResponse)> {
    let answer = |(org, seen): &(&str, Option<Version>)| {
        let signer = network.identity(org, "peer0");
        (msp_id(org), endorse(proposal, run(*seen), signer, NOW_MS).expect("endorses"))
    };
    peers.iter().map(answer).collect()
}

fn envelope(
    network: &Network,
    proposal: &VerifiedProposal,
    responses: &[(MspId, ProposalResponse)],
) -> Bytes {
    let responses: Vec<ProposalResponse> = responses.iter().map(|(_, response)| response.clone()).collect();
    let envelope = assemble(proposal.proposal(), &responses).expect("equal endorsements");
    let action = check_prepared(&envelope, proposal.proposal()).expect("what was proposed");
    assert_eq!(action.response.map(|response| response.payload), Some(Bytes::from_static(b"stored")));
    let signed = sign_envelope(envelope, network.identity("HospitalA", "user")).expect("signs");
    signed.encode_to_vec().into()
}

#[test]
fn what_is_proposed_checked_endorsed_and_signed_is_valid_once() {
    let network = Network::new();
    let mut chain = Chain::new(&network);
    let proposal = propose(&network, &chain, b"flow");
    let own = msp_id("HospitalA");
    let request = PlanRequest { chaincode: "basic", own: &own, requested: &[], is_upload: false };
    let plan = plan(&chain.bundle, &request).expect("a plan");
    assert_eq!(plan.preferred, [msp_id("HospitalA"), msp_id("HospitalB")]);
    let responses = endorsements(&network, &proposal, &[("HospitalA", None), ("HospitalB", None)]);
    compare_responses(&responses).expect("equal answers");
    let envelope = envelope(&network, &proposal, &responses);
    assert!(!envelope.windows(11).any(|bytes| bytes == b"tell nobody"), "no transient data is ordered");

    let block = chain.validate(&network, vec![envelope.clone()]).expect("readable");
    assert_eq!(block.codes(), [TxValidationCode::Valid], "{:?}", block.transactions()[0].reason);
    let summary = &block.transactions()[0];
    assert_eq!(summary.tx_id.as_ref(), Some(&proposal.proposal().tx_id));
    assert_eq!(summary.chaincode.as_deref(), Some("basic"));
    let creator = summary.creator.as_ref().expect("a creator");
    assert_eq!((&creator.msp_id, creator.poi), (proposal.creator().msp_id(), proposal.creator().poi()));
    let events: Vec<&str> = block.events().map(|event| event.event_name.as_str()).collect();
    assert_eq!(events, ["Stored"]);
    assert_eq!(block.writes()[0].version, version(1, 0));
    chain.commit(&block);
    assert_eq!(chain.codes(&network, vec![envelope]), [TxValidationCode::DuplicateTxid]);
}

#[test]
fn a_result_of_an_older_state_is_endorsed_alike_and_conflicts() {
    let network = Network::new();
    let mut chain = Chain::new(&network);
    let first = propose(&network, &chain, b"first");
    let peers = [("HospitalA", None), ("HospitalB", None)];
    let first = envelope(&network, &first, &endorsements(&network, &first, &peers));
    let second = propose(&network, &chain, b"second");
    let second = envelope(&network, &second, &endorsements(&network, &second, &peers));
    let block = chain.validate(&network, vec![first, second]).expect("readable");
    assert_eq!(block.codes(), [TxValidationCode::Valid, TxValidationCode::MvccReadConflict]);
    chain.commit(&block);
    let third = propose(&network, &chain, b"third");
    let seen = Some(version(1, 0));
    let responses = endorsements(&network, &third, &[("HospitalB", seen), ("HospitalC", seen)]);
    assert_eq!(
        chain.codes(&network, vec![envelope(&network, &third, &responses)]),
        [TxValidationCode::Valid]
    );
}

#[test]
fn peers_at_different_heights_are_told_apart_before_anything_is_ordered() {
    let network = Network::new();
    let chain = Chain::new(&network);
    let proposal = propose(&network, &chain, b"heights");
    let responses =
        endorsements(&network, &proposal, &[("HospitalA", None), ("HospitalB", Some(version(1, 0)))]);
    let difference = compare_responses(&responses).expect_err("different reads").to_string();
    assert!(
        difference.contains("absent and version 1:0; the peers are at different heights"),
        "{difference}"
    );
    let responses: Vec<ProposalResponse> = responses.into_iter().map(|(_, response)| response).collect();
    assert!(assemble(proposal.proposal(), &responses).is_err());
}

/// What was checked at endorsement is not checked again, and that must never show in a verdict.
#[test]
fn a_peer_that_has_seen_the_signatures_and_one_that_has_not_commit_the_same() {
    let network = Network::new();
    let tx = |nonce: &str| {
        Tx::new(&network, nonce, vec![NamespaceSet { writes: vec![write(nonce)], ..namespace("basic") }])
    };
    let (mut forged_creator, mut forged_endorsement) = (tx("c"), tx("d"));
    forged_creator.signature = Some(network.identity("HospitalA", "user").sign(b"something else").into());
    forged_endorsement.endorsement =
        Some(network.identity("HospitalA", "peer0").sign(b"something else").into());
    let envelopes = [tx("a"), tx("b"), forged_creator, forged_endorsement].map(|tx| tx.envelope());
    let (fresh, seen) = (Chain::new(&network), Chain::new(&network));
    // Twice before it counts: a refusal must not be remembered either.
    for _ in 0..2 {
        for (number, envelope) in (0..).zip(&envelopes) {
            let _ = examine(TxNumber(number), envelope, &seen.bundle, NOW_MS + 1_000);
        }
    }
    let [fresh, seen] = [fresh, seen]
        .map(|chain| chain.validate(&network, envelopes.to_vec()).expect("the state is readable"));
    assert_eq!(fresh.codes(), seen.codes());
    assert_eq!(fresh.commit_hash(), seen.commit_hash());
    let expected = [
        TxValidationCode::Valid,
        TxValidationCode::Valid,
        TxValidationCode::BadCreatorSignature,
        TxValidationCode::EndorsementPolicyFailure,
    ];
    assert_eq!(seen.codes(), expected);
}
