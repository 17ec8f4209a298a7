//! Uploads are compared with the channel's reference reports, by the rule that the channel names.

use anyhow::{Context as _, Result, ensure};
use scenarios::{Stage, corpus, find_in_json, show, try_upload, upload};
use serde_json::Value;
use testnet::{Hospital, NetworkOptions, shared_data};

#[test]
fn a_channel_that_refuses_takes_a_chest_x_ray_and_no_page_of_text() -> Result<()> {
    let (Some(page), Some(x_ray)) = (corpus("doc_page1.png"), corpus("cxr_covid_mhh_add529f3.png")) else {
        return Ok(());
    };
    let Some(references) = references()? else { return Ok(()) };
    let options = NetworkOptions { admission_refuses: true, references, ..NetworkOptions::default() };
    let network = Stage::start(options)?;
    let doctor = network.doctor(Hospital::A);
    let refused = try_upload(&doctor, &page, "patient-1")?.expect_code(1)?;
    println!("the page of text: {}", refused.stderr.trim());
    // The hash of the page against the 20 references: best 0.7031, mean of the best three 0.6719.
    for words in [
        "whose rule is calibrated",
        "paper-50: similarity 0.7031 of 0.5000 needed, accepted",
        "calibrated: similarity 0.6719 of 0.7400 needed, not accepted",
    ] {
        ensure!(refused.stderr.contains(words), "no {words:?} in {}", refused.stderr);
    }
    let (id, _) = upload(&doctor, &x_ray, "patient-2")?;
    let shown = show(&doctor, &id)?;
    ensure!(find_in_json(&shown, "outcome").and_then(Value::as_str) == Some("accepted"), "{shown}");
    println!("the chest X-ray is accepted: report {id}");
    Ok(())
}

#[test]
fn a_channel_that_warns_takes_the_page_and_says_so() -> Result<()> {
    let Some(page) = corpus("doc_page1.png") else { return Ok(()) };
    let network = Stage::start(NetworkOptions::default())?;
    let doctor = network.doctor(Hospital::B);
    let (id, uploaded) = upload(&doctor, &page, "patient-1")?;
    for (what, text) in [("upload", uploaded), ("show", show(&doctor, &id)?)] {
        ensure!(find_in_json(&text, "outcome").and_then(Value::as_str) == Some("warning"), "{what}: {text}");
    }
    let shown = doctor.peer(&["report", "show", &id])?.expect_code(0)?;
    println!("{}", shown.stdout);
    ensure!(shown.stdout.contains("warning"), "a reader is not warned: {}", shown.stdout);
    Ok(())
}

/// Hashes of the reference reports of modality CR.
fn references() -> Result<Option<Vec<String>>> {
    let Some(file) = shared_data("data/references-cr.csv") else { return Ok(None) };
    let text = std::fs::read_to_string(file)?;
    let hash = |line: &str| line.split(',').nth(1).map(str::to_owned);
    let hashes: Option<Vec<String>> = text.lines().skip(1).map(hash).collect();
    let hashes = hashes.context("a line of the references has no hash")?;
    ensure!(hashes.len() == 20, "{} references", hashes.len());
    Ok(Some(hashes))
}
