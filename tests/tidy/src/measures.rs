//! What is measured of the Rust files: lengths of functions and files, unchecked unwraps, share of tests.
//!
//! A file is a test by its place (`tests/` at the top or in a crate, `tests.rs`, `benches/`) or in the parts under
//! `#[cfg(test)]`. Lengths count every line, comments included, as the reader sees them.

use crate::scan::{Function, code_of, functions, test_spans};
use crate::workspace::{SourceFile, Workspace};

/// The measures of one file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct FileMeasure {
    pub(crate) path: String,
    pub(crate) production_lines: usize,
    pub(crate) test_lines: usize,
    /// Functions outside tests.
    pub(crate) functions: Vec<Function>,
    /// `unwrap()` outside tests.
    pub(crate) unwraps: usize,
    /// `expect(…)` outside tests.
    pub(crate) expects: usize,
}

/// The measures of every Rust file.
pub(crate) fn measure(workspace: &Workspace) -> Vec<FileMeasure> {
    workspace.files.iter().filter(|file| file.path.ends_with(".rs")).map(measure_file).collect()
}

fn measure_file(file: &SourceFile) -> FileMeasure {
    let lines = file.text.lines().count();
    let path = file.path.clone();
    if is_test(&path) {
        return FileMeasure { path, test_lines: lines, ..FileMeasure::default() };
    }
    let code = code_of(&file.text);
    let spans = test_spans(&code);
    let in_test = |line: usize| spans.iter().any(|(first, last)| (*first..=*last).contains(&line));
    let test_lines = (1..=lines).filter(|line| in_test(*line)).count();
    let production: Vec<&str> =
        code.lines().enumerate().filter(|(index, _)| !in_test(index + 1)).map(|(_, line)| line).collect();
    let count = |what: &str| production.iter().map(|line| line.matches(what).count()).sum();
    FileMeasure {
        path,
        production_lines: lines - test_lines,
        test_lines,
        functions: functions(&code).into_iter().filter(|function| !in_test(function.line)).collect(),
        unwraps: count(".unwrap()"),
        expects: count(".expect("),
    }
}

/// Whether the file holds tests alone, by its place.
pub(crate) fn is_test(path: &str) -> bool {
    path.starts_with("tests/")
        || path.contains("/tests/")
        || path.contains("/benches/")
        || path.ends_with("/tests.rs")
}

/// The value that `percent` of the sorted values do not exceed; 0 of none.
pub(crate) fn percentile(sorted: &[usize], percent: usize) -> usize {
    let last = sorted.len().saturating_sub(1);
    sorted.get((sorted.len() * percent).div_ceil(100).saturating_sub(1).min(last)).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_told_from_production_by_place() {
        let rows = [
            ("peer/ledger/src/lib.rs", false),
            ("peer/ledger/src/state/tests.rs", true),
            ("peer/ledger/tests/model.rs", true),
            ("tests/testnet/src/lib.rs", true),
            ("peer/ledger/benches/commit.rs", true),
            ("peer/ledger/src/tests_of_time.rs", false),
        ];
        for (path, verdict) in rows {
            assert_eq!(is_test(path), verdict, "{path}");
        }
    }

    #[test]
    fn unwraps_count_outside_tests_and_comments() {
        let text = "//! a.unwrap()\nfn a() { b.unwrap(); c.expect(\"d.unwrap()\"); }\n#[cfg(test)]\nmod tests {\n  fn e() { f.unwrap(); }\n}\n";
        let measure = measure_file(&SourceFile { path: "a/src/lib.rs".to_owned(), text: text.to_owned() });
        assert_eq!((measure.unwraps, measure.expects), (1, 1));
        assert_eq!((measure.production_lines, measure.test_lines), (2, 4));
        assert_eq!(measure.functions.len(), 1);
    }

    #[test]
    fn percentiles_of_few_values() {
        let rows: [(&[usize], usize, usize); 6] = [
            (&[], 50, 0),
            (&[7], 50, 7),
            (&[1, 2], 50, 1),
            (&[1, 2, 3], 50, 2),
            (&[1, 2, 3], 90, 3),
            (&[1, 9], 0, 1),
        ];
        for (values, percent, expected) in rows {
            assert_eq!(percentile(values, percent), expected, "{values:?} at {percent}");
        }
    }
}
