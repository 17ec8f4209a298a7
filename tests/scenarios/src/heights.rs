//! How far each peer has come, and when all have come equally far.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use testnet::{Hospital, Network, Node};

/// A peer's height on the network's channel, with the hash of everything that it committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelHeight {
    /// How many blocks it has.
    pub height: u64,
    /// The commit hash after the last of them.
    pub commit_hash: String,
}

/// What a peer says of its channel on `/healthz`.
///
/// # Errors
/// Where it does not answer or has not joined.
pub fn channel_height(network: &Network, hospital: Hospital) -> Result<ChannelHeight> {
    height_on(network, &network.options().channel, hospital)
}

/// As [`channel_height`], on a channel of that name.
///
/// # Errors
/// Where it does not answer or has not joined.
pub fn height_on(network: &Network, channel: &str, hospital: Hospital) -> Result<ChannelHeight> {
    let health = network.peer_health(hospital)?;
    let facts = &health["components"]["channels"]["facts"][channel];
    let height = facts["height"].as_u64().with_context(|| format!("no height in {health}"))?;
    let commit_hash = facts["commit_hash"].as_str().with_context(|| format!("no commit hash in {health}"))?;
    Ok(ChannelHeight { height, commit_hash: commit_hash.to_owned() })
}

/// The height of all peers.
///
/// # Errors
/// Where two differ, in height or commit hash.
pub fn same_heights(network: &Network) -> Result<ChannelHeight> {
    let first = channel_height(network, Hospital::A)?;
    for hospital in network.hospitals().filter(|hospital| *hospital != Hospital::A) {
        let other = channel_height(network, hospital)?;
        ensure!(first == other, "hospital A is at {first:?}, hospital {hospital:?} at {other:?}");
    }
    Ok(first)
}

/// Waits until all peers are equally far and returns how far.
///
/// # Errors
/// Where they are not in time.
pub fn wait_for_same_heights(network: &Network, deadline: Duration) -> Result<ChannelHeight> {
    let mut found = None;
    Network::wait_until("equal heights and commit hashes of all peers", deadline, || {
        found = Some(same_heights(network)?);
        Ok(())
    })?;
    found.context("the condition held, so there is a height")
}

/// The hospital whose orderer leads, by what the orderers say.
///
/// # Errors
/// Where none says that it leads.
pub fn leader(network: &Network) -> Result<Hospital> {
    let leads = |hospital: &Hospital| {
        let health = network.orderer_health(*hospital).ok();
        health.is_some_and(|health| health.to_string().contains("\"role\":\"leader\""))
    };
    let mut orderers = network.nodes().filter(|node| matches!(node, Node::Orderer(_))).map(Node::hospital);
    orderers.find(leads).context("no orderer leads")
}
