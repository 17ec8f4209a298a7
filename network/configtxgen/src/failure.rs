//! How a run ends badly: what was given is rejected, or the machine failed.

use std::fmt::Display;
use std::path::Path;

/// Why nothing was done.
#[derive(Debug)]
pub enum Failure {
    /// The file, what it names, or an existing block.
    Rejected(String),
    /// Disk or system.
    Fault(anyhow::Error),
}

impl Failure {
    /// A rejection that begins with the file's name.
    pub fn rejected(path: &Path, reason: &impl Display) -> Self {
        Self::Rejected(format!("{}: {reason}", path.display()))
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Fault(error)
    }
}
