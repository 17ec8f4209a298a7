//! The verdict that a ledger is not what the channel's organisations have: kept with the ledger, since it is as true after a
//! restart.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::codec::{self, DecodeError};
use crate::identity::MspId;
use crate::ids::{BlockNumber, CommitHash};

/// Two numbers, and a name with two hashes for each contradiction.
const OUTVOTED_BYTES_MAX: usize = 64 << 10;

/// What one peer attested, beside what the own ledger has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contradiction {
    /// The organisation.
    pub msp_id: MspId,
    /// The block.
    pub number: BlockNumber,
    /// The commit hash that its peer reached.
    pub attested: CommitHash,
    /// The one that the own ledger reached.
    pub own: CommitHash,
}

/// A majority of a channel's organisations contradicts the own ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outvoted {
    version: u16,
    organizations: u32,
    contradictions: Vec<Contradiction>,
}

impl Outvoted {
    /// The version that this release writes.
    pub const VERSION: u16 = 1;
    /// Contradictions that are kept; a majority of so many organisations needs no more witnesses.
    pub const CONTRADICTIONS_MAX: usize = 128;

    /// By these, of a channel that has so many organisations. Beyond [`Outvoted::CONTRADICTIONS_MAX`] none is kept.
    #[must_use]
    pub fn new(organizations: u32, mut contradictions: Vec<Contradiction>) -> Self {
        contradictions.truncate(Self::CONTRADICTIONS_MAX);
        Self { version: Self::VERSION, organizations, contradictions }
    }

    /// The bytes in which it is kept.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads what [`Outvoted::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`DecodeError`] for other bytes, and for those of a newer release.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let outvoted: Self = codec::decode(bytes, OUTVOTED_BYTES_MAX)?;
        codec::expect_version("Outvoted", outvoted.version, Self::VERSION)?;
        Ok(outvoted)
    }
}

impl fmt::Display for Outvoted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by: BTreeSet<&MspId> = self.contradictions.iter().map(|said| &said.msp_id).collect();
        write!(
            f,
            "this peer's ledger differs from those of {} of the channel's {} organisations, a majority",
            by.len(),
            self.organizations
        )?;
        for (place, Contradiction { msp_id, number, attested, own }) in self.contradictions.iter().enumerate()
        {
            let before = if place == 0 { ":" } else { ";" };
            write!(
                f,
                "{before} {msp_id} attests commit hash {attested} at block {number}, this peer has {own}"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(name: &str) -> Contradiction {
        let (attested, own) = (CommitHash([1; 32]), CommitHash([2; 32]));
        Contradiction { msp_id: MspId::new(name).expect("valid"), number: BlockNumber(7), attested, own }
    }

    #[test]
    fn it_says_who_contradicts_at_which_block_and_with_which_hashes() {
        let outvoted = Outvoted::new(3, vec![said("B"), said("C"), said("C")]);
        let (one, two) = (CommitHash([1; 32]), CommitHash([2; 32]));
        let row = |name: &str| format!("{name} attests commit hash {one} at block 7, this peer has {two}");
        assert_eq!(
            outvoted.to_string(),
            format!(
                "this peer's ledger differs from those of 2 of the channel's 3 organisations, a majority: {}; {}; {}",
                row("B"),
                row("C"),
                row("C")
            )
        );
    }

    #[test]
    fn the_most_that_is_kept_reads_back_and_another_version_does_not() {
        let longest = "o".repeat(crate::limits::NAME_BYTES_MAX);
        let all = Outvoted::new(u32::MAX, vec![said(&longest); 1_000]);
        assert_eq!(all.contradictions.len(), Outvoted::CONTRADICTIONS_MAX);
        assert_eq!(Outvoted::from_bytes(&all.to_bytes()).expect("reads back"), all);
        let newer = Outvoted { version: 2, ..all };
        let error = Outvoted::from_bytes(&newer.to_bytes()).expect_err("newer");
        assert!(error.to_string().contains("newer release"), "{error}");
    }
}
