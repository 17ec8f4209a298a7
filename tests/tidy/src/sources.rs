//! Rust files begin with a module doc, and leave nothing switched off or for later.

use crate::finding::Finding;
use crate::workspace::{SourceFile, Workspace};

const RULE: &str = "sources";

/// Text that no Rust file holds, put together from parts, and what to do instead.
const UNFINISHED: [(&str, &str); 5] = [
    (concat!("#[ig", "nore"), "make the test run, or delete it"),
    (concat!("to", "do!("), "write it"),
    (concat!("unimple", "mented!("), "write it, or return an error"),
    (concat!("TO", "DO"), "do it, or leave it out"),
    (concat!("FIX", "ME"), "mend it"),
];

/// Findings in Rust files.
#[must_use]
pub fn check(workspace: &Workspace) -> Vec<Finding> {
    workspace.files.iter().filter(|file| file.path.ends_with(".rs")).flat_map(check_one).collect()
}

fn check_one(file: &SourceFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    let first = file.text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    if !first.starts_with("//!") {
        let fix = "say in `//!` what the file decides, what it never does, where the rule comes from";
        findings.push(Finding::new((&file.path, 1), RULE, "it has no module doc".to_owned(), fix));
    }
    for (index, line) in file.text.lines().enumerate() {
        for (text, fix) in UNFINISHED.iter().filter(|(text, _)| line.contains(text)) {
            findings.push(Finding::new((&file.path, index + 1), RULE, format!("it holds `{text}`"), fix));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_needs_a_module_doc_and_is_finished() {
        let rows = [
            ("//! What it decides.\nfn a() {}".to_owned(), 0),
            ("\n//! After a blank line.".to_owned(), 0),
            ("// no doc".to_owned(), 1),
            (String::new(), 1),
            (format!("//! Doc.\n{}]\nfn a() {{}}", concat!("#[ig", "nore")), 1),
            (format!("//! Doc.\n{})", concat!("to", "do!(")), 1),
            (format!("//! Doc.\n// {}: later", concat!("TO", "DO")), 1),
            (format!("use a;\n// {}", concat!("FIX", "ME")), 2),
        ];
        for (text, count) in rows {
            let file = SourceFile { path: "a.rs".to_owned(), text };
            assert_eq!(check_one(&file).len(), count, "{}", file.text);
        }
    }
}
