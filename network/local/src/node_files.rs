//! The settings files of the nodes and the shell files of the users.
//!
//! Settings are the samples of `network/compose` with this node's names, ports and paths. They are written at every start,
//! so that a new release's settings reach a network that was made before.

use std::path::Path;

use anyhow::Context as _;
use serde_yaml_ng::Value;

use crate::consortium::{CHANNEL, HOSPITALS, Hospital, Kind, Node};
use crate::folder::Folder;
use crate::material::write;
use crate::state::State;

const CORE: &str = include_str!("../../compose/core.yaml");
const ORDERER: &str = include_str!("../../compose/orderer.yaml");
/// The users of a hospital who get a shell file: name of the file, name in the certificate.
pub const USERS: [(&str, &str); 2] = [("doctor", "doctor"), ("admin", "Admin")];

/// The text of a node's settings file.
///
/// # Errors
/// Where the sample lacks a setting: a fault of this release.
pub fn settings(folder: &Folder, state: &State, node: Node) -> anyhow::Result<String> {
    let ports = state.ports(node);
    let identity = folder.identity(node);
    let file = |name: &str| Value::from(identity.join(name).display().to_string());
    let listen = format!("127.0.0.1:{}", ports.service);
    let operations = Value::from(format!("127.0.0.1:{}", ports.operations));
    let data = Value::from(folder.node(node).join("data").display().to_string());
    let (sample, rows) = match node.kind {
        Kind::Peer => {
            let kem = folder.organization(node).join("kem/private.pem");
            let rows = vec![
                ("peer.id", node.name().into()),
                ("peer.address", listen.clone().into()),
                ("peer.listenAddress", listen.into()),
                ("peer.localMspId", node.msp_id().into()),
                ("peer.mspConfigPath", file("msp")),
                ("peer.fileSystemPath", data),
                ("peer.tls.cert.file", file("tls/server.crt")),
                ("peer.tls.key.file", file("tls/server.key")),
                ("peer.tls.rootcert.file", file("tls/ca.crt")),
                ("peer.kem.file", kem.display().to_string().into()),
                ("operations.listenAddress", operations),
            ];
            (CORE, rows)
        }
        Kind::Orderer => {
            let rows = vec![
                ("General.ListenAddress", "127.0.0.1".into()),
                ("General.ListenPort", ports.service.into()),
                ("General.LocalMSPID", node.msp_id().into()),
                ("General.LocalMSPDir", file("msp")),
                ("General.BootstrapFile", folder.genesis().display().to_string().into()),
                ("General.TLS.PrivateKey", file("tls/server.key")),
                ("General.TLS.Certificate", file("tls/server.crt")),
                ("General.TLS.RootCAs", Value::Sequence(vec![file("tls/ca.crt")])),
                ("FileLedger.Location", data),
                ("Operations.ListenAddress", operations),
                ("Operations.TLS.ClientRootCAs", Value::Sequence(vec![hospital_ca(folder, node.hospital)])),
            ];
            (ORDERER, rows)
        }
    };
    let mut settings: Value = serde_yaml_ng::from_str(sample).context("a sample of settings")?;
    for (key, value) in rows {
        let place = key.split('.').try_fold(&mut settings, |group, name| group.get_mut(name));
        *place.with_context(|| format!("the sample of {node}'s settings has no {key}"))? = value;
    }
    Ok(format!("# Written by `network up` at every start.\n{}", serde_yaml_ng::to_string(&settings)?))
}

/// The variables by which a user of a hospital acts on the hospital's peer.
pub fn variables(
    folder: &Folder,
    state: &State,
    hospital: Hospital,
    user: &str,
) -> Vec<(&'static str, String)> {
    let node = Node { kind: Kind::Peer, hospital };
    let user = folder.user(node, user);
    let text = |path: &Path| path.display().to_string();
    vec![
        ("CORE_PEER_LOCALMSPID", node.msp_id()),
        ("CORE_PEER_ADDRESS", format!("127.0.0.1:{}", state.ports(node).service)),
        ("CORE_PEER_MSPCONFIGPATH", text(&user.join("msp"))),
        ("CORE_PEER_TLS_ENABLED", "true".to_owned()),
        (
            "CORE_PEER_TLS_ROOTCERT_FILE",
            text(&folder.organization(node).join("msp/tlscacerts").join(tls_ca(node))),
        ),
        ("CORE_PEER_TLS_CLIENTCERT_FILE", text(&user.join("tls/client.crt"))),
        ("CORE_PEER_TLS_CLIENTKEY_FILE", text(&user.join("tls/client.key"))),
        ("CORE_CHANNEL", CHANNEL.to_owned()),
    ]
}

/// The TLS authority of a hospital, whose administrator looks after its orderer too.
fn hospital_ca(folder: &Folder, hospital: Hospital) -> Value {
    let node = Node { kind: Kind::Peer, hospital };
    folder.organization(node).join("msp/tlscacerts").join(tls_ca(node)).display().to_string().into()
}

/// The file name of an organisation's TLS authority within `tlscacerts/`.
fn tls_ca(node: Node) -> String {
    format!("tlsca.{}-cert.pem", node.domain())
}

/// Writes the settings of every node and the shell files of every user.
///
/// # Errors
/// Names the file.
pub fn write_all(folder: &Folder, state: &State, binaries: &Path) -> anyhow::Result<()> {
    for node in crate::consortium::nodes() {
        write(&folder.settings(node), &settings(folder, state, node)?)?;
    }
    for hospital in HOSPITALS {
        for (name, user) in USERS {
            let path = folder.env().join(format!("{}-{name}.sh", hospital.slug()));
            let variables = variables(folder, state, hospital, user);
            let home = folder.path().display().to_string();
            let text = shell(&hospital.slug(), name, &variables, binaries);
            // What looks after networks finds this one, wherever it is.
            write(&path, &format!("{text}export CONSILIUM_NETWORK_DIR={}\n", quoted(&home)))?;
        }
    }
    Ok(())
}

fn shell(hospital: &str, user: &str, variables: &[(&'static str, String)], binaries: &Path) -> String {
    let mut text = format!("# `source` this file to act as {user} of {hospital}.\n");
    text += &format!("export PATH={}:\"$PATH\"\n", quoted(&binaries.display().to_string()));
    for (name, value) in variables {
        text += &format!("export {name}={}\n", quoted(value));
    }
    text
}

/// A word that a shell reads as it is.
pub fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-:@+=".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consortium::nodes;

    fn network() -> (tempfile::TempDir, Folder, State) {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::at(root.path());
        let state = State::new(&folder).unwrap();
        (root, folder, state)
    }

    #[test]
    fn every_setting_of_a_sample_that_names_a_place_is_replaced() {
        let (_root, folder, state) = network();
        for node in nodes() {
            let text = settings(&folder, &state, node).unwrap();
            for left in ["0.0.0.0", "9443", "7050", "7051", "/var/lib", "peer0.hospital-a.example.com:"] {
                assert!(!text.contains(left), "{node}: {left} in\n{text}");
            }
            let ports = state.ports(node);
            assert!(text.contains(&ports.service.to_string()), "{node}");
            assert!(text.contains(&format!("127.0.0.1:{}", ports.operations)), "{node}");
            assert!(text.contains(&node.msp_id()), "{node}");
        }
    }

    #[test]
    fn shell_files_are_for_one_user_each() {
        let (_root, folder, state) = network();
        write_all(&folder, &state, Path::new("/a folder/bin")).unwrap();
        let text = std::fs::read_to_string(folder.env().join("hospital-b-doctor.sh")).unwrap();
        assert!(text.contains("export PATH='/a folder/bin':\"$PATH\"\n"), "{text}");
        assert!(text.contains("export CORE_PEER_LOCALMSPID=HospitalBMSP\n"), "{text}");
        assert!(text.contains("users/doctor@hospital-b.example.com/msp\n"), "{text}");
        assert_eq!(std::fs::read_dir(folder.env()).unwrap().count(), 6);
    }

    #[test]
    fn words_survive_the_shell() {
        let rows =
            [("/a/b-c.d", "/a/b-c.d"), ("a b", "'a b'"), ("it's", r"'it'\''s'"), ("", "''"), ("$X", "'$X'")];
        for (text, expected) in rows {
            assert_eq!(quoted(text), expected);
        }
    }
}
