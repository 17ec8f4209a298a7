//! Who is in the sample consortium: three hospitals, each with a peer and an orderer.
//!
//! The names are those of the sample files in `network/compose`, which a test compares.

use std::fmt;

/// The channel that all join.
pub const CHANNEL: &str = "reports";

/// A hospital.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hospital(pub char);

/// The hospitals.
pub const HOSPITALS: [Hospital; 3] = [Hospital('a'), Hospital('b'), Hospital('c')];

impl Hospital {
    /// As in `HospitalA`.
    pub fn name(self) -> String {
        format!("Hospital{}", self.0.to_ascii_uppercase())
    }

    /// As in `hospital-a`.
    pub fn slug(self) -> String {
        format!("hospital-{}", self.0)
    }
}

/// Which binary a node runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Orders transactions.
    Orderer,
    /// Keeps the ledger.
    Peer,
}

/// A node of the consortium.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    /// What it runs.
    pub kind: Kind,
    /// Who runs it.
    pub hospital: Hospital,
}

/// Every node, in the order in which they start: peers ask orderers.
pub fn nodes() -> Vec<Node> {
    let of = |kind| HOSPITALS.map(|hospital| Node { kind, hospital });
    [of(Kind::Orderer), of(Kind::Peer)].concat()
}

impl Node {
    /// The name by which commands speak of it, such as `peer-a`.
    pub fn name(self) -> String {
        format!("{}-{}", self.binary(), self.hospital.0)
    }

    /// The binary it runs.
    pub fn binary(self) -> &'static str {
        match self.kind {
            Kind::Orderer => "orderer",
            Kind::Peer => "peer",
        }
    }

    /// MSP id of its organisation.
    pub fn msp_id(self) -> String {
        match self.kind {
            Kind::Orderer => format!("{}OrdererMSP", self.hospital.name()),
            Kind::Peer => format!("{}MSP", self.hospital.name()),
        }
    }

    /// Its organisation's domain.
    pub fn domain(self) -> String {
        match self.kind {
            Kind::Orderer => format!("ordering.{}.example.com", self.hospital.slug()),
            Kind::Peer => format!("{}.example.com", self.hospital.slug()),
        }
    }

    /// Its name in its certificates.
    pub fn common_name(self) -> String {
        format!("{}0.{}", self.binary(), self.domain())
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}
