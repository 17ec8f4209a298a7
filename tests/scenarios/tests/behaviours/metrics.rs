//! What nodes count is what the table says, and grows with what happens.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use client::{Deadlines, Draft};
use protocol::ChaincodeName;
use scenarios::{Doctor, Image, Stage, upload, wait_for_same_heights};
use testnet::{Hospital, NetworkOptions};

/// A row of the table: type, labels, meaning.
type Row = (String, BTreeSet<String>, String);

#[test]
fn the_table_of_metrics_is_what_nodes_serve_and_they_grow_with_what_happens() -> Result<()> {
    let network = Stage::start(NetworkOptions::default())?;
    let files = tempfile::tempdir()?;
    let image = files.path().join("image.png");
    Image::rings(120, 100, 3).write(&image)?;
    upload(&network.doctor(Hospital::A), &image, "patient-1")?;
    let doctor = Doctor::connect(&network.doctor(Hospital::A), Deadlines::default())?;
    let draft = Draft::new(
        ChaincodeName::new("asset-transfer")?,
        "CreateAsset",
        &["asset1", "red", "1", "Tomoko", "1"],
    );
    for is_accepted in [true, false] {
        let outcome = doctor.run(|peer, channel| peer.submit(channel, &draft));
        ensure!(outcome.is_ok() == is_accepted, "{outcome:?}");
    }
    let refused = network.doctor(Hospital::A).peer(&[
        "chaincode",
        "query",
        "-n",
        "absent",
        "-c",
        "{\"Args\":[\"f\"]}",
    ])?;
    ensure!(refused.code != 0, "{refused:?}");
    wait_for_same_heights(&network, Duration::from_secs(30))?;

    let peer = [network.peer_metrics(Hospital::A)?];
    let mut orderers = Vec::new();
    for hospital in Hospital::ALL {
        orderers.push(network.orderer_metrics(hospital)?);
    }
    let table = table()?;
    serves("peer", &peer, &table)?;
    serves("orderer", &orderers, &table)?;
    for (texts, sample, least) in [
        (&peer[..], "ledger_blockchain_height{channel=\"reports\"}", 3.0),
        (
            &peer[..],
            "ledger_transaction_count{chaincode=\"reports\",channel=\"reports\",validation_code=\"VALID\"}",
            1.0,
        ),
        (
            &peer[..],
            "ledger_transaction_count{chaincode=\"asset-transfer\",channel=\"reports\",validation_code=\"VALID\"}",
            1.0,
        ),
        (
            &peer[..],
            "endorser_endorsement_failures{chaincode=\"asset-transfer\",chaincodeerror=\"true\",channel=\"reports\"}",
            1.0,
        ),
        (&peer[..], "endorser_proposal_validation_failures", 1.0),
        (&peer[..], "consilium_images{outcome=\"answered\"}", 2.0),
        (&peer[..], "consilium_images{outcome=\"ended\"}", 0.0),
        (&peer[..], "ledger_block_processing_time_count{channel=\"reports\"}", 2.0),
        (&orderers[..], "broadcast_processed_count{channel=\"reports\",status=\"SUCCESS\"}", 2.0),
        (&orderers[..], "deliver_blocks_sent{channel=\"reports\"}", 6.0),
        (&orderers[..], "consensus_raft_is_leader{channel=\"reports\"}", 1.0),
    ] {
        let value = sum(texts, sample)?;
        ensure!(value >= least, "{sample} is {value}");
    }
    ensure!(sum(&orderers, "consensus_raft_is_leader{channel=\"reports\"}")? < 2.0, "one leads");
    for text in peer.iter().chain(&orderers) {
        for secret in ["patient-1", "Tomoko", "CERTIFICATE", "absent"] {
            ensure!(!text.contains(secret), "{secret} is in a metric");
        }
    }
    Ok(())
}

/// The sum of a sample over nodes; at least one has it.
fn sum(texts: &[String], sample: &str) -> Result<f64> {
    let mut found = None;
    for line in texts.iter().flat_map(|text| text.lines()) {
        if let Some(value) = line.strip_prefix(sample).and_then(|rest| rest.strip_prefix(' ')) {
            found = Some(found.unwrap_or(0.0) + value.parse::<f64>()?);
        }
    }
    found.with_context(|| format!("no {sample} in\n{}", texts.concat()))
}

/// The rows of the documented table by node and name.
fn table() -> Result<BTreeMap<(String, String), Row>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../network/metrics.md");
    let text = std::fs::read_to_string(path)?;
    let mut rows = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, kind, labels, nodes, meaning] = cells[..] else { anyhow::bail!("five cells: {line}") };
        let labels: BTreeSet<String> = names(labels).collect();
        for node in names(nodes) {
            let row = (kind.to_owned(), labels.clone(), meaning.to_owned());
            rows.insert((node, name.trim_matches('`').to_owned()), row);
        }
    }
    Ok(rows)
}

fn names(cell: &str) -> impl Iterator<Item = String> {
    cell.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned)
}

/// Each family that a node serves has its row, and each row of the node is served.
fn serves(node: &str, texts: &[String], table: &BTreeMap<(String, String), Row>) -> Result<()> {
    let mut wrong = Vec::new();
    let families = families(texts)?;
    for (name, served) in &families {
        match table.get(&(node.to_owned(), name.clone())) {
            Some(row) if row == served => {}
            other => wrong.push(format!("{node} serves {name} as {served:?}; the table says {other:?}")),
        }
    }
    let rows = table.keys().filter(|(of, _)| of == node).map(|(_, name)| name);
    for name in rows.filter(|name| !families.contains_key(*name)) {
        wrong.push(format!("{node} does not serve {name}"));
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// The families of all texts with type, labels and help.
fn families(texts: &[String]) -> Result<BTreeMap<String, Row>> {
    let mut families: BTreeMap<String, Row> = BTreeMap::new();
    let mut current = String::new();
    for line in texts.iter().flat_map(|text| text.lines()) {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
            current = name.to_owned();
            let new = || (String::new(), BTreeSet::new(), help.to_owned());
            families.entry(current.clone()).or_insert_with(new);
            continue;
        }
        let family = families.get_mut(&current).with_context(|| format!("no family before {line}"))?;
        if let Some((_, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            kind.clone_into(&mut family.0);
        } else if let Some((_, labels)) = line.split_once('{') {
            let pairs = labels.split('}').next().unwrap_or_default().split(',');
            let labels = pairs.filter_map(|pair| Some(pair.split_once('=')?.0.to_owned()));
            family.1.extend(labels.filter(|label| label != "le"));
        }
    }
    Ok(families)
}
