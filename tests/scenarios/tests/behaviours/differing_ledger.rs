//! A peer whose ledger was changed behind its back learns it from the others' attestations and stops; the others go on.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use scenarios::{Stage, channel_height, wait_for_same_heights};
use serde_json::{Value, json};
use store::{
    BLOCK_FAMILIES, Batch, Durability, FamilyKind, FamilySpec, KeyRange, Order, Read as _, Store,
    StoreOptions,
};
use testnet::{Hospital, Network, NetworkOptions};

/// A round of attestations takes half a second; nodes of a busy machine take longer.
const NOTICED: Duration = Duration::from_secs(60);

#[test]
fn a_peer_whose_commit_hash_a_majority_contradicts_stops_and_the_others_go_on() -> Result<()> {
    let mut network = Stage::start(NetworkOptions::default())?;
    let doctor = network.doctor(Hospital::A);
    let create = |id: &str| {
        let call = json!({ "Args": ["CreateAsset", id, "blue", "5", "Tom", "900"] }).to_string();
        doctor.peer(&["chaincode", "invoke", "-n", "asset-transfer", "-c", &call])?.expect_code(0)
    };
    create("first")?;
    let before = wait_for_same_heights(&network, NOTICED)?;
    Network::wait_until("all peers attest one ledger", NOTICED, || {
        for hospital in Hospital::ALL {
            let said = attestations(&network, hospital)?;
            let agrees =
                said.iter().all(|row| row["ledger"] == "agrees" && row["block_number"] == before.height - 1);
            ensure!(said.len() == 2 && agrees, "hospital {hospital:?} heard {said:?}");
        }
        Ok(())
    })?;

    network.peer_process(Hospital::B)?.stop()?;
    change_commit_hash(&network, before.height - 1)?;
    network.start_peer(Hospital::B)?;
    let mut reason = String::new();
    Network::wait_until("hospital B's channel stops", NOTICED, || {
        let health = network.peer_health(Hospital::B)?;
        let channels = &health["components"]["channels"];
        ensure!(channels["healthy"] == false, "{channels}");
        reason = channels["reason"].as_str().context("no reason")?.to_owned();
        Ok(())
    })?;
    println!("{reason}");
    for part in [
        "channel reports stopped: this peer's ledger differs",
        "2 of the channel's 3 organisations",
        &format!("HospitalAMSP attests commit hash {} at block {}", before.commit_hash, before.height - 1),
        "HospitalCMSP attests",
    ] {
        ensure!(reason.contains(part), "{part:?} is missing: {reason}");
    }
    let refused = network.doctor(Hospital::B).peer(&["channel", "getinfo", "-c", "reports"])?;
    ensure!(refused.code != 0 && refused.stderr.contains("has stopped"), "{refused:?}");

    create("second")?;
    for hospital in [Hospital::A, Hospital::C] {
        let expected = before.height + 1;
        Network::wait_until("the others go on", NOTICED, || {
            ensure!(channel_height(&network, hospital)?.height == expected, "hospital {hospital:?}");
            Ok(())
        })?;
        let said = attestations(&network, hospital)?;
        let b = said.iter().find(|row| row["msp_id"] == "HospitalBMSP").context("B said nothing")?;
        ensure!(b["ledger"] == "differs" && network.peer_health(hospital)?["status"] == "OK", "{said:?}");
        let log = std::fs::read_to_string(network.path(&format!("{}.log", hospital.peer_name())))?;
        let lines = log.lines().filter(|line| line.contains("attests another ledger")).count();
        ensure!(lines == 1, "hospital {hospital:?} logs it {lines} times");
    }
    println!("hospitals A and C endorse and commit on, and show that B differs");
    it_is_stopped_after_a_restart_and_goes_on_as_it_says(&mut network, &reason)?;
    create("third")?;
    let reached = wait_for_same_heights(&network, NOTICED)?;
    println!("hospital B joined again, and all are at {reached:?}");
    Ok(())
}

/// With nobody there to contradict it, it knows all the same.
fn it_is_stopped_after_a_restart_and_goes_on_as_it_says(network: &mut Network, reason: &str) -> Result<()> {
    for hospital in Hospital::ALL {
        network.peer_process(hospital)?.stop()?;
    }
    network.start_peer(Hospital::B)?;
    let health = network.peer_health(Hospital::B)?;
    let channels = &health["components"]["channels"];
    ensure!(channels["healthy"] == false && channels["reason"] == reason, "{channels}, and before {reason}");
    let read = json!({ "Args": ["ReadAsset", "first"] }).to_string();
    let refused =
        network.doctor(Hospital::B).peer(&["chaincode", "query", "-n", "asset-transfer", "-c", &read])?;
    ensure!(refused.code != 0 && refused.stderr.contains("has stopped"), "{refused:?}");

    let channel = network.options().channel.clone();
    let way = format!("move the folder ledgers/{channel} of its fileSystemPath away");
    ensure!(reason.contains(&way), "{way:?} is missing: {reason}");
    network.peer_process(Hospital::B)?.stop()?;
    let ledgers = network.peer_data(Hospital::B).join("ledgers");
    std::fs::rename(ledgers.join(&channel), network.path("moved-away"))?;
    for hospital in Hospital::ALL {
        network.start_peer(hospital)?;
    }
    network.join_peer(Hospital::B)
}

/// What a peer shows of the others' attestations.
fn attestations(network: &Network, hospital: Hospital) -> Result<Vec<Value>> {
    let health = network.peer_health(hospital)?;
    let facts = &health["components"]["channels"]["facts"][&network.options().channel];
    Ok(facts["attestations"].as_array().with_context(|| format!("no attestations in {health}"))?.clone())
}

/// Changes one byte of the commit hash that B's ledger recorded with a block.
fn change_commit_hash(network: &Network, number: u64) -> Result<()> {
    let path = network.peer_data(Hospital::B).join("ledgers").join(&network.options().channel);
    let small = |name| FamilySpec { name, kind: FamilyKind::Small };
    let state = FamilySpec { name: "state", kind: FamilyKind::State };
    let mut families = BLOCK_FAMILIES.to_vec();
    families.extend([state, small("history"), small("commits"), small("configs")]);
    let store = Store::open(&path, &families, StoreOptions::new("ledger", 1))?;
    let records = store.scan("commits", &KeyRange::all(), Order::Ascending, 10_000)?;
    let (key, record) =
        records.into_iter().find(|(key, _)| **key == number.to_be_bytes()).context("no commit record")?;
    let mut record = record.to_vec();
    // MessagePack [version, block hash, commit hash, codes]: 1 + 1 + (2 + 32) + 2 bytes stand before the hash.
    record[40] ^= 0x20;
    let mut batch = Batch::new();
    batch.put("commits", key, record);
    Ok(store.write(&batch, Durability::Synced)?)
}
