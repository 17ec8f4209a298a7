//! The samples in `network/compose`, tried with the programs that read them; and the command line of `network`.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise, in its helpers too")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn compose(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../compose").join(name)
}

/// A program of this workspace, if it was built: it lies beside `network`.
fn program(name: &str) -> Option<Command> {
    let path = Path::new(env!("CARGO_BIN_EXE_network")).with_file_name(name);
    if !path.is_file() {
        println!("SKIPPED: the program {name} is not built; build it by `cargo build --workspace --bins`");
        return None;
    }
    let mut command = Command::new(path);
    command.stdin(Stdio::null());
    Some(command)
}

fn network(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_network"));
    command.env_remove("CONSILIUM_NETWORK_DIR").arg("--dir").arg(folder).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_sample_keys_and_consortium_make_a_channel() {
    let (Some(mut cryptogen), Some(mut configtxgen)) = (program("cryptogen"), program("configtxgen")) else {
        return;
    };
    let root = tempfile::tempdir().unwrap();
    let made = cryptogen
        .args(["generate", "--config"])
        .arg(compose("crypto-config.yaml"))
        .arg("--output")
        .arg(root.path().join("crypto-config"))
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", text(&made.stderr));
    std::fs::copy(compose("consortium.yaml"), root.path().join("consortium.yaml")).unwrap();
    let made = configtxgen
        .current_dir(root.path())
        .args(["--profile", "Consortium", "--channel-id", "reports", "--output-block", "reports.block"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", text(&made.stderr));
}

#[test]
fn the_sample_settings_hold_no_key_that_a_node_does_not_know() {
    // The files that the samples name are not there, so that every start ends before a port is bound.
    let rows: [(&str, &[&str], &str, &str); 2] = [
        ("orderer", &["start", "--config"], "orderer.yaml", "LocalMSPDir"),
        ("peer", &["node", "start", "--config"], "core.yaml", "mspConfigPath"),
    ];
    for (name, arguments, sample, missing) in rows {
        let Some(mut command) = program(name) else { continue };
        let root = tempfile::tempdir().unwrap();
        let settings = root.path().join(sample);
        std::fs::copy(compose(sample), &settings).unwrap();
        let output = command.args(arguments).arg(&settings).output().unwrap();
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{name}: {told}");
        assert!(told.contains(missing), "{name} reads its sample: {told}");
        assert!(!told.contains("no setting of this node") && !told.contains("YAML"), "{name}: {told}");
    }
}

#[test]
fn where_no_network_is_there_is_nothing_to_show_or_stop() {
    let root = tempfile::tempdir().unwrap();
    let absent = root.path().join("absent");
    let rows: [(&[&str], i32, &str); 5] = [
        (&["status"], 1, "there is none in"),
        (&["status", "--output", "json"], 1, "there is none in"),
        (&["down"], 0, "there is none in"),
        (&["logs", "peer-x"], 2, "no node is named `peer-x`; there are orderer-a"),
        (&["logs"], 0, ""),
    ];
    for (arguments, code, expected) in rows {
        let output = network(&absent, arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains(expected), "{arguments:?}: {}", text(&output.stderr));
    }
    assert!(!absent.exists(), "a question makes no folder");
}

#[test]
fn an_image_that_is_not_there_is_named_before_anything_is_made() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("network");
    let image = root.path().join("none.png");
    let rows = [(image.as_path(), "none.png: cannot be read"), (root.path(), "is no file")];
    for (image, expected) in rows {
        let output = network(&folder, &["up", image.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stderr).contains(expected), "{}", text(&output.stderr));
    }
    assert!(!folder.exists());
}

#[test]
fn a_damaged_state_is_refused_with_the_way_out_which_works() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("network");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("network.json"), "{").unwrap();
    let output = network(&folder, &["status"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("network.json: is damaged"), "{}", text(&output.stderr));
    let output = network(&folder, &["down", "--purge"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(!folder.exists());
}

#[test]
fn help_teaches_and_a_wrong_command_line_is_told() {
    let root = tempfile::tempdir().unwrap();
    let help = network(root.path(), &["--help"]);
    assert!(help.status.success());
    for part in ["network up chest.png", "network down --purge", "--dir", "Exit codes"] {
        assert!(text(&help.stdout).contains(part), "{part}");
    }
    assert_eq!(network(root.path(), &["upp"]).status.code(), Some(64));
    assert_eq!(network(root.path(), &[]).status.code(), Some(64));
}
