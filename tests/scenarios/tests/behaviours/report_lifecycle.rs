//! A report's whole life: uploaded, checked, shared, opened, verified, unshared; and what must be nowhere.

use anyhow::{Context as _, Result, ensure};
use client::{BlockPosition, Deadlines};
use offchain::Cid;
use prost::Message as _;
use protocol::fabric::SerializedIdentity;
use protocol::{Block, BlockNumber, TxId};
use scenarios::{
    Doctor, Stage, corpus, download, files_holding, find_in_json, openings, share, show, unshare, upload,
    verify,
};
use serde_json::Value;
use testnet::{Hospital, Network, NetworkOptions};
use validation::parse_transaction;

const PATIENT: &str = "Hildegard-Wolkenstein-1953-07-11";

#[test]
fn a_report_is_checked_shared_opened_and_withdrawn() -> Result<()> {
    let Some(image) = corpus("cxr_normal_nih_00001951_010.png") else { return Ok(()) };
    let network = Stage::start(NetworkOptions::default())?;
    let (a, b, c) = (network.doctor(Hospital::A), network.doctor(Hospital::B), network.doctor(Hospital::C));
    let plaintext = std::fs::read(&image)?;
    let out = tempfile::tempdir()?;

    let (id, uploaded) = upload(&a, &image, PATIENT)?;
    println!("A's doctor uploaded report {id}");
    let blocks = all_blocks(&network)?;
    ensure!(
        endorsers(&blocks, &id)? == ["HospitalAMSP", "HospitalBMSP"],
        "checked by {:?}",
        endorsers(&blocks, &id)?
    );
    println!("hospitals A and B checked it: their endorsements stand in the envelope");
    let cid: Cid = find_in_json(&uploaded, "cid").and_then(Value::as_str).context("no cid")?.parse()?;
    let held = files_holding(&network.peer_data(Hospital::B).join("sealed"), &cid.to_bytes())?;
    ensure!(!held.is_empty(), "hospital B does not hold {cid}");

    share(&a, &id, Hospital::C)?.expect_code(0)?;
    download(&c, &id, &out.path().join("c.png"))?.expect_code(0)?;
    ensure!(std::fs::read(out.path().join("c.png"))? == plaintext, "C got other bytes");
    println!("C's doctor opened it: {} bytes, equal to the file", plaintext.len());
    let verified = verify(&c, &id)?.expect_code(0)?;
    ensure!(verified.stdout.contains("Valid Transaction"), "{verified:?}");

    let refused = download(&b, &id, &out.path().join("b.png"))?.expect_code(1)?;
    ensure!(refused.stderr.contains("has not shared it with HospitalBMSP"), "{refused:?}");
    ensure!(!out.path().join("b.png").exists());
    println!("B checked it, holds its sealed bytes, and cannot open it: {}", refused.stderr.trim());

    download(&network.second_doctor(Hospital::A), &id, &out.path().join("a2.png"))?.expect_code(0)?;
    ensure!(std::fs::read(out.path().join("a2.png"))? == plaintext);
    let opened_by = |msp_id: &str| -> Result<usize> {
        Ok(openings(&a, &id)?.iter().filter(|opening| opening["msp_id"] == *msp_id).count())
    };
    ensure!(opened_by("HospitalAMSP")? == 1 && opened_by("HospitalCMSP")? == 1, "{:?}", openings(&a, &id)?);
    ensure!(opened_by("HospitalBMSP")? == 0, "a refused opening is on the ledger");
    println!("both openings are on the ledger: {:?}", openings(&a, &id)?);

    unshare(&a, &id, Hospital::C)?.expect_code(0)?;
    let refused = download(&c, &id, &out.path().join("c2.png"))?.expect_code(1)?;
    ensure!(!out.path().join("c2.png").exists());
    println!("after the withdrawal C cannot open it: {}", refused.stderr.trim());

    shows_the_papers_mapping(&show(&a, &id)?, &blocks, &id)?;
    nothing_leaked(&network, &plaintext)
}

fn shows_the_papers_mapping(shown: &Value, blocks: &[Block], id: &str) -> Result<()> {
    let field = |name: &str| find_in_json(shown, name).with_context(|| format!("no {name} in {shown}"));
    let block = block_of(blocks, id)?;
    ensure!(field("Block_Index")?.as_u64() == Some(block.header.number.0));
    ensure!(*field("Hash_value")? == block.header.hash().to_string());
    ensure!(*field("Previous_Block_Hash")? == block.header.previous_hash.to_string());
    ensure!(field("timestamp")?.as_u64() == Some(block.header.timestamp_ms));
    ensure!(field("PoI")?.as_str().is_some_and(|poi| poi.len() == 64));
    field("PoW")?;
    println!("`show` has the mapping of the paper for block {}", block.header.number);
    Ok(())
}

/// Neither the patient nor a piece of the picture is in any file that a node wrote, nor in a block.
fn nothing_leaked(network: &Network, plaintext: &[u8]) -> Result<()> {
    let middle = plaintext.len() / 2;
    let slice = plaintext.get(middle..middle + 24).context("the image is tiny")?;
    for (what, needle) in [("the patient", PATIENT.as_bytes()), ("a piece of the image", slice)] {
        let found = files_holding(&network.path(""), needle)?;
        ensure!(found.is_empty(), "{what} stands in {found:?}");
        for block in all_blocks(network)? {
            let holds = |bytes: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
            ensure!(!block.envelopes.iter().any(|envelope| holds(envelope)), "{what} stands in a block");
        }
        println!("{what} is in no data folder, log or block");
    }
    Ok(())
}

fn all_blocks(network: &Network) -> Result<Vec<Block>> {
    let doctor = Doctor::connect(&network.doctor(Hospital::A), Deadlines::default())?;
    let height = doctor.run(|peer, channel| peer.chain_info(channel))?.height;
    (0..height)
        .map(|number| {
            let position = BlockPosition::Number(BlockNumber(number));
            Ok(doctor.run(|peer, channel| peer.block(channel, position))?)
        })
        .collect()
}

fn block_of<'a>(blocks: &'a [Block], id: &str) -> Result<&'a Block> {
    let id = TxId::new(id)?;
    let holds = |block: &&Block| {
        block.envelopes.iter().any(|bytes| parse_transaction(bytes).is_ok_and(|found| found.tx_id == id))
    };
    blocks.iter().find(holds).with_context(|| format!("no block holds {id}"))
}

/// Organisations that endorsed a transaction, sorted.
fn endorsers(blocks: &[Block], id: &str) -> Result<Vec<String>> {
    let tx_id = TxId::new(id)?;
    let envelopes = &block_of(blocks, id)?.envelopes;
    let transaction =
        envelopes.iter().filter_map(|bytes| parse_transaction(bytes).ok()).find(|tx| tx.tx_id == tx_id);
    let transaction = transaction.context("the block holds the transaction")?;
    let mut msp_ids = Vec::new();
    for endorsement in &transaction.endorsements {
        msp_ids.push(SerializedIdentity::decode(endorsement.endorser.clone())?.mspid);
    }
    msp_ids.sort();
    Ok(msp_ids)
}
