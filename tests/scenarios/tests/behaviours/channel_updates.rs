//! The channel's configuration changes by transactions, live: limits, references, members. Nobody is restarted.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use client::{Deadlines, Draft};
use protocol::{ChaincodeName, MspId};
use scenarios::{
    ChannelUpdate, Doctor, Image, Stage, channel_height, find_in_json, same_config_block, show,
    try_upload_again, upload, wait_for_same_heights,
};
use serde_json::Value;
use testnet::{Batching, Hospital, Network, NetworkOptions, User};

const DEADLINE: Duration = Duration::from_secs(60);
/// As unlike any picture as a hash can be: every bit is the other.
const ALL_BITS: u64 = u64::MAX;

#[test]
fn batch_and_references_change_under_a_running_client() -> Result<()> {
    let mut network = Stage::start(NetworkOptions::default())?;
    let image = network.path("scan.png");
    Image::rings(200, 160, 3).write(&image)?;
    let (id, _) = upload(&network.doctor(Hospital::A), &image, "patient-1")?;
    let hash = perceptual_hash(&network, &id)?;
    let bits = u64::from_str_radix(&hash, 16)?;
    let unlike = format!("{:016x}", bits ^ ALL_BITS);
    // The rule asks for the mean of the three best.
    let alike = [bits, bits ^ 1, bits ^ 2].map(|bits| format!("{bits:016x}"));

    let (done, ends) = (AtomicUsize::new(0), AtomicBool::new(false));
    let strict = NetworkOptions {
        batching: Batching { max_message_count: 1, ..network.options().batching },
        admission_refuses: true,
        references: vec![unlike],
        ..network.options().clone()
    };
    let known = NetworkOptions { references: alike.to_vec(), ..strict.clone() };
    std::thread::scope(|scope| -> Result<()> {
        let client = scope.spawn(|| keep_submitting(&network.doctor(Hospital::B), &done, &ends));
        let changed = change_twice(&network, &image, (&strict, &known), &done);
        ends.store(true, Ordering::Relaxed);
        client.join().map_err(|_| anyhow::anyhow!("the client panicked"))??;
        changed
    })?;
    println!("{} transactions of a client that never noticed", done.load(Ordering::Relaxed));
    wait_for_same_heights(&network, DEADLINE)?;
    let before = same_config_block(&network, &Hospital::ALL)?;

    // Whoever is started again finds the configuration in its own blocks.
    network.orderer_process(Hospital::B)?.kill()?;
    network.peer_process(Hospital::C)?.kill()?;
    network.start_orderer(Hospital::B)?;
    network.start_peer(Hospital::C)?;
    upload(&network.doctor(Hospital::C), &image, "patient-3")?;
    wait_for_same_heights(&network, DEADLINE)?;
    Network::wait_until("the restarted orderer delivers again", DEADLINE, || {
        ensure!(same_config_block(&network, &Hospital::ALL)? == before);
        Ok(())
    })
}

fn perceptual_hash(network: &Network, id: &str) -> Result<String> {
    let shown = show(&network.doctor(Hospital::A), id)?;
    let hash = find_in_json(&shown, "perceptual_hash").and_then(Value::as_str);
    Ok(hash.with_context(|| format!("no perceptual hash in {shown}"))?.to_owned())
}

/// First to references that the image is unlike, then to itself as the reference.
fn change_twice(
    network: &Network,
    image: &std::path::Path,
    (strict, known): (&NetworkOptions, &NetworkOptions),
    done: &AtomicUsize,
) -> Result<()> {
    let first = ChannelUpdate::compute(network, "strict", strict, &Hospital::ALL)?;
    let too_few = first.submit(network, &network.admin(Hospital::A), Hospital::A)?.expect_code(1)?;
    for words in [
        "/Channel/Application/Admins is not satisfied",
        "/Channel/Orderer/Admins is not satisfied",
        "2 needed",
    ] {
        ensure!(too_few.stderr.contains(words), "{words:?} is missing in {}", too_few.stderr);
    }
    first.sign(&network.admin(Hospital::B))?;
    first.sign(&network.orderer_admin(Hospital::A))?;
    first.sign(&network.orderer_admin(Hospital::C))?;
    first.submit(network, &network.admin(Hospital::A), Hospital::B)?.expect_code(0)?;
    let height = wait_for_config(network, 1)?;
    ensure!(height > 0);

    let refused = try_upload_again(&network.doctor(Hospital::A), image, "patient-2")?.expect_code(1)?;
    ensure!(refused.stderr.contains("calibrated"), "{}", refused.stderr);
    one_a_block(network, done)?;

    let second = ChannelUpdate::compute(network, "known", known, &Hospital::ALL)?;
    second.sign(&network.admin(Hospital::C))?;
    second.submit(network, &network.admin(Hospital::B), Hospital::C)?.expect_code(0)?;
    wait_for_config(network, 2)?;
    try_upload_again(&network.doctor(Hospital::A), image, "patient-2")?.expect_code(0)?;

    let replayed = first.submit(network, &network.admin(Hospital::A), Hospital::A)?.expect_code(1)?;
    ensure!(replayed.stderr.contains("sequence 0, and 2 is in force"), "{}", replayed.stderr);
    Ok(())
}

/// Waits until every peer has the configuration of that sequence in force; returns its block's number.
fn wait_for_config(network: &Network, sequence: u64) -> Result<u64> {
    let mut number = 0;
    Network::wait_until(&format!("configuration {sequence} at every peer and orderer"), DEADLINE, || {
        number = same_config_block(network, &Hospital::ALL)?.0;
        let block = network.path("in-force.block").display().to_string();
        let shown = network.configtxgen(&["--inspect-block", &block])?.expect_code(0)?.json()?;
        ensure!(shown["config"]["sequence"] == sequence, "sequence {}", shown["config"]["sequence"]);
        Ok(())
    })?;
    Ok(number)
}

/// The blocks behind the configuration block hold one transaction each.
fn one_a_block(network: &Network, done: &AtomicUsize) -> Result<()> {
    let (config, _) = same_config_block(network, &Hospital::ALL)?;
    let so_far = done.load(Ordering::Relaxed);
    Network::wait_until("some more transactions", DEADLINE, || {
        ensure!(done.load(Ordering::Relaxed) > so_far + 5);
        Ok(())
    })?;
    let height = channel_height(network, Hospital::A)?.height;
    ensure!(height > config + 1, "blocks follow");
    let channel = &network.options().channel;
    for number in config + 1..height {
        let (number, file) = (number.to_string(), network.path("one.block").display().to_string());
        let fetch = ["channel", "fetch", &number, &file, "-c", channel, "--output", "json"];
        let block = network.admin(Hospital::A).peer(&fetch)?.expect_code(0)?.json()?;
        let count = block["transactions"].as_array().map_or(0, Vec::len);
        ensure!(count == 1, "block {number} has {count} transactions");
        ensure!(
            block["header"]["last_config"] == config,
            "block {number}: {}",
            block["header"]["last_config"]
        );
    }
    Ok(())
}

/// Two clients in one: creates assets until told to end; the first failure is its end.
fn keep_submitting(user: &User, done: &AtomicUsize, ends: &AtomicBool) -> Result<()> {
    let doctor = Doctor::connect(user, Deadlines::default())?;
    let mut number = 0;
    while !ends.load(Ordering::Relaxed) {
        let drafts = [asset(number)?, asset(number + 1)?];
        doctor.run(|peer, channel| async {
            let (first, second) =
                tokio::join!(peer.submit(channel, &drafts[0]), peer.submit(channel, &drafts[1]));
            first.and(second)
        })?;
        number += 2;
        done.fetch_add(2, Ordering::Relaxed);
    }
    Ok(())
}

fn asset(number: usize) -> Result<Draft> {
    let args = [&format!("asset-{number}")[..], "blue", "5", "Tomoko", "300"];
    Ok(Draft::new(ChaincodeName::new("asset-transfer")?, "CreateAsset", &args))
}

#[test]
fn a_fourth_hospital_joins_endorses_and_leaves() -> Result<()> {
    let mut network = Stage::start(NetworkOptions::default())?;
    let four = [Hospital::A, Hospital::B, Hospital::C, Hospital::D];
    let options = network.options().clone();
    network.make_fourth_hospital()?;

    let joins = ChannelUpdate::compute(&network, "joins", &options, &four)?;
    joins.sign(&network.admin(Hospital::B))?;
    joins.submit(&network, &network.admin(Hospital::C), Hospital::A)?.expect_code(0)?;
    network.start_peer(Hospital::D)?;
    network.join_peer(Hospital::D)?;
    let mut reached = None;
    Network::wait_until("the fourth peer catches up", DEADLINE, || {
        let (own, others) = (channel_height(&network, Hospital::D)?, channel_height(&network, Hospital::A)?);
        ensure!(own == others, "{own:?} of {others:?}");
        reached = Some(own);
        Ok(())
    })?;
    println!("the fourth hospital is at {:?}", reached.context("it is equal")?);
    same_config_block(&network, &four)?;
    // A majority of four is three: without the fourth's endorsement the transaction would be invalid.
    let endorsers = [Hospital::D, Hospital::A, Hospital::B].map(|hospital| MspId::new(hospital.msp_id()));
    let endorsers = endorsers.into_iter().collect::<Result<Vec<_>, _>>()?;
    let doctor = Doctor::connect(&network.doctor(Hospital::D), Deadlines::default())?;
    let draft = asset(1)?.endorsed_by(endorsers);
    doctor.run(|peer, channel| peer.submit(channel, &draft))?;
    let image = network.path("scan.png");
    Image::rings(120, 90, 5).write(&image)?;
    upload(&network.doctor(Hospital::D), &image, "patient-1")?;

    let leaves = ChannelUpdate::compute(&network, "leaves", &options, &Hospital::ALL)?;
    for hospital in [Hospital::A, Hospital::B] {
        leaves.sign(&network.admin(hospital))?;
    }
    leaves.submit(&network, &network.admin(Hospital::C), Hospital::B)?.expect_code(0)?;
    wait_for_same_heights(&network, DEADLINE)?;
    Network::wait_until("the fourth hospital's connections end", DEADLINE, || {
        let log = std::fs::read_to_string(network.path(&format!("{}.log", Hospital::D.peer_name())))?;
        ensure!(log.contains("asking the next orderer"), "it still follows");
        let closed = Hospital::ALL.into_iter().filter(|hospital| {
            let name = format!("{}.log", hospital.orderer_name());
            std::fs::read_to_string(network.path(&name))
                .is_ok_and(|log| log.contains("live connection closed"))
        });
        ensure!(closed.count() > 0, "no orderer has closed a connection");
        Ok(())
    })?;
    let left_at = channel_height(&network, Hospital::D)?.height;
    upload(&network.doctor(Hospital::A), &image, "patient-2")?;
    let now = wait_for_same_heights(&network, DEADLINE)?.height;
    ensure!(now > left_at, "the three go on: {now}, {left_at}");
    let still_there = channel_height(&network, Hospital::D)?.height;
    ensure!(still_there == left_at, "the fourth gets no further block: {still_there}, {left_at}");
    same_config_block(&network, &Hospital::ALL)?;
    Ok(())
}
