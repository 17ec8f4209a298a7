//! What `--help` prints is what the documentation says: one `HELP.txt` beside each binary, every verb in it.
//!
//! After a change of the command line, `CONSILIUM_GOLDEN=write cargo test -p scenarios help` writes the files anew.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

/// Verbs within verbs.
const DEPTH_MAX: usize = 4;
/// Binaries and the folders of their crates.
const BINARIES: [(&str, &str); 6] = [
    ("cryptogen", "crypto-config/cryptogen"),
    ("configtxgen", "network/configtxgen"),
    ("network", "network/local"),
    ("orderer", "orderer/orderer"),
    ("peer", "peer/peer"),
    ("load", "tests/load"),
];

#[test]
fn the_documented_help_is_what_the_binaries_print() -> Result<()> {
    let mut differing = Vec::new();
    for (name, folder) in BINARIES {
        let mut text = String::new();
        collect(name, &[], &mut text)?;
        let path = root().join(folder).join("HELP.txt");
        if std::env::var_os("CONSILIUM_GOLDEN").is_some_and(|mode| mode == "write") {
            std::fs::write(&path, &text)?;
        }
        let documented = std::fs::read_to_string(&path).unwrap_or_default();
        if let Some(line) = first_difference(&documented, &text) {
            differing.push(format!("{folder}/HELP.txt: {line}"));
        }
    }
    ensure!(
        differing.is_empty(),
        "`--help` and its documentation differ; CONSILIUM_GOLDEN=write cargo test -p scenarios help writes it anew\n{}",
        differing.join("\n")
    );
    Ok(())
}

#[test]
fn the_first_line_that_differs_is_named() {
    let rows = [
        ("a\nb", "a\nb", None),
        ("a\nb", "a\nc", Some("line 2 is \"b\", `--help` prints \"c\"")),
        ("a", "a\nb", Some("line 2 is missing: `--help` prints \"b\"")),
        ("a\nb", "a", Some("line 2 \"b\" is no longer printed")),
    ];
    for (documented, printed, expected) in rows {
        assert_eq!(first_difference(documented, printed).as_deref(), expected, "{documented:?} {printed:?}");
    }
}

/// Adds the help of a verb, then of its own verbs in the order in which it lists them.
fn collect(binary: &str, verbs: &[String], text: &mut String) -> Result<()> {
    ensure!(verbs.len() <= DEPTH_MAX, "{binary} {} is too deep", verbs.join(" "));
    let help = help_of(binary, verbs)?;
    let command: Vec<&str> = std::iter::once(binary).chain(verbs.iter().map(String::as_str)).collect();
    writeln!(text, "$ {} --help\n{}", command.join(" "), help.trim_end())?;
    text.push('\n');
    for verb in verbs_in(&help) {
        collect(binary, &[verbs, &[verb]].concat(), text)?;
    }
    Ok(())
}

fn help_of(binary: &str, verbs: &[String]) -> Result<String> {
    let mut command = Command::new(testnet::binary(binary)?);
    let output = command.args(verbs).arg("--help").output()?;
    if !output.status.success() {
        bail!("{binary} {} --help ends with {}", verbs.join(" "), output.status);
    }
    String::from_utf8(output.stdout).context("help is text")
}

/// The verbs below `Commands:`; those of the library itself say nothing of ours.
fn verbs_in(help: &str) -> Vec<String> {
    let below = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    below
        .take_while(|line| !line.trim().is_empty())
        // A continued description is indented further.
        .filter_map(|line| line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|verb| *verb != "help")
        .map(str::to_owned)
        .collect()
}

fn first_difference(documented: &str, printed: &str) -> Option<String> {
    let (documented, printed): (Vec<&str>, Vec<&str>) =
        (documented.lines().collect(), printed.lines().collect());
    let at = (0..documented.len().max(printed.len())).find(|at| documented.get(*at) != printed.get(*at))?;
    let line = at + 1;
    Some(match (documented.get(at), printed.get(at)) {
        (Some(old), Some(new)) => format!("line {line} is {old:?}, `--help` prints {new:?}"),
        (None, Some(new)) => format!("line {line} is missing: `--help` prints {new:?}"),
        (Some(old), None) => format!("line {line} {old:?} is no longer printed"),
        (None, None) => format!("line {line}"),
    })
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
