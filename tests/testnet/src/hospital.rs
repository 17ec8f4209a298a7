//! The three hospitals of a test network, and one that may join.

/// A hospital: an organisation with a peer, and an orderer of its own organisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hospital {
    /// Hospital A.
    A,
    /// Hospital B.
    B,
    /// Hospital C.
    C,
    /// Hospital D, which is no member at first and has no orderer.
    D,
}

impl Hospital {
    /// The three that a channel begins with.
    pub const ALL: [Self; 3] = [Self::A, Self::B, Self::C];

    /// `a`, `b`, `c` or `d`.
    #[must_use]
    pub const fn letter(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
            Self::C => "c",
            Self::D => "d",
        }
    }

    /// MSP id of the hospital's peers and users.
    #[must_use]
    pub fn msp_id(self) -> String {
        format!("Hospital{}MSP", self.letter().to_uppercase())
    }

    /// MSP id of the hospital's orderer.
    #[must_use]
    pub fn orderer_msp_id(self) -> String {
        format!("Orderer{}MSP", self.letter().to_uppercase())
    }

    /// Domain of peers and users.
    #[must_use]
    pub fn domain(self) -> String {
        format!("hospital-{}.example.com", self.letter())
    }

    /// Domain of the orderer.
    #[must_use]
    pub fn orderer_domain(self) -> String {
        format!("orderer-{}.example.com", self.letter())
    }

    /// The peer's name.
    #[must_use]
    pub fn peer_name(self) -> String {
        format!("peer0.{}", self.domain())
    }

    /// The orderer's name.
    #[must_use]
    pub fn orderer_name(self) -> String {
        format!("orderer0.{}", self.orderer_domain())
    }
}
