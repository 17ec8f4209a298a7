//! A result as text for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::percentiles::Percentiles;
use crate::results::{ProcessResult, RunResult};

const MEGABYTE: f64 = 1_048_576.0;
/// Threads below this share of a process are left out.
const SHARE_SHOWN_MIN: f64 = 0.02;

/// The result, about 25 lines.
#[must_use]
pub fn text(result: &RunResult) -> String {
    let mut text = String::new();
    let mut line = |arguments: std::fmt::Arguments<'_>| {
        // A string takes whatever is written to it.
        let _ = text.write_fmt(arguments);
        text.push('\n');
    };
    let calibration = &result.calibration;
    line(format_args!("{}", result.label));
    line(format_args!(
        "this machine now   {:.0} signatures/s, {:.0} verifications/s a core; fsync p50 {:.2} ms, p99 {:.2} ms",
        calibration.signs_a_s, calibration.verifies_a_s, calibration.fsync.p50_ms, calibration.fsync.p99_ms
    ));
    line(format_args!(
        "done               {} in {:.1} s: {:.0}/s",
        result.done, result.seconds, result.a_second
    ));
    for (what, counts) in [("invalid", &result.invalid), ("failed", &result.failed)] {
        if !counts.is_empty() {
            line(format_args!("{what:<18} {}", counted(counts)));
        }
    }
    if result.missed > 0 {
        line(format_args!("missed             {} found no client free", result.missed));
    }
    for (what, times) in [
        ("whole", result.total),
        ("endorse", result.endorse),
        ("order", result.order),
        ("commit status", result.commit),
    ] {
        line(format_args!("{what:<18} {}", times_text(times)));
    }
    line(format_args!(
        "blocks             {} of {:.1} transactions on average",
        result.blocks, result.transactions_a_block
    ));
    line(format_args!("CPU a step         {}", cpu_text(result)));
    for process in &result.processes {
        line(format_args!("  {}", process_text(process)));
    }
    line(format_args!("disk a peer        {:.0} bytes a transaction", result.disk_bytes));
    line(format_args!(
        "first transaction  {:.0} ms after the start of the network, key material included",
        result.first_transaction_ms
    ));
    if let Some(caught) = &result.catch_up {
        line(format_args!(
            "catch-up           {} transactions at {:.0}/s, {:.3} CPU ms each",
            caught.transactions, caught.a_second, caught.cpu_ms
        ));
    }
    text
}

fn counted(counts: &BTreeMap<String, u64>) -> String {
    let parts: Vec<String> = counts.iter().map(|(what, count)| format!("{count} {what}")).collect();
    parts.join(", ")
}

fn times_text(times: Percentiles) -> String {
    format!(
        "p50 {:.1} ms, p95 {:.1} ms, p99 {:.1} ms, max {:.1} ms",
        times.p50_ms, times.p95_ms, times.p99_ms, times.max_ms
    )
}

fn cpu_text(result: &RunResult) -> String {
    if result.signature_ms > 0.0 {
        format!(
            "{:.3} ms over all processes: {:.2} times its signatures ({:.3} ms)",
            result.cpu_ms,
            result.signature_ratio(),
            result.signature_ms
        )
    } else {
        format!("{:.3} ms over all processes", result.cpu_ms)
    }
}

fn process_text(process: &ProcessResult) -> String {
    let mut threads: Vec<(&String, &f64)> = process.threads_ms.iter().collect();
    threads.sort_by(|a, b| b.1.total_cmp(a.1));
    let shown = threads.iter().filter(|(_, ms)| **ms > process.cpu_ms * SHARE_SHOWN_MIN);
    let shown: Vec<String> = shown.map(|(name, ms)| format!("{name} {ms:.3}")).collect();
    format!(
        "{:<12} {:.3} ms ({}); {:.0} MB idle, {:.0} MB after",
        process.name,
        process.cpu_ms,
        shown.join(", "),
        process.rss_idle as f64 / MEGABYTE,
        process.rss_end as f64 / MEGABYTE
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::result;

    #[test]
    fn the_text_says_what_a_reader_looks_for() {
        let mut result = result("put", 1_234.4, 1.0);
        result.invalid.insert("MVCC_READ_CONFLICT".to_owned(), 5);
        let text = text(&result);
        for part in [
            "10000 verifications/s",
            "1000 in 10.0 s: 1234/s",
            "invalid            5 MVCC_READ_CONFLICT",
            "2.00 times its signatures",
            "committer 0.100",
            "30 MB idle, 60 MB after",
            "1500 bytes a transaction",
        ] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
    }
}
