//! The pure layers, 0 to 2: few dependencies, no runtime, TLS, database or HTTP, and clippy told what they may not call.

use std::collections::BTreeSet;

use crate::finding::Finding;
use crate::workspace::{Crate, Workspace};

const RULE: &str = "purity";

/// The highest pure layer.
const PURE: u64 = 2;

/// Direct third-party dependencies of a pure crate.
const THIRD_PARTY_MAX: usize = 10;

/// Packages that bring the outside in.
const BANNED: [&str; 17] = [
    "actix",
    "actix-web",
    "async-trait",
    "futures-util",
    "hyper",
    "hyper-util",
    "openraft",
    "reqwest",
    "rocksdb",
    "rustls",
    "tokio",
    "tokio-rustls",
    "tokio-stream",
    "tokio-util",
    "tonic",
    "tower",
    "tracing",
];

/// Calls that `clippy.toml` of a pure crate must ban.
const BANNED_CALLS: [&str; 3] =
    ["std::time::SystemTime::now", "std::time::Instant::now", "std::thread::spawn"];

/// Findings about pure crates.
#[must_use]
pub fn check(workspace: &Workspace) -> Vec<Finding> {
    let root_keys = workspace.file(".clippy.toml").map_or_else(Vec::new, |file| keys(&file.text));
    let pure = workspace.crates.iter().filter(|ours| ours.layer().is_some_and(|layer| layer <= PURE));
    pure.flat_map(|ours| [dependencies(workspace, ours), clippy(workspace, ours, &root_keys)].concat())
        .collect()
}

fn dependencies(workspace: &Workspace, ours: &Crate) -> Vec<Finding> {
    let path = ours.manifest_path();
    let names: BTreeSet<&str> = ours.normal_dependencies().collect();
    let third_party: Vec<&str> =
        names.into_iter().filter(|name| workspace.crate_named(name).is_none()).collect();
    let mut findings = Vec::new();
    if third_party.len() > THIRD_PARTY_MAX {
        let problem = format!(
            "{} has {} third-party dependencies, above {THIRD_PARTY_MAX}: {}",
            ours.package.name,
            third_party.len(),
            third_party.join(", ")
        );
        findings.push(Finding::new((&path, 1), RULE, problem, "drop one, or move what needs it outwards"));
    }
    for name in third_party.into_iter().filter(|name| BANNED.contains(name)) {
        let problem = format!("{} is pure and names {name}", ours.package.name);
        let fix = "define a small trait, implement it in an outer layer";
        findings.push(Finding::new(ours.place_of(&path, name), RULE, problem, fix));
    }
    findings
}

fn clippy(workspace: &Workspace, ours: &Crate, root_keys: &[String]) -> Vec<Finding> {
    let path = format!("{}/clippy.toml", ours.folder);
    let finding = |problem: String, fix: &str| Finding::new((&path, 1), RULE, problem, fix);
    let Some(file) = workspace.file(&path) else {
        return vec![finding("it is missing".to_owned(), "copy the one of another pure crate")];
    };
    let mut findings = Vec::new();
    let own_keys = keys(&file.text);
    for key in root_keys.iter().filter(|key| !own_keys.contains(key)) {
        findings.push(finding(
            format!("the root's `{key}` is not repeated"),
            "repeat it: this file replaces the root's",
        ));
    }
    for call in BANNED_CALLS.iter().filter(|call| !file.text.contains(&format!("\"{call}\""))) {
        findings.push(finding(format!("{call} is not banned"), "add it to disallowed-methods"));
    }
    findings
}

/// Lines `key = value` outside brackets, without spaces, so that two files compare.
fn keys(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()));
    let settings = lines.filter(|line| line.contains('=') && !line.trim_end().ends_with('['));
    settings.map(|line| line.split('#').next().unwrap_or_default().replace(' ', "")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_compare_without_spaces_and_lists() {
        let text = "# a comment = 1\nallow-unwrap-in-tests = true # yes\nmax=5\ndisallowed-methods = [\n    { path = \"a\" },\n]\n";
        assert_eq!(keys(text), ["allow-unwrap-in-tests=true", "max=5"]);
        assert_eq!(keys(""), Vec::<String>::new());
    }
}
