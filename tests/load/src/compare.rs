//! Two saved results side by side.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Args;

use crate::results::{self, RunResult};

/// Flags of `load compare`.
#[derive(Clone, Debug, Args)]
pub struct CompareOptions {
    /// The result of before.
    #[arg(value_name = "OLD")]
    pub old: PathBuf,
    /// The result of now.
    #[arg(value_name = "NEW")]
    pub new: PathBuf,
}

/// Reads both and prints each run that is in both.
///
/// # Errors
/// Where a file is not readable, or no run is in both.
pub fn run(options: &CompareOptions) -> Result<()> {
    let text = compare(&results::load(&options.old)?, &results::load(&options.new)?);
    ensure!(
        !text.is_empty(),
        "no run of {} is in {}: runs are compared if workload, policy, keys, clients and network are the same",
        options.new.display(),
        options.old.display()
    );
    print!("{text}");
    Ok(())
}

/// A row for each figure: old, new, new as a multiple of old.
fn compare(old: &[RunResult], new: &[RunResult]) -> String {
    let mut text = String::new();
    for new in new {
        let Some(old) = old.iter().find(|old| old.label == new.label) else { continue };
        // A string takes whatever is written to it.
        let _ = writeln!(text, "{}\n{:<34} {:>12} {:>12} {:>9}", new.label, "", "old", "new", "new/old");
        for (what, figure) in FIGURES {
            let (before, now) = (figure(old), figure(new));
            let ratio = if before > 0.0 { format!("{:.2}", now / before) } else { "-".to_owned() };
            let _ = writeln!(text, "{what:<34} {before:>12.3} {now:>12.3} {ratio:>9}");
        }
    }
    text
}

/// What is compared. The two lines of the machine come first: where they differ, so do all others.
const FIGURES: [(&str, fn(&RunResult) -> f64); 12] = [
    ("machine: verifications a second", |result| result.calibration.verifies_a_s),
    ("machine: fsync p50 ms", |result| result.calibration.fsync.p50_ms),
    ("done a second", |result| result.a_second),
    ("p50 ms", |result| result.total.p50_ms),
    ("p99 ms", |result| result.total.p99_ms),
    ("endorse p50 ms", |result| result.endorse.p50_ms),
    ("order p50 ms", |result| result.order.p50_ms),
    ("commit status p50 ms", |result| result.commit.p50_ms),
    ("CPU ms a step", |result| result.cpu_ms),
    ("CPU as a multiple of signatures", RunResult::signature_ratio),
    ("disk bytes a transaction", |result| result.disk_bytes),
    ("peer's memory after, MB", |result| result.peer_memory().1 as f64 / 1_048_576.0),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::result;

    #[test]
    fn runs_of_one_label_are_compared_and_others_left_out() {
        let old = [result("a", 1_000.0, 2.0), result("b", 1.0, 1.0)];
        let new = [result("a", 1_500.0, 1.0), result("c", 1.0, 1.0)];
        let text = compare(&old, &new);
        assert!(text.starts_with("a\n"), "{text}");
        assert!(!text.contains("\nb\n") && !text.contains("\nc\n"), "{text}");
        let row = |what: &str| text.lines().find(|line| line.starts_with(what)).expect(what).to_owned();
        assert!(row("done a second").ends_with("1.50"), "{text}");
        assert!(row("CPU ms a step").ends_with("0.50"), "{text}");
        assert_eq!(compare(&old, &[result("c", 1.0, 1.0)]), "");
    }
}
