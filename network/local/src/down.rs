//! Stops every node, peers before the orderers that they ask; removes everything if told to.

use std::process::ExitCode;

use crate::consortium::nodes;
use crate::folder::Folder;
use crate::process::{Ended, Running};
use crate::up::Lock;

/// Stops what runs.
///
/// # Errors
/// A node that cannot be stopped; a file that cannot be removed.
pub async fn down(folder: &Folder, purge: bool) -> anyhow::Result<ExitCode> {
    if !folder.path().exists() {
        eprintln!("network: there is none in {}", folder.path().display());
        return Ok(ExitCode::SUCCESS);
    }
    // Nothing is locked, stopped or removed in a folder that is somebody else's.
    if !folder.state().exists() && !folder.path().join("nodes").is_dir() {
        anyhow::bail!("{} holds no network; name the network's folder by --dir", folder.path().display());
    }
    let lock = Lock::take(folder)?;
    let mut stopped = 0_usize;
    for node in nodes().into_iter().rev() {
        let pid_file = folder.pid(node);
        let Some(running) = Running::read(&pid_file) else {
            // A pid file without its process is of no use to anybody.
            let _ = std::fs::remove_file(&pid_file);
            continue;
        };
        let ended = running.stop(&pid_file).await?;
        let how =
            if ended == Ended::Orderly { "" } else { " by force: it did not end when asked; see its log" };
        eprintln!("{node}: stopped{how}");
        stopped += 1;
    }
    if stopped == 0 {
        eprintln!("nothing was running");
    }
    if purge {
        folder.purge()?;
        eprintln!("{}: removed", folder.path().display());
    }
    drop(lock);
    Ok(ExitCode::SUCCESS)
}
