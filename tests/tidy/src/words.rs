//! The project speaks of itself alone: no path of a machine, no host of a registry, no word about how a text was made.
//!
//! The forbidden words are put together here from parts, so that this file does not hold them. The lock file is exempt:
//! cargo writes the registry's name into it.

use crate::finding::Finding;
use crate::workspace::Workspace;

const RULE: &str = "words";

/// What a match must not continue on its left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    /// Anything may precede.
    Anywhere,
    /// Not a letter or digit: a word begins here.
    Word,
    /// Not a part of a path: an absolute path begins here.
    Path,
}

/// Forbidden text in lower case, where it counts, and what it is.
const FORBIDDEN: [(&str, Start, &str); 18] = [
    (concat!("/wo", "rk/"), Start::Path, "a path of one machine"),
    (concat!("/fa", "rm/"), Start::Path, "a path of one machine"),
    (concat!("/ro", "ot/"), Start::Path, "a path of one machine"),
    (concat!("/tm", "p/brief"), Start::Path, "a path of one machine"),
    (concat!("crates", ".io"), Start::Anywhere, "the host of a registry"),
    (concat!("npmjs", ".org"), Start::Anywhere, "the host of a registry"),
    (concat!("npmjs", ".com"), Start::Anywhere, "the host of a registry"),
    (concat!("pypi", ".org"), Start::Anywhere, "the host of a registry"),
    (concat!("proxy.golang", ".org"), Start::Anywhere, "the host of a registry"),
    (concat!("deb.debian", ".org"), Start::Anywhere, "the host of a registry"),
    (concat!("sub", "agent"), Start::Word, "a word about how the text was made"),
    (concat!("sub-", "agent"), Start::Word, "a word about how the text was made"),
    (concat!("chat", "gpt"), Start::Word, "a word about how the text was made"),
    (concat!("clau", "de"), Start::Word, "a word about how the text was made"),
    (concat!("anthro", "pic"), Start::Word, "a word about how the text was made"),
    (concat!("open", "ai"), Start::Word, "a word about how the text was made"),
    (concat!("language ", "model"), Start::Word, "a word about how the text was made"),
    (concat!("ai ", "assistant"), Start::Word, "a word about how the text was made"),
];

/// Documents that a text may name only if they are in the tree.
const DOCUMENTS: [&str; 5] = [
    concat!("DESIGN", ".md"),
    concat!("HOUSE_", "STYLE"),
    concat!("rust-", "spike"),
    concat!("fabric-", "wire.md"),
    concat!("fac", "ts/"),
];

/// Findings about words.
#[must_use]
pub fn check(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in workspace.files.iter().filter(|file| file.path != "Cargo.lock") {
        for (index, line) in file.text.lines().enumerate() {
            for (text, what) in forbidden(line) {
                let problem = format!("\"{text}\" is {what}");
                findings.push(Finding::new(
                    (&file.path, index + 1),
                    RULE,
                    problem,
                    "say it without, or leave it out",
                ));
            }
        }
    }
    findings
}

/// Lines that send the reader to documents which the tree does not hold.
pub(crate) fn outside_documents(workspace: &Workspace) -> Vec<String> {
    let absent = DOCUMENTS.iter().filter(|name| workspace.file(name).is_none());
    let absent: Vec<&&str> = absent.collect();
    let mut mentions = Vec::new();
    for file in &workspace.files {
        for (index, line) in file.text.lines().enumerate() {
            if let Some(name) = absent.iter().find(|name| begins_at(line, name, Start::Path)) {
                mentions.push(format!("{}:{}: {name}", file.path, index + 1));
            }
        }
    }
    mentions
}

fn forbidden(line: &str) -> Vec<(&'static str, &'static str)> {
    let lower = line.to_lowercase();
    let found = FORBIDDEN.iter().filter(|(text, start, _)| begins_at(&lower, text, *start));
    found.map(|(text, _, what)| (*text, *what)).collect()
}

fn begins_at(line: &str, text: &str, start: Start) -> bool {
    line.match_indices(text).any(|(position, _)| {
        let before = line[..position].chars().next_back();
        match start {
            Start::Anywhere => true,
            Start::Word => before.is_none_or(|c| !c.is_alphanumeric()),
            Start::Path => before.is_none_or(|c| !(c.is_alphanumeric() || "._-/*)}$".contains(c))),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forbidden_words_are_found_where_they_begin() {
        let path = concat!("/wo", "rk/");
        let rows = [
            (format!("see {path}main"), true),
            (format!("\"{}\"", path.to_uppercase()), true),
            (format!("net{}", &path[1..]), false),
            (format!("tests{path}a"), false),
            (format!("path=/{}x", concat!("ro", "ot/")), true),
            (format!("{{folder}}/{}x", concat!("ro", "ot/")), false),
            (concat!("crates", ".io").to_owned(), true),
            (format!("a {} did it", concat!("Sub", "Agent")), true),
            (format!("include{}", concat!("clau", "de")), false),
            ("an orderer orders".to_owned(), false),
            (String::new(), false),
        ];
        for (line, verdict) in rows {
            assert_eq!(!forbidden(&line).is_empty(), verdict, "{line}");
        }
    }

    #[test]
    fn forbidden_words_are_written_in_lower_case() {
        for (text, ..) in FORBIDDEN {
            assert_eq!(text, text.to_lowercase());
        }
    }
}
