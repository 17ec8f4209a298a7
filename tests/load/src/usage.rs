//! What processes have used: CPU time, by thread too, and memory; and what a folder holds. From Linux' `/proc`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

/// Ticks of `/proc/*/stat` a second: the kernel shows 100 to user space on every architecture that we run on.
const TICKS_A_SECOND: f64 = 100.0;
/// Folders within folders that are counted.
const DEPTH_MAX: usize = 16;

/// What one process has used since its start.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Usage {
    /// CPU seconds, user and system, threads that ended included, and child processes that ended, such as image workers.
    pub cpu_s: f64,
    /// CPU seconds by name of living threads; numbers at the end of names are left out, so that a pool is one row.
    pub threads_s: BTreeMap<String, f64>,
    /// Resident memory now, bytes.
    pub rss_bytes: u64,
}

impl Usage {
    /// What was used between `before` and this.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let threads = self.threads_s.iter().map(|(name, seconds)| {
            let earlier = before.threads_s.get(name).copied().unwrap_or_default();
            (name.clone(), (seconds - earlier).max(0.0))
        });
        Self { cpu_s: self.cpu_s - before.cpu_s, threads_s: threads.collect(), rss_bytes: self.rss_bytes }
    }
}

/// What a process has used.
///
/// # Errors
/// Where it has ended, or this system has no `/proc`.
pub fn of_process(id: u32) -> Result<Usage> {
    let folder = format!("/proc/{id}");
    let stat = fs::read_to_string(format!("{folder}/stat"))
        .with_context(|| format!("process {id} has ended, or this system has no /proc"))?;
    let stat = parse_stat(&stat).with_context(|| format!("{folder}/stat has another form"))?;
    let cpu_s = stat.own_s + stat.children_s;
    let mut threads_s: BTreeMap<String, f64> = BTreeMap::new();
    for entry in fs::read_dir(format!("{folder}/task"))? {
        // A thread that ended meanwhile is counted with its process.
        let Ok(stat) = fs::read_to_string(entry?.path().join("stat")) else { continue };
        if let Some(Stat { name, own_s, .. }) = parse_stat(&stat) {
            *threads_s.entry(name).or_default() += own_s;
        }
    }
    let status = fs::read_to_string(format!("{folder}/status"))?;
    let rss_bytes = parse_rss(&status).with_context(|| format!("{folder}/status has no VmRSS"))?;
    Ok(Usage { cpu_s, threads_s, rss_bytes })
}

/// Bytes of all files in a folder.
///
/// # Errors
/// Where it cannot be read.
pub fn bytes_in(folder: &Path) -> Result<u64> {
    bytes_below(folder, DEPTH_MAX)
}

fn bytes_below(folder: &Path, depth: usize) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        // RocksDB removes files while they are counted.
        let Ok(metadata) = entry.metadata() else { continue };
        bytes += match (metadata.is_dir(), depth.checked_sub(1)) {
            (true, Some(depth)) => bytes_below(&entry.path(), depth)?,
            (true, None) => 0,
            (false, _) => metadata.len(),
        };
    }
    Ok(bytes)
}

/// What a line of `stat` says.
#[derive(Debug, PartialEq)]
struct Stat {
    name: String,
    /// CPU seconds.
    own_s: f64,
    /// CPU seconds of children that ended and were waited for; a thread's line says those of its process.
    children_s: f64,
}

/// Reads a line of `stat` (proc(5)): the name stands in brackets and may hold any character; user and system time are fields
/// 14 and 15, those of children 16 and 17.
fn parse_stat(stat: &str) -> Option<Stat> {
    let (before, after) = stat.rsplit_once(')')?;
    let (_, name) = before.split_once('(')?;
    let name = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '-' || c == ':' || c == '_');
    let mut fields = after.split_ascii_whitespace().skip(11).map(str::parse::<f64>);
    let mut seconds = || Some((fields.next()?.ok()? + fields.next()?.ok()?) / TICKS_A_SECOND);
    Some(Stat { name: name.to_owned(), own_s: seconds()?, children_s: seconds()? })
}

fn parse_rss(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_proc_are_read() {
        let rest = "S 1 2 3 4 5 6 7 8 9 10 250 50 120 30 20 0";
        let rows = [
            (format!("12 (peer) {rest}"), Some("peer")),
            (format!("12 (tokio-worker-3) {rest}"), Some("tokio-worker")),
            (format!("12 (rocksdb:low) 0) {rest}"), Some("rocksdb:low) ")),
            ("12 peer".to_owned(), None),
            ("12 (peer) S 1 2".to_owned(), None),
            ("12 (peer) S 1 2 3 4 5 6 7 8 9 10 250 50 120".to_owned(), None),
        ];
        for (line, expected) in rows {
            let expected = expected.map(|name| Stat { name: name.to_owned(), own_s: 3.0, children_s: 1.5 });
            assert_eq!(parse_stat(&line), expected, "{line}");
        }
        assert_eq!(parse_rss("Name:\tpeer\nVmRSS:\t  2048 kB\n"), Some(2 << 20));
        assert_eq!(parse_rss("Name:\tpeer\n"), None);
    }

    #[test]
    fn this_process_has_used_something() {
        let usage = of_process(std::process::id()).expect("this process lives");
        assert!(usage.rss_bytes > 1 << 20, "{usage:?}");
        assert!(!usage.threads_s.is_empty(), "{usage:?}");
        let nothing = usage.since(&usage);
        assert!(nothing.cpu_s.abs() < f64::EPSILON && nothing.threads_s.values().all(|s| *s == 0.0));
    }

    #[test]
    fn a_folder_counts_the_files_of_its_folders() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("inner")).expect("made");
        std::fs::write(folder.path().join("a"), [0; 10]).expect("written");
        std::fs::write(folder.path().join("inner/b"), [0; 5]).expect("written");
        assert_eq!(bytes_in(folder.path()).expect("read"), 15);
    }
}
