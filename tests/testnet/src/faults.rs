//! What goes wrong with a network on command: nodes that are killed or stand still, links, clocks and disks that fail.
//!
//! Links, clocks and disks fail only where the network was started with those of its nodes' own.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::clock;
use crate::network::Network;
use crate::node::Node;
use crate::process::NodeProcess;

impl Network {
    /// The nodes that the network was started with.
    pub fn nodes(&self) -> impl Iterator<Item = Node> + use<> {
        let nodes: Vec<Node> = self.options().nodes().collect();
        nodes.into_iter()
    }

    /// The process of a running node.
    ///
    /// # Errors
    /// Where it is not running.
    pub fn process(&mut self, node: Node) -> Result<&mut NodeProcess> {
        match node {
            Node::Peer(hospital) => self.peer_process(hospital),
            Node::Orderer(hospital) => self.orderer_process(hospital),
        }
    }

    /// Starts a node that was stopped or killed, and waits until it answers.
    ///
    /// # Errors
    /// Where it does not answer in time.
    pub fn start_node(&mut self, node: Node) -> Result<()> {
        match node {
            Node::Peer(hospital) => self.start_peer(hospital),
            Node::Orderer(hospital) => self.start_orderer(hospital),
        }
    }

    /// Starts a node that was killed; it answers when it can.
    ///
    /// # Errors
    /// Where its process does not start.
    pub fn launch_node(&mut self, node: Node) -> Result<()> {
        match node {
            Node::Peer(hospital) => self.launch_peer(hospital),
            Node::Orderer(hospital) => self.launch_orderer(hospital, &[]),
        }
    }

    /// Lets a node stand still where it is: SIGSTOP.
    ///
    /// # Errors
    /// Where it is not running.
    pub fn pause(&mut self, node: Node) -> Result<()> {
        self.process(node)?.signal("-STOP")
    }

    /// Lets a node go on that stood still: SIGCONT.
    ///
    /// # Errors
    /// Where it is not running.
    pub fn resume(&mut self, node: Node) -> Result<()> {
        self.process(node)?.signal("-CONT")
    }

    /// Lets `node` hear nothing of these nodes any more, whatever hears `node`.
    ///
    /// # Errors
    /// Where the network has no namespaces.
    pub fn deafen(&self, node: Node, speakers: &[Node]) -> Result<()> {
        self.namespaces.as_ref().context(NO_NAMESPACES)?.deafen(node, speakers)
    }

    /// Parts the nodes into groups that hear only their own members and the clients.
    ///
    /// # Errors
    /// Where the network has no namespaces.
    pub fn part(&self, groups: &[Vec<Node>]) -> Result<()> {
        for (place, group) in groups.iter().enumerate() {
            let others = groups.iter().enumerate().filter(|(other, _)| *other != place);
            let others: Vec<Node> = others.flat_map(|(_, group)| group.iter().copied()).collect();
            for node in group {
                self.deafen(*node, &others)?;
            }
        }
        Ok(())
    }

    /// Sends what a node says to anybody by so much later.
    ///
    /// # Errors
    /// Where the network has no namespaces.
    pub fn slow(&mut self, node: Node, delay_ms: u32) -> Result<()> {
        self.namespaces.as_mut().context(NO_NAMESPACES)?.slow(node, delay_ms)
    }

    /// Loses so many of a hundred packets at a node.
    ///
    /// # Errors
    /// Where the network has no namespaces.
    pub fn lose(&self, node: Node, percent: u32) -> Result<()> {
        self.namespaces.as_ref().context(NO_NAMESPACES)?.lose(node, percent)
    }

    /// Ends all faults of links.
    ///
    /// # Errors
    /// Where the network has no namespaces.
    pub fn heal_links(&mut self) -> Result<()> {
        self.namespaces.as_mut().context(NO_NAMESPACES)?.heal()
    }

    /// What delays and loses packets here.
    ///
    /// # Errors
    /// Where the network has no namespaces.
    pub fn link_tool(&self) -> Result<&'static str> {
        Ok(self.namespaces.as_ref().context(NO_NAMESPACES)?.tool())
    }

    /// Puts the wall clock of a node ahead of the machine's, or behind it.
    ///
    /// # Errors
    /// Where its nodes have no clocks of their own.
    pub fn set_clock(&self, node: Node, offset_s: i64) -> Result<()> {
        ensure!(self.options().clocks, "the network was started without clocks of its nodes' own");
        clock::set(&self.clock_of(node), offset_s)
    }

    /// Leaves no byte free on the disk of a node.
    ///
    /// # Errors
    /// Where its nodes have no disks of their own.
    pub fn fill_disk(&self, node: Node) -> Result<()> {
        self.disks.get(&node).context(NO_DISKS)?.fill()
    }

    /// Gives a node the space back that was taken from it.
    ///
    /// # Errors
    /// Where its nodes have no disks of their own, or its disk is not full.
    pub fn free_disk(&self, node: Node) -> Result<()> {
        self.disks.get(&node).context(NO_DISKS)?.free()
    }

    /// Leaves the network's folder, with its logs, when the network goes.
    pub fn keep_folder(&mut self) {
        self.folder.disable_cleanup(true);
        println!("the network's folder is kept: {}", self.folder.path().display());
    }

    /// The command with what the network gives a node of its own.
    pub(crate) fn in_its_place(&self, node: Node, mut command: Command) -> Result<Command> {
        if self.options().clocks {
            clock::follow(&mut command, &self.clock_of(node))?;
        }
        Ok(match &self.namespaces {
            Some(namespaces) => namespaces.within(node, &command),
            None => command,
        })
    }

    fn clock_of(&self, node: Node) -> PathBuf {
        self.path(&format!("{}.clock", node.label()))
    }
}

const NO_NAMESPACES: &str = "the network was started without namespaces";
const NO_DISKS: &str = "the network was started without disks of its nodes' own";
