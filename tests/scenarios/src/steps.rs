//! What a doctor does with a report, through the command line. The flags stand here only.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::Value;
use testnet::{CliOutput, Hospital, User};

use crate::searching::find_in_json;

/// Uploads a file as modality CR and returns what `peer report upload` printed.
///
/// # Errors
/// Where it is not accepted.
pub fn upload(user: &User, file: &Path, patient: &str) -> Result<(String, Value)> {
    let shown = try_upload(user, file, patient)?.expect_code(0)?.json()?;
    let id = find_in_json(&shown, "report_id").and_then(Value::as_str);
    let id = id.with_context(|| format!("no report_id in {shown}"))?.to_owned();
    Ok((id, shown))
}

/// Uploads a file once more that the hospital uploaded before.
///
/// # Errors
/// Where the command line does not start.
pub fn try_upload_again(user: &User, file: &Path, patient: &str) -> Result<CliOutput> {
    let file = file.display().to_string();
    user.peer(&[
        "report",
        "upload",
        &file,
        "--patient",
        patient,
        "--modality",
        "CR",
        "--again",
        "--output",
        "json",
    ])
}

/// Uploads a file as modality CR.
///
/// # Errors
/// Where the command line does not start.
pub fn try_upload(user: &User, file: &Path, patient: &str) -> Result<CliOutput> {
    let file = file.display().to_string();
    let args = ["report", "upload", &file, "--patient", patient, "--modality", "CR", "--output", "json"];
    user.peer(&args)
}

/// Shares a report with a hospital.
///
/// # Errors
/// Where the command line does not start.
pub fn share(user: &User, id: &str, with: Hospital) -> Result<CliOutput> {
    user.peer(&["report", "share", id, "--with", &with.msp_id(), "--output", "json"])
}

/// Withdraws a hospital's right to a report.
///
/// # Errors
/// Where the command line does not start.
pub fn unshare(user: &User, id: &str, with: Hospital) -> Result<CliOutput> {
    user.peer(&["report", "unshare", id, "--with", &with.msp_id(), "--output", "json"])
}

/// Opens and downloads a report to `out`.
///
/// # Errors
/// Where the command line does not start.
pub fn download(user: &User, id: &str, out: &Path) -> Result<CliOutput> {
    let out = out.display().to_string();
    user.peer(&["report", "download", id, "--purpose", "second opinion", "--out", &out, "--output", "json"])
}

/// The openings of a report.
///
/// # Errors
/// Where they cannot be read.
pub fn openings(user: &User, id: &str) -> Result<Vec<Value>> {
    let shown = user.peer(&["report", "openings", id, "--output", "json"])?.expect_code(0)?.json()?;
    let list = shown.as_array().or_else(|| shown.get("openings").and_then(Value::as_array));
    Ok(list.with_context(|| format!("no list of openings: {shown}"))?.clone())
}

/// What `peer report show` prints.
///
/// # Errors
/// Where there is no such report.
pub fn show(user: &User, id: &str) -> Result<Value> {
    user.peer(&["report", "show", id, "--output", "json"])?.expect_code(0)?.json()
}

/// Verifies a report.
///
/// # Errors
/// Where the command line does not start.
pub fn verify(user: &User, id: &str) -> Result<CliOutput> {
    user.peer(&["report", "verify", id])
}
