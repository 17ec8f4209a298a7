//! The tree keeps the house rules; each test is one of them, and its failure lists every breach with its fix.
//!
//! `cargo test -p tidy -- --nocapture` prints the measures as well.

#![expect(clippy::expect_used, reason = "a panic is how a test fails")]

use std::sync::OnceLock;

use tidy::{Finding, Workspace};

fn workspace() -> &'static Workspace {
    static WORKSPACE: OnceLock<Workspace> = OnceLock::new();
    WORKSPACE.get_or_init(|| Workspace::load().expect("the workspace can be read"))
}

fn none_of(mut findings: Vec<Finding>) {
    findings.sort();
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "{} breaches\n{}", lines.len(), lines.join("\n"));
}

#[test]
fn crates_depend_on_lower_layers_only() {
    none_of(tidy::layers(workspace()));
}

#[test]
fn only_owners_name_their_packages() {
    none_of(tidy::owners(workspace()));
}

#[test]
fn pure_crates_are_pure() {
    none_of(tidy::purity(workspace()));
}

#[test]
fn manifests_read_alike() {
    none_of(tidy::manifests(workspace()));
}

#[test]
fn licences_are_permissive() {
    none_of(tidy::licences(workspace()));
}

#[test]
fn readmes_are_short_and_their_links_lead_somewhere() {
    none_of(tidy::readmes(workspace()));
}

#[test]
fn the_project_speaks_of_itself_alone() {
    none_of(tidy::words(workspace()));
}

#[test]
fn sources_have_module_docs_and_are_finished() {
    none_of(tidy::sources(workspace()));
}

#[test]
fn the_bars_of_the_house_are_kept() {
    none_of(tidy::bars(workspace()));
}

#[test]
fn the_measures_are_printed() {
    let report = tidy::report(workspace());
    println!("{report}");
    assert!(report.contains("production functions"), "the table is there");
}
