//! TLS and signing certificates that were taken for each other: told before a port is bound or a peer is called.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Result, ensure};
use scenarios::Stage;
use testnet::{Hospital, NetworkOptions, binary};

const FAULT: i32 = 2;
/// How a TLS certificate among signing certificates is told.
const TLS_SIGNS: &[&str] = &["is a TLS certificate", "put the signing certificate into signcerts/"];
/// How a signing certificate for TLS is told.
const SIGNING_FOR_TLS: &[&str] = &["is a signing certificate", "tls/server.crt"];

#[test]
fn swapped_certificates_are_told_before_anything_is_bound_or_called() -> Result<()> {
    let network = Stage::start(NetworkOptions { orderers: 1, ..NetworkOptions::default() })?;
    let files = tempfile::tempdir()?;
    // Held by this test: a node that bound its port before it looked at the rest would complain of the port.
    let held = TcpListener::bind("127.0.0.1:0")?;
    let port = held.local_addr()?.port();

    let peer = network.peer_material(Hospital::A);
    let swapped_peer = files.path().join("peer");
    swap(&peer, "server", &swapped_peer)?;
    let orderers = network.path("crypto/ordererOrganizations").join(Hospital::A.orderer_domain());
    let orderer = orderers.join("orderers").join(Hospital::A.orderer_name());
    let swapped_orderer = files.path().join("orderer");
    swap(&orderer, "server", &swapped_orderer)?;
    let genesis = network.path("genesis.block");
    let kem = network.organization(Hospital::A).join("kem/private.pem");
    let of_peer = |msp: &Path, tls: &Path| {
        format!(
            "peer:\n  listenAddress: 127.0.0.1:{port}\n  localMspId: {}\n  mspConfigPath: {msp}/msp\n  fileSystemPath: \
             data\n  kem:\n    file: {}\n  tls:\n    cert:\n      file: {tls}/tls/server.crt\n    key:\n      file: \
             {tls}/tls/server.key\n    rootcert:\n      file: {root}/tls/ca.crt\n",
            Hospital::A.msp_id(),
            kem.display(),
            msp = msp.display(),
            tls = tls.display(),
            root = peer.display(),
        )
    };
    let of_orderer = |msp: &Path, tls: &Path| {
        format!(
            "General:\n  ListenAddress: 127.0.0.1\n  ListenPort: {port}\n  LocalMSPID: {}\n  LocalMSPDir: {msp}/msp\n  \
             BootstrapFile: {}\n  TLS:\n    Certificate: {tls}/tls/server.crt\n    PrivateKey: {tls}/tls/server.key\n    \
             RootCAs: [{root}/tls/ca.crt]\nFileLedger:\n  Location: data\n",
            Hospital::A.orderer_msp_id(),
            genesis.display(),
            msp = msp.display(),
            tls = tls.display(),
            root = orderer.display(),
        )
    };
    let (peer_args, orderer_args): (&[&str], &[&str]) =
        (&["node", "start", "--config"], &["start", "--config"]);
    let rows = [
        ("peer", peer_args, of_peer(&swapped_peer, &peer), TLS_SIGNS),
        ("peer", peer_args, of_peer(&peer, &swapped_peer), SIGNING_FOR_TLS),
        ("orderer", orderer_args, of_orderer(&swapped_orderer, &orderer), TLS_SIGNS),
        ("orderer", orderer_args, of_orderer(&orderer, &swapped_orderer), SIGNING_FOR_TLS),
    ];
    for (name, arguments, settings, words) in rows {
        let output = run(files.path(), name, arguments, &settings)?;
        let said = String::from_utf8_lossy(&output.stderr);
        println!("{name}: {said}");
        ensure!(output.status.code() == Some(FAULT), "{name} ended with {}", output.status);
        for words in words {
            ensure!(said.contains(words), "{name} does not say {words:?}: {said}");
        }
        ensure!(
            !said.contains("cannot listen") && !said.contains("in use"),
            "{name} bound a port first: {said}"
        );
        ensure!(!files.path().join("data").exists(), "{name} made a folder before it had read its settings");
    }
    users_are_told_too(&network, files.path())
}

fn users_are_told_too(network: &Stage, files: &Path) -> Result<()> {
    let doctor = network.doctor(Hospital::A);
    let swapped = files.join("user");
    swap(&doctor.msp_folder().with_file_name(""), "client", &swapped)?;
    let rows = [
        (doctor.clone().with_msp_folder(swapped.join("msp")), &TLS_SIGNS[..1]),
        (doctor.with_tls_folder(swapped.join("tls")), &["is a signing certificate", "tls/client.crt"]),
    ];
    for (user, words) in rows {
        let refused = user.peer(&["report", "list"])?.expect_code(FAULT)?;
        println!("peer report list: {}", refused.stderr);
        for words in words {
            ensure!(refused.stderr.contains(words), "{words:?} is not said: {refused:?}");
        }
    }
    Ok(())
}

/// Copies a node's or user's `msp` and `tls`, each with the other's certificate and key.
fn swap(from: &Path, tls_name: &str, to: &Path) -> Result<()> {
    let copy = |source: &Path, target: &Path| -> Result<()> {
        std::fs::create_dir_all(target)?;
        for entry in std::fs::read_dir(source)? {
            let path = entry?.path();
            if let (true, Some(name)) = (path.is_file(), path.file_name()) {
                std::fs::copy(&path, target.join(name))?;
            }
        }
        Ok(())
    };
    for folder in ["msp", "msp/cacerts", "msp/tlscacerts", "tls"] {
        copy(&from.join(folder), &to.join(folder))?;
    }
    let (certificate, key) = (format!("tls/{tls_name}.crt"), format!("tls/{tls_name}.key"));
    for folder in ["msp/signcerts", "msp/keystore"] {
        std::fs::create_dir_all(to.join(folder))?;
    }
    std::fs::copy(from.join(&certificate), to.join("msp/signcerts/cert.pem"))?;
    std::fs::copy(from.join(&key), to.join("msp/keystore/priv_sk"))?;
    for (folder, file) in [("msp/signcerts", &certificate), ("msp/keystore", &key)] {
        for entry in std::fs::read_dir(from.join(folder))? {
            std::fs::copy(entry?.path(), to.join(file))?;
        }
    }
    Ok(())
}

fn run(folder: &Path, name: &str, arguments: &[&str], settings: &str) -> Result<Output> {
    let file = folder.join("settings.yaml");
    std::fs::write(&file, settings)?;
    Ok(Command::new(binary(name)?).args(arguments).arg(&file).current_dir(folder).output()?)
}
