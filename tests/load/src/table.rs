//! The runs behind the tables in README.md, one after the other, and both tables as Markdown: what each run gave, and
//! what was aimed at beside what Fabric takes for it.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::measure::measure;
use crate::options::{KeyKind, RunOptions, Workload};
use crate::report;
use crate::results::{self, RunResult};
use crate::targets;

/// Transactions of the run after which memory and disk are read and a peer catches up.
const MANY: usize = 50_000;

/// Flags of `load table`.
#[derive(Clone, Debug, Args)]
pub struct TableOptions {
    /// How long to measure each row, in seconds.
    #[arg(long, default_value_t = 15)]
    pub seconds: u64,
    /// Key types: `p256`, `ed25519`, or both by comma.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [KeyKind::P256, KeyKind::Ed25519])]
    pub keys: Vec<KeyKind>,
    /// Also writes the results to this file, for `load compare`.
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,
}

/// Runs every row.
///
/// # Errors
/// As a run.
pub fn run(options: &TableOptions) -> Result<()> {
    let rows = rows(options);
    let mut results = Vec::with_capacity(rows.len());
    for (number, row) in rows.iter().enumerate() {
        eprintln!("row {} of {}", number + 1, rows.len());
        let result = measure(row)?;
        eprintln!("{}", report::text(&result));
        results.push(result);
        if let Some(path) = &options.save {
            // After each row: a table takes minutes, and what was measured is kept.
            results::save(path, &results)?;
        }
    }
    print!("{}\n{}", markdown(&results), targets::markdown(&rows, &results));
    Ok(())
}

fn rows(options: &TableOptions) -> Vec<RunOptions> {
    let mut rows = Vec::new();
    for keys in &options.keys {
        let row = |clients, workload| RunOptions {
            clients,
            workload,
            keys: *keys,
            seconds: options.seconds,
            ..RunOptions::default()
        };
        rows.extend([1, 64, 256].map(|clients| row(clients, Workload::Put)));
        rows.push(row(64, Workload::Evaluate));
        rows.push(RunOptions { transactions: Some(MANY), ..row(256, Workload::CatchUp) });
    }
    rows
}

fn markdown(results: &[RunResult]) -> String {
    let mut text = String::from(
        "| run | a second | p50 / p99 ms | CPU ms | its signatures, ms | ratio | disk, bytes | peer MB idle / after |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for result in results {
        let (idle, after) = result.peer_memory();
        // A string takes whatever is written to it.
        let _ = writeln!(
            text,
            "| {} | {:.0} | {:.1} / {:.1} | {:.3} | {:.3} | {:.2} | {:.0} | {} / {} |",
            result.label,
            result.a_second,
            result.total.p50_ms,
            result.total.p99_ms,
            result.cpu_ms,
            result.signature_ms,
            result.signature_ratio(),
            result.disk_bytes,
            idle >> 20,
            after >> 20
        );
        if let Some(caught) = &result.catch_up {
            let _ = writeln!(
                text,
                "| catch-up of {} transactions | {:.0} | | {:.3} | | | | |",
                caught.transactions, caught.a_second, caught.cpu_ms
            );
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::result;

    #[test]
    fn every_row_is_a_run_that_can_be_made() {
        let options = TableOptions { seconds: 5, keys: vec![KeyKind::P256, KeyKind::Ed25519], save: None };
        let rows = rows(&options);
        assert_eq!(rows.len(), 10);
        for row in rows {
            row.check().expect("fits together");
        }
    }

    #[test]
    fn a_result_is_a_row_of_markdown() {
        let text = markdown(&[result("put", 1_234.4, 1.0)]);
        let row = "| put | 1234 | 10.0 / 30.0 | 1.000 | 0.500 | 2.00 | 1500 | 30 / 60 |";
        assert_eq!(text.lines().last(), Some(row));
    }
}
