//! The schema; what a start does with broken material is tested with the binary.

use super::*;

#[test]
fn the_keys_are_fabrics() {
    let value = serde_json::to_value(Written::default()).expect("serialises");
    let paths = [
        "/General/ListenAddress",
        "/General/ListenPort",
        "/General/LocalMSPID",
        "/General/LocalMSPDir",
        "/General/BootstrapMethod",
        "/General/BootstrapFile",
        "/General/TLS/Enabled",
        "/General/TLS/PrivateKey",
        "/General/TLS/Certificate",
        "/General/TLS/RootCAs",
        "/FileLedger/Location",
        "/Operations/ListenAddress",
        "/Operations/TLS/ClientRootCAs",
    ];
    for path in paths {
        assert!(value.pointer(path).is_some(), "{path} in {value}");
    }
}

#[test]
fn a_folder_of_blocks_is_read_by_name_and_bounded() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let write = |name: &str| std::fs::write(folder.path().join(name), b"x").expect("written");
    assert!(blocks_in(folder.path()).expect_err("empty").contains("no file whose name ends in .block"));
    ["b.block", "a.block", "notes.txt", "block"].into_iter().for_each(write);
    let names = blocks_in(folder.path()).expect("two blocks");
    assert_eq!(names, [Path::new("a.block"), Path::new("b.block")]);
    (0..CHANNELS_MAX).for_each(|number| write(&format!("c{number}.block")));
    assert!(
        blocks_in(folder.path())
            .expect_err("too many")
            .contains("34 blocks, and a node orders for at most 32")
    );
}

#[test]
fn every_problem_is_reported_with_its_setting() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let file = folder.path().join("orderer.yaml");
    let text = "General:\n  LocalMSPID: 'no id'\n  BootstrapMethod: none\n  TLS:\n    Enabled: false\n    \
                RootCAs: []\n  Unknown: 1\n";
    std::fs::write(&file, text).expect("written");
    let errors = read(Some(&file), Place::Named, Capabilities::RELEASED).expect_err("refused").to_string();
    let keys = [
        "General.LocalMSPID",
        "General.BootstrapMethod",
        "General.TLS.Enabled",
        "General.TLS.Certificate",
        "General.TLS.PrivateKey",
        "General.TLS.RootCAs",
        "General.BootstrapFile",
        "General.Unknown",
    ];
    for key in keys {
        assert!(errors.contains(key), "{key} in\n{errors}");
    }
}
