//! Finds the project's other programs: they lie beside this one.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, bail};

/// The programs that a network needs.
pub const NEEDED: [&str; 4] = ["cryptogen", "configtxgen", "orderer", "peer"];
/// Prefixes of variables that are settings of nodes and command lines.
const SETTINGS: [&str; 3] = ["CORE_", "ORDERER_", "FABRIC_"];

/// The folder with the programs.
#[derive(Clone, Debug)]
pub struct Binaries(PathBuf);

impl Binaries {
    /// The folder of this program.
    ///
    /// # Errors
    /// Names every program that is missing there.
    pub fn beside_this() -> anyhow::Result<Self> {
        let this = std::env::current_exe().context("this program's own path is not known")?;
        let folder = this.parent().context("this program's own path has no folder")?.to_owned();
        let missing: Vec<&str> = NEEDED.into_iter().filter(|name| !folder.join(name).is_file()).collect();
        if !missing.is_empty() {
            bail!(
                "{} missing in {}; build with `cargo build --workspace --bins --locked`, or start by network/up",
                missing.join(", "),
                folder.display()
            );
        }
        Ok(Self(folder))
    }

    /// A program, to be run without the settings that the caller's shell may hold: a shell in which a user of one hospital
    /// acts must not turn every node into that hospital's.
    pub fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.0.join(name));
        for (variable, _) in std::env::vars_os() {
            let text = variable.to_string_lossy();
            if SETTINGS.iter().any(|prefix| text.starts_with(prefix)) {
                command.env_remove(&variable);
            }
        }
        command
    }

    /// The folder itself.
    pub fn folder(&self) -> &std::path::Path {
        &self.0
    }
}
