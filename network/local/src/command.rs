//! Runs a program to its end, within a deadline, and keeps what it said.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};

/// Key generation, a join, an upload with its endorsements: none takes minutes on a machine that works.
const DEADLINE: Duration = Duration::from_secs(180);
/// Lines of a program's complaint that are repeated.
const COMPLAINT_LINES_MAX: usize = 20;

/// What a program said.
#[derive(Debug)]
pub struct Said {
    /// Its result.
    pub stdout: String,
    /// The rest.
    pub stderr: String,
}

/// Runs a command that must succeed; `what` says for people what it does.
///
/// # Errors
/// Where it cannot be run, takes too long or fails: with what it said.
pub async fn run(command: Command, what: &str) -> anyhow::Result<Said> {
    let program = command.get_program().to_string_lossy().into_owned();
    let mut command = tokio::process::Command::from(command);
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(DEADLINE, output)
        .await
        .map_err(|_| anyhow::anyhow!("{what}: {program} did not end within {} s", DEADLINE.as_secs()))?
        .with_context(|| format!("{what}: {program} cannot be run"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let said = Said { stdout: text(&output.stdout), stderr: text(&output.stderr) };
    if !output.status.success() {
        let complaint = if said.stderr.trim().is_empty() { &said.stdout } else { &said.stderr };
        bail!("{what} failed ({}):\n{}", output.status, last_lines(complaint, COMPLAINT_LINES_MAX));
    }
    Ok(said)
}

/// The last lines of a text, each set in.
pub fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let first = lines.len().saturating_sub(count);
    lines.get(first..).unwrap_or_default().iter().map(|line| format!("    {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_the_last() {
        let rows = [("", 3, ""), ("a", 3, "    a\n"), ("a\nb\nc\n", 2, "    b\n    c\n"), ("a\nb", 0, "")];
        for (text, count, expected) in rows {
            assert_eq!(last_lines(text, count), expected, "{text:?}");
        }
    }

    #[tokio::test]
    async fn a_failure_repeats_what_the_program_said() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo no such key >&2; exit 3"]);
        let error = format!("{:#}", run(command, "making keys").await.unwrap_err());
        assert!(error.contains("making keys failed") && error.contains("no such key"), "{error}");
    }
}
