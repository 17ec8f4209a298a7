//! The state file: the ports, picked once, and what the demonstration did.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};

use crate::consortium::{Node, nodes};
use crate::folder::Folder;
use crate::ports;

/// The version that this release writes.
const VERSION: u32 = 1;

/// What is remembered of a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    version: u32,
    /// Ports by the node's name.
    nodes: BTreeMap<String, NodePorts>,
    /// The report that was shared when the network first came up.
    pub first_report: Option<String>,
}

/// Where a node listens on 127.0.0.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodePorts {
    /// gRPC.
    pub service: u16,
    /// `/healthz`.
    pub operations: u16,
}

impl State {
    /// Picks ports for every node.
    ///
    /// # Errors
    /// Where too few are free.
    pub fn new(folder: &Folder) -> anyhow::Result<Self> {
        let nodes = nodes();
        let ports = ports::pick(folder.path(), nodes.len() * 2)?;
        let pairs = ports.chunks_exact(2).map(|pair| NodePorts { service: pair[0], operations: pair[1] });
        let nodes = nodes.iter().map(|node| node.name()).zip(pairs).collect();
        Ok(Self { version: VERSION, nodes, first_report: None })
    }

    /// Reads the state of a network; `None` where there is none.
    ///
    /// # Errors
    /// Names the file, what is wrong with it and the fix.
    pub fn load(folder: &Folder) -> anyhow::Result<Option<Self>> {
        let path = folder.state();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("{}: cannot be read", path.display())),
        };
        let fix = "remove the network by `network down --purge` and begin anew";
        let state: Self =
            serde_json::from_str(&text).with_context(|| format!("{}: is damaged; {fix}", path.display()))?;
        if state.version != VERSION {
            bail!("{}: has version {}, this release knows {VERSION}; {fix}", path.display(), state.version);
        }
        if let Some(node) = nodes().into_iter().find(|node| !state.nodes.contains_key(&node.name())) {
            bail!("{}: knows no ports of {node}; {fix}", path.display());
        }
        Ok(Some(state))
    }

    /// Writes the state as a whole.
    ///
    /// # Errors
    /// Names the file.
    pub fn save(&self, folder: &Folder) -> anyhow::Result<()> {
        let path = folder.state();
        let unfinished = path.with_extension("json.new");
        let write = || -> std::io::Result<()> {
            let mut file = fs::File::create(&unfinished)?;
            file.write_all(serde_json::to_string_pretty(self)?.as_bytes())?;
            file.sync_all()?;
            fs::rename(&unfinished, &path)
        };
        write().with_context(|| format!("{}: cannot be written", path.display()))
    }

    /// The node's ports.
    pub fn ports(&self, node: Node) -> NodePorts {
        // Every node has an entry: `new` writes them and `load` checks them.
        self.nodes.get(&node.name()).copied().unwrap_or(NodePorts { service: 0, operations: 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_picked_once_and_kept() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::at(root.path());
        assert_eq!(State::load(&folder).unwrap(), None);
        let mut state = State::new(&folder).unwrap();
        state.first_report = Some("ab".to_owned());
        state.save(&folder).unwrap();
        assert_eq!(State::load(&folder).unwrap(), Some(state.clone()));
        let mut ports: Vec<u16> = Vec::new();
        for node in nodes() {
            ports.extend([state.ports(node).service, state.ports(node).operations]);
        }
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 12);
    }

    #[test]
    fn a_state_file_that_is_not_ours_is_refused_with_the_fix() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::at(root.path());
        let rows = [
            ("", "is damaged"),
            ("{}", "is damaged"),
            (r#"{"version":2,"nodes":{},"first_report":null}"#, "has version 2"),
            (r#"{"version":1,"nodes":{},"first_report":null}"#, "knows no ports of orderer-a"),
        ];
        for (text, expected) in rows {
            fs::write(folder.state(), text).unwrap();
            let error = format!("{:#}", State::load(&folder).unwrap_err());
            assert!(error.contains(expected) && error.contains("down --purge"), "{text:?}: {error}");
        }
    }
}
