//! Tools of the system that faults are made with: run to their end, and asked for beforehand.

use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// Runs a tool; returns what it printed.
pub(crate) fn run(words: &[&str]) -> Result<String> {
    let (tool, args) = words.split_first().context("a tool has a name")?;
    let output = Command::new(tool).args(args).output().with_context(|| format!("{tool} does not start"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`{}` ended with {}: {}", words.join(" "), output.status, said.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Why a network with namespaces, clocks and disks of its nodes' own cannot be made here; `None` where it can.
#[must_use]
pub fn missing_for_faults() -> Option<String> {
    let id = run(&["id", "-u"]).unwrap_or_default();
    if id.trim() != "0" {
        return Some("root is needed for network namespaces and mounts".to_owned());
    }
    for (tool, package) in [("ip", "iproute2"), ("tc", "iproute2"), ("iptables", "iptables")] {
        if run(&[tool, "-V"]).is_err() {
            return Some(format!("{tool} of the package {package} is missing"));
        }
    }
    if crate::clock::library().is_none() {
        return Some("libfaketimeMT.so.1 of the package libfaketime is missing".to_owned());
    }
    let probe = format!("consilium-{}-probe", std::process::id());
    let made = run(&["ip", "netns", "add", &probe]);
    // What was not made need not go.
    let _ = run(&["ip", "netns", "del", &probe]);
    made.err().map(|error| format!("no network namespace can be made: {error:#}"))
}
