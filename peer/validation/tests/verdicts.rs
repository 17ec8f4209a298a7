//! The verdict on a transaction, one row a rule.
#![allow(clippy::expect_used, reason = "tests")]

mod fixture;

use bytes::Bytes;
use configtx::config_envelope;
use fixture::{Chain, KeyAlgorithm, NOW_MS, Network, Tx, high_s, namespace, range, read, version, write};
use proptest::prelude::*;
use prost::Message;
use protocol::{
    IdentityRule, IdentityStatus, NamespaceSet, TxNumber, TxValidationCode,
    TxValidationCode::*,
    fabric::{ChaincodeEvent, Envelope, Payload},
};
use validation::{examine, parse_transaction};

fn writes(keys: &[&str]) -> NamespaceSet {
    NamespaceSet { writes: keys.iter().map(|key| write(key)).collect(), ..namespace("basic") }
}

fn event(chaincode: &str, tx_id: &str) -> Bytes {
    let event =
        ChaincodeEvent { chaincode_id: chaincode.into(), tx_id: tx_id.into(), ..ChaincodeEvent::default() };
    event.encode_to_vec().into()
}

type Change = for<'a> fn(&'a Network, &mut Tx<'a>);

#[test]
fn a_transaction_is_judged_by_the_first_rule_that_it_breaks() {
    let rows: Vec<(&str, Change, TxValidationCode)> = vec![
        ("as it should be", |_, _| (), Valid),
        ("another header type", |_, t| t.header.r#type = 0, UnknownTxType),
        ("an update of the configuration", |_, t| t.header.r#type = 2, UnknownTxType),
        ("an epoch", |_, t| t.header.epoch = 1, BadChannelHeader),
        ("another channel", |_, t| t.header.channel_id = "other".into(), TargetChainNotFound),
        ("no channel", |_, t| t.header.channel_id.clear(), TargetChainNotFound),
        ("no nonce", |_, t| t.nonce = Bytes::new(), BadCommonHeader),
        ("a long nonce", |_, t| t.nonce = vec![1; 65].into(), BadCommonHeader),
        ("another's tx id", |_, t| t.tx_id = Some("ab".repeat(32)), BadProposalTxid),
        ("a tx id that is none", |_, t| t.tx_id = Some("AB".into()), BadProposalTxid),
        ("a forged signature", |_, t| t.signature = Some(vec![0; 70].into()), BadCreatorSignature),
        ("no signature", |_, t| t.signature = Some(Bytes::new()), BadCreatorSignature),
        ("no transaction", |_, t| t.actions = 0, NilTxaction),
        ("two actions", |_, t| t.actions = 2, InvalidEndorserTransaction),
        ("garbage as transaction", |_, t| t.data = Some(vec![0xff; 5].into()), MarshalTxError),
        (
            "another header of the action",
            |_, t| t.action_header = Some(Bytes::new()),
            InvalidEndorserTransaction,
        ),
        ("transient data", |_, t| t.transient = true, InvalidEndorserTransaction),
        ("another proposal hash", |_, t| t.proposal_hash = Some(vec![7; 32].into()), BadResponsePayload),
        ("another name in the header", |_, t| t.names[0] = "reports".into(), InvalidChaincode),
        ("another name in the invocation", |_, t| t.names[1] = "reports".into(), InvalidChaincode),
        ("another name in the result", |_, t| t.names[2] = "reports".into(), InvalidChaincode),
        ("no name", |_, t| t.named(""), InvalidChaincode),
        ("a chaincode that is not there", |_, t| t.named("nothing"), InvalidChaincode),
        ("a failed chaincode", |_, t| t.status = 400, InvalidEndorserTransaction),
        ("a status below success", |_, t| t.status = 199, InvalidEndorserTransaction),
        ("the last successful status", |_, t| t.status = 399, Valid),
        ("garbage as event", |_, t| t.events = vec![0xff].into(), BadResponsePayload),
        ("an event of its own", |_, t| t.events = event("basic", t.id().as_str()), Valid),
        ("an event of another chaincode", |_, t| t.events = event("x", t.id().as_str()), BadResponsePayload),
        ("an event of another transaction", |_, t| t.events = event("basic", "x"), BadResponsePayload),
        ("garbage as read-write set", |_, t| t.results = Some(vec![0xc1].into()), BadRwset),
        ("unsorted writes", |_, t| t.set.namespaces = vec![writes(&["b", "a"])], BadRwset),
        ("another version", |_, t| t.version = "1.1".into(), ExpiredChaincode),
        ("no version", |_, t| t.version.clear(), ChaincodeVersionConflict),
        ("a write elsewhere", |_, t| t.set.namespaces[0].name = "reports".into(), IllegalWriteset),
        ("a write of configuration", |_, t| t.set.namespaces[0].name = "_config".into(), IllegalWriteset),
        ("a write of identities", |_, t| t.set.namespaces[0].name = "_identity".into(), IllegalWriteset),
        ("a read elsewhere", |_, t| t.set.namespaces = vec![namespace("reports")], Valid),
        ("a read of configuration", |_, t| t.set.namespaces = vec![namespace("_config")], Valid),
        ("a read of nothing there", |_, t| t.set.namespaces = vec![namespace("nothing")], InvalidChaincode),
        ("no endorsement", |_, t| t.endorsers.clear(), EndorsementPolicyFailure),
        ("one endorsement", |_, t| t.endorsers.truncate(1), EndorsementPolicyFailure),
        ("one endorser twice", |_, t| t.endorsers[1] = t.endorsers[0], EndorsementPolicyFailure),
        (
            "a user as endorser",
            |n, t| t.endorsers[1] = n.identity("HospitalB", "user"),
            EndorsementPolicyFailure,
        ),
        ("an orderer as endorser", |n, t| t.endorsers[1] = n.consenter(0), EndorsementPolicyFailure),
        ("forged endorsements", |_, t| t.endorsement = Some(vec![0; 70].into()), EndorsementPolicyFailure),
        ("three endorsers", |n, t| t.endorsers.push(n.identity("HospitalC", "peer0")), Valid),
        ("65 endorsements", |_, t| t.endorsers = vec![t.endorsers[0]; 65], InvalidEndorserTransaction),
        (
            "one endorsement by the chaincode's own policy",
            |_, t| {
                t.named("either");
                t.set.namespaces[0].name = "either".into();
                t.endorsers.truncate(1);
            },
            Valid,
        ),
        (
            "an unregistered creator",
            |n, t| t.creator = n.identity("HospitalA", "stranger"),
            InvalidOtherReason,
        ),
        ("an admin as creator", |n, t| t.creator = n.identity("HospitalC", "admin"), Valid),
        (
            "a key read as it is",
            |_, t| t.set.namespaces[0].reads = vec![read("old", Some(version(0, 9)))],
            Valid,
        ),
        (
            "a key read as it was",
            |_, t| t.set.namespaces[0].reads = vec![read("old", Some(version(0, 8)))],
            MvccReadConflict,
        ),
        (
            "a key read as absent",
            |_, t| t.set.namespaces[0].reads = vec![read("old", None)],
            MvccReadConflict,
        ),
        ("an absent key read", |_, t| t.set.namespaces[0].reads = vec![read("gone", None)], Valid),
        (
            "an absent key read as there",
            |_, t| t.set.namespaces[0].reads = vec![read("gone", Some(version(0, 9)))],
            MvccReadConflict,
        ),
        (
            "a scan as it is",
            |_, t| t.set.namespaces[0].ranges = vec![range("a", "z", &[("old", version(0, 9))])],
            Valid,
        ),
        (
            "a scan to the end",
            |_, t| t.set.namespaces[0].ranges = vec![range("", "", &[("old", version(0, 9))])],
            Valid,
        ),
        (
            "a scan that missed a key",
            |_, t| t.set.namespaces[0].ranges = vec![range("a", "z", &[])],
            PhantomReadConflict,
        ),
        (
            "a scan of another version",
            |_, t| t.set.namespaces[0].ranges = vec![range("a", "z", &[("old", version(0, 8))])],
            PhantomReadConflict,
        ),
        ("a scan backwards", |_, t| t.set.namespaces[0].ranges = vec![range("z", "a", &[])], Valid),
    ];
    for algorithm in [KeyAlgorithm::Ecdsa, KeyAlgorithm::Ed25519] {
        let network = Network::of(|_| algorithm);
        let mut chain = Chain::new(&network);
        chain.state.put("old", version(0, 9));
        for (name, change, code) in &rows {
            let mut tx = Tx::new(&network, name, vec![writes(&["key"])]);
            change(&network, &mut tx);
            let block = chain.validate(&network, vec![tx.envelope()]).expect("readable");
            let summary = &block.transactions()[0];
            assert_eq!(summary.code, *code, "{algorithm}, {name}: {:?}", summary.reason);
            assert_eq!(summary.reason.is_none(), *code == Valid, "{name}");
            let is_traceless = block.writes().is_empty() && block.history().is_empty();
            assert!(*code == Valid || is_traceless, "{name}: no trace");
            assert!(*code == Valid || block.events().next().is_none(), "{name}: no event");
        }
    }
}

#[test]
fn envelopes_that_are_none_have_their_codes() {
    let network = Network::new();
    let chain = Chain::new(&network);
    let good = Tx::new(&network, "good", vec![writes(&["key"])]).envelope();
    let headless = Payload { header: None, data: Bytes::from_static(b"data") }.encode_to_vec();
    let rows: Vec<(&str, Bytes, TxValidationCode)> = vec![
        ("empty", Bytes::new(), NilEnvelope),
        ("garbage", vec![0xff; 9].into(), BadPayload),
        ("larger than allowed", vec![0; (16 << 20) + 1].into(), BadPayload),
        ("a byte behind a good one", [&good[..], &[0]].concat().into(), BadPayload),
        ("an unknown field behind a good one", [&good[..], &[0x78, 1]].concat().into(), BadPayload),
        ("a good one with its signature first", turned(&good), BadPayload),
        (
            "no header",
            Envelope { payload: headless.into(), signature: Bytes::new() }.encode_to_vec().into(),
            BadCommonHeader,
        ),
        ("a configuration in company", config_envelope(&network.config), InvalidConfigTransaction),
    ];
    for (name, envelope, code) in rows {
        if code != InvalidConfigTransaction {
            assert_eq!(chain.codes(&network, vec![envelope.clone()]), [code], "{name}");
        }
        let good = Tx::new(&network, name, vec![writes(&["key"])]).envelope();
        assert_eq!(chain.codes(&network, vec![good, envelope]), [Valid, code], "{name} beside another");
    }
}

/// The same fields in the other order.
fn turned(envelope: &Bytes) -> Bytes {
    let Envelope { payload, signature } = Envelope::decode(envelope.clone()).expect("an envelope");
    let part = |payload: Bytes, signature: Bytes| Envelope { payload, signature }.encode_to_vec();
    [part(Bytes::new(), signature), part(payload, Bytes::new())].concat().into()
}

#[test]
fn a_signature_that_anybody_could_have_made_of_another_does_not_count() {
    let network = Network::new();
    let chain = Chain::new(&network);
    let good = Tx::new(&network, "twin", vec![writes(&["key"])]);
    let Envelope { payload, signature } = Envelope::decode(good.envelope()).expect("an envelope");
    let twin = high_s(&signature).into();
    let twin: Bytes = Envelope { payload, signature: twin }.encode_to_vec().into();
    let block = chain.validate(&network, vec![twin]).expect("readable");
    let summary = &block.transactions()[0];
    assert_eq!(summary.code, BadCreatorSignature);
    assert!(summary.reason.as_deref().is_some_and(|reason| reason.contains("has a high s")), "{summary:?}");

    let mut endorsed = Tx::new(&network, "endorsed", vec![writes(&["key"])]);
    endorsed.change_endorsement = Some(high_s);
    let block = chain.validate(&network, vec![endorsed.envelope()]).expect("readable");
    let summary = &block.transactions()[0];
    assert_eq!(summary.code, EndorsementPolicyFailure);
    assert!(summary.reason.as_deref().is_some_and(|reason| reason.contains("has a high s")), "{summary:?}");
}

#[test]
fn the_key_of_a_tls_certificate_neither_creates_nor_endorses() {
    let network = Network::new();
    let mut chain = Chain::new(&network);
    for rule in [IdentityRule::Registered, IdentityRule::Open] {
        chain.bundle = with_rule(&network, rule);
        for (at, signer) in network.orgs["HospitalB"].tls_signers().iter().enumerate() {
            let as_creator = Tx { creator: signer, ..Tx::new(&network, "creator", vec![writes(&["key"])]) };
            let mut as_endorser = Tx::new(&network, "endorser", vec![writes(&["key"])]);
            as_endorser.endorsers[1] = signer;
            let codes = chain.codes(&network, vec![as_creator.envelope(), as_endorser.envelope()]);
            assert_eq!(codes, [BadCreatorSignature, EndorsementPolicyFailure], "{rule:?}, signer {at}");
        }
    }
}

#[test]
fn a_tx_id_is_used_once_and_only_by_who_signed_it() {
    let network = Network::new();
    let mut chain = Chain::new(&network);
    let first = Tx::new(&network, "once", vec![writes(&["a"])]);
    let mut unsigned = first.clone();
    unsigned.signature = Some(Bytes::new());
    let mut failed = first.clone();
    failed.endorsers.clear();
    let first = first.envelope();
    let rows: Vec<(&str, Vec<Bytes>, Vec<TxValidationCode>)> = vec![
        ("twice in a block", vec![first.clone(), first.clone()], vec![Valid, DuplicateTxid]),
        ("after a forgery", vec![unsigned.envelope(), first.clone()], vec![BadCreatorSignature, Valid]),
        (
            "after its own failure",
            vec![failed.envelope(), first.clone()],
            vec![EndorsementPolicyFailure, DuplicateTxid],
        ),
    ];
    for (name, envelopes, codes) in rows {
        assert_eq!(chain.codes(&network, envelopes), codes, "{name}");
    }
    let block = chain.validate(&network, vec![unsigned.envelope(), first.clone()]).expect("readable");
    let ids: Vec<bool> = block.transactions().iter().map(|summary| summary.tx_id.is_some()).collect();
    assert_eq!(ids, [false, true], "a forged id is not indexed");
    assert_eq!(block.transactions()[0].claimed_tx_id, block.transactions()[1].tx_id);
    chain.commit(&block);
    assert_eq!(chain.codes(&network, vec![first]), [DuplicateTxid], "in a later block");
}

#[test]
fn identities_must_be_registered_and_active() {
    let network = Network::new();
    let envelope = Tx::new(&network, "identities", vec![writes(&["key"])]).envelope();
    let stranger =
        Tx { creator: network.identity("HospitalA", "stranger"), ..Tx::new(&network, "s", vec![]) };
    let (user, peer) = (network.identity("HospitalA", "user"), network.identity("HospitalA", "peer0"));
    let revoked = Some(IdentityStatus::Revoked);
    let rows = [
        ("a revoked creator", user, revoked, IdentityRule::Registered, InvalidOtherReason),
        ("an unregistered creator", user, None, IdentityRule::Registered, InvalidOtherReason),
        ("a revoked endorser", peer, revoked, IdentityRule::Registered, EndorsementPolicyFailure),
        ("an unregistered endorser", peer, None, IdentityRule::Registered, EndorsementPolicyFailure),
        ("a revoked creator on an open channel", user, revoked, IdentityRule::Open, InvalidOtherReason),
        ("an unregistered endorser on an open channel", peer, None, IdentityRule::Open, Valid),
    ];
    for (name, identity, status, rule, code) in rows {
        let mut chain = Chain::new(&network);
        chain.bundle = with_rule(&network, rule);
        chain.state.set_status(identity, status);
        assert_eq!(chain.codes(&network, vec![envelope.clone()]), [code], "{name}");
    }
    for (rule, code) in [(IdentityRule::Registered, InvalidOtherReason), (IdentityRule::Open, Valid)] {
        let mut chain = Chain::new(&network);
        chain.bundle = with_rule(&network, rule);
        assert_eq!(chain.codes(&network, vec![stranger.envelope()]), [code], "a stranger, {rule:?}");
    }
}

fn with_rule(network: &Network, rule: IdentityRule) -> configtx::ConfigBundle {
    let mut config = network.config.clone();
    config.identities = rule;
    configtx::ConfigBundle::new(config).expect("holds")
}

#[test]
fn certificates_are_judged_at_the_blocks_time() {
    let network = Network::new();
    let mut chain = Chain::new(&network);
    let envelope = Tx::new(&network, "late", vec![writes(&["key"])]).envelope();
    let on_time = examine(TxNumber(0), &envelope, &chain.bundle, NOW_MS);
    assert_eq!(on_time.early_code(), None);
    let late = examine(TxNumber(0), &envelope, &chain.bundle, fixture::EXPIRED_MS);
    assert_eq!(late.early_code(), Some(BadCreatorSignature));
    // A block before the certificates' begin: no consenter could have signed it, but each rule stands alone.
    chain.last.timestamp_ms = NOW_MS - 3_600_000;
    let early = examine(TxNumber(0), &envelope, &chain.bundle, chain.last.timestamp_ms);
    assert_eq!(early.early_code(), Some(BadCreatorSignature));
}

#[test]
fn a_transaction_sees_the_valid_writes_before_it_in_its_block() {
    let network = Network::new();
    let mut chain = Chain::new(&network);
    chain.state.put("old", version(0, 9));
    let at = version(1, 0);
    let tx = |nonce: &str, set: NamespaceSet| Tx::new(&network, nonce, vec![set]).envelope();
    let reading = |version| NamespaceSet { reads: vec![read("old", version)], ..writes(&["new"]) };
    let scanning = |found: &[(&str, protocol::Version)]| NamespaceSet {
        ranges: vec![range("a", "z", found)],
        ..namespace("basic")
    };
    let deleting = NamespaceSet {
        writes: vec![protocol::KvWrite { key: "old".into(), value: None }],
        ..namespace("basic")
    };
    let failing = {
        let mut tx = Tx::new(&network, "failing", vec![writes(&["old"])]);
        tx.endorsers.clear();
        tx.envelope()
    };
    let first = tx("first", writes(&["old"]));
    let rows: Vec<(&str, Bytes, NamespaceSet, TxValidationCode)> = vec![
        ("the version before the block", first.clone(), reading(Some(version(0, 9))), MvccReadConflict),
        ("the version of the block", first.clone(), reading(Some(at)), Valid),
        ("after an invalid write", failing.clone(), reading(Some(version(0, 9))), Valid),
        (
            "a deleted key as there",
            tx("d1", deleting.clone()),
            reading(Some(version(0, 9))),
            MvccReadConflict,
        ),
        ("a deleted key as absent", tx("d2", deleting.clone()), reading(None), Valid),
        ("a scan before the write", first.clone(), scanning(&[("old", version(0, 9))]), PhantomReadConflict),
        ("a scan after the write", first, scanning(&[("old", at)]), Valid),
        (
            "a scan with a new key",
            tx("n", writes(&["new"])),
            scanning(&[("new", at), ("old", version(0, 9))]),
            Valid,
        ),
        (
            "a scan that missed it",
            tx("n", writes(&["new"])),
            scanning(&[("old", version(0, 9))]),
            PhantomReadConflict,
        ),
        ("a scan after a deletion", tx("d3", deleting.clone()), scanning(&[]), Valid),
        (
            "a scan before a deletion",
            tx("d4", deleting),
            scanning(&[("old", version(0, 9))]),
            PhantomReadConflict,
        ),
        ("a key beyond the scan", tx("z", writes(&["zz"])), scanning(&[("old", version(0, 9))]), Valid),
    ];
    for (name, before, set, code) in rows {
        let codes = chain.codes(&network, vec![before, tx(name, set)]);
        assert_eq!(codes[1], code, "{name}");
    }
}

#[test]
fn the_last_write_wins_and_history_keeps_them_all() {
    let network = Network::new();
    let chain = Chain::new(&network);
    let tx = |nonce: &str, keys: &[&str]| Tx::new(&network, nonce, vec![writes(keys)]).envelope();
    let block = chain.validate(&network, vec![tx("1", &["a", "c"]), tx("2", &["a", "b"])]).expect("readable");
    let writes: Vec<(&str, u32)> =
        block.writes().iter().map(|write| (write.key.as_str(), write.version.tx_number.0)).collect();
    assert_eq!(writes, [("a", 1), ("b", 1), ("c", 0)]);
    let history: Vec<(&str, u32)> =
        block.history().iter().map(|write| (write.key.as_str(), write.tx_number.0)).collect();
    assert_eq!(history, [("a", 0), ("c", 0), ("a", 1), ("b", 1)]);
}

#[test]
fn the_reason_of_a_policy_failure_explains_who_is_missing() {
    let network = Network::new();
    let chain = Chain::new(&network);
    let mut tx = Tx::new(&network, "policy", vec![writes(&["a"])]);
    tx.endorsers[1] = network.identity("HospitalB", "stranger");
    let block = chain.validate(&network, vec![tx.envelope()]).expect("readable");
    let reason = block.transactions()[0].reason.clone().expect("a reason");
    for word in ["MAJORITY Endorsement", "HospitalB.peer: not met", "passed over: HospitalB", "Unregistered"]
    {
        assert!(reason.contains(word), "{word} is missing in\n{reason}");
    }
}

#[test]
fn a_fault_of_the_state_ends_validation() {
    let network = Network::new();
    let mut chain = Chain::new(&network);
    chain.state.fails = true;
    let set = NamespaceSet { reads: vec![read("a", None)], ..namespace("basic") };
    let fault = chain
        .validate(&network, vec![Tx::new(&network, "fault", vec![set]).envelope()])
        .expect_err("a fault");
    assert_eq!(fault.to_string(), "the world state cannot be read: the test's disk");
}

#[test]
fn a_parsed_transaction_tells_what_was_called() {
    let network = Network::new();
    let tx = Tx::new(&network, "parsed", vec![writes(&["a"])]);
    let parsed = parse_transaction(&tx.envelope()).expect("its form holds");
    assert_eq!((parsed.tx_id, parsed.args), (tx.id(), vec![Bytes::from_static(b"Put")]));
    assert_eq!((parsed.chaincode.as_str(), parsed.rwset), ("basic", tx.set.clone()));
    let flaw = parse_transaction(&config_envelope(&network.config)).expect_err("a configuration");
    assert_eq!(flaw.code, UnsupportedTxPayload);
}

proptest! {
    #[test]
    fn hostile_envelopes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let (_, bundle, _) = shared();
        let examined = examine(TxNumber(0), &bytes.into(), bundle, NOW_MS);
        prop_assert!(examined.early_code().is_some_and(|code| code != Valid));
    }

    #[test]
    fn a_damaged_transaction_is_never_taken_for_a_good_one(place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let (_, bundle, envelope) = shared();
        let mut bytes = envelope.to_vec();
        let place = place.index(bytes.len());
        prop_assume!(bytes[place] != byte);
        bytes[place] = byte;
        let examined = examine(TxNumber(0), &bytes.into(), bundle, NOW_MS);
        prop_assert!(examined.early_code().is_some());
    }
}

fn shared() -> &'static (Network, configtx::ConfigBundle, Bytes) {
    static SHARED: std::sync::OnceLock<(Network, configtx::ConfigBundle, Bytes)> = std::sync::OnceLock::new();
    SHARED.get_or_init(|| {
        let network = Network::new();
        let bundle = configtx::ConfigBundle::new(network.config.clone()).expect("holds");
        let envelope = Tx::new(&network, "hostile", vec![writes(&["a"])]).envelope();
        (network, bundle, envelope)
    })
}
