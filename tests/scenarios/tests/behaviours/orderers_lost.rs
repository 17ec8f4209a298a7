//! A leader that hangs is a slow answer; a lost majority is an error that names who is missing, and no lost transaction.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use client::{Deadlines, Draft};
use protocol::ChaincodeName;
use scenarios::{Doctor, Stage, leader};
use testnet::{Hospital, Network, NetworkOptions, Node};

/// For each step, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn create(id: &str) -> Result<Draft> {
    Ok(Draft::new(ChaincodeName::new("asset-transfer")?, "CreateAsset", &[id, "blue", "5", "Tomoko", "300"]))
}

#[test]
fn a_leader_that_hangs_delays_and_a_lost_majority_is_named() -> Result<()> {
    let mut network = Stage::start(NetworkOptions::default())?;
    let deadlines = Deadlines::default();
    let doctors = [Hospital::A, Hospital::B].map(|hospital| network.doctor(hospital));
    for user in &doctors {
        let draft = create(&format!("first-{}", user.hospital().letter()))?;
        Doctor::connect(user, deadlines)?.run(|peer, channel| peer.submit(channel, &draft))?;
    }

    let paused = leader(&network)?;
    network.pause(Node::Orderer(paused))?;
    for user in &doctors {
        let (draft, began) = (create(&format!("second-{}", user.hospital().letter()))?, Instant::now());
        Doctor::connect(user, deadlines)?.run(|peer, channel| peer.submit(channel, &draft))?;
        println!("while the leader hangs: VALID after {:?}", began.elapsed());
    }
    network.resume(Node::Orderer(paused))?;

    let killed = [Hospital::B, Hospital::C];
    for hospital in killed {
        network.orderer_process(hospital)?.kill()?;
    }
    let (doctor, draft) = (Doctor::connect(&doctors[0], deadlines)?, create("third")?);
    let endorsed = doctor.run(|peer, channel| peer.endorse(channel, &draft))?;
    let began = Instant::now();
    let ordered = doctor.run(|peer, channel| peer.order(channel, &endorsed));
    let waited = began.elapsed();
    let text = ordered.err().context("without a majority nothing is ordered")?.to_string();
    ensure!(text.contains("UNAVAILABLE"), "{text}");
    ensure!(waited < deadlines.submit, "it is told before the deadline, not after {waited:?}: {text}");
    for part in ["1 of 3 orderers are reached and 2 are needed", "OrdererBMSP", "OrdererCMSP"] {
        ensure!(text.contains(part), "{part} is missing in {text}");
    }
    println!("without a majority: UNAVAILABLE after {waited:?}");

    network.start_orderer(Hospital::B)?;
    Network::wait_until("the transaction is ordered", PATIENCE, || {
        doctor.run(|peer, channel| peer.order(channel, &endorsed))?;
        Ok(())
    })?;
    let (code, _) = doctor.run(|peer, channel| peer.commit_status(channel, &endorsed.tx_id))?;
    ensure!(code.is_valid(), "{} is {code}", endorsed.tx_id);
    Ok(())
}
