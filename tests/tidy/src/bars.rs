//! The bars of the house: lengths of functions and files, unchecked unwraps, clones.
//!
//! A bar on a share is judged over the whole tree: one long function is a choice, many are a habit. The finding then lists
//! the worst, which are the ones to mend.

use crate::clones::clones;
use crate::finding::Finding;
use crate::measures::{FileMeasure, is_test, measure, percentile};
use crate::workspace::Workspace;

const RULE: &str = "bars";

/// A function that is longer is counted.
pub(crate) const FUNCTION_LINES_SOFT: usize = 60;
/// No function is longer.
pub(crate) const FUNCTION_LINES_HARD: usize = 100;
/// Of a thousand functions, how many may be longer than the soft limit.
const LONG_FUNCTIONS_PER_MILLE: usize = 15;
/// No file is longer.
pub(crate) const FILE_LINES_MAX: usize = 600;
const FILE_LINES_MEDIAN: usize = 150;
const FILE_LINES_P90: usize = 350;
/// Of a thousand compared lines, how many may be clones.
const CLONES_PER_MILLE: usize = 25;

/// Findings about sizes, unwraps and clones.
#[must_use]
pub fn check(workspace: &Workspace) -> Vec<Finding> {
    let measures = measure(workspace);
    let mut findings = functions(&measures);
    findings.extend(files(&measures));
    findings.extend(unwraps(&measures));
    findings.extend(cloned(workspace));
    findings
}

fn functions(measures: &[FileMeasure]) -> Vec<Finding> {
    let all = || measures.iter().flat_map(|file| file.functions.iter().map(|f| (file.path.as_str(), f)));
    let long: Vec<_> = all().filter(|(_, function)| function.lines > FUNCTION_LINES_SOFT).collect();
    let is_habit = long.len() * 1_000 > all().count() * LONG_FUNCTIONS_PER_MILLE;
    let limit = if is_habit { FUNCTION_LINES_SOFT } else { FUNCTION_LINES_HARD };
    long.into_iter()
        .filter(|(_, function)| function.lines > limit)
        .map(|(path, function)| {
            let problem = format!("{} has {} lines; the bar is {limit}", function.name, function.lines);
            Finding::new((path, function.line), RULE, problem, "give its parts names of their own")
        })
        .collect()
}

fn files(measures: &[FileMeasure]) -> Vec<Finding> {
    let mut lengths: Vec<usize> =
        measures.iter().map(|file| file.production_lines).filter(|lines| *lines > 0).collect();
    lengths.sort_unstable();
    let (median, p90) = (percentile(&lengths, 50), percentile(&lengths, 90));
    let limit = if p90 > FILE_LINES_P90 { FILE_LINES_P90 } else { FILE_LINES_MAX };
    let too_long = measures.iter().filter(|file| file.production_lines > limit).map(|file| {
        let problem =
            format!("it has {} lines of production code; the bar is {limit}", file.production_lines);
        Finding::new((&file.path, 1), RULE, problem, "one subject a file: move the second one out")
    });
    let mut findings: Vec<Finding> = too_long.collect();
    if median > FILE_LINES_MEDIAN {
        let problem = format!("the median file has {median} lines; the bar is {FILE_LINES_MEDIAN}");
        findings.push(Finding::new(("Cargo.toml", 1), RULE, problem, "split files by subject"));
    }
    findings
}

fn unwraps(measures: &[FileMeasure]) -> Vec<Finding> {
    let with = measures.iter().filter(|file| file.unwraps > 0);
    with.map(|file| {
        let problem = format!("{} unwrap() outside tests", file.unwraps);
        let fix = "return an error, or `expect` with the reason why it cannot fail";
        Finding::new((&file.path, 1), RULE, problem, fix)
    })
    .collect()
}

fn cloned(workspace: &Workspace) -> Vec<Finding> {
    let production = workspace.files.iter().filter(|file| file.path.ends_with(".rs") && !is_test(&file.path));
    let found = clones(production);
    if found.cloned * 1_000 <= found.compared * CLONES_PER_MILLE {
        return Vec::new();
    }
    let texts = found.places.into_iter().map(|(first, second)| {
        let problem = format!("the lines from here on stand at {}:{} too", second.path, second.line);
        Finding::new((&first.path, first.line), RULE, problem, "share them")
    });
    texts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::Function;

    fn file(path: &str, production_lines: usize, functions: &[usize]) -> FileMeasure {
        let functions =
            functions.iter().map(|lines| Function { name: "f".to_owned(), line: 1, lines: *lines });
        FileMeasure {
            path: path.to_owned(),
            production_lines,
            test_lines: production_lines,
            functions: functions.collect(),
            ..FileMeasure::default()
        }
    }

    #[test]
    fn a_long_function_is_a_choice_and_many_are_a_habit() {
        let few = [&[61][..], &[10; 99]].concat();
        let many = [&[61, 70][..], &[10; 98]].concat();
        let rows = [
            ("one of a hundred", few, 0),
            ("two of a hundred", many, 2),
            ("a huge one", [&[101][..], &[10; 99]].concat(), 1),
        ];
        for (name, functions, count) in rows {
            assert_eq!(super::functions(&[file("a.rs", 10, &functions)]).len(), count, "{name}");
        }
    }

    #[test]
    fn files_are_judged_by_the_longest_the_ninth_tenth_and_the_median() {
        let rows: [(&str, &[usize], usize); 5] = [
            ("short", &[100; 10], 0),
            ("one too long", &[100, 100, 100, 100, 100, 100, 100, 100, 100, 100, 601], 1),
            ("one of ten long", &[100, 100, 100, 100, 100, 100, 100, 100, 100, 400], 0),
            ("two of ten long", &[100, 100, 100, 100, 100, 100, 100, 100, 400, 400], 2),
            ("a long median", &[151; 10], 1),
        ];
        for (name, lengths, count) in rows {
            let measures: Vec<FileMeasure> = lengths.iter().map(|lines| file("a.rs", *lines, &[])).collect();
            assert_eq!(files(&measures).len(), count, "{name}");
        }
    }

    #[test]
    fn one_unwrap_outside_tests_is_too_many() {
        let mut measure = file("a.rs", 100, &[]);
        assert!(unwraps(std::slice::from_ref(&measure)).is_empty());
        measure.unwraps = 1;
        assert_eq!(unwraps(&[measure]).len(), 1);
    }
}
