//! A hospital that uploads the same file twice is told so before it is sealed; another hospital's files are its own matter.
//! Lists come by pages, an asset's past by its history.

use anyhow::{Context as _, Result, ensure};
use scenarios::{Image, Stage, try_upload, upload};
use serde_json::{Value, json};
use testnet::{Hospital, NetworkOptions, User};

#[test]
fn the_same_file_is_noticed_and_reports_and_assets_are_listed_by_pages() -> Result<()> {
    let mut network = Stage::start(NetworkOptions::default())?;
    let files = tempfile::tempdir()?;
    let image = files.path().join("scan.png");
    Image::rings(320, 240, 5).write(&image)?;
    let (a, b) = (network.doctor(Hospital::A), network.doctor(Hospital::B));
    let (first, _) = upload(&a, &image, "patient-1")?;
    let sealed_before = sealed(&network)?;
    let copy = files.path().join("copy.png");
    std::fs::copy(&image, &copy)?;
    network.peer_process(Hospital::A)?.stop()?;
    network.start_peer(Hospital::A)?;
    let refused = try_upload(&a, &copy, "patient-1")?.expect_code(1)?;
    println!("{}", refused.stderr);
    let text = format!("copy.png was uploaded before, as report {first}");
    ensure!(refused.stderr.contains("UPLOADED_BEFORE") && refused.stderr.contains(&text), "{refused:?}");
    ensure!(sealed(&network)? == sealed_before, "something was sealed");
    let second_doctor =
        try_upload(&network.second_doctor(Hospital::A), &copy, "patient-2")?.expect_code(1)?;
    ensure!(second_doctor.stderr.contains(&text), "the hospital knows, not one user: {second_doctor:?}");
    let (other, _) = upload(&b, &copy, "patient-9")?;
    let path = copy.display().to_string();
    let again =
        ["report", "upload", &path, "--patient", "p", "--modality", "CR", "--again", "--output", "json"];
    let again = a.peer(&again)?.expect_code(0)?.json()?;
    let again = again["report_id"].as_str().context("no report")?.to_owned();

    let mut expected = vec![first, other, again];
    expected.sort();
    ensure!(pages(&a)? == expected, "the pages hold other reports");
    history(&a)
}

/// How often hospital A's peer says that it sealed something.
fn sealed(network: &Stage) -> Result<usize> {
    let log = std::fs::read_to_string(network.path(&format!("{}.log", Hospital::A.peer_name())))?;
    Ok(log.lines().filter(|line| line.contains("reports.sealed")).count())
}

/// All reports, two a page.
fn pages(user: &User) -> Result<Vec<String>> {
    let (mut found, mut bookmark) = (Vec::new(), String::new());
    loop {
        let mut line = vec!["report", "list", "--page-size", "2", "--output", "json"];
        if !bookmark.is_empty() {
            line.extend(["--bookmark", &bookmark]);
        }
        let page = user.peer(&line)?.expect_code(0)?.json()?;
        let records = page["records"].as_array().context("no records")?;
        ensure!(records.len() <= 2, "{page}");
        found.extend(records.iter().filter_map(|record| record["report_id"].as_str().map(str::to_owned)));
        bookmark = page["bookmark"].as_str().context("no bookmark")?.to_owned();
        if bookmark.is_empty() {
            return Ok(found);
        }
    }
}

/// An asset's life, as its history tells it; and that who pages may not write.
fn history(user: &User) -> Result<()> {
    let call = |verb: &str, args: &[&str]| {
        let call = json!({ "Args": args }).to_string();
        user.peer(&["chaincode", verb, "-n", "asset-transfer", "-c", &call, "--output", "json"])?
            .expect_code(0)?
            .json()
    };
    let created = call("invoke", &["CreateAsset", "car", "blue", "5", "Tom", "900"])?;
    let transferred = call("invoke", &["TransferAsset", "car", "Max"])?;
    let deleted = call("invoke", &["DeleteAsset", "car"])?;
    let history = call("query", &["GetAssetHistory", "car"])?;
    println!("{history:#}");
    let rows = history["payload"].as_array().context("no history")?;
    let expected = [(&deleted, "", true), (&transferred, "Max", false), (&created, "Tom", false)];
    ensure!(rows.len() == expected.len(), "{history}");
    for (row, (transaction, owner, is_delete)) in rows.iter().zip(expected) {
        let same = row["txId"] == transaction["tx_id"] && row["record"]["Owner"] == owner;
        ensure!(same && row["isDelete"] == is_delete, "{row} of {transaction}");
    }
    for id in ["a1", "a2", "a3"] {
        call("invoke", &["CreateAsset", id, "red", "1", "Eva", "7"])?;
    }
    let page = |bookmark: &str| call("query", &["GetAssetsByRangeWithPagination", "a", "b", "2", bookmark]);
    let ids = |page: &Value| -> Vec<Value> {
        page["payload"]["records"].as_array().into_iter().flatten().map(|asset| asset["ID"].clone()).collect()
    };
    let first = page("")?;
    ensure!(ids(&first) == ["a1", "a2"] && first["payload"]["bookmark"] == "a3", "{first}");
    let last = page("a3")?;
    ensure!(ids(&last) == ["a3"] && last["payload"]["bookmark"] == "", "{last}");
    Ok(())
}
