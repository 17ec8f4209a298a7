//! Where the binaries under test are.

use std::path::PathBuf;

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
