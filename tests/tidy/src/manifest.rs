//! Manifests read alike: not published, the workspace's lints, our crates in layer order, then the others by alphabet,
//! each with a few words on why it is there.
//!
//! The reader is a scanner of lines, not of TOML: order and comments are what it is after, and a parser would lose them.

use crate::finding::Finding;
use crate::layers::rank;
use crate::workspace::{Crate, Workspace};

const RULE: &str = "manifest";

/// One dependency as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The section without brackets, such as `dependencies`.
    pub(crate) section: String,
    pub(crate) name: String,
    /// Line, counted from 1.
    pub(crate) line: usize,
    pub(crate) has_comment: bool,
}

/// The lines of a manifest that rules read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Manifest {
    pub(crate) entries: Vec<Entry>,
    /// Whether `[lints]` holds `workspace = true`.
    pub(crate) inherits_lints: bool,
    /// Lines of dependencies that have a table of their own, with their names.
    pub(crate) tables: Vec<(usize, String)>,
}

impl Manifest {
    pub(crate) fn parse(text: &str) -> Self {
        let mut manifest = Self::default();
        let mut section = String::new();
        for (index, line) in text.lines().enumerate() {
            let trimmed = line.trim();
            if let Some(header) = trimmed.strip_prefix('[') {
                section = header.split(']').next().unwrap_or_default().trim_matches(['[', ' ']).to_owned();
                if let Some((_, name)) = section.rsplit_once("dependencies.") {
                    manifest.tables.push((index + 1, name.to_owned()));
                }
                continue;
            }
            let Some((key, _)) = trimmed.split_once('=').filter(|_| !trimmed.starts_with('#')) else {
                continue;
            };
            if section == "lints"
                && trimmed.split('#').next().unwrap_or_default().replace(' ', "") == "workspace=true"
            {
                manifest.inherits_lints = true;
            }
            if section.ends_with("dependencies") {
                let name = key.split('.').next().unwrap_or_default().trim().trim_matches('"').to_owned();
                let has_comment =
                    comment(trimmed).is_some_and(|words| words.chars().any(char::is_alphabetic));
                manifest.entries.push(Entry { section: section.clone(), name, line: index + 1, has_comment });
            }
        }
        manifest
    }

    /// The line of a dependency, or the first line.
    pub(crate) fn line_of(&self, name: &str) -> usize {
        self.entries.iter().find(|entry| entry.name == name).map_or(1, |entry| entry.line)
    }
}

/// What follows the first `#` outside quotes.
fn comment(line: &str) -> Option<&str> {
    let mut quoted = false;
    for (position, character) in line.char_indices() {
        match character {
            '"' => quoted = !quoted,
            '#' if !quoted => return Some(&line[position + 1..]),
            _ => {}
        }
    }
    None
}

/// Findings in the manifests of our crates.
#[must_use]
pub fn check(workspace: &Workspace) -> Vec<Finding> {
    workspace.crates.iter().flat_map(|ours| check_one(workspace, ours)).collect()
}

fn check_one(workspace: &Workspace, ours: &Crate) -> Vec<Finding> {
    let path = ours.manifest_path();
    let mut findings = Vec::new();
    let mut add = |line: usize, problem: String, fix: &str| {
        findings.push(Finding::new((path.as_str(), line), RULE, problem, fix));
    };
    if ours.package.publish.as_ref().is_none_or(|registries| !registries.is_empty()) {
        add(
            1,
            format!("{} could be published", ours.package.name),
            "write `publish = false` under [package]",
        );
    }
    if !ours.manifest.inherits_lints {
        add(
            1,
            format!("{} has lints of its own", ours.package.name),
            "write `[lints]` and `workspace = true`",
        );
    }
    for (line, name) in &ours.manifest.tables {
        add(*line, format!("{name} has a table of its own"), "write it on one line under its section");
    }
    for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
        let entries: Vec<&Entry> = ours.manifest.entries.iter().filter(|e| e.section == section).collect();
        let key = |entry: &Entry| match workspace.crate_named(&entry.name) {
            Some(other) => {
                (0, other.layer().unwrap_or(9), rank(&entry.name).unwrap_or(usize::MAX), String::new())
            }
            None => (1, 0, 0, entry.name.clone()),
        };
        for pair in entries.windows(2).filter(|pair| key(pair[0]) > key(pair[1])) {
            let problem = format!("{} stands before {} in [{section}]", pair[0].name, pair[1].name);
            add(
                pair[1].line,
                problem,
                "our crates in the order of layers and of the tree, then others by alphabet",
            );
        }
        let bare =
            entries.iter().filter(|entry| !entry.has_comment && workspace.crate_named(&entry.name).is_none());
        for entry in bare.filter(|_| section != "dev-dependencies") {
            add(
                entry.line,
                format!("{} has no reason", entry.name),
                "say in a trailing comment why it is there",
            );
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = r##"
[package]
name = "sample"   # not a dependency

[dependencies]
protocol.workspace = true
# a line of its own
bytes.workspace = true   # shared without copies
sha2 = { workspace = true, features = ["a#b"] }
"quoted-name" = "1" # why

[dev-dependencies]
proptest.workspace = true

[dependencies.tabled]
version = "1"

[target.'cfg(unix)'.dependencies]
libc = "0.2" # signals

[lints]
workspace = true # all of them
"##;

    #[test]
    fn entries_carry_section_line_and_comment() {
        let manifest = Manifest::parse(SAMPLE);
        let rows: Vec<(&str, &str, usize, bool)> = manifest
            .entries
            .iter()
            .map(|e| (e.section.as_str(), e.name.as_str(), e.line, e.has_comment))
            .collect();
        let expected = [
            ("dependencies", "protocol", 6, false),
            ("dependencies", "bytes", 8, true),
            ("dependencies", "sha2", 9, false),
            ("dependencies", "quoted-name", 10, true),
            ("dev-dependencies", "proptest", 13, false),
            ("target.'cfg(unix)'.dependencies", "libc", 19, true),
        ];
        assert_eq!(rows, expected);
        assert_eq!(manifest.tables, [(15, "tabled".to_owned())]);
        assert_eq!((manifest.line_of("bytes"), manifest.line_of("absent")), (8, 1));
    }

    #[test]
    fn lints_are_inherited_only_by_the_exact_key() {
        let rows = [
            ("[lints]\nworkspace = true", true),
            ("[lints]\nworkspace=true # yes", true),
            ("[lints]\nworkspace = false", false),
            ("[lints]\n# workspace = true", false),
            ("[lints.rust]\nworkspace = true", false),
            ("[package]\nworkspace = true", false),
            ("", false),
        ];
        for (text, inherits) in rows {
            assert_eq!(Manifest::parse(text).inherits_lints, inherits, "{text}");
        }
    }
}
