//! A node as a process, with its log.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// Time in which a node ends after SIGTERM.
const END_DEADLINE: Duration = Duration::from_secs(20);

/// A running node. Dropped, it is killed.
#[derive(Debug)]
pub struct NodeProcess {
    child: Child,
    log: PathBuf,
}

impl NodeProcess {
    /// Starts a binary; both of its outputs are appended to `log`.
    ///
    /// # Errors
    /// Where it does not start.
    pub fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let file = File::options().create(true).append(true).open(log)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let child = command.spawn().with_context(|| format!("{command:?} does not start"))?;
        Ok(Self { child, log: log.to_owned() })
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it at once, as a power cut would: SIGKILL.
    ///
    /// # Errors
    /// Where it cannot be signalled.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Sends it a signal, `-STOP` or another that `kill` takes.
    ///
    /// # Errors
    /// Where it cannot be signalled.
    pub fn signal(&self, signal: &str) -> Result<()> {
        let status = Command::new("kill").args([signal, &self.child.id().to_string()]).status()?;
        if !status.success() {
            bail!("process {} cannot be sent {signal}", self.child.id());
        }
        Ok(())
    }

    /// Asks it to end and waits.
    ///
    /// # Errors
    /// Where it does not end in time, or not with success.
    pub fn stop(&mut self) -> Result<()> {
        self.signal("-TERM")?;
        let ends_at = Instant::now() + END_DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait()? {
                if status.success() {
                    return Ok(());
                }
                bail!("the node ended with {status}:\n{}", self.log_tail());
            }
            if Instant::now() > ends_at {
                bail!("the node does not end on SIGTERM:\n{}", self.log_tail());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether it has ended; with what, and its last words.
    ///
    /// # Errors
    /// Where it has ended.
    pub fn check_alive(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("the node ended with {status}:\n{}", self.log_tail()),
            None => Ok(()),
        }
    }

    /// The last lines of its log.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.kill();
    }
}
