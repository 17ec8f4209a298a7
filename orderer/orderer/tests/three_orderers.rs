//! Real orderers: elect, order, deliver, die and come back.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "shared with the other tests of real orderers")]
mod network;
#[path = "../../ordering/src/world.rs"]
#[expect(dead_code, reason = "shared with crate ordering, whose tests use other parts of it")]
mod world;

use std::fs;
use std::time::Instant;

use network::{Network, PATIENCE, run_to_end};
use protocol::DeliverReply;
use protocol::fabric::{SeekBehavior, SeekPosition, Status};

/// For an answer that comes after an election or two: less than an envelope's own deadline of ten seconds.
const DEADLINE: std::time::Duration = std::time::Duration::from_secs(9);
/// What an orderer holds at most while somebody sends without end.
const MEMORY_KIB_MAX: u64 = 400 << 10;

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
    network.start_all();
    network.order(1, envelopes(&network, 0..1)).await;
    network.kill(0);
    network.kill(2);
    let answers = network.broadcast(1, envelopes(&network, 1..2)).await;
    let [(status, text)] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!(*status, Status::ServiceUnavailable, "{text}");
    for part in
        ["1 of 3 orderers are reached and 2 are needed", "Org1MSP at 127.0.0.1", "Org3MSP at 127.0.0.1"]
    {
        assert!(text.contains(part), "{text}");
    }
    network.start(0);
    network.order(1, envelopes(&network, 1..2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_majority_is_told_long_before_an_envelopes_deadline() {
    let mut network = Network::new(3);
    network.start_all();
    network.order(0, envelopes(&network, 0..1)).await;
    for node in [1, 2] {
        network.kill(node);
    }
    let began = Instant::now();
    let answers = network.broadcast(0, envelopes(&network, 1..2)).await;
    let [(status, text)] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!(*status, Status::ServiceUnavailable, "{text}");
    for part in ["1 of 3 orderers are reached", "Org2MSP at 127.0.0.1", "Org3MSP at 127.0.0.1"] {
        assert!(text.contains(part), "{text}");
    }
    assert!(began.elapsed() < DEADLINE, "{:?}", began.elapsed());
    network.start(1);
    network.order(0, envelopes(&network, 0..3)).await;
    network.chain(0, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_envelope_on_its_way_to_a_leader_that_hangs_is_ordered_by_the_next_one_once() {
    let mut network = Network::new(3);
    network.start_all();
    network.order(0, envelopes(&network, 0..3)).await;
    let leader = network.leader().await;
    let others = [(leader + 1) % 3, (leader + 2) % 3];
    network.pause(leader);
    // The followers believe in it still, and forward to it.
    let began = Instant::now();
    let sent = others.map(|other| network.order(other, envelopes(&network, 3..20)));
    futures_util::future::join_all(sent).await;
    assert!(began.elapsed() < DEADLINE, "{:?}", began.elapsed());
    network.resume(leader);
    network.order(leader, envelopes(&network, 10..30)).await;
    let chain = network.chain(leader, 30).await;
    for other in others {
        assert_eq!(network.chain(other, 30).await, chain);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organisation_that_sends_without_end_takes_no_place_of_another() {
    const STREAMS: u64 = 4;
    const OF_A_STREAM: u64 = 1_000;
    // One envelope a block: the queue fills on any machine.
    let mut network = Network::with(2, |config| config.orderer.batch.max_message_count = 1);
    network.start_all();
    network.order(0, envelopes(&network, 0..1)).await;
    let follower = 1 - network.leader().await;
    let streams = (0..STREAMS).map(|stream| {
        let first = 1_000 * (stream + 1);
        network.broadcast_as(0, follower, envelopes(&network, first..first + OF_A_STREAM))
    });
    let calm = async {
        for number in 0..20 {
            let envelope = network.world.envelope(1, number);
            let answers = network.broadcast_as(1, follower, vec![envelope]).await;
            assert_eq!(answers, [(Status::Success, String::new())], "envelope {number}");
        }
    };
    let (flood, ()) = tokio::join!(futures_util::future::join_all(streams), calm);
    let mut counts = std::collections::BTreeMap::<&str, u64>::new();
    for (status, text) in flood.iter().flatten() {
        *counts.entry(status.name()).or_default() += 1;
        let is_expected =
            matches!(status, Status::Success | Status::TooManyRequests | Status::ServiceUnavailable);
        assert!(is_expected, "{status:?} {text}");
    }
    assert_eq!(counts.values().sum::<u64>(), STREAMS * OF_A_STREAM, "each is answered: {counts:?}");
    assert!(counts.contains_key("TOO_MANY_REQUESTS"), "{counts:?}");
    for node in 0..2 {
        assert!(peak_kib(network.process(node)) < MEMORY_KIB_MAX, "{} KiB", peak_kib(network.process(node)));
    }
}

/// The most memory that a process has held.
fn peak_kib(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the kernel counts it");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
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
    let deadline = Instant::now() + PATIENCE;
    let facts = loop {
        let facts = network.facts(0).await;
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
