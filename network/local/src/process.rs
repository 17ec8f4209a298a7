//! The process of a node: started on its own, found again later, stopped in order.
//!
//! A pid alone is no proof: the system gives it to another process after the node's end. So the pid file holds the time
//! at which the process began and the boot it belongs to, and nothing is ever signalled that does not match both. Signals
//! are sent by the `kill` program, since this workspace holds no unsafe code.

use std::fs::{self, File, OpenOptions};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

/// How long a node may take to end by itself.
const END_DEADLINE: Duration = Duration::from_secs(15);
/// How long the system may take to end it by force.
const KILL_DEADLINE: Duration = Duration::from_secs(5);
/// How often a process is looked at while one waits for its end.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// A log that is larger when its node starts is put aside.
const LOG_BYTES_MAX: u64 = 16 << 20;
/// Places of state and begin in `/proc/PID/stat`, counted after the name in parentheses.
const STAT_STATE: usize = 0;
const STAT_BEGIN: usize = 19;

/// A process that can be told from a later one with the same pid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// The system's number.
    pub pid: u32,
    /// Clock ticks from boot to its begin.
    began_ticks: u64,
    /// The boot.
    boot_id: String,
}

/// How a node was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By itself, when asked.
    Orderly,
    /// By force, after its deadline.
    Killed,
}

impl Running {
    /// Describes a live process; `None` if there is none with that pid.
    pub fn of(pid: u32) -> Option<Self> {
        let began_ticks = began(pid)?;
        Some(Self { pid, began_ticks, boot_id: boot_id()? })
    }

    /// Whether the very process still runs.
    pub fn is_alive(&self) -> bool {
        began(self.pid) == Some(self.began_ticks) && boot_id().as_deref() == Some(&self.boot_id)
    }

    /// The process in a pid file, if it runs. A file that is damaged or speaks of another boot names nobody.
    pub fn read(path: &Path) -> Option<Self> {
        let running: Self = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
        running.is_alive().then_some(running)
    }

    /// Writes the pid file.
    fn write(&self, path: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string(self)?;
        fs::write(path, text).with_context(|| format!("{}: cannot be written", path.display()))
    }

    /// Asks the process to end, and ends it by force after a deadline. Removes the pid file.
    ///
    /// # Errors
    /// Where no signal can be sent, or the process outlives them.
    pub async fn stop(&self, pid_file: &Path) -> anyhow::Result<Ended> {
        self.signal("-TERM")?;
        let mut ended = Ended::Orderly;
        if !self.ends_within(END_DEADLINE).await {
            ended = Ended::Killed;
            self.signal("-KILL")?;
            if !self.ends_within(KILL_DEADLINE).await {
                bail!("process {} does not end, not even by SIGKILL; look for a disk that hangs", self.pid);
            }
        }
        // It is stale from now on, and harmless where it cannot be removed.
        let _ = fs::remove_file(pid_file);
        Ok(ended)
    }

    fn signal(&self, signal: &str) -> anyhow::Result<()> {
        if !self.is_alive() {
            return Ok(());
        }
        let sent = Command::new("kill")
            .args([signal, &self.pid.to_string()])
            .stderr(Stdio::null())
            .status()
            .context("the program `kill` cannot be run; install procps")?;
        if !sent.success() && self.is_alive() {
            bail!("process {} cannot be signalled; was the network started by another user?", self.pid);
        }
        Ok(())
    }

    async fn ends_within(&self, deadline: Duration) -> bool {
        let deadline = Instant::now() + deadline;
        while self.is_alive() {
            if Instant::now() >= deadline {
                return false;
            }
            sleep(LOOK_INTERVAL).await;
        }
        true
    }
}

/// Starts a command as a process group of its own, so that an interrupt at the terminal does not reach it, with its output
/// at the end of `log`. Writes the pid file.
///
/// # Errors
/// Names the program or the file at fault.
pub fn start(command: &mut Command, log: &Path, pid_file: &Path) -> anyhow::Result<Running> {
    let file = open_log(log).with_context(|| format!("{}: cannot be written", log.display()))?;
    let error_file = file.try_clone()?;
    let child = command
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(error_file)
        .process_group(0)
        .spawn()
        .with_context(|| format!("{}: cannot be run", command.get_program().to_string_lossy()))?;
    let Some(running) = Running::of(child.id()) else {
        bail!("{} ended at once; see {}", command.get_program().to_string_lossy(), log.display());
    };
    running.write(pid_file)?;
    Ok(running)
}

fn open_log(log: &Path) -> std::io::Result<File> {
    if fs::metadata(log).is_ok_and(|metadata| metadata.len() > LOG_BYTES_MAX) {
        fs::rename(log, log.with_extension("old"))?;
    }
    OpenOptions::new().create(true).append(true).open(log)
}

/// When a process began; `None` if it is none, or has ended and only waits for its parent.
fn began(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold spaces and parentheses; what follows the last one is regular.
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.nth(STAT_STATE)?;
    if matches!(state, "Z" | "X" | "x") {
        return None;
    }
    fields.nth(STAT_BEGIN - STAT_STATE - 1)?.parse().ok()
}

fn boot_id() -> Option<String> {
    Some(fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A process that waits until it is told to end.
    fn waiting() -> std::process::Child {
        Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap()
    }

    #[test]
    fn a_process_is_itself_and_no_other() {
        let mut child = waiting();
        let running = Running::of(child.id()).unwrap();
        assert!(running.is_alive());
        let rows = [
            (
                "a later process with the same pid",
                Running { began_ticks: running.began_ticks + 1, ..running.clone() },
            ),
            ("a process before the last boot", Running { boot_id: "another".to_owned(), ..running.clone() }),
            ("no process", Running { pid: u32::MAX, ..running.clone() }),
        ];
        for (name, other) in rows {
            assert!(!other.is_alive(), "{name}");
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!running.is_alive());
    }

    #[test]
    fn an_ended_child_is_dead_before_it_is_waited_for() {
        let mut child = waiting();
        let running = Running::of(child.id()).unwrap();
        drop(child.stdin.take());
        // The end of its input ends it; until the wait below it is a zombie.
        while running.is_alive() {
            std::thread::yield_now();
        }
        assert!(Path::new(&format!("/proc/{}", running.pid)).exists(), "nobody waited for it yet");
        child.wait().unwrap();
    }

    #[tokio::test]
    async fn a_recycled_pid_is_never_signalled() {
        let mut child = waiting();
        let running = Running::of(child.id()).unwrap();
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("pid.json");
        let stale = Running { began_ticks: running.began_ticks + 1, ..running.clone() };
        stale.write(&file).unwrap();
        assert_eq!(Running::read(&file), None);
        stale.stop(&file).await.unwrap();
        assert!(running.is_alive(), "the other process lives on");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[tokio::test]
    async fn a_started_process_is_found_again_and_stopped() {
        let root = tempfile::tempdir().unwrap();
        let (log, file) = (root.path().join("log"), root.path().join("pid.json"));
        let mut command = Command::new("tail");
        let started = start(command.args(["-f", "/dev/null"]), &log, &file).unwrap();
        assert_eq!(Running::read(&file), Some(started.clone()));
        assert_eq!(started.stop(&file).await.unwrap(), Ended::Orderly);
        assert!(!file.exists());
        assert_eq!(Running::read(&file), None);
    }

    #[test]
    fn a_damaged_pid_file_names_nobody() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("pid.json");
        for text in ["", "12", "{\"pid\":1}", "\u{0}"] {
            fs::write(&file, text).unwrap();
            assert_eq!(Running::read(&file), None, "{text:?}");
        }
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path();
        let error =
            start(&mut Command::new("/no/such/peer"), &path.join("log"), &path.join("pid")).unwrap_err();
        assert!(format!("{error:#}").contains("/no/such/peer: cannot be run"), "{error:#}");
    }
}
