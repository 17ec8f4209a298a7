//! Real orderers whose disks are lost, and whose channel changes its consenters.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "shared with the other tests of real orderers")]
mod network;
#[path = "../../ordering/src/world.rs"]
#[expect(dead_code, reason = "shared with crate ordering, whose tests use other parts of it")]
mod world;

use std::ops::Range;

use bytes::Bytes;
use network::Network;
use protocol::fabric::Status;
use protocol::{BlockHeader, ChannelConfig};

fn envelopes(network: &Network, numbers: Range<u64>) -> Vec<Bytes> {
    numbers.map(|number| network.world.envelope(0, number)).collect()
}

/// The chains of these nodes, which are one.
async fn one_chain(network: &Network, nodes: &[usize], count: usize) -> Vec<BlockHeader> {
    let first = network.chain(nodes[0], count).await;
    for node in &nodes[1..] {
        assert_eq!(network.chain(*node, count).await, first, "node {node}\n{}", network.log(*node));
    }
    first
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consenter_that_lost_its_disk_orders_again_without_a_command() {
    let mut network = Network::new(3);
    network.start_all();
    network.order(1, envelopes(&network, 0..20)).await;
    for (victim, other) in [(0, 1), (1, 2), (2, 0)] {
        network.kill(victim);
        network.lose_disk(victim);
        let sent = 20 + 20 * victim as u64;
        network.order(other, envelopes(&network, sent..sent + 10)).await;
        network.start(victim);
        one_chain(&network, &[victim, other], usize::try_from(sent).expect("small") + 10).await;
        // With a third one away its new log is needed for the majority.
        let third = 3 - victim - other;
        network.voting(victim, 3).await;
        network.kill(third);
        network.order(victim, envelopes(&network, sent + 10..sent + 20)).await;
        network.start(third);
    }
    one_chain(&network, &[0, 1, 2], 80).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_of_three_lost_disks_stop_the_channel_and_what_is_left_begins_anew_by_hand() {
    let mut network = Network::new(3);
    network.start_all();
    network.order(0, envelopes(&network, 0..20)).await;
    let before = one_chain(&network, &[0, 1, 2], 20).await;
    for node in 0..3 {
        network.kill(node);
    }
    network.lose_disk(0);
    network.lose_disk(1);
    for node in 0..3 {
        network.start(node);
    }
    for node in 0..3 {
        let status = network.ended(node);
        assert_eq!(status.code(), Some(2), "{}", network.log(node));
        let log = network.log(node);
        for part in
            ["2 of its consenters have no log", "orderer recover --channel reports", "start --bootstrap"]
        {
            assert!(log.contains(part), "{part} is missing\n{log}");
        }
    }
    let (_, said) = network.recover(2, &[]);
    let number = before.last().expect("blocks").number;
    if said.contains("entries of unknown fate, up to term") {
        let (is_done, said) = network.recover(2, &["--keep-unconfirmed"]);
        assert!(is_done && said.contains(&format!("stands at block {number}")), "{said}");
    } else {
        assert!(said.contains(&format!("stands at block {number}")), "{said}");
    }
    for node in 0..3 {
        network.start_with(node, &["--bootstrap"]);
    }
    network.order(1, envelopes(&network, 20..40)).await;
    let after = one_chain(&network, &[0, 1, 2], 40).await;
    assert_eq!(after[..before.len()], before[..], "what was ordered stays");
}

#[test]
fn a_channel_begins_by_the_flag_only() {
    let mut network = Network::new(3);
    for node in 0..3 {
        network.start_with(node, &[]);
    }
    for node in 0..3 {
        assert_eq!(network.ended(node).code(), Some(2));
        let log = network.log(node);
        assert!(log.contains("start each of its consenters once with 'orderer start --bootstrap'"), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consenter_that_was_away_for_longer_than_the_log_takes_the_blocks() {
    let mut network = Network::with(3, |config| config.orderer.batch.max_message_count = 1);
    network.start_all();
    network.order(1, envelopes(&network, 0..5)).await;
    network.kill(2);
    // More blocks than the log keeps behind a snapshot.
    // An envelope waits 10 s at most, and each has a block of its own.
    for first in (5..1_300).step_by(185) {
        network.order(1, envelopes(&network, first..first + 185)).await;
    }
    network.start(2);
    one_chain(&network, &[2, 1], 1_300).await;
    network.kill(0);
    network.order(2, envelopes(&network, 1_300..1_310)).await;
    one_chain(&network, &[2, 1], 1_310).await;
}

/// An update of the consenters by all administrators.
fn update(
    network: &Network,
    before: &ChannelConfig,
    change: impl FnOnce(&mut ChannelConfig),
) -> (Bytes, ChannelConfig) {
    let mut after = before.clone();
    change(&mut after);
    let admins: Vec<usize> = (0..network.world.orgs.len()).collect();
    let envelope = network.world.config_update(before, &admins, |config| *config = after.clone());
    after.sequence += 1;
    (envelope, after)
}

#[tokio::test(flavor = "multi_thread")]
async fn consenters_come_and_go_by_the_configuration() {
    let mut fourth = None;
    let mut network = Network::with(4, |config| {
        fourth = config.orderer.consenters.pop();
    });
    let fourth = fourth.expect("a consenter");
    for node in 0..3 {
        network.start(node);
    }
    network.order(0, envelopes(&network, 0..10)).await;
    let first = network.world.config.clone();

    // Whoever is not there cannot be counted on.
    network.kill(2);
    network.missing(0, "Org3MSP").await;
    let (envelope, _) = update(&network, &first, |config| config.orderer.consenters.push(fourth.clone()));
    let answers = network.broadcast(0, vec![envelope]).await;
    let (status, text) = &answers[0];
    assert_eq!(*status, Status::BadRequest, "{text}");
    assert!(
        text.contains("3 of 4 consenters would have to sign") && text.contains("Org4MSP at 127.0.0.1"),
        "{text}"
    );
    network.start(2);

    network.start_with(3, &["--join"]);
    network.reached(3).await;
    let (envelope, second) =
        update(&network, &first, |config| config.orderer.consenters.push(fourth.clone()));
    network.order(1, vec![envelope]).await;
    network.order(0, envelopes(&network, 10..20)).await;
    one_chain(&network, &[3, 0], 21).await;
    network.voting(3, 4).await;
    network.order(3, envelopes(&network, 20..30)).await;

    // The first one leaves, whoever leads.
    let (envelope, third) = update(&network, &second, |config| drop(config.orderer.consenters.remove(0)));
    network.order(3, vec![envelope]).await;
    network.order(1, envelopes(&network, 30..40)).await;
    network.kill(0);
    network.order(3, envelopes(&network, 40..50)).await;
    one_chain(&network, &[1, 2, 3], 52).await;

    // Of the three that are left one may be lost.
    network.voters(1, 3).await;
    network.kill(2);
    network.order(1, envelopes(&network, 50..60)).await;
    network.start(2);
    let two_at_once =
        network.world.config_update(&third, &[0, 1, 2], |config| config.orderer.consenters.truncate(1));
    let answers = network.broadcast(1, vec![two_at_once]).await;
    assert!(answers[0].1.contains("change one of them by each update"), "{answers:?}");
    one_chain(&network, &[1, 2, 3], 62).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_takes_the_place_of_another_that_is_away_and_a_channel_shrinks_to_one() {
    let mut fourth = None;
    let mut network = Network::with(4, |config| {
        fourth = config.orderer.consenters.pop();
    });
    let fourth = fourth.expect("a consenter");
    for node in 0..3 {
        network.start(node);
    }
    network.order(0, envelopes(&network, 0..10)).await;
    one_chain(&network, &[0, 1, 2], 10).await;
    let first = network.world.config.clone();

    // While one is away, whoever is left is needed: nobody else can be replaced.
    network.kill(0);
    network.start_with(3, &["--join"]);
    network.reached(3).await;
    let replaced = |place: usize| {
        let fourth = fourth.clone();
        update(&network, &first, move |config| config.orderer.consenters[place] = fourth)
    };
    let answers = network.broadcast(1, vec![replaced(1).0]).await;
    assert!(answers[0].1.contains("2 of the 3 logs that vote now have to agree"), "{answers:?}");

    // The one that is away can be.
    let (envelope, second) = replaced(0);
    network.order(1, vec![envelope]).await;
    network.order(2, envelopes(&network, 10..20)).await;
    network.voting(3, 3).await;
    network.kill(2);
    network.order(3, envelopes(&network, 20..30)).await;
    network.start(2);
    one_chain(&network, &[1, 2, 3], 31).await;

    // Down to one, while the leader is whoever it is.
    let (envelope, third) = update(&network, &second, |config| drop(config.orderer.consenters.remove(2)));
    network.voting(2, 3).await;
    network.order(1, vec![envelope]).await;
    network.voters(3, 2).await;
    let (envelope, _) = update(&network, &third, |config| drop(config.orderer.consenters.remove(1)));
    network.order(3, vec![envelope]).await;
    network.voting(3, 1).await;
    network.kill(1);
    network.kill(2);
    network.order(3, envelopes(&network, 30..40)).await;
    one_chain(&network, &[3], 43).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consenter_goes_on_under_another_tls_key() {
    let mut network = Network::new(3);
    network.start_all();
    network.order(0, envelopes(&network, 0..10)).await;
    one_chain(&network, &[0, 1, 2], 10).await;
    let first = network.world.config.clone();
    let key = network.renew_tls(2);
    let (envelope, _) = update(&network, &first, |config| config.orderer.consenters[2].tls_spki = key);
    network.order(0, vec![envelope]).await;
    network.order(1, envelopes(&network, 10..20)).await;
    // The log of the key that is gone leaves, and comes back as that of the new one.
    network.voters(1, 2).await;
    network.kill(2);
    network.start_with(2, &["--join"]);
    network.voters(1, 3).await;
    network.voting(2, 3).await;
    network.kill(0);
    network.order(2, envelopes(&network, 20..30)).await;
    one_chain(&network, &[1, 2], 31).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_cannot_begin_stops_alone() {
    let mut network = Network::new(1);
    network.start(0);
    network.order(0, envelopes(&network, 0..5)).await;
    network.kill(0);
    network.add_channel(0, "trial");
    network.start(0);
    network.said(0, "channel 'trial' cannot go on").await;
    network.order(0, envelopes(&network, 5..10)).await;
    one_chain(&network, &[0], 10).await;
    assert!(network.terminate(0).success(), "{}", network.log(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_of_unknown_fate_are_kept_or_dropped_by_hand() {
    let mut network = Network::new(3);
    network.start_all();
    network.order(0, envelopes(&network, 0..10)).await;
    one_chain(&network, &[0, 1, 2], 10).await;
    let leader = network.leader().await;
    // What the leader alone has on its disk may be ordered or not.
    let others: Vec<usize> = (0..3).filter(|node| *node != leader).collect();
    others.iter().for_each(|node| network.kill(*node));
    let answers = network.broadcast(leader, envelopes(&network, 10..12)).await;
    assert!(answers.iter().all(|(status, _)| *status == Status::ServiceUnavailable), "{answers:?}");
    network.kill(leader);
    let (is_done, said) = network.recover(leader, &[]);
    assert!(!is_done && said.contains("entries of unknown fate, up to term"), "{said}");
    let (is_done, said) = network.recover(leader, &["--keep-unconfirmed"]);
    assert!(is_done && said.contains("last entry kept: term"), "{said}");
    for node in &others {
        let (is_done, said) = network.recover(*node, &["--drop-unconfirmed"]);
        assert!(is_done, "{said}");
    }
    for node in 0..3 {
        network.start_with(node, &["--bootstrap"]);
    }
    network.order(others[0], envelopes(&network, 12..20)).await;
    one_chain(&network, &[0, 1, 2], 20).await;
}
