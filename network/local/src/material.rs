//! Makes what a network needs before a node starts: keys, the genesis block, settings, files for users.
//!
//! All of it comes from the sample files in `network/compose`, with this machine's addresses in place of the samples'
//! names, so that what runs here is what the samples say. Keys and the genesis block are made once and kept.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use serde_yaml_ng::Value;

use crate::binaries::Binaries;
use crate::command;
use crate::consortium::{CHANNEL, Kind, Node, nodes};
use crate::folder::Folder;
use crate::state::State;

const CRYPTO_CONFIG: &str = include_str!("../../compose/crypto-config.yaml");
const CONSORTIUM: &str = include_str!("../../compose/consortium.yaml");
const PROFILE: &str = "Consortium";
/// Where every node of this network is reached.
const HOST: &str = "127.0.0.1";

/// Makes keys, certificates and the genesis block, or keeps those that are there.
///
/// # Errors
/// What `cryptogen` or `configtxgen` said, or the file that cannot be written.
pub async fn make(folder: &Folder, binaries: &Binaries, state: &State) -> anyhow::Result<()> {
    if !folder.crypto_template().exists() {
        write(&folder.crypto_template(), CRYPTO_CONFIG)?;
    }
    let mut cryptogen = binaries.command("cryptogen");
    cryptogen.arg("generate").arg("--config").arg(folder.crypto_template());
    cryptogen.arg("--output").arg(folder.crypto());
    command::run(cryptogen, "making keys and certificates").await?;
    if folder.genesis().exists() {
        return Ok(());
    }
    write(&folder.consortium(), &consortium(CONSORTIUM, state)?)?;
    let mut configtxgen = binaries.command("configtxgen");
    configtxgen.args(["--profile", PROFILE, "--channel-id", CHANNEL]);
    configtxgen.arg("--config").arg(folder.consortium()).arg("--output-block").arg(folder.genesis());
    command::run(configtxgen, "making the genesis block").await?;
    Ok(())
}

/// The sample consortium with the addresses of this network.
///
/// # Errors
/// Where the sample names a peer or consenter that this network does not have: a fault of this release.
pub fn consortium(sample: &str, state: &State) -> anyhow::Result<String> {
    let mut file: Value = serde_yaml_ng::from_str(sample).context("the sample consortium.yaml")?;
    let node_of = |kind: Kind, msp_id: &Value| -> anyhow::Result<Node> {
        let found =
            nodes().into_iter().find(|node| node.kind == kind && msp_id.as_str() == Some(&node.msp_id()));
        found.with_context(|| format!("the sample consortium.yaml names {msp_id:?}, which has no node here"))
    };
    let organizations = file.get_mut("Organizations").and_then(Value::as_sequence_mut);
    for organization in organizations.context("the sample consortium.yaml has no Organizations")? {
        if organization.get("Peers").is_some() {
            let node = node_of(Kind::Peer, &organization["ID"])?;
            let address = format!("{HOST}:{}", state.ports(node).service);
            organization["Peers"] = Value::Sequence(vec![address.into()]);
        }
    }
    let orderer = file.get_mut("Profiles").and_then(|profiles| profiles.get_mut(PROFILE)?.get_mut("Orderer"));
    let consenters = orderer.and_then(|orderer| orderer.get_mut("Consenters")?.as_sequence_mut());
    for consenter in consenters.context("the sample consortium.yaml has no Consenters")? {
        let node = node_of(Kind::Orderer, &consenter["MSPID"])?;
        consenter["Host"] = HOST.into();
        consenter["Port"] = state.ports(node).service.into();
    }
    Ok(format!(
        "# network/compose/consortium.yaml with this machine's ports.\n{}",
        serde_yaml_ng::to_string(&file)?
    ))
}

/// Writes a file, with the folders above it.
pub fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let make = || -> std::io::Result<()> {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, text)
    };
    make().with_context(|| format!("{}: cannot be written", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_consortium_gets_the_addresses_of_this_network() {
        let root = tempfile::tempdir().unwrap();
        let state = State::new(&Folder::at(root.path())).unwrap();
        let text = consortium(CONSORTIUM, &state).unwrap();
        for node in nodes() {
            let port = state.ports(node).service;
            let expected = match node.kind {
                Kind::Orderer => format!("Port: {port}\n"),
                Kind::Peer => format!("{HOST}:{port}\n"),
            };
            assert_eq!(text.matches(&expected).count(), 1, "{node}: {expected}");
        }
        assert!(!text.contains(":7051") && !text.contains("7050"), "no address of the sample is left");
        // What is not an address is the sample's.
        let (before, after): (Value, Value) =
            (serde_yaml_ng::from_str(CONSORTIUM).unwrap(), serde_yaml_ng::from_str(&text).unwrap());
        let (before, after) = (&before["Profiles"][PROFILE], &after["Profiles"][PROFILE]);
        assert_eq!(before["Reports"], after["Reports"]);
        assert_eq!(before["Orderer"]["BatchSize"], after["Orderer"]["BatchSize"]);
    }

    #[test]
    fn a_sample_with_other_hospitals_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let state = State::new(&Folder::at(root.path())).unwrap();
        for (from, to) in
            [("HospitalBMSP", "HospitalXMSP"), ("Consenters:", "Others:"), ("Organizations:", "Orgs:")]
        {
            assert!(consortium(&CONSORTIUM.replace(from, to), &state).is_err(), "{from}");
        }
    }

    #[test]
    fn the_names_of_the_nodes_are_those_of_the_samples() {
        for node in nodes() {
            assert!(CRYPTO_CONFIG.contains(&format!("Domain: {}\n", node.domain())), "{}", node.domain());
            assert!(CONSORTIUM.contains(&format!(": {}\n", node.msp_id())) || node.kind == Kind::Peer);
            assert!(CONSORTIUM.contains(&node.msp_id()), "{}", node.msp_id());
            assert!(CONSORTIUM.contains(&node.common_name()), "{}", node.common_name());
        }
    }
}
