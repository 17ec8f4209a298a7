//! A network whose signing keys are all Ed25519: authorities, consenters, endorsers, creators.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use client::{BlockPosition, Deadlines, Draft};
use prost::Message as _;
use protocol::fabric::Envelope;
use protocol::{Block, BlockNumber, ChaincodeName};
use scenarios::{Doctor, Image, Stage, download, share, upload, verify, wait_for_same_heights};
use testnet::{Hospital, NetworkOptions};
use validation::parse_transaction;

const CATCH_UP: Duration = Duration::from_secs(30);
/// Of an Ed25519 signature; one of ECDSA P-256 in DER has at least 66 but for one in ten thousands.
const SIGNATURE_BYTES: usize = 64;

#[test]
fn a_network_of_ed25519_keys_commits_shares_and_catches_up() -> Result<()> {
    let options = NetworkOptions { public_key_algorithm: "ed25519", ..NetworkOptions::default() };
    let mut network = Stage::start(options)?;
    let create = |network: &Stage, id: &str| -> Result<()> {
        let doctor = Doctor::connect(&network.doctor(Hospital::A), Deadlines::default())?;
        let name = ChaincodeName::new("asset-transfer")?;
        let draft = Draft::new(name, "CreateAsset", &[id, "blue", "5", "Tomoko", "300"]);
        let submitted = doctor.run(|peer, channel| peer.submit(channel, &draft))?;
        println!("{id} is in block {}", submitted.block_number);
        Ok(())
    };
    create(&network, "first")?;
    network.peer_process(Hospital::C)?.stop()?;
    create(&network, "while-c-is-away")?;

    let image = network.path("scan.png");
    Image::rings(256, 256, 7).write(&image)?;
    let (id, _) = upload(&network.doctor(Hospital::A), &image, "a patient")?;
    share(&network.doctor(Hospital::A), &id, Hospital::B)?.expect_code(0)?;
    let opened = network.path("opened.png");
    download(&network.doctor(Hospital::B), &id, &opened)?.expect_code(0)?;
    ensure!(std::fs::read(&opened)? == std::fs::read(&image)?, "the bytes differ");
    let verified = verify(&network.doctor(Hospital::B), &id)?.expect_code(0)?;
    ensure!(verified.stdout.contains("Valid Transaction"), "{verified:?}");

    network.start_peer(Hospital::C)?;
    let heights = wait_for_same_heights(&network, CATCH_UP)?;
    println!("C has caught up: {heights:?}");
    every_signature_is_ed25519(&network, heights.height)
}

fn every_signature_is_ed25519(network: &Stage, height: u64) -> Result<()> {
    let doctor = Doctor::connect(&network.doctor(Hospital::C), Deadlines::default())?;
    let mut seen = 0;
    for number in 1..height {
        let position = BlockPosition::Number(BlockNumber(number));
        let block: Block = doctor.run(|peer, channel| peer.block(channel, position))?;
        let mut signatures: Vec<_> = block.signatures.iter().map(|signed| signed.signature.clone()).collect();
        for envelope in &block.envelopes {
            signatures.push(Envelope::decode(envelope.clone())?.signature);
            let transaction = parse_transaction(envelope).ok().context("a transaction")?;
            signatures.extend(transaction.endorsements.into_iter().map(|endorsement| endorsement.signature));
        }
        let others: Vec<usize> = signatures
            .iter()
            .map(|signature| signature.len())
            .filter(|length| *length != SIGNATURE_BYTES)
            .collect();
        ensure!(others.is_empty(), "block {number} has signatures of {others:?} bytes");
        seen += signatures.len();
    }
    println!("{seen} signatures of consenters, creators and endorsers have {SIGNATURE_BYTES} bytes");
    ensure!(seen > 20, "only {seen} signatures were seen");
    Ok(())
}
