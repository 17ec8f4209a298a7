//! Faults as they are done to a network, and undone.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Result;
use scenarios::leader;
use testnet::{Hospital, Network, Node};

use super::schedule::{Fault, Kind};

const DELAY_MS: u32 = 200;
const LOSS_PERCENT: u32 = 10;
/// For an election, before its winner is the one that suffers.
const LEADER_WITHIN: Duration = Duration::from_secs(30);

/// What must be undone, beside links and clocks.
#[derive(Debug, Default)]
pub(super) struct Damage {
    killed: BTreeSet<Node>,
    paused: BTreeSet<Node>,
}

impl Damage {
    /// Does one fault; returns what was done, in words.
    pub(super) fn inflict(&mut self, network: &mut Network, fault: &Fault) -> Result<String> {
        let Fault { kind, node, both, jump_s } = *fault;
        let all: Vec<Node> = network.nodes().collect();
        let done = match kind {
            Kind::KillOrderer => self.kill(network, &[node])?,
            Kind::KillLeader => {
                let victim = leader_soon(network)?;
                self.kill(network, &[victim])?
            }
            Kind::KillPeers if both => self.kill(network, &[Hospital::A, Hospital::B].map(Node::Peer))?,
            Kind::KillPeers => self.kill(network, &[node])?,
            Kind::KillAll => self.kill(network, &all)?,
            Kind::Pause => {
                network.pause(node)?;
                self.paused.insert(node);
                format!("{} stands still", node.label())
            }
            Kind::PartMinority => apart(network, node)?,
            Kind::PartLeader => {
                let leader = leader_soon(network)?;
                apart(network, leader)?
            }
            Kind::PartAll => {
                network.part(&all.iter().map(|node| vec![*node]).collect::<Vec<_>>())?;
                "nobody hears anybody".to_owned()
            }
            Kind::PartHalves => {
                let orderer = Node::Orderer(if both { Hospital::B } else { Hospital::C });
                let (small, large): (Vec<Node>, Vec<Node>) =
                    all.iter().partition(|node| **node == orderer || **node == Node::Peer(Hospital::A));
                let words = format!("{} and peer-a are apart from the rest", orderer.label());
                network.part(&[small, large])?;
                words
            }
            Kind::OneWay => {
                let others: Vec<Node> = all.iter().copied().filter(|other| *other != node).collect();
                network.deafen(node, &others)?;
                format!("{} hears nobody", node.label())
            }
            Kind::Delay => {
                network.slow(node, DELAY_MS)?;
                format!("{} is {DELAY_MS} ms late", node.label())
            }
            Kind::Loss => {
                network.lose(node, LOSS_PERCENT)?;
                format!("{} loses {LOSS_PERCENT} of 100 packets", node.label())
            }
            Kind::ClockOfOne => jump(network, &[node], jump_s)?,
            Kind::ClockOfAll => jump(network, &all, jump_s)?,
        };
        Ok(done)
    }

    fn kill(&mut self, network: &mut Network, nodes: &[Node]) -> Result<String> {
        for node in nodes {
            network.process(*node)?.kill()?;
            self.killed.insert(*node);
        }
        Ok(format!("killed: {}", labels(nodes)))
    }

    /// Undoes everything. Who was killed is started again, and nobody else.
    pub(super) fn heal(&mut self, network: &mut Network) -> Result<()> {
        network.heal_links()?;
        for node in network.nodes() {
            network.set_clock(node, 0)?;
        }
        for node in std::mem::take(&mut self.paused) {
            network.resume(node)?;
        }
        for node in std::mem::take(&mut self.killed) {
            network.launch_node(node)?;
        }
        Ok(())
    }
}

fn apart(network: &Network, node: Node) -> Result<String> {
    let others = network.nodes().filter(|other| *other != node).collect();
    network.part(&[vec![node], others])?;
    Ok(format!("{} is alone", node.label()))
}

fn jump(network: &Network, nodes: &[Node], jump_s: i64) -> Result<String> {
    for node in nodes {
        network.set_clock(*node, jump_s)?;
    }
    Ok(format!("clocks jump by {jump_s} s: {}", labels(nodes)))
}

fn leader_soon(network: &Network) -> Result<Node> {
    let mut found = Node::Orderer(Hospital::A);
    Network::wait_until("an orderer leads", LEADER_WITHIN, || {
        found = Node::Orderer(leader(network)?);
        Ok(())
    })?;
    Ok(found)
}

fn labels(nodes: &[Node]) -> String {
    nodes.iter().map(|node| node.label()).collect::<Vec<_>>().join(", ")
}
