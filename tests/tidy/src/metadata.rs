//! What `cargo metadata` says of packages and of who depends on whom, for Linux.
//!
//! Only the fields that a rule reads are named. The command runs offline and locked, so a test never changes the lock.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// The whole answer.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    pub(crate) workspace_members: Vec<String>,
    pub(crate) workspace_root: String,
    pub(crate) resolve: Resolve,
}

/// One package, ours or another's.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Package {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) license: Option<String>,
    pub(crate) manifest_path: String,
    /// Registries that it may be published to; an empty list is `publish = false`.
    pub(crate) publish: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) metadata: serde_json::Value,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) targets: Vec<Target>,
}

/// One declared dependency; `kind` is none for `[dependencies]`, else `dev` or `build`.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) kind: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Target {
    pub(crate) kind: Vec<String>,
}

/// The resolved graph.
#[derive(Debug, Deserialize)]
pub(crate) struct Resolve {
    pub(crate) nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Node {
    pub(crate) id: String,
    pub(crate) deps: Vec<Edge>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Edge {
    pub(crate) pkg: String,
    pub(crate) dep_kinds: Vec<EdgeKind>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct EdgeKind {
    pub(crate) kind: Option<String>,
}

impl Metadata {
    /// Runs cargo in a folder of the workspace.
    pub(crate) fn load(folder: &Path) -> Result<Self> {
        let filter = ["--format-version", "1", "--filter-platform", "x86_64-unknown-linux-gnu"];
        let output = cargo(folder, "metadata", &filter)?;
        serde_json::from_slice(&output).context("cargo metadata has another shape than expected")
    }

    /// Packages by id.
    pub(crate) fn by_id(&self) -> BTreeMap<&str, &Package> {
        self.packages.iter().map(|package| (package.id.as_str(), package)).collect()
    }
}

/// Names of the packages that builds of the whole workspace really link or run, tests left out.
///
/// The resolved graph above also holds optional packages that no enabled feature needs; this list does not.
pub(crate) fn linked(folder: &Path) -> Result<BTreeSet<String>> {
    let output = cargo(
        folder,
        "tree",
        &["--workspace", "--edges", "normal,build", "--prefix", "none", "--format", "{p}"],
    )?;
    let text = String::from_utf8(output).context("cargo tree wrote something other than text")?;
    Ok(text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect())
}

fn cargo(folder: &Path, command: &str, arguments: &[&str]) -> Result<Vec<u8>> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(program)
        .args([command, "--offline", "--locked"])
        .args(arguments)
        .current_dir(folder)
        .output()
        .with_context(|| format!("cargo {command} could not be started"))?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr);
        bail!("cargo {command} failed (a stale lock file? build once, then run this again): {reason}");
    }
    Ok(output.stdout)
}
