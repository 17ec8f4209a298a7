//! Each top-level folder says in at most 60 lines what it is for, and no README points at a file that is not there.

use std::path::Path;

use crate::finding::Finding;
use crate::workspace::{SourceFile, Workspace};

const RULE: &str = "readmes";

/// The folders of the top level.
const FOLDERS: [&str; 6] = ["crypto-config", "network", "orderer", "peer", "chaincode", "tests"];

const LINES_MAX: usize = 60;

/// Findings about READMEs.
#[must_use]
pub fn check(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for folder in FOLDERS {
        let path = format!("{folder}/README.md");
        let Some(file) = workspace.file(&path) else {
            let fix = "write it: purpose, picture, file map, invariants";
            findings.push(Finding::new((&path, 1), RULE, "it is missing".to_owned(), fix));
            continue;
        };
        let lines = file.text.lines().count();
        if lines > LINES_MAX {
            let problem = format!("{lines} lines, above {LINES_MAX}");
            findings.push(Finding::new(
                (&path, LINES_MAX + 1),
                RULE,
                problem,
                "keep purpose, picture, map, invariants",
            ));
        }
    }
    let readmes = workspace.files.iter().filter(|file| file.path.ends_with("README.md"));
    findings.extend(readmes.flat_map(|file| dead_links(&workspace.root, file)));
    findings
}

fn dead_links(root: &Path, file: &SourceFile) -> Vec<Finding> {
    let folder = Path::new(&file.path).parent().map_or_else(|| root.to_owned(), |folder| root.join(folder));
    let dead = links(&file.text).into_iter().filter(|(_, target)| !folder.join(target).exists());
    dead.map(|(line, target)| {
        let problem = format!("the link to {target} leads nowhere");
        Finding::new((&file.path, line), RULE, problem, "correct the path, relative to the README")
    })
    .collect()
}

/// Lines and targets of the relative links in Markdown, without their anchors; code is not looked into.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut links = Vec::new();
    let mut fenced = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        // Every second part between backticks is code.
        let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("code");
        for part in prose.split("](").skip(1).filter(|_| !fenced) {
            let target = part.split([')', ' ']).next().unwrap_or_default();
            let path = target.split('#').next().unwrap_or_default();
            if !path.is_empty() && !path.contains(':') {
                links.push((index + 1, path.to_owned()));
            }
        }
    }
    links
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_links_are_found_outside_code() {
        let rows: [(&str, &[&str]); 9] = [
            ("see [msp](msp/README.md) and [b](../b)", &["msp/README.md", "../b"]),
            ("[a](a.md#part)", &["a.md"]),
            ("[a](#part)", &[]),
            ("[a](https://example.org/a)", &[]),
            ("[a](mailto:a@example.org)", &[]),
            ("![picture](p.svg \"title\")", &["p.svg"]),
            ("`[a](b)` is code", &[]),
            ("[`code`](a.md)", &["a.md"]),
            ("```\n[a](b)\n```\n[c](d)", &["d"]),
        ];
        for (text, expected) in rows {
            let targets: Vec<String> = links(text).into_iter().map(|(_, target)| target).collect();
            assert_eq!(targets, expected, "{text}");
        }
        assert_eq!(links("\n\n[a](b)")[0].0, 3);
    }
}
