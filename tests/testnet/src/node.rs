//! The nodes of a network: a peer and an orderer of each hospital.

use std::fmt;

use crate::hospital::Hospital;

/// A node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Node {
    /// A hospital's peer.
    Peer(Hospital),
    /// The orderer of a hospital's orderer organisation.
    Orderer(Hospital),
}

impl Node {
    /// The hospital that runs it.
    #[must_use]
    pub const fn hospital(self) -> Hospital {
        match self {
            Self::Peer(hospital) | Self::Orderer(hospital) => hospital,
        }
    }

    /// `peer-a`, `orderer-c`: for names of what belongs to the node.
    #[must_use]
    pub fn label(self) -> String {
        let kind = match self {
            Self::Peer(_) => "peer",
            Self::Orderer(_) => "orderer",
        };
        format!("{kind}-{}", self.hospital().letter())
    }

    /// The address that it has where every node has a network namespace of its own. Certificates name it too.
    #[must_use]
    pub fn address(self) -> String {
        let (first, hospital) = match self {
            Self::Orderer(hospital) => (10, hospital),
            Self::Peer(hospital) => (20, hospital),
        };
        let host = match hospital {
            Hospital::A => 1,
            Hospital::B => 2,
            Hospital::C => 3,
            Hospital::D => 4,
        };
        format!("{SUBNET}.{}", first + host)
    }
}

/// The first three numbers of the addresses in namespaces. No namespace of a test is linked with anything outside it.
pub(crate) const SUBNET: &str = "10.99.0";

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&match self {
            Self::Peer(hospital) => hospital.peer_name(),
            Self::Orderer(hospital) => hospital.orderer_name(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_addresses_are_of_one_node_each() {
        let hospitals = Hospital::ALL.into_iter().chain([Hospital::D]);
        let nodes: Vec<Node> =
            hospitals.flat_map(|hospital| [Node::Peer(hospital), Node::Orderer(hospital)]).collect();
        let labels: std::collections::BTreeSet<String> = nodes.iter().map(|node| node.label()).collect();
        let addresses: std::collections::BTreeSet<String> = nodes.iter().map(|node| node.address()).collect();
        assert_eq!((labels.len(), addresses.len()), (nodes.len(), nodes.len()));
        assert_eq!(Node::Orderer(Hospital::B).label(), "orderer-b");
        assert_eq!(Node::Peer(Hospital::A).address(), "10.99.0.21");
    }
}
