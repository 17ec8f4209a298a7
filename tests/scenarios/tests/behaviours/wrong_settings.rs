//! A node with wrong settings ends before it binds a port, and lists every problem with its origin.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Result, ensure};
use testnet::binary;

#[test]
fn a_node_with_wrong_settings_lists_all_problems_and_binds_nothing() -> Result<()> {
    let folder = tempfile::tempdir()?;
    // Held by this test: a node that bound its port before it looked at the rest would complain of the port.
    let held = TcpListener::bind("127.0.0.1:0")?;
    let port = held.local_addr()?.port();
    let peer = format!(
        "peer:\n  listenAddress: 127.0.0.1:{port}\n  localMspId: \"no good\\u0001name\"\n  mspConfigPath: absent/msp\n  \
         fileSystemPath: data\n  kem:\n    file: absent/kem.pem\n  tls:\n    clientAuthRequired: false\n    cert:\n      \
         file: absent/server.crt\n    key:\n      file: absent/server.key\n    rootcert:\n      file: absent/ca.crt\n"
    );
    let orderer = format!(
        "General:\n  ListenAddress: 127.0.0.1\n  ListenPort: {port}\n  LocalMSPID: \"\"\n  LocalMSPDir: absent/msp\n  \
         BootstrapMethod: guess\n  BootstrapFile: absent/genesis.block\n  TLS:\n    Enabled: false\n    Certificate: \
         absent/server.crt\n    PrivateKey: absent/server.key\n    RootCAs: [absent/ca.crt]\n"
    );
    let rows: [(&str, &[&str], &str, &[&str]); 4] = [
        // binary, arguments before the file, the file, what is named
        (
            "peer",
            &["node", "start", "--config"],
            &peer,
            &[
                "peer.localMspId",
                "peer.mspConfigPath",
                "peer.tls.clientAuthRequired",
                "absent/server.crt",
                "absent/server.key",
                "absent/ca.crt",
                "absent/kem.pem",
            ],
        ),
        (
            "orderer",
            &["start", "--config"],
            &orderer,
            &[
                "LocalMSPID",
                "BootstrapMethod",
                "absent/genesis.block",
                "absent/msp",
                "absent/server",
                "Enabled",
            ],
        ),
        ("peer", &["node", "start", "--config"], "peer: [not, a, map]\n", &["settings.yaml", "peer"]),
        ("orderer", &["start", "--config"], "General:\n  ListenPort: many\n", &["settings.yaml", "many"]),
    ];
    for (name, arguments, settings, named) in rows {
        let output = run(folder.path(), name, arguments, settings)?;
        let said = String::from_utf8_lossy(&output.stderr);
        println!("{name}: {said}");
        ensure!(output.status.code() == Some(2), "{name} ended with {}", output.status);
        for words in named {
            ensure!(said.contains(words), "{name} does not name {words}: {said}");
        }
        ensure!(
            !said.contains("cannot listen") && !said.contains("in use"),
            "{name} bound a port first: {said}"
        );
        ensure!(!folder.path().join("data").exists(), "{name} made a folder before it had read its settings");
    }
    Ok(())
}

fn run(folder: &Path, name: &str, arguments: &[&str], settings: &str) -> Result<Output> {
    let file = folder.join("settings.yaml");
    std::fs::write(&file, settings)?;
    Ok(Command::new(binary(name)?).args(arguments).arg(&file).current_dir(folder).output()?)
}
