//! Real orderers: elect, order, deliver, die and come back.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod network;
#[path = "../../ordering/src/world.rs"]
#[expect(dead_code, reason = "shared with crate ordering, whose tests use other parts of it")]
mod world;

use std::fs;
use std::time::Instant;

use network::{Network, PATIENCE, run_to_end};
use protocol::DeliverReply;
use protocol::fabric::{SeekBehavior, SeekPosition, Status};
use web::HttpsClient;

fn envelopes(network: &Network, numbers: std::ops::Range<u64>) -> Vec<bytes::Bytes> {
    numbers.map(|number| network.world.envelope(0, number)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_envelopes_are_ordered_and_outlive_the_death_of_any_orderer() {
    let mut network = Network::new(3);
    network.start_all();
    network.order(1, envelopes(&network, 0..100)).await;
    let first = network.chain(0, 100).await;
    assert_eq!(network.chain(1, 100).await, first);
    assert_eq!(network.chain(2, 100).await, first);

    let mut count = 100;
    for victim in 0..3 {
        network.kill(victim);
        let other = (victim + 1) % 3;
        network.order(other, envelopes(&network, count..count + 10)).await;
        count += 10;
        network.start(victim);
        let chain = network.chain(victim, count as usize).await;
        assert_eq!(chain[..first.len()], first[..], "what was delivered stays");
        assert_eq!(network.chain(other, count as usize).await, chain);
    }
    for node in 0..3 {
        assert!(network.log(node).contains("orderer ready"), "{}", network.log(node));
        let end = network.terminate(node);
        assert!(end.success(), "{end}\n{}", network.log(node));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repetition_is_answered_and_not_ordered_again() {
    let mut network = Network::new(1);
    network.start_all();
    network.order(0, envelopes(&network, 0..5)).await;
    network.order(0, envelopes(&network, 0..6)).await;
    network.kill(0);
    network.start(0);
    network.order(0, envelopes(&network, 0..7)).await;
    network.chain(0, 7).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_majority_the_answer_names_who_is_missing() {
    let mut network = Network::new(3);
    network.start(1);
    let answers = network.broadcast(1, envelopes(&network, 0..1)).await;
    let [(status, text)] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!(*status, Status::ServiceUnavailable, "{text}");
    for part in
        ["1 of 3 orderers are reached and 2 are needed", "Org1MSP at 127.0.0.1", "Org3MSP at 127.0.0.1"]
    {
        assert!(text.contains(part), "{text}");
    }
    network.start(0);
    network.order(1, envelopes(&network, 0..1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_reader_asks_for_is_delivered_or_refused() {
    let mut network = Network::new(1);
    network.start_all();
    network.order(0, envelopes(&network, 0..3)).await;
    let now = SeekBehavior::FailIfNotReady;
    let rows = [
        ("the first alone", SeekPosition::oldest(), SeekPosition::specified(0), 1, Status::Success),
        ("the newest", SeekPosition::newest(), SeekPosition::newest(), 1, Status::Success),
        ("what is not there", SeekPosition::specified(9), SeekPosition::specified(9), 0, Status::NotFound),
    ];
    for (name, start, stop, blocks, verdict) in rows {
        let mut stream = network.deliver(0, network.seek(0, start, stop, now)).await;
        let mut found = 0;
        let status = loop {
            match stream.message().await.expect("a reply").expect("a status comes last") {
                DeliverReply::Block(_) => found += 1,
                DeliverReply::Status(status, _) => break status,
            }
        };
        assert_eq!((found, status), (blocks, i32::from(verdict)), "{name}");
        assert!(stream.message().await.expect("the end").is_none(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_with_another_key_than_a_consenters_is_refused_by_the_others() {
    use protocol::{BlockNumber, ConsensusRequest, Endpoint};
    use transport::services::consensus::ConsensusClient;
    let mut network = Network::new(1);
    network.start_all();
    network.reached(0).await;
    let (identity, roots) = network.tls(0);
    let endpoint = Endpoint { host: "127.0.0.1".to_owned(), port: network.ports[0] };
    let client = ConsensusClient::new(transport::TlsClient::new(&identity, &roots).connect(&endpoint));
    let channel = network.world.config.channel.clone();
    let request = ConsensusRequest::Shares { channel, from: BlockNumber(0) };
    let refusal = client.call(transport::Request::new(request)).await.expect_err("refused");
    assert_eq!(refusal.code(), transport::Code::PermissionDenied);
    assert!(refusal.message().contains("belongs to no consenter"), "{refusal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_health_check_tells_role_and_height() {
    let mut network = Network::new(1);
    network.start_all();
    network.order(0, envelopes(&network, 0..1)).await;
    let (identity, roots) = network.tls(0);
    let client = HttpsClient::new(&identity, &roots).expect("a client");
    let url = format!("https://127.0.0.1:{}/healthz", network.operations[0]);
    let deadline = Instant::now() + PATIENCE;
    let facts = loop {
        let answer: serde_json::Value = client.get_json(&url).await.expect("an answer");
        let facts = answer["components"]["channel reports"]["facts"].clone();
        if facts["deliverable_height"] == 2 || Instant::now() > deadline {
            break facts;
        }
    };
    assert_eq!(facts["role"], "leader", "{facts}");
    assert_eq!(facts["height"], 2, "{facts}");
    assert_eq!(facts["missing"], serde_json::json!([]), "{facts}");
}

#[test]
fn a_start_that_cannot_succeed_reports_everything_and_binds_nothing() {
    let network = Network::new(1);
    let folder = network.node_folder(0);
    fs::remove_dir_all(folder.join("msp/keystore")).expect("removed");
    fs::remove_file(folder.join("tls/server.key")).expect("removed");
    fs::write(network.folder.path().join("genesis.block"), b"nonsense").expect("written");
    let (status, text) = run_to_end(&folder.join("orderer.yaml"));
    assert_eq!(status.code(), Some(2), "{text}");
    for part in ["General.LocalMSPDir", "General.TLS.PrivateKey", "General.BootstrapFile", "3 problems"] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    assert!(!folder.join("ledger").exists(), "nothing was made");
}

#[test]
fn a_node_that_is_no_consenter_is_told_so() {
    let (network, other) = (Network::new(1), Network::new(1));
    let stranger = other.node_folder(0).join("../genesis.block");
    fs::copy(network.folder.path().join("genesis.block"), stranger).expect("copied");
    let (status, text) = run_to_end(&other.node_folder(0).join("orderer.yaml"));
    assert_eq!(status.code(), Some(2));
    assert!(text.contains("that of none of the 1 consenters of channel 'reports'"), "{text}");
}
