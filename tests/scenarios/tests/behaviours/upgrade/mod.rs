//! Nodes are upgraded one by one under load; then the configuration switches a new format on.
//!
//! The later release is a second program of this tree: the same peer and orderer, which know one capability more. It puts a
//! count of envelopes into block headers, which every node hashes, signs or verifies. Hospital C keeps the old release: its
//! nodes stop the channel before that block, say which release they need, and go on with it.

mod load;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use client::{BlockPosition, Deadlines};
use configtx::V9_9;
use load::{Client, Load};
use protocol::{Block, BlockNumber, Capability};
use scenarios::{ChannelUpdate, Doctor, Stage, channel_height, same_config_block, wait_for_same_heights};
use testnet::{CliOutput, Hospital, Network, NetworkOptions};

const DEADLINE: Duration = Duration::from_secs(60);
/// The program that stands for the later release.
const NEXT_PEER: &str = "next_peer";
const NEXT_ORDERER: &str = "next_orderer";
/// What a node of the old release tells.
const NEEDED: &str =
    "capability V9_9, which this release does not know; install release 9.9 or newer on this node";

#[test]
fn nodes_are_upgraded_under_load_and_an_old_one_stops_with_the_release_that_it_needs() -> Result<()> {
    let mut network = Stage::start(NetworkOptions::default())?;
    let load = Load::default();
    std::thread::scope(|scope| {
        let users = [network.doctor(Hospital::A), network.doctor(Hospital::B)];
        let clients: Vec<Client<'_>> = users.into_iter().map(|user| load.client(scope, user)).collect();
        let story = tell(&mut network, &load, &clients);
        // The story's own failure says more than what it did to the clients.
        let ended = load.end(clients);
        story.and(ended)
    })?;
    let found = wait_for_same_heights(&network, DEADLINE)?;
    println!("all peers are at {found:?}");
    Network::wait_until("one configuration at all nodes", DEADLINE, || {
        same_config_block(&network, &Hospital::ALL).map(drop)
    })
}

fn tell(network: &mut Network, load: &Load, clients: &[Client<'_>]) -> Result<()> {
    load.goes_on(clients, "on the old release")?;
    for hospital in [Hospital::A, Hospital::B] {
        network.orderer_process(hospital)?.stop()?;
        network.install_orderer(hospital, NEXT_ORDERER);
        network.start_orderer(hospital)?;
        load.goes_on(clients, "after an orderer's upgrade")?;
        network.peer_process(hospital)?.stop()?;
        network.install_peer(hospital, NEXT_PEER);
        network.start_peer(hospital)?;
        load.goes_on(clients, "after a peer's upgrade")?;
    }
    let switch = switch_on(network)?;
    load.goes_on(clients, "in the new format")?;
    headers_change_behind(network, switch)?;
    the_old_stop_before(network, switch)?;

    // Started again as they are, they come to the same end; nothing of the block was kept.
    network.peer_process(Hospital::C)?.stop()?;
    network.orderer_process(Hospital::C)?.stop()?;
    network.start_stopped_orderer(Hospital::C)?;
    network.start_peer(Hospital::C)?;
    the_old_stop_before(network, switch)?;

    network.peer_process(Hospital::C)?.stop()?;
    network.orderer_process(Hospital::C)?.stop()?;
    network.install_orderer(Hospital::C, NEXT_ORDERER);
    network.install_peer(Hospital::C, NEXT_PEER);
    network.start_orderer(Hospital::C)?;
    network.start_peer(Hospital::C)?;
    Network::wait_until("the upgraded peer catches up", DEADLINE, || {
        let (own, others) = (channel_height(network, Hospital::C)?, channel_height(network, Hospital::A)?);
        ensure!(own.height + 3 > others.height, "it is at {}, the others at {}", own.height, others.height);
        Ok(())
    })?;
    load.goes_on(clients, "with all nodes upgraded")
}

/// Adds the capability to the configuration. Returns the number of the block that does.
fn switch_on(network: &mut Network) -> Result<u64> {
    // A leader of the old release would refuse it. Whoever leads after it is stopped keeps the lead.
    Network::wait_until("a leader of the later release", DEADLINE, || {
        let leader = network.orderer_health(Hospital::A)?;
        let facts = &leader["components"]["channel reports"]["facts"];
        let number = facts["leader"].as_u64().with_context(|| format!("no leader in {leader}"))?;
        if number == 2 {
            network.orderer_process(Hospital::C)?.stop()?;
            network.start_orderer(Hospital::C)?;
        }
        ensure!(number < 2, "the old orderer leads");
        Ok(())
    })?;
    let update = ChannelUpdate::changing(network, "switch", |config| {
        config.capabilities.push(Capability(V9_9.name.to_owned()));
    })?;
    for hospital in [Hospital::B, Hospital::C] {
        update.sign(&network.admin(hospital))?;
    }
    update.sign(&network.orderer_admin(Hospital::A))?;
    let too_old = update.submit(network, &network.admin(Hospital::A), Hospital::C)?;
    tells(&too_old.expect_code(1)?)?;
    update.submit(network, &network.admin(Hospital::A), Hospital::A)?.expect_code(0)?;
    let doctor = Doctor::connect(&network.doctor(Hospital::A), Deadlines::default())?;
    let mut number = 0;
    Network::wait_until("the configuration is in force", DEADLINE, || {
        let block = doctor.run(|peer, channel| peer.block(channel, BlockPosition::Config))?;
        number = block.header.number.0;
        ensure!(number > 0, "block 0 is");
        Ok(())
    })?;
    println!("block {number} switches {} on", V9_9.name);
    Ok(number)
}

fn tells(output: &CliOutput) -> Result<()> {
    ensure!(output.stderr.contains(NEEDED), "{NEEDED:?} is missing in {}", output.stderr);
    Ok(())
}

/// Up to the block that switches all headers are of version 1, behind it all are of version 2, at peers of the new release.
fn headers_change_behind(network: &Network, switch: u64) -> Result<()> {
    for hospital in [Hospital::A, Hospital::B] {
        let doctor = Doctor::connect(&network.doctor(hospital), Deadlines::default())?;
        let height = channel_height(network, hospital)?.height;
        ensure!(height > switch + 2, "blocks follow: {height}");
        for number in 0..height {
            let position = BlockPosition::Number(BlockNumber(number));
            let Block { header, envelopes, .. } =
                doctor.run(|peer, channel| peer.block(channel, position))?;
            let counted = u32::try_from(envelopes.len())?;
            let expected = if number <= switch { (1, None) } else { (2, Some(counted)) };
            let found = (header.version, header.envelope_count);
            ensure!(found == expected, "block {number} of {hospital:?}: {found:?}, not {expected:?}");
        }
        println!(
            "{hospital:?}: {} headers of version 1, then {} of version 2",
            switch + 1,
            height - switch - 1
        );
    }
    Ok(())
}

/// Hospital C's nodes have applied nothing of the block, serve nobody, and say why: to those who ask, in log and metrics.
fn the_old_stop_before(network: &Network, switch: u64) -> Result<()> {
    Network::wait_until("the old peer stops", DEADLINE, || {
        let health = network.peer_health(Hospital::C)?;
        let reason = health["components"]["channels"].to_string();
        ensure!(reason.contains(NEEDED) && reason.contains(&format!("block {switch} ")), "{reason}");
        Ok(())
    })?;
    let height = channel_height(network, Hospital::C)?.height;
    ensure!(height == switch, "the old peer has {height} blocks, and block {switch} is not for it");
    Network::wait_until("the old orderer stops", DEADLINE, || {
        let health = network.orderer_health_page(Hospital::C)?;
        let reason = health["components"]["channel reports"].to_string();
        ensure!(reason.contains(NEEDED) && reason.contains(&format!("block {switch} ")), "{reason}");
        Ok(())
    })?;
    let sample = "consilium_channel_stopped{capability=\"V9_9\",channel=\"reports\",release=\"9.9\"} 1";
    let metrics = [network.peer_metrics(Hospital::C)?, network.orderer_metrics(Hospital::C)?];
    for (text, node) in metrics.iter().zip([Hospital::C.peer_name(), Hospital::C.orderer_name()]) {
        ensure!(text.contains(sample), "{node}: {sample} is missing in {text}");
        let log = std::fs::read_to_string(network.path(&format!("{node}.log")))?;
        ensure!(log.contains("the channel stops") && log.contains(NEEDED), "{node}'s log says nothing");
    }
    let args = ["chaincode", "query", "-n", "asset-transfer", "-c", "{\"Args\":[\"GetAllAssets\"]}"];
    let refused = network.doctor(Hospital::C).peer(&[&args[..], &["-C", "reports"]].concat())?;
    ensure!(refused.code != 0 && refused.stderr.contains("has stopped on this peer"), "{refused:?}");
    Ok(())
}
