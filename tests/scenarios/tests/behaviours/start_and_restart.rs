//! Every node ends in order when asked to, and comes back with what it had.

use std::time::Duration;

use anyhow::{Result, ensure};
use client::{Deadlines, Draft};
use protocol::ChaincodeName;
use scenarios::{Doctor, Stage, wait_for_same_heights};
use testnet::{Hospital, Network, NetworkOptions};

const CATCH_UP: Duration = Duration::from_secs(30);

#[test]
fn a_network_that_was_stopped_comes_back_as_it_was_and_goes_on() -> Result<()> {
    let mut network = Stage::start(NetworkOptions::default())?;
    create(&network, "before-1")?;
    create(&network, "before-2")?;
    let before = wait_for_same_heights(&network, CATCH_UP)?;
    for hospital in Hospital::ALL {
        // `stop` fails unless the exit code is 0.
        network.peer_process(hospital)?.stop()?;
        network.orderer_process(hospital)?.stop()?;
    }
    println!("all nodes ended with exit code 0 at {before:?}");
    for hospital in Hospital::ALL {
        network.start_orderer(hospital)?;
        network.start_peer(hospital)?;
    }
    ensure!(wait_for_same_heights(&network, CATCH_UP)? == before, "the heights changed over the restart");
    create(&network, "after")?;
    let after = wait_for_same_heights(&network, CATCH_UP)?;
    ensure!(after.height > before.height);
    println!("after the restart transactions go on: {after:?}");
    Ok(())
}

fn create(network: &Network, id: &str) -> Result<()> {
    let doctor = Doctor::connect(&network.doctor(Hospital::A), Deadlines::default())?;
    let draft =
        Draft::new(ChaincodeName::new("asset-transfer")?, "CreateAsset", &[id, "blue", "5", "Tomoko", "300"]);
    let submitted = doctor.run(|peer, channel| peer.submit(channel, &draft))?;
    println!("{id} is in block {}", submitted.block_number);
    Ok(())
}
