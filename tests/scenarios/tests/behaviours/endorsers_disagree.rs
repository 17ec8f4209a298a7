//! Endorsers whose ledgers differ in height read different versions. The user learns which key, which versions, and who.

use std::time::Duration;

use anyhow::{Result, ensure};
use scenarios::{Stage, wait_for_same_heights};
use testnet::{CliOutput, Hospital, NetworkOptions, User};

#[test]
fn a_peer_that_lags_behind_is_named_with_the_key_and_both_versions() -> Result<()> {
    let mut network = Stage::start(NetworkOptions::default())?;
    let user = network.doctor(Hospital::A);
    invoke(&user, &["CreateAsset", "car", "blue", "5", "Tom", "900"], &[])?.expect_code(0)?;
    wait_for_same_heights(&network, Duration::from_secs(30))?;
    network.peer_process(Hospital::B)?.stop()?;
    invoke(&user, &["TransferAsset", "car", "Max"], &[])?.expect_code(0)?;
    // From here on nobody brings B up to date, and only A and B are there to endorse.
    for hospital in Hospital::ALL {
        network.orderer_process(hospital)?.stop()?;
    }
    network.peer_process(Hospital::C)?.stop()?;
    network.start_peer(Hospital::B)?;

    let through_the_gateway = invoke(&user, &["TransferAsset", "car", "Eva"], &[])?.expect_code(1)?;
    println!("{}", through_the_gateway.stderr);
    let heights = "the endorsers are at different heights (this peer has 3 blocks), try again";
    let read = "read of \"car\" in \"asset-transfer\": version 2:0 and version 1:0";
    let row = |address: &str, msp_id: &str| {
        format!("{address} ({msp_id}): HospitalAMSP and HospitalBMSP answered differently: {read}")
    };
    let (a, b) = (network.peer_port(Hospital::A), network.peer_port(Hospital::B));
    let rows =
        [row(&format!("127.0.0.1:{a}"), "HospitalAMSP"), row(&format!("localhost:{b}"), "HospitalBMSP")];
    for part in ["rejected: ABORTED", heights, read, &rows[0], &rows[1]] {
        ensure!(through_the_gateway.stderr.contains(part), "{part:?} is missing: {through_the_gateway:?}");
    }

    let peers = [format!("localhost:{a}"), format!("localhost:{b}")];
    let flags = ["--peerAddresses", &peers[0], "--peerAddresses", &peers[1]];
    let past_the_gateway = invoke(&user, &["TransferAsset", "car", "Eva"], &flags)?.expect_code(1)?;
    println!("{}", past_the_gateway.stderr);
    for part in ["rejected: ENDORSEMENT_MISMATCH", read, "HospitalAMSP and HospitalBMSP answered differently"]
    {
        ensure!(past_the_gateway.stderr.contains(part), "{part:?} is missing: {past_the_gateway:?}");
    }
    Ok(())
}

fn invoke(user: &User, args: &[&str], flags: &[&str]) -> Result<CliOutput> {
    let call = serde_json::json!({ "Args": args }).to_string();
    user.peer(&[&["chaincode", "invoke", "-n", "asset-transfer", "-c", &call], flags].concat())
}
