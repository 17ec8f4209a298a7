//! Envelopes that are examined together are judged as each alone, whatever keys signed them and whatever is wrong with some.
#![allow(clippy::expect_used, reason = "tests")]

mod fixture;

use std::sync::LazyLock;

use bytes::Bytes;
use configtx::ConfigBundle;
use fixture::{KeyAlgorithm, NOW_MS, Network, Tx, namespace, write};
use proptest::prelude::*;
use protocol::{NamespaceSet, TxNumber, TxValidationCode};
use validation::{ExaminedTransaction, examine};

/// Hospital A and the orderers sign with Ed25519, the others with P-256.
static NETWORK: LazyLock<Network> = LazyLock::new(|| {
    Network::of(|name| match name {
        "HospitalB" | "HospitalC" => KeyAlgorithm::Ecdsa,
        _ => KeyAlgorithm::Ed25519,
    })
});

/// What may be done to one transaction: by number, so that a failure shrinks to few.
fn changed(number: usize, nonce: &str) -> Bytes {
    let network = &*NETWORK;
    let keys = NamespaceSet { writes: vec![write("key")], ..namespace("basic") };
    let mut tx = Tx::new(network, nonce, vec![keys]);
    let peers = ["HospitalA", "HospitalB", "HospitalC"].map(|name| network.identity(name, "peer0"));
    match number {
        0 => {}
        1 => tx.creator = network.identity("HospitalB", "user"),
        2 => tx.signature = Some(vec![0; 64].into()),
        3 => tx.signature = Some(vec![7; 70].into()),
        4 => tx.endorsers = peers.to_vec(),
        5 => tx.endorsers = vec![peers[0], peers[0], peers[1], peers[0]],
        6 => tx.endorsement = Some(vec![0; 64].into()),
        7 => tx.endorsement = Some(Bytes::new()),
        8 => tx.data = Some(vec![0xff; 5].into()),
        9 => tx.header.channel_id = "other".into(),
        10 => tx.endorsers.clear(),
        11 => tx.proposal_hash = Some(vec![7; 32].into()),
        12 => return Bytes::from_static(b"no envelope"),
        _ => return configtx::config_envelope(&network.config),
    }
    tx.envelope()
}

const CHANGES: usize = 14;

#[test]
fn every_row_is_judged_alike_beside_good_ones() {
    let mut rows: Vec<Bytes> = (0..CHANGES).map(|number| changed(number, &format!("row {number}"))).collect();
    rows.extend((0..40).map(|number| changed(0, &format!("good {number}"))));
    check(&rows, rows.len());
    let bundle = ConfigBundle::new(NETWORK.config.clone()).expect("holds");
    let codes: Vec<Option<TxValidationCode>> = (0..)
        .zip(&rows)
        .map(|(number, envelope)| examine(TxNumber(number), envelope, &bundle, NOW_MS).early_code())
        .collect();
    assert_eq!(codes[0], None);
    assert_eq!(codes[2], Some(TxValidationCode::BadCreatorSignature));
    assert_eq!(codes[11], Some(TxValidationCode::BadResponsePayload));
}

/// Examines in parts of that size and compares everything that is known of each with what it is alone: first with nothing
/// remembered, then with what held remembered.
fn check(envelopes: &[Bytes], part: usize) {
    let numbered: Vec<(TxNumber, &Bytes)> = (0_u32..).map(TxNumber).zip(envelopes).collect();
    let fresh = || ConfigBundle::new(NETWORK.config.clone()).expect("holds");
    let (of_each, of_all) = (fresh(), fresh());
    for round in ["new", "remembered"] {
        let together: Vec<_> = numbered
            .chunks(part)
            .flat_map(|part| ExaminedTransaction::of_all(part, &of_all, NOW_MS))
            .collect();
        assert_eq!(together.len(), envelopes.len());
        for ((number, envelope), together) in numbered.iter().zip(together) {
            let alone = examine(*number, envelope, &of_each, NOW_MS);
            assert_eq!(format!("{together:?}"), format!("{alone:?}"), "{round}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn parts_of_any_size_give_the_verdicts_of_each_alone(
        numbers in proptest::collection::vec(prop_oneof![2 => Just(0), 1 => 0..CHANGES], 0..40),
        part in 1..40_usize,
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 1_u8..), 0..3),
    ) {
        let mut envelopes: Vec<Bytes> =
            numbers.iter().enumerate().map(|(at, number)| changed(*number, &format!("{at}"))).collect();
        for (which, place, mask) in damage {
            if !envelopes.is_empty() {
                let which = which.index(envelopes.len());
                let mut bytes = envelopes[which].to_vec();
                let place = place.index(bytes.len());
                bytes[place] ^= mask;
                envelopes[which] = bytes.into();
            }
        }
        check(&envelopes, part);
    }
}
