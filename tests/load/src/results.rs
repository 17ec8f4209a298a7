//! The figures of a run, as they are saved and compared.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::calibration::Calibration;
use crate::options::Label;
use crate::percentiles::Percentiles;

/// One process.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProcessResult {
    /// Which: `peer-a`, `orderer-a`, `client`.
    pub name: String,
    /// CPU milliseconds a step.
    pub cpu_ms: f64,
    /// The same by name of thread; threads that ended are in the process's figure only.
    pub threads_ms: BTreeMap<String, f64>,
    /// Resident memory before the load, bytes.
    pub rss_idle: u64,
    /// Resident memory after it, bytes.
    pub rss_end: u64,
}

/// How an emptied peer caught up.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CatchUp {
    /// Transactions that it committed.
    pub transactions: u64,
    /// CPU milliseconds a transaction.
    pub cpu_ms: f64,
    /// Transactions a second.
    pub a_second: f64,
}

/// One run. A step is a transaction that got a verdict, or a read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// What names the run.
    pub label: Label,
    /// Length of the window, seconds.
    pub seconds: f64,
    /// Steps that were done: committed as valid, or read.
    pub done: u64,
    /// Transactions with another verdict, by its name.
    pub invalid: BTreeMap<String, u64>,
    /// Steps without a verdict, by cause.
    pub failed: BTreeMap<String, u64>,
    /// Open loop: steps that found no place.
    pub missed: u64,
    /// Done a second.
    pub a_second: f64,
    /// Time of a whole step.
    pub total: Percentiles,
    /// Propose, endorse, check, sign.
    pub endorse: Percentiles,
    /// Until an orderer had it.
    pub order: Percentiles,
    /// Until the verdict.
    pub commit: Percentiles,
    /// Blocks committed in the whole run.
    pub blocks: u64,
    /// Transactions in a block, on average over the whole run.
    pub transactions_a_block: f64,
    /// CPU milliseconds a step over all processes, the client's included.
    pub cpu_ms: f64,
    /// CPU milliseconds of a transaction's signatures over all processes at this run's calibration; zero for reads.
    pub signature_ms: f64,
    /// Every process.
    pub processes: Vec<ProcessResult>,
    /// Disk that one peer took for a transaction, bytes.
    pub disk_bytes: f64,
    /// From the start of the first process to the first committed transaction, milliseconds.
    pub first_transaction_ms: f64,
    /// What the machine gave.
    pub calibration: Calibration,
    /// How an emptied peer caught up, if that was asked for.
    pub catch_up: Option<CatchUp>,
}

impl RunResult {
    /// CPU time as a multiple of the transaction's signatures; zero for reads.
    #[must_use]
    pub fn signature_ratio(&self) -> f64 {
        if self.signature_ms > 0.0 { self.cpu_ms / self.signature_ms } else { 0.0 }
    }

    /// Largest resident memory of a peer before and after the load, bytes.
    #[must_use]
    pub fn peer_memory(&self) -> (u64, u64) {
        let peers = || self.processes.iter().filter(|process| process.name.starts_with("peer"));
        let idle = peers().map(|process| process.rss_idle).max();
        let end = peers().map(|process| process.rss_end).max();
        (idle.unwrap_or_default(), end.unwrap_or_default())
    }
}

/// Writes results to a file that `load compare` reads.
///
/// # Errors
/// Where it cannot be written.
pub fn save(path: &Path, results: &[RunResult]) -> Result<()> {
    let text = serde_json::to_string_pretty(results)?;
    std::fs::write(path, text + "\n").with_context(|| path.display().to_string())
}

/// Reads what [`save`] wrote.
///
/// # Errors
/// Where the file is not there or holds something else.
pub fn load(path: &Path) -> Result<Vec<RunResult>> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text).with_context(|| {
        format!("{}: not a file that `load run --save` or `load table --save` wrote", path.display())
    })
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A result with easy figures.
    pub fn result(label: &str, a_second: f64, cpu_ms: f64) -> RunResult {
        let percentiles = Percentiles { p50_ms: 10.0, p95_ms: 20.0, p99_ms: 30.0, max_ms: 40.0 };
        RunResult {
            label: Label(label.to_owned()),
            seconds: 10.0,
            done: 1_000,
            invalid: BTreeMap::new(),
            failed: BTreeMap::new(),
            missed: 0,
            a_second,
            total: percentiles,
            endorse: percentiles,
            order: percentiles,
            commit: percentiles,
            blocks: 10,
            transactions_a_block: 100.0,
            cpu_ms,
            signature_ms: 0.5,
            processes: vec![ProcessResult {
                name: "peer-a".to_owned(),
                cpu_ms,
                threads_ms: [("committer".to_owned(), 0.1)].into(),
                rss_idle: 30 << 20,
                rss_end: 60 << 20,
            }],
            disk_bytes: 1_500.0,
            first_transaction_ms: 900.0,
            calibration: Calibration { signs_a_s: 30_000.0, verifies_a_s: 10_000.0, fsync: percentiles },
            catch_up: None,
        }
    }

    #[test]
    fn what_was_saved_is_read_back_and_other_files_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("result.json");
        let results = [result("put", 1_000.0, 1.0)];
        save(&path, &results).expect("written");
        assert_eq!(load(&path).expect("read"), results);
        std::fs::write(&path, "{}").expect("written");
        let text = format!("{:#}", load(&path).expect_err("another file"));
        assert!(text.contains("result.json: not a file that"), "{text}");
    }

    #[test]
    fn ratio_and_memory_are_taken_from_the_figures() {
        let result = result("put", 1_000.0, 1.0);
        assert!((result.signature_ratio() - 2.0).abs() < 1e-9);
        assert_eq!(result.peer_memory(), (30 << 20, 60 << 20));
    }
}
