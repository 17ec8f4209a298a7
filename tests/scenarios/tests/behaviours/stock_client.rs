//! The unchanged client of Hyperledger Fabric, from its own registry, against our gateway.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, bail, ensure};
use scenarios::Stage;
use serde_json::Value;
use testnet::{Hospital, NetworkOptions};

const FILES: [&str; 5] = ["client.mjs", "connection.mjs", "events.mjs", "package.json", "package-lock.json"];

#[test]
fn the_stock_client_works_unchanged() -> Result<()> {
    works_with("ecdsa")
}

#[test]
fn the_stock_client_works_unchanged_with_ed25519_keys() -> Result<()> {
    works_with("ed25519")
}

fn works_with(public_key_algorithm: &'static str) -> Result<()> {
    let program = installed()?;
    let network = Stage::start(NetworkOptions { public_key_algorithm, ..NetworkOptions::default() })?;
    let mut node = Command::new("node");
    node.arg("client.mjs").current_dir(&program).envs(network.doctor(Hospital::A).environment());
    let output = node.output().context("node does not start; install the packages nodejs and npm")?;
    let (said, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "the stock client failed:\n{said}\n{complained}");
    let result: Value =
        serde_json::from_str(&said).with_context(|| format!("not JSON: {said}\n{complained}"))?;
    println!("{result:#}");
    let id = result["created"]["ID"].as_str().context("no created asset")?;
    ensure!(result["read"] == result["created"], "read is not what was created");
    ensure!(result["read"]["Owner"] == "Tomoko" && result["read"]["AppraisedValue"] == 1300);
    ensure!(result["listed"].as_array().is_some_and(|listed| listed.contains(&Value::from(id))));
    ensure!(result["status"]["code"] == 0 && result["status"]["successful"] == true, "{}", result["status"]);
    ensure!(result["transferredFrom"] == "Tomoko" && result["owner"] == "Saptha");
    let refused = &result["refused"];
    let details = refused["details"].as_array().context("the refusal has no details")?;
    let reason = format!("the asset {id} already exists");
    let says_why = |detail: &Value| {
        detail["message"].as_str().is_some_and(|message| message.contains(&reason))
            && detail["mspId"].as_str().is_some_and(|msp_id| msp_id.starts_with("Hospital"))
            && detail["address"].as_str().is_some_and(|address| address.contains(':'))
    };
    ensure!(refused["name"] == "EndorseError", "{refused}");
    ensure!(!details.is_empty() && details.iter().all(says_why), "{refused}");
    Ok(())
}

/// One test installs the client, the others wait for it.
static INSTALLING: Mutex<()> = Mutex::new(());

/// A folder with the client and what it depends on, fetched once a machine.
pub(crate) fn installed() -> Result<PathBuf> {
    let _installing = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("stock-client");
    let folder = cache_folder()?.join("stock-client");
    std::fs::create_dir_all(&folder)?;
    // The lock file that npm writes into node_modules is there once everything else is.
    let is_current = |name: &str| same(&source.join(name), &folder.join(name));
    if folder.join("node_modules/.package-lock.json").exists() && FILES.iter().all(|name| is_current(name)) {
        return Ok(folder);
    }
    for name in FILES {
        std::fs::copy(source.join(name), folder.join(name))?;
    }
    let output = Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(&folder).output();
    let output = output.context("npm does not start; install the packages nodejs and npm")?;
    if !output.status.success() {
        bail!("npm ci failed in {}:\n{}", folder.display(), String::from_utf8_lossy(&output.stderr));
    }
    Ok(folder)
}

fn same(left: &Path, right: &Path) -> bool {
    matches!((std::fs::read(left), std::fs::read(right)), (Ok(left), Ok(right)) if left == right)
}

fn cache_folder() -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os("CONSILIUM_CACHE") {
        return Ok(folder.into());
    }
    let home =
        std::env::var_os("HOME").context("HOME is not set; set CONSILIUM_CACHE to a folder for downloads")?;
    Ok(PathBuf::from(home).join(".cache/consilium"))
}
