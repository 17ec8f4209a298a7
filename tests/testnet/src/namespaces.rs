//! A network namespace for each node and one for the clients, linked by veth pairs to one bridge, and faults on these links.
//!
//! ```text
//! client ── eth0 ─┐
//! orderer-a eth0 ─┤ bridge, in a namespace of its own: nothing here touches the machine's network
//! peer-a ── eth0 ─┘
//! ```
//!
//! Names begin with `consilium-PID-`, so that what a killed test left behind is known and removed by the next one. The
//! thread that starts a network enters the clients' namespace, and so does what it starts from then on.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::AsFd as _;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::binaries::binary;
use crate::disk::is_of_the_dead;
use crate::node::{Node, SUBNET};
use crate::tools::run;

/// The number of the netfilter queue in a namespace whose packets wait.
const QUEUE: &str = "7";

/// The namespaces of one network. Dropped, they are removed, and the thread is back where it was.
pub(crate) struct Namespaces {
    prefix: String,
    nodes: Vec<Node>,
    /// Programs that hold packets back.
    slowing: BTreeMap<Node, Child>,
    /// Where this thread was before.
    before: File,
    has_netem: bool,
}

impl Namespaces {
    /// Makes the namespaces of these nodes and of the clients, and enters the clients'.
    pub(crate) fn make(nodes: Vec<Node>) -> Result<Self> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        remove_stale();
        let prefix = format!("consilium-{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let before = File::open("/proc/thread-self/ns/net")?;
        let mut made = Self { prefix, nodes, slowing: BTreeMap::new(), before, has_netem: false };
        let hub = made.name("hub");
        run(&["ip", "netns", "add", &hub])?;
        run(&["ip", "-n", &hub, "link", "add", "bridge", "type", "bridge"])?;
        run(&["ip", "-n", &hub, "link", "set", "bridge", "up"])?;
        made.link("client", &format!("{SUBNET}.1"))?;
        for node in made.nodes.clone() {
            made.link(&node.label(), &node.address())?;
        }
        let probe = ["tc", "-n", &hub, "qdisc", "add", "dev", "bridge", "root", "netem", "delay", "1ms"];
        if run(&probe).is_ok() {
            run(&["tc", "-n", &hub, "qdisc", "del", "dev", "bridge", "root"])?;
            made.has_netem = true;
        }
        enter(&File::open(format!("/run/netns/{}", made.name("client")))?)?;
        Ok(made)
    }

    /// What makes delay and loss here.
    pub(crate) fn tool(&self) -> &'static str {
        if self.has_netem { "netem" } else { "netfilter, since this kernel has no netem" }
    }

    fn name(&self, label: &str) -> String {
        format!("{}-{label}", self.prefix)
    }

    fn of(&self, node: Node) -> String {
        self.name(&node.label())
    }

    fn link(&self, label: &str, address: &str) -> Result<()> {
        let (hub, own) = (self.name("hub"), self.name(label));
        run(&["ip", "netns", "add", &own])?;
        let veth = ["link", "add", label, "type", "veth", "peer", "name", "eth0", "netns", &own];
        run(&[&["ip", "-n", &hub][..], &veth].concat())?;
        run(&["ip", "-n", &hub, "link", "set", label, "master", "bridge", "up"])?;
        run(&["ip", "-n", &own, "address", "add", &format!("{address}/24"), "dev", "eth0"])?;
        run(&["ip", "-n", &own, "link", "set", "eth0", "up"])?;
        run(&["ip", "-n", &own, "link", "set", "lo", "up"])?;
        Ok(())
    }

    /// The same command, run in the namespace of a node. The process keeps its id.
    pub(crate) fn within(&self, node: Node, command: &Command) -> Command {
        let mut inner = Command::new("ip");
        inner.args(["netns", "exec", &self.of(node)]).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => inner.env(name, value),
                None => inner.env_remove(name),
            };
        }
        inner
    }

    /// Lets `node` hear nothing of these nodes any more, whatever hears `node`.
    pub(crate) fn deafen(&self, node: Node, speakers: &[Node]) -> Result<()> {
        let addresses: Vec<String> = speakers.iter().map(|speaker| speaker.address()).collect();
        if addresses.is_empty() {
            return Ok(());
        }
        self.iptables(node, &["-A", "INPUT", "-s", &addresses.join(","), "-j", "DROP"])
    }

    /// Sends what `node` says to anybody by so much later.
    pub(crate) fn slow(&mut self, node: Node, delay_ms: u32) -> Result<()> {
        let millis = delay_ms.to_string();
        if self.has_netem {
            return self.netem(node, &["delay", &format!("{millis}ms"), "limit", "100000"]);
        }
        let mut command = Command::new(binary("delay_packets")?);
        command.args([QUEUE, &millis]);
        let child = self.within(node, &command).stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
        self.slowing.insert(node, child);
        // Until the program listens, packets pass.
        let queue = ["-j", "NFQUEUE", "--queue-num", QUEUE, "--queue-bypass"];
        self.iptables(node, &[&["-A", "OUTPUT", "-o", "eth0"][..], &queue].concat())
    }

    /// Loses so many of a hundred packets at `node`, drawn at random.
    pub(crate) fn lose(&self, node: Node, percent: u32) -> Result<()> {
        if self.has_netem {
            return self.netem(node, &["loss", &format!("{percent}%")]);
        }
        let share = format!("{:.2}", f64::from(percent) / 100.0);
        let random = ["-m", "statistic", "--mode", "random", "--probability", &share, "-j", "DROP"];
        self.iptables(node, &[&["-A", "INPUT", "-i", "eth0"][..], &random].concat())
    }

    /// Ends all faults of links.
    pub(crate) fn heal(&mut self) -> Result<()> {
        for node in self.nodes.clone() {
            self.iptables(node, &["-F"])?;
            if self.has_netem {
                // A node without a delay has nothing to remove.
                let _ = run(&["tc", "-n", &self.of(node), "qdisc", "del", "dev", "eth0", "root"]);
            }
        }
        for (_, mut child) in std::mem::take(&mut self.slowing) {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    fn netem(&self, node: Node, what: &[&str]) -> Result<()> {
        let own = self.of(node);
        let qdisc = ["tc", "-n", &own, "qdisc", "replace", "dev", "eth0", "root", "netem"];
        run(&[&qdisc[..], what].concat()).map(drop)
    }

    fn iptables(&self, node: Node, rule: &[&str]) -> Result<()> {
        let own = self.of(node);
        run(&[&["ip", "netns", "exec", &own, "iptables", "-w"][..], rule].concat()).map(drop)
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        // Whatever cannot be undone is removed by the next test, by its name.
        for child in self.slowing.values_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = enter(&self.before);
        let own = [self.name("hub"), self.name("client")];
        for name in self.nodes.iter().map(|node| self.of(*node)).chain(own) {
            let _ = run(&["ip", "netns", "del", &name]);
        }
    }
}

fn enter(namespace: &File) -> Result<()> {
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
        .context("this thread cannot enter a network namespace")
}

/// Removes the namespaces of test programs that were killed, with the nodes that still run in them.
fn remove_stale() {
    let list = run(&["ip", "netns", "list"]).unwrap_or_default();
    for name in list.lines().filter_map(|line| line.split_whitespace().next()) {
        if !is_of_the_dead(name) {
            continue;
        }
        for id in run(&["ip", "netns", "pids", name]).unwrap_or_default().lines() {
            let _ = run(&["kill", "-KILL", id.trim()]);
        }
        // Another test may be removing the same.
        let _ = run(&["ip", "netns", "del", name]);
    }
}
