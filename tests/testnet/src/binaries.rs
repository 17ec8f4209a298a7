//! Where the binaries under test are.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// The path of a binary of this workspace: beside the test binary's folder, where `cargo build --workspace` puts it.
///
/// # Errors
/// Where it was not built.
pub fn binary(name: &str) -> Result<PathBuf> {
    let test = std::env::current_exe().context("the test binary's own path")?;
    let folders = [test.parent(), test.parent().and_then(|folder| folder.parent())];
    let found = folders.into_iter().flatten().map(|folder| folder.join(name)).find(|path| path.is_file());
    match found {
        Some(path) => Ok(path),
        None => bail!("binary {name} is not built; run `cargo build --workspace --locked` first"),
    }
}

/// A binary, to be run without the settings that the caller's shell may hold for a user of some other network.
pub(crate) fn command(name: &str) -> Result<Command> {
    let mut command = Command::new(binary(name)?);
    for (variable, _) in std::env::vars_os() {
        let text = variable.to_string_lossy();
        if ["CORE_", "ORDERER_", "FABRIC_", "CONSILIUM_NETWORK"].iter().any(|prefix| text.starts_with(prefix))
        {
            command.env_remove(&variable);
        }
    }
    Ok(command)
}
