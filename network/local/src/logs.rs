//! Prints the nodes' logs: their last lines, and new ones as they come.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::consortium::nodes;
use crate::folder::Folder;
use crate::printing;

/// The part of a log that is searched for its last lines.
const TAIL_BYTES_MAX: u64 = 1 << 20;
/// How often logs are looked at for new lines.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(250);

/// Prints logs; with `follow`, until interrupted.
///
/// # Errors
/// An unknown node, a log that cannot be read.
pub async fn logs(
    folder: &Folder,
    name: Option<&str>,
    count: usize,
    follow: bool,
) -> anyhow::Result<ExitCode> {
    let all = nodes();
    let known = || all.iter().map(|node| node.name()).collect::<Vec<_>>().join(", ");
    let chosen: Vec<_> = all.iter().filter(|node| name.is_none_or(|name| node.name() == name)).collect();
    if chosen.is_empty() {
        bail!("no node is named `{}`; there are {}", name.unwrap_or_default(), known());
    }
    let mut open: Vec<Log> = Vec::new();
    for node in chosen {
        let prefix = if name.is_some() { String::new() } else { format!("{:<10} ", node.name()) };
        let (text, end) = tail(&folder.log(*node), count)?;
        print_lines(&prefix, &text)?;
        open.push(Log { path: folder.log(*node), prefix, end });
    }
    if follow {
        until_interrupted(&mut open).await?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints new lines as they come.
async fn until_interrupted(open: &mut [Log]) -> anyhow::Result<()> {
    loop {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => return Ok(()),
            () = tokio::time::sleep(FOLLOW_INTERVAL) => {}
        }
        for log in open.iter_mut() {
            log.print_new()?;
        }
    }
}

/// A log that is followed.
struct Log {
    path: PathBuf,
    prefix: String,
    end: u64,
}

impl Log {
    fn print_new(&mut self) -> anyhow::Result<()> {
        let Some(mut file) = open(&self.path)? else { return Ok(()) };
        // A log that was put aside begins anew.
        if file.metadata()?.len() < self.end {
            self.end = 0;
        }
        file.seek(SeekFrom::Start(self.end))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES_MAX).read_to_end(&mut bytes)?;
        // The rest of an unfinished line is printed when it is whole.
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        self.end += whole as u64;
        print_lines(&self.prefix, &String::from_utf8_lossy(&bytes[..whole]))
    }
}

/// The last lines of a log and the place behind them; nothing where there is no log yet.
///
/// # Errors
/// Names the log.
pub fn tail(path: &Path, count: usize) -> anyhow::Result<(String, u64)> {
    let Some(mut file) = open(path)? else { return Ok((String::new(), 0)) };
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES_MAX)))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES_MAX).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    let last = lines.get(lines.len().saturating_sub(count)..).unwrap_or_default();
    Ok((last.iter().map(|line| format!("{line}\n")).collect(), length))
}

fn open(path: &Path) -> anyhow::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("{}: cannot be read", path.display())),
    }
}

/// Prints each line after the node's name.
fn print_lines(prefix: &str, text: &str) -> anyhow::Result<()> {
    let lines: String = text.lines().map(|line| format!("{prefix}{line}\n")).collect();
    printing::result(&lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_of_a_log_is_its_last_lines() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("log");
        assert_eq!(tail(&path, 5).unwrap(), (String::new(), 0));
        let rows =
            [("", 2, ""), ("a\n", 2, "a\n"), ("a\nb\nc\n", 2, "b\nc\n"), ("a\nb", 1, "b\n"), ("a\n", 0, "")];
        for (text, count, expected) in rows {
            std::fs::write(&path, text).unwrap();
            assert_eq!(tail(&path, count).unwrap(), (expected.to_owned(), text.len() as u64), "{text:?}");
        }
        std::fs::write(&path, "x".repeat(3 << 20)).unwrap();
        assert_eq!(tail(&path, 1).unwrap().0.len(), (1 << 20) + 1, "one look at most");
    }
}
