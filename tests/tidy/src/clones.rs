//! Lines of production code that stand in the tree twice.
//!
//! A clone is a run of lines that appears elsewhere too, compared without indentation, comments and the content of
//! literals. Imports, attributes and lines without a name (closing braces) neither make nor break a run: they are the
//! same everywhere and nobody would share them.

use std::collections::BTreeMap;

use crate::scan::{code_of, test_spans};
use crate::workspace::SourceFile;

/// Lines in a row that count as a clone.
const RUN_LINES: usize = 6;

/// Clones of a set of files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Clones {
    /// Lines that were compared.
    pub(crate) compared: usize,
    /// Lines of them that stand in a run which appears twice or more.
    pub(crate) cloned: usize,
    /// Where runs begin that appear twice: both places.
    pub(crate) places: Vec<(Place, Place)>,
}

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) path: String,
    pub(crate) line: usize,
}

/// Finds the clones among production files.
pub(crate) fn clones<'a>(files: impl Iterator<Item = &'a SourceFile>) -> Clones {
    let files: Vec<(&str, Vec<(usize, String)>)> =
        files.map(|file| (file.path.as_str(), compared_lines(&file.text))).collect();
    let mut runs: BTreeMap<Vec<&str>, Vec<(usize, usize)>> = BTreeMap::new();
    for (file, (_, lines)) in files.iter().enumerate() {
        for (start, run) in lines.windows(RUN_LINES).enumerate() {
            runs.entry(run.iter().map(|(_, text)| text.as_str()).collect()).or_default().push((file, start));
        }
    }
    let mut is_cloned: Vec<Vec<bool>> = files.iter().map(|(_, lines)| vec![false; lines.len()]).collect();
    let mut places = Vec::new();
    for starts in runs.values().filter(|starts| is_twice(starts)) {
        for (file, start) in starts {
            is_cloned[*file][*start..*start + RUN_LINES].fill(true);
        }
        let place = |(file, start): (usize, usize)| {
            let (path, lines) = &files[file];
            Place { path: (*path).to_owned(), line: lines[start].0 }
        };
        places.extend(starts.windows(2).map(|pair| (place(pair[0]), place(pair[1]))));
    }
    places.sort();
    Clones {
        compared: files.iter().map(|(_, lines)| lines.len()).sum(),
        cloned: is_cloned.iter().flatten().filter(|is_cloned| **is_cloned).count(),
        places,
    }
}

/// A run that overlaps with itself, such as rows of a table, is no clone.
fn is_twice(starts: &[(usize, usize)]) -> bool {
    starts.windows(2).any(|pair| pair[0].0 != pair[1].0 || pair[1].1 - pair[0].1 >= RUN_LINES)
}

/// The lines that are compared, with their numbers.
fn compared_lines(text: &str) -> Vec<(usize, String)> {
    let code = code_of(text);
    let spans = test_spans(&code);
    let in_test = |line: usize| spans.iter().any(|(first, last)| (*first..=*last).contains(&line));
    let lines = code.lines().enumerate().map(|(index, line)| (index + 1, line.trim().to_owned()));
    lines.filter(|(line, text)| is_compared(text) && !in_test(*line)).collect()
}

fn is_compared(line: &str) -> bool {
    let is_import = line.starts_with("use ") || line.starts_with("pub use ") || line.starts_with("#[");
    !is_import && line.bytes().any(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, lines: &[&str]) -> SourceFile {
        SourceFile { path: path.to_owned(), text: lines.join("\n") }
    }

    #[test]
    fn a_run_of_six_lines_is_a_clone_and_five_are_none() {
        let six = ["let a = 1;", "let b = a;", "}", "let c = b;", "let d = c;", "let e = d;", "let f = e;"];
        let other = ["let x = 1;", "let y = 2;"];
        let rows: [(&str, Vec<SourceFile>, usize); 6] = [
            ("twice in two files", vec![file("a.rs", &six), file("b.rs", &six)], 12),
            ("once", vec![file("a.rs", &six), file("b.rs", &other)], 0),
            ("twice in one file", vec![file("a.rs", &[&six[..], &other, &six].concat())], 12),
            ("five lines", vec![file("a.rs", &six[1..]), file("b.rs", &six[1..])], 0),
            (
                "other literals and comments",
                vec![
                    file("a.rs", &[&["call(\"a\"); // one"], &six[1..]].concat()),
                    file("b.rs", &[&["    call(\"b\");"], &six[1..]].concat()),
                ],
                12,
            ),
            ("rows of a table", vec![file("a.rs", &["row();"; 9])], 0),
        ];
        for (name, files, cloned) in rows {
            assert_eq!(clones(files.iter()).cloned, cloned, "{name}");
        }
    }

    #[test]
    fn imports_and_tests_are_not_compared() {
        let uses = ["use a::b;", "#[derive(Debug)]", "pub use c::d;"];
        let tests = ["#[cfg(test)]", "mod tests {", "let a = 1;", "let b = 2;", "}"];
        let text = [&uses[..], &["fn a() {}"], &tests].concat();
        assert_eq!(compared_lines(&text.join("\n")), [(4, "fn a() {}".to_owned())]);
    }

    #[test]
    fn both_places_of_a_clone_are_named() {
        let lines = ["a1;", "a2;", "a3;", "a4;", "a5;", "a6;"];
        let found = clones([file("a.rs", &lines), file("b.rs", &[&["b;"], &lines[..]].concat())].iter());
        let place = |path: &str, line| Place { path: path.to_owned(), line };
        assert_eq!(found.places, [(place("a.rs", 1), place("b.rs", 2))]);
    }
}
