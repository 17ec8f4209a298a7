//! Why a run ended before its end, in the two kinds that its exit code tells apart.

use std::io;
use std::path::{Path, PathBuf};

use issuing::IssuingError;

/// What ends a run.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The template or what lies in the output folder was judged and refused; exit code 1.
    #[error("{0}")]
    Rejected(String),
    /// A file or folder could not be read or written; exit code 2.
    #[error("{}: cannot {action}", path.display())]
    Disk {
        /// Which one.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The system would write private keys where this run crashes; exit code 2.
    #[error("core dumps of this process cannot be forbidden")]
    CoreDumps(#[source] io::Error),
    /// A key or certificate could not be made; exit code 2.
    #[error("cannot make a key or certificate")]
    Issuing(#[from] IssuingError),
}

impl Failure {
    /// Attaches the path and the action to an error of the system.
    pub fn disk(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Disk { path, action, source }
    }
}
