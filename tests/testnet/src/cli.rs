//! The command line `peer`, run as a user of a hospital.

use std::path::PathBuf;
use std::process::{Command, Output};

use anyhow::{Context as _, Result, bail};

use crate::binaries::command;
use crate::hospital::Hospital;

/// A user of a hospital with what the command line needs to act as them.
#[derive(Clone, Debug)]
pub struct User {
    pub(crate) hospital: Hospital,
    pub(crate) msp_id: String,
    pub(crate) msp: PathBuf,
    pub(crate) tls: PathBuf,
    pub(crate) root: PathBuf,
    pub(crate) address: String,
    pub(crate) channel: String,
}

/// What a run of the command line gave.
#[derive(Clone, Debug)]
pub struct CliOutput {
    /// Exit code.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl CliOutput {
    /// This output, if the exit code is `code`.
    ///
    /// # Errors
    /// Another exit code, with both outputs.
    pub fn expect_code(self, code: i32) -> Result<Self> {
        if self.code == code {
            return Ok(self);
        }
        bail!(
            "exit code {} where {code} was expected\nstdout: {}\nstderr: {}",
            self.code,
            self.stdout,
            self.stderr
        );
    }

    /// Standard output as JSON.
    ///
    /// # Errors
    /// Where it is none.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_str(&self.stdout)
            .with_context(|| format!("not JSON: {:?}\nstderr: {}", self.stdout, self.stderr))
    }
}

impl User {
    /// The hospital.
    #[must_use]
    pub const fn hospital(&self) -> Hospital {
        self.hospital
    }

    /// The user's MSP folder.
    #[must_use]
    pub fn msp_folder(&self) -> PathBuf {
        self.msp.clone()
    }

    /// The user's TLS folder.
    #[must_use]
    pub fn tls_folder(&self) -> PathBuf {
        self.tls.clone()
    }

    /// The certificate of the TLS CA that the user believes.
    #[must_use]
    pub fn tls_root(&self) -> PathBuf {
        self.root.clone()
    }

    /// Where the user's gateway listens, `host:port`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The channel that the user works on.
    #[must_use]
    pub fn channel(&self) -> &str {
        &self.channel
    }

    /// The same user, who signs with `other`'s key.
    #[must_use]
    pub fn signing_as(mut self, other: &Self) -> Self {
        self.msp.clone_from(&other.msp);
        self
    }

    /// The same user, who connects with `other`'s TLS certificate.
    #[must_use]
    pub fn connecting_as(mut self, other: &Self) -> Self {
        self.tls.clone_from(&other.tls);
        self
    }

    /// The same user, who calls the peer that `other` calls.
    #[must_use]
    pub fn calling_peer_of(mut self, other: &Self) -> Self {
        self.address.clone_from(&other.address);
        self.root.clone_from(&other.root);
        self
    }

    /// The same user with another MSP folder.
    #[must_use]
    pub fn with_msp_folder(mut self, folder: PathBuf) -> Self {
        self.msp = folder;
        self
    }

    /// The same user with another TLS folder.
    #[must_use]
    pub fn with_tls_folder(mut self, folder: PathBuf) -> Self {
        self.tls = folder;
        self
    }

    /// The same user on another channel.
    #[must_use]
    pub fn on_channel(mut self, channel: &str) -> Self {
        channel.clone_into(&mut self.channel);
        self
    }

    /// The environment of the command line.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let path = |path: PathBuf| path.display().to_string();
        vec![
            ("CORE_PEER_ADDRESS", self.address.clone()),
            ("CORE_PEER_LOCALMSPID", self.msp_id.clone()),
            ("CORE_PEER_MSPCONFIGPATH", path(self.msp_folder())),
            ("CORE_PEER_TLS_ENABLED", "true".to_owned()),
            ("CORE_PEER_TLS_ROOTCERT_FILE", path(self.root.clone())),
            ("CORE_PEER_TLS_CLIENTCERT_FILE", path(self.tls_folder().join("client.crt"))),
            ("CORE_PEER_TLS_CLIENTKEY_FILE", path(self.tls_folder().join("client.key"))),
            ("CORE_CHANNEL", self.channel.clone()),
        ]
    }

    /// Runs `peer` with these arguments.
    ///
    /// # Errors
    /// Where it does not start. Its own failure is in the output's exit code.
    pub fn peer(&self, args: &[&str]) -> Result<CliOutput> {
        run(command("peer")?.args(args).envs(self.environment()))
    }
}

/// Runs a tool to its end.
pub(crate) fn run(command: &mut Command) -> Result<CliOutput> {
    let output = command.output().with_context(|| format!("{command:?} does not start"))?;
    Ok(of(&output))
}

fn of(output: &Output) -> CliOutput {
    CliOutput {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
