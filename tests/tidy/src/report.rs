//! The measures as a small table, for people: each beside its bar. What fails a test is decided in `bars`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::bars::{FILE_LINES_MAX, FUNCTION_LINES_HARD, FUNCTION_LINES_SOFT};
use crate::clones::clones;
use crate::measures::{FileMeasure, is_test, measure, percentile};
use crate::owners::{OWNERS, exempt};
use crate::words::outside_documents;
use crate::workspace::Workspace;

/// Packages that no build should link, whoever brings them: there is one provider of cryptography.
const UNWANTED: [&str; 4] = ["native-tls", "openssl", "openssl-sys", "ring"];

/// The table of measures, and the lists behind its figures.
#[must_use]
pub fn report(workspace: &Workspace) -> String {
    let measures = measure(workspace);
    let mut rows = Vec::new();
    let mut lists = String::new();
    functions(&measures, &mut rows, &mut lists);
    files(&measures, &mut rows, &mut lists);
    unwraps(&measures, &mut rows, &mut lists);
    shares(&measures, &mut rows, &mut lists);
    cloned(workspace, &mut rows, &mut lists);
    let unwanted: Vec<String> = UNWANTED
        .iter()
        .filter(|name| workspace.linked.contains(**name))
        .map(|name| (*name).to_owned())
        .collect();
    rows.push(("packages linked", workspace.linked.len().to_string(), ""));
    rows.push(("  second TLS or cryptography", unwanted.len().to_string(), "0"));
    list(&mut lists, "second TLS or cryptography", &unwanted);
    list(&mut lists, "owned packages in tests of other crates", &exempt(workspace));
    list(&mut lists, "third-party parents of owned packages", &parents(workspace));
    list(&mut lists, "documents named but not in the tree", &outside_documents(workspace));
    let mut text = String::from("measure                               value    bar\n");
    for (name, value, bar) in rows {
        let _ = writeln!(text, "{name:<36} {value:>6}    {bar}");
    }
    text + &lists
}

/// One line of the table: what, value, bar.
type Row = (&'static str, String, &'static str);

fn functions(measures: &[FileMeasure], rows: &mut Vec<Row>, lists: &mut String) {
    let all: Vec<(&str, &crate::scan::Function)> =
        measures.iter().flat_map(|file| file.functions.iter().map(|f| (file.path.as_str(), f))).collect();
    let long: Vec<_> = all.iter().filter(|(_, function)| function.lines > FUNCTION_LINES_SOFT).collect();
    let hard = long.iter().filter(|(_, function)| function.lines > FUNCTION_LINES_HARD).count();
    rows.push(("production functions", all.len().to_string(), ""));
    rows.push(("  over 60 lines, percent", percent(long.len(), all.len()), "at most 1.5"));
    rows.push(("  over 100 lines", hard.to_string(), "0"));
    let texts = long.iter().map(|(path, f)| format!("{path}:{}: {} has {} lines", f.line, f.name, f.lines));
    list(lists, "functions over 60 lines", &texts.collect::<Vec<_>>());
}

fn files(measures: &[FileMeasure], rows: &mut Vec<Row>, lists: &mut String) {
    let mut lengths: Vec<usize> =
        measures.iter().map(|file| file.production_lines).filter(|n| *n > 0).collect();
    lengths.sort_unstable();
    rows.push(("production files", lengths.len().to_string(), ""));
    rows.push(("  lines, median", percentile(&lengths, 50).to_string(), "at most 150"));
    rows.push(("  lines, p90", percentile(&lengths, 90).to_string(), "at most 350"));
    let long: Vec<_> = measures.iter().filter(|file| file.production_lines > FILE_LINES_MAX).collect();
    rows.push(("  over 600 lines", long.len().to_string(), "0"));
    let texts = long.iter().map(|file| format!("{}: {} lines", file.path, file.production_lines));
    list(lists, "files over 600 lines", &texts.collect::<Vec<_>>());
}

fn unwraps(measures: &[FileMeasure], rows: &mut Vec<Row>, lists: &mut String) {
    let total = |count: fn(&FileMeasure) -> usize| measures.iter().map(count).sum::<usize>().to_string();
    rows.push(("unwrap() in production", total(|file| file.unwraps), "0"));
    rows.push(("expect(..) in production", total(|file| file.expects), "with a reason"));
    let texts = measures.iter().filter(|file| file.unwraps > 0);
    let texts = texts.map(|file| format!("{}: {} unwrap()", file.path, file.unwraps));
    list(lists, "unwrap() in production", &texts.collect::<Vec<_>>());
}

fn shares(measures: &[FileMeasure], rows: &mut Vec<Row>, lists: &mut String) {
    let mut folders: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for file in measures {
        let folder: Vec<&str> = file.path.split('/').take(2).collect();
        let (test, all) = folders.entry(folder.join("/")).or_default();
        *test += file.test_lines;
        *all += file.test_lines + file.production_lines;
    }
    let test: usize = folders.values().map(|(test, _)| test).sum();
    let all: usize = folders.values().map(|(_, all)| all).sum();
    rows.push(("lines of Rust", all.to_string(), ""));
    rows.push(("  share of tests, percent", percent(test, all), "at least 50"));
    let texts = folders.iter().filter(|(_, (_, all))| *all > 20);
    let texts =
        texts.map(|(folder, (test, all))| format!("{folder}: {} % of {all} lines", percent(*test, *all)));
    list(lists, "share of tests by crate", &texts.collect::<Vec<_>>());
}

fn cloned(workspace: &Workspace, rows: &mut Vec<Row>, lists: &mut String) {
    let found =
        clones(workspace.files.iter().filter(|file| file.path.ends_with(".rs") && !is_test(&file.path)));
    rows.push(("cloned lines, percent", percent(found.cloned, found.compared), "at most 2.5"));
    let texts = found
        .places
        .iter()
        .map(|(first, second)| format!("{}:{} and {}:{}", first.path, first.line, second.path, second.line));
    list(lists, "clones", &texts.collect::<Vec<_>>());
}

/// Who, besides us, pulls each owned or unwanted package in, as far as a build links it.
fn parents(workspace: &Workspace) -> Vec<String> {
    let metadata = &workspace.metadata;
    let packages = metadata.by_id();
    let name = |id: &str| packages.get(id).map_or("?", |package| package.name.as_str());
    let watched: BTreeSet<&str> = OWNERS.iter().map(|(owned, _)| *owned).chain(UNWANTED).collect();
    let mut parents: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for node in metadata.resolve.nodes.iter().filter(|node| !metadata.workspace_members.contains(&node.id)) {
        let normal = node
            .deps
            .iter()
            .filter(|edge| edge.dep_kinds.iter().any(|kind| kind.kind.as_deref() != Some("dev")));
        for package in normal
            .map(|edge| name(&edge.pkg))
            .filter(|package| watched.contains(package) && workspace.linked.contains(*package))
        {
            parents.entry(package).or_default().insert(name(&node.id));
        }
    }
    let text = |(package, parents): (&&str, &BTreeSet<&str>)| {
        format!("{package} <- {}", parents.iter().copied().collect::<Vec<_>>().join(", "))
    };
    parents.iter().map(text).collect()
}

fn percent(part: usize, whole: usize) -> String {
    let thousandths = (part * 1000 + whole / 2).checked_div(whole).unwrap_or(0);
    format!("{}.{}", thousandths / 10, thousandths % 10)
}

fn list(text: &mut String, title: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{title}:");
    for line in lines {
        let _ = writeln!(text, "  {line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_is_rounded_to_tenths() {
        for (part, whole, text) in
            [(0, 0, "0.0"), (1, 3, "33.3"), (2, 3, "66.7"), (1, 1, "100.0"), (3, 200, "1.5")]
        {
            assert_eq!(percent(part, whole), text);
        }
    }

    #[test]
    fn an_empty_list_has_no_title() {
        let mut text = String::new();
        list(&mut text, "none", &[]);
        assert_eq!(text, "");
        list(&mut text, "one", &["a".to_owned()]);
        assert_eq!(text, "\none:\n  a\n");
    }
}
