//! What must hold after each round, and of the whole.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use client::{BlockPosition, Connection, Deadlines};
use protocol::{Block, BlockNumber, ChannelId, TxId};
use scenarios::{ChannelHeight, LedgerContent, connection_settings, endpoint, same_heights};
use testnet::{Hospital, Network, Node};
use transport::TrustRoots;

use super::clients::Log;

/// So many blocks are fetched from each orderer and compared with a peer's, besides the newest.
const SPOTS: u64 = 40;

/// Waits until every orderer and every peer stands at the same height, the peers with the same commit hash.
pub(super) fn equal_heights(network: &mut Network, deadline: Duration) -> Result<ChannelHeight> {
    let mut found = None;
    Network::wait_until("equal heights of all orderers and peers", deadline, || {
        let peers = same_heights(network)?;
        for hospital in Hospital::ALL {
            let (applied, deliverable) = orderer_heights(network, hospital)?;
            ensure!(
                applied == peers.height && deliverable == peers.height,
                "the orderer of {hospital:?} has applied {applied} and delivers {deliverable}; the peers have {}",
                peers.height
            );
        }
        found = Some(peers);
        Ok(())
    })?;
    for node in network.nodes() {
        network.process(node)?.check_alive().with_context(|| node.label())?;
    }
    found.context("the condition held, so there is a height")
}

fn orderer_heights(network: &Network, hospital: Hospital) -> Result<(u64, u64)> {
    let health = network.orderer_health(hospital)?;
    let facts = &health["components"][format!("channel {}", network.options().channel)]["facts"];
    let number =
        |name: &str| facts[name].as_u64().with_context(|| format!("no {name} in the health page {health}"));
    Ok((number("height")?, number("deliverable_height")?))
}

/// Reads every ledger: the orderers' while they run, the peers' after they were stopped. Returns the height of all.
pub(super) fn every_ledger(network: &mut Network, log: &Log) -> Result<usize> {
    same_blocks(network)?;
    let mut first: Option<LedgerContent> = None;
    let acknowledged: Vec<&TxId> = log.valid.iter().map(|(tx_id, _)| tx_id).collect();
    let peers: Vec<Hospital> = network.hospitals().collect();
    for hospital in peers {
        network.peer_process(hospital)?.stop()?;
        let content = LedgerContent::read(network, hospital)?;
        content.holds_once(acknowledged.iter().copied())?;
        first.get_or_insert_with(|| content.clone()).equals(&content)?;
    }
    for hospital in Hospital::ALL {
        network.orderer_process(hospital)?.stop()?;
    }
    Ok(first.map_or(0, |content| content.commit_hashes.len()))
}

/// Whether each orderer's newest block, and others at equal distances, are those of a peer. Every block names the hash of the
/// one before it.
fn same_blocks(network: &Network) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let user = network.doctor(Hospital::A);
    let channel = ChannelId::new(user.channel())?;
    runtime.block_on(async {
        let peer = Connection::open(connection_settings(&user, Deadlines::default())?).await?;
        let height = peer.chain_info(&channel).await?.height;
        let step = height / SPOTS + 1;
        let numbers = (0..height).filter(|number| number % step == 0 || number + 1 == height);
        for number in numbers.map(BlockNumber) {
            let position = BlockPosition::Number(number);
            let expected = peer.block(&channel, position).await?;
            for node in network.nodes() {
                let Node::Orderer(hospital) = node else { continue };
                let address = endpoint(&network.orderer_address(hospital))?;
                let roots = TrustRoots::from_pem([&std::fs::read(network.orderer_tls_root(hospital))?[..]])?;
                let found: Block = peer.block_from_orderer(&channel, position, &address, &roots).await?;
                ensure!(
                    found.header == expected.header && found.envelopes == expected.envelopes,
                    "block {number} of {} differs from the peers'",
                    node.label()
                );
            }
        }
        Ok(())
    })
}
