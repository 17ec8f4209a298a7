//! Shows that the network works: hospital A shares a report with hospital B, which opens it and compares.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::binaries::Binaries;
use crate::command;
use crate::consortium::{HOSPITALS, Hospital};
use crate::folder::Folder;
use crate::material::write;
use crate::state::State;
use crate::{node_files, phantom};

/// Who uploads.
const OWNER: Hospital = HOSPITALS[0];
/// Who opens it.
const READER: Hospital = HOSPITALS[1];
/// The reader's reason, as the ledger records it.
const PURPOSE: &str = "trying out";

/// Shares `image`, or once a drawn phantom; returns the report's id, `None` if nothing was shared now or before.
///
/// # Errors
/// The step that failed, and what the program said.
pub async fn show(
    folder: &Folder,
    binaries: &Binaries,
    state: &mut State,
    image: Option<&Path>,
) -> anyhow::Result<Option<String>> {
    if image.is_none() && state.first_report.is_some() {
        return Ok(state.first_report.clone());
    }
    let path = match image {
        Some(path) => std::path::absolute(path)?,
        None => draw(folder)?,
    };
    let sharing = Sharing { folder, binaries, state };
    let report = sharing.upload(&path).await?;
    sharing.verify(&report).await?;
    sharing.open(&report, &path).await?;
    if state.first_report.is_none() {
        state.first_report = Some(report.clone());
        state.save(folder)?;
    }
    Ok(Some(report))
}

/// Writes the phantom.
fn draw(folder: &Folder) -> anyhow::Result<PathBuf> {
    let path = folder.shared().join("phantom.png");
    write(&folder.shared().join("README"), "Images that `network up` drew and opened.\n")?;
    fs::write(&path, phantom::png()).with_context(|| format!("{}: cannot be written", path.display()))?;
    eprintln!(
        "no image was named: a Shepp-Logan phantom is drawn and shared. It is no X-ray and shows nobody;"
    );
    eprintln!(
        "expect a warning that it is unlike the channel's chest radiographs. The sample channel warns, and a"
    );
    eprintln!("channel with `Refuse: refuse` in consortium.yaml would not endorse it.");
    Ok(path)
}

struct Sharing<'a> {
    folder: &'a Folder,
    binaries: &'a Binaries,
    state: &'a State,
}

impl Sharing<'_> {
    /// `peer report VERB`, as the doctor of a hospital.
    fn report(&self, hospital: Hospital, verb: &str) -> Command {
        let mut command = self.binaries.command("peer");
        command.envs(node_files::variables(self.folder, self.state, hospital, "doctor"));
        command.args(["report", verb]);
        command
    }

    async fn upload(&self, path: &Path) -> anyhow::Result<String> {
        let reader = format!("{}MSP", READER.name());
        eprintln!("{}: shares {} with {} ...", OWNER.slug(), path.display(), READER.slug());
        let mut command = self.report(OWNER, "upload");
        command.arg(path).args(["--patient", "demo", "--modality", "CR", "--share-with", &reader]);
        // Who names an image twice wants it shared twice.
        command.args(["--again", "--output", "json"]);
        let said = command::run(command, "sharing the report").await?;
        let shared = report_of(&said.stdout).context("what `peer report upload` printed names no report")?;
        eprintln!("{}: report {} is on the ledger", OWNER.slug(), shared.id);
        shared.lines.iter().for_each(|line| eprintln!("    {line}"));
        Ok(shared.id)
    }

    async fn verify(&self, report: &str) -> anyhow::Result<()> {
        let mut command = self.report(READER, "verify");
        command.arg(report);
        let said = command::run(command, "verifying the report").await?;
        eprintln!("{}: verified the report's record, block and sealed bytes", READER.slug());
        said.stdout.lines().chain(said.stderr.lines()).for_each(|line| eprintln!("    {line}"));
        Ok(())
    }

    async fn open(&self, report: &str, original: &Path) -> anyhow::Result<()> {
        let copy = self.folder.shared().join(format!("opened-by-{}-{report}", READER.slug()));
        let _ = fs::remove_file(&copy);
        fs::create_dir_all(self.folder.shared())?;
        let mut command = self.report(READER, "download");
        command.arg(report).args(["--purpose", PURPOSE]).arg("--out").arg(&copy);
        command::run(command, "opening the report").await?;
        let read =
            |path: &Path| fs::read(path).with_context(|| format!("{}: cannot be read", path.display()));
        let (sent, received) = (read(original)?, read(&copy)?);
        if sent != received {
            bail!(
                "{} and {} differ: what was opened is not what was shared; this is a fault of the release",
                original.display(),
                copy.display()
            );
        }
        eprintln!("{}: opened it into {}; all {} bytes are alike", READER.slug(), copy.display(), sent.len());
        eprintln!("    the ledger holds who opened it, when and for what");
        Ok(())
    }
}

/// What an upload's JSON says.
#[derive(Debug, PartialEq, Eq)]
struct Shared {
    id: String,
    /// What else is worth reading, the admission's warning above all.
    lines: Vec<String>,
}

/// The report in the JSON that `peer report upload` prints.
fn report_of(text: &str) -> Option<Shared> {
    let value: Value = serde_json::from_str(text).ok()?;
    let id = value.get("report_id")?.as_str()?.to_owned();
    // It becomes a part of a file's name.
    let is_id = !id.is_empty() && id.len() <= 128 && id.chars().all(|c| c.is_ascii_alphanumeric());
    let rows = [
        ("block", value.get("block_number")),
        ("checked by", value.get("checked_by")),
        ("CID", value.pointer("/record/cid")),
        ("perceptual hash", value.pointer("/record/perceptual_hash")),
        ("warning", value.get("warning")),
    ];
    let lines =
        rows.into_iter().filter_map(|(name, value)| Some(format!("{name}: {}", shown(value?)?))).collect();
    is_id.then_some(Shared { id, lines })
}

fn shown(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Array(items) => Some(items.iter().filter_map(shown).collect::<Vec<_>>().join(", ")),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_is_found_in_what_an_upload_prints() {
        let shared = |id: &str| Some(id.to_owned());
        let rows = [
            (r#"{"report_id":"ab12","record":{}}"#, shared("ab12")),
            (r#"{"report_id":"../etc"}"#, None),
            (r#"{"report_id":""}"#, None),
            (r#"{"report_id":7}"#, None),
            (r#"{"id":"ab12"}"#, None),
            ("uploaded", None),
        ];
        for (text, expected) in rows {
            assert_eq!(report_of(text).map(|shared| shared.id), expected, "{text}");
        }
    }

    #[test]
    fn what_is_worth_reading_is_shown_in_words() {
        let text = r#"{"report_id":"ab12","block_number":3,"checked_by":["HospitalAMSP","HospitalBMSP"],
            "warning":"the image is not like a CR report","record":{"cid":"bafy","perceptual_hash":"00ff"}}"#;
        let expected = [
            "block: 3",
            "checked by: HospitalAMSP, HospitalBMSP",
            "CID: bafy",
            "perceptual hash: 00ff",
            "warning: the image is not like a CR report",
        ];
        assert_eq!(report_of(text).unwrap().lines, expected);
        let quiet = r#"{"report_id":"ab12","warning":null,"record":{"cid":"bafy"}}"#;
        assert_eq!(report_of(quiet).unwrap().lines, ["CID: bafy"]);
    }
}
