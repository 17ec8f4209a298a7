//! Templates of crypto material and consortium, and the binaries that make files of them.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::binaries::{self, command};
use crate::hospital::Hospital;
use crate::network::{NetworkOptions, Ports};
use crate::node::Node;

/// Runs `cryptogen` for three hospitals with two doctors each; the material is in `crypto` below `folder`.
///
/// # Errors
/// Where it fails, with what it said.
pub fn make_crypto(folder: &Path) -> Result<()> {
    make_crypto_of(folder, &Hospital::ALL, "ecdsa", 2)
}

/// As [`make_crypto`], for these hospitals with signing keys of that kind and so many doctors each; what is there already
/// stays.
pub(crate) fn make_crypto_of(
    folder: &Path,
    hospitals: &[Hospital],
    algorithm: &str,
    doctors: usize,
) -> Result<()> {
    let mut text = String::from("OrdererOrgs:\n");
    for hospital in Hospital::ALL {
        write!(
            text,
            "  - Name: {}\n    Domain: {}\n    EnableNodeOUs: true\n    PublicKeyAlgorithm: {algorithm}\n    Specs:\n      - Hostname: orderer0\n        SANS: [localhost, 127.0.0.1, {}]\n",
            hospital.orderer_msp_id(),
            hospital.orderer_domain(),
            Node::Orderer(hospital).address()
        )?;
    }
    text.push_str("PeerOrgs:\n");
    for hospital in hospitals {
        write!(
            text,
            "  - Name: {}\n    Domain: {}\n    EnableNodeOUs: true\n    PublicKeyAlgorithm: {algorithm}\n    Template:\n      Count: 1\n      SANS: [localhost, 127.0.0.1, {}]\n    Users:\n      Count: {doctors}\n",
            hospital.msp_id(),
            hospital.domain(),
            Node::Peer(*hospital).address()
        )?;
    }
    let template = folder.join("crypto-config.yaml");
    fs::write(&template, text)?;
    let output = folder.join("crypto");
    run(command("cryptogen")?.arg("generate").arg("--config").arg(template).arg("--output").arg(output))
}

/// Runs `configtxgen` for the channel of these hospitals; its block is `name.block`.
pub(crate) fn make_genesis(
    folder: &Path,
    ports: &Ports,
    options: &NetworkOptions,
    (name, hospitals): (&str, &[Hospital]),
) -> Result<()> {
    let config = folder.join(format!("consortium-{name}.yaml"));
    describe(&config, ports, options, hospitals)?;
    let mut command = binaries::command("configtxgen")?;
    command.args(["--profile", "Test", "--channel-id", &options.channel, "--config"]).arg(config);
    run(command.arg("--output-block").arg(folder.join(format!("{name}.block"))))
}

/// Writes the file that describes the consortium with these hospitals.
pub(crate) fn describe(
    file: &Path,
    ports: &Ports,
    options: &NetworkOptions,
    hospitals: &[Hospital],
) -> Result<()> {
    Ok(fs::write(file, consortium(ports, options, hospitals)?)?)
}

fn consortium(ports: &Ports, options: &NetworkOptions, hospitals: &[Hospital]) -> Result<String> {
    let mut text = String::from("Organizations:\n");
    for hospital in hospitals {
        let (msp, domain) = (hospital.msp_id(), hospital.domain());
        write!(
            text,
            "  - Name: {msp}\n    ID: {msp}\n    MSPDir: crypto/peerOrganizations/{domain}/msp\n    KemFile: crypto/peerOrganizations/{domain}/kem/public.pem\n    Peers: [\"{}:{}\"]\n",
            ports.host(Node::Peer(*hospital)),
            ports.peer(*hospital)
        )?;
    }
    for hospital in Hospital::ALL.into_iter().take(options.hospitals.max(options.orderers)) {
        let (msp, domain) = (hospital.orderer_msp_id(), hospital.orderer_domain());
        write!(
            text,
            "  - Name: {msp}\n    ID: {msp}\n    MSPDir: crypto/ordererOrganizations/{domain}/msp\n"
        )?;
    }
    text.push_str("Profiles:\n  Test:\n    Orderer:\n      Consenters:\n");
    for hospital in Hospital::ALL.into_iter().take(options.orderers) {
        let node = format!(
            "crypto/ordererOrganizations/{}/orderers/{}",
            hospital.orderer_domain(),
            hospital.orderer_name()
        );
        write!(
            text,
            "        - MSPID: {}\n          Host: {}\n          Port: {}\n          Identity: {node}/msp/signcerts/{}-cert.pem\n          ServerTLSCert: {node}/tls/server.crt\n",
            hospital.orderer_msp_id(),
            ports.host(Node::Orderer(hospital)),
            ports.orderer(hospital),
            hospital.orderer_name()
        )?;
    }
    write!(
        text,
        "      BatchSize:\n        MaxMessageCount: {}\n        AbsoluteMaxBytes: 16 MB\n        PreferredMaxBytes: {}\n      BatchTimeout: {}ms\n      DifficultyBits: {}\n",
        options.batching.max_message_count,
        options.batching.preferred_max_bytes,
        options.batching.timeout_ms,
        options.difficulty_bits
    )?;
    text.push_str("    Chaincodes:\n      - Name: reports\n        Version: \"1.0\"\n      - Name: asset-transfer\n        Version: \"1.1\"\n");
    if let Some(policy) = &options.asset_policy {
        writeln!(text, "        Policy: \"{policy}\"")?;
    }
    for (name, version) in &options.chaincodes {
        writeln!(text, "      - Name: {name}\n        Version: \"{version}\"")?;
    }
    let checkers: Vec<String> = hospitals.iter().map(|hospital| hospital.msp_id()).collect();
    write!(
        text,
        "    Identities: registered\n    Reports:\n      Checkers:\n        Required: {}\n        Organizations: [{}]\n",
        // A majority, as the channel's policy of endorsement demands.
        checkers.len() / 2 + 1,
        checkers.join(", ")
    )?;
    writeln!(text, "      Custodians: [{}]", options.custodians.join(", "))?;
    write!(
        text,
        "      Admission:\n        - Modality: CR\n          Profile: {}\n          Refuse: {}\n          References:\n",
        options.admission_profile,
        if options.admission_refuses { "refuse" } else { "warn" }
    )?;
    for (number, hash) in options.references.iter().enumerate() {
        writeln!(
            text,
            "            - {{ id: cr-{number:02}, hash: \"{hash}\", source: test, licence: test }}"
        )?;
    }
    Ok(text)
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("{command:?} does not start"))?;
    if !output.status.success() {
        bail!("{command:?} failed with {}:\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
