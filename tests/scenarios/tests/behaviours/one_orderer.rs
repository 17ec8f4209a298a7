//! One consenter is a channel too, and a channel's difficulty seals its blocks. A custodian releases
//! keys while the owner is down.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use scenarios::{Image, Stage, download, share, upload, wait_for_same_heights};
use testnet::{Hospital, Network, NetworkOptions};

const DIFFICULTY_BITS: u8 = 8;
const DEPOSIT_DEADLINE: Duration = Duration::from_secs(30);

#[test]
fn one_orderer_seals_blocks_and_a_custodian_stands_in_for_an_owner_that_is_down() -> Result<()> {
    let mut network = Stage::start(NetworkOptions {
        orderers: 1,
        difficulty_bits: DIFFICULTY_BITS,
        custodians: vec![Hospital::C.msp_id()],
        ..NetworkOptions::default()
    })?;
    let image = network.path("scan.png");
    Image::rings(256, 256, 7).write(&image)?;
    let (id, _) = upload(&network.doctor(Hospital::A), &image, "a patient")?;
    share(&network.doctor(Hospital::A), &id, Hospital::B)?.expect_code(0)?;
    let height = wait_for_same_heights(&network, DEPOSIT_DEADLINE)?.height;
    for number in 1..height {
        let hash = block_hash(&network, number)?;
        ensure!(
            hash.starts_with("00"),
            "block {number} has hash {hash}, not {DIFFICULTY_BITS} leading zero bits"
        );
    }
    println!("{} blocks are sealed at {DIFFICULTY_BITS} bits", height - 1);
    // The key reaches the custodian after the commit; whether it has is seen by reading while the owner is down.
    let first = network.path("first.png");
    Network::wait_until("the custodian has the key", DEPOSIT_DEADLINE, || {
        let held = std::fs::read_to_string(network.path(&format!("{}.log", Hospital::A.peer_name())))?;
        ensure!(held.contains("custody.deposited"), "no deposit is logged yet");
        Ok(())
    })?;
    network.peer_process(Hospital::A)?.stop()?;
    download(&network.doctor(Hospital::B), &id, &first)?.expect_code(0)?;
    ensure!(std::fs::read(&first)? == std::fs::read(&image)?, "the bytes differ");
    println!("with the owner down, the custodian released the key and the bytes are alike");
    Ok(())
}

/// The hash that `peer channel fetch` prints of a block.
fn block_hash(network: &Network, number: u64) -> Result<String> {
    let file = network.path(&format!("{number}.block")).display().to_string();
    let (number, channel) = (number.to_string(), &network.options().channel);
    let printed = network
        .doctor(Hospital::A)
        .peer(&["channel", "fetch", &number, &file, "-c", channel])?
        .expect_code(0)?;
    let hash = printed.stdout.split("hash ").nth(1).and_then(|rest| rest.split(',').next());
    Ok(hash.with_context(|| format!("no hash in {:?}", printed.stdout))?.to_owned())
}
