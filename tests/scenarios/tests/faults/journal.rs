//! The log of all rounds: a line each, in a file whose hash is told at the end.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};

/// The log.
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    begun: Instant,
}

impl Journal {
    /// A new log, in the file that `CONSILIUM_FAULTS_LOG` names or among temporary files.
    pub(super) fn begin(seed: u64, rounds: usize) -> Result<Self> {
        let name = format!("consilium-faults-{seed}-{rounds}.log");
        let path = std::env::var_os("CONSILIUM_FAULTS_LOG")
            .map_or_else(|| std::env::temp_dir().join(name), PathBuf::from);
        let file = File::create(&path).with_context(|| path.display().to_string())?;
        Ok(Self { path, file, begun: Instant::now() })
    }

    /// Writes a line, with the seconds since the begin.
    pub(super) fn line(&mut self, text: &str) -> Result<()> {
        let line = format!("{:8.1} s  {text}", self.begun.elapsed().as_secs_f64());
        println!("{line}");
        writeln!(self.file, "{line}")?;
        Ok(())
    }

    /// Tells where the log is, its hash, and the time that it covers.
    pub(super) fn end(self) -> Result<()> {
        let Self { path, file, begun } = self;
        file.sync_all()?;
        let hash = Sha256::digest(std::fs::read(&path)?);
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        println!("{}: SHA-256 {hash}; {} s", path.display(), begun.elapsed().as_secs());
        Ok(())
    }
}
