//! What one peer attested, and how that compares with the own ledger.

use bytes::Bytes;
use protocol::{BlockNumber, ChannelId, CommitHash, MspId, Poi};
use validation::Comparison;

use crate::ports::{ChannelLedger, LedgerFault};

/// What a peer attested last, beside the own ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attested {
    /// Its organisation.
    pub(super) msp_id: MspId,
    /// Proof of its identity.
    pub(super) poi: Poi,
    /// The block.
    pub(super) number: BlockNumber,
    /// The commit hash that it reached.
    pub(super) commit_hash: CommitHash,
    /// How that compares with the own ledger.
    pub(super) comparison: Comparison,
}

/// What a peer said. Of its words ahead of the own ledger the lowest waits to be compared, and keeps its place until the own
/// ledger is there: a peer that is always a block ahead must not escape comparison, nor one that once claimed a height that
/// nobody reaches and then names lower ones. Who names only such heights has no voice.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Its identity, as it signed: asked again whenever its word counts.
    pub(super) peer: Bytes,
    pub(super) compared: Option<Attested>,
    pub(super) ahead: Option<Attested>,
    /// The highest ahead, to be shown.
    highest: Option<Attested>,
}

impl Known {
    pub(super) fn newest(&self) -> Option<&Attested> {
        self.highest.as_ref().or(self.compared.as_ref())
    }

    /// Takes one that cannot be compared yet.
    pub(super) fn expect(&mut self, attested: Attested) {
        // Of one block its latest word counts: its ledger may have been made anew.
        if self.ahead.as_ref().is_none_or(|ahead| attested.number <= ahead.number) {
            self.ahead = Some(attested.clone());
        }
        if self.highest.as_ref().is_none_or(|highest| highest.number <= attested.number) {
            self.highest = Some(attested);
        }
    }

    /// The same to be shown.
    pub(super) fn said(&self, msp_id: &MspId, poi: Poi) -> Said {
        let word = |attested: &Attested| (attested.number, attested.commit_hash);
        Said {
            msp_id: msp_id.clone(),
            poi,
            compared: self.compared.as_ref().map(|attested| (attested.number, attested.comparison)),
            ahead: [&self.ahead, &self.highest].map(|ahead| ahead.as_ref().map(word)),
        }
    }

    /// What it says of the own ledger, as far as that is known.
    pub(super) fn comparison(&self) -> Comparison {
        self.compared.as_ref().map_or(Comparison::Ahead, |attested| attested.comparison)
    }

    /// Takes one that could be compared; `true` where the peer begins to differ by it.
    pub(super) fn settle(&mut self, channel: &ChannelId, attested: Attested) -> bool {
        if self.compared.as_ref().is_some_and(|known| known.number > attested.number) {
            return false;
        }
        let was = self.comparison();
        tell(channel, &attested, was);
        let begins = attested.comparison == Comparison::Differs && was != Comparison::Differs;
        for ahead in [&mut self.ahead, &mut self.highest] {
            ahead.take_if(|ahead| ahead.number <= attested.number);
        }
        self.compared = Some(attested);
        begins
    }
}

/// What a peer attested, to be shown beside the own ledger at one height of it.
#[derive(Clone, Debug)]
pub struct Said {
    msp_id: MspId,
    poi: Poi,
    compared: Option<(BlockNumber, Comparison)>,
    /// The lowest and the highest of its words that were ahead when they came.
    ahead: [Option<(BlockNumber, CommitHash)>; 2],
}

/// One peer's word against the own ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attestation {
    /// Its organisation.
    pub msp_id: MspId,
    /// Proof of its identity.
    pub poi: Poi,
    /// The block of which the comparison speaks.
    pub number: BlockNumber,
    /// How its commit hash at that block compares with the own one.
    pub comparison: Comparison,
    /// The highest block that it has named and the own ledger has not.
    pub ahead: Option<BlockNumber>,
}

impl Said {
    /// The newest of its words that the own ledger of `height` blocks can be compared with, and the newest of all. Blocks
    /// that were committed since it spoke are compared now, so that no verdict is older than the height beside it.
    ///
    /// # Errors
    /// [`LedgerFault`].
    pub fn against(&self, ledger: &dyn ChannelLedger, height: u64) -> Result<Attestation, LedgerFault> {
        let (mut newest, mut ahead) = (self.compared, None);
        for (number, commit_hash) in self.ahead.into_iter().flatten() {
            if number.0 >= height {
                ahead = Some(number);
                continue;
            }
            let comparison = Comparison::of(commit_hash, ledger.commit_hash(number)?);
            newest = Some((number, comparison));
        }
        let (number, comparison) = newest
            .or_else(|| Some((ahead?, Comparison::Ahead)))
            .unwrap_or((BlockNumber(0), Comparison::Ahead));
        Ok(Attestation { msp_id: self.msp_id.clone(), poi: self.poi, number, comparison, ahead })
    }
}

/// One line where a peer begins to differ, and one where it agrees again.
fn tell(channel: &ChannelId, attested: &Attested, was: Comparison) {
    let Attested { msp_id, poi, number, commit_hash, comparison } = attested;
    match (was, comparison) {
        (Comparison::Differs, Comparison::Differs) => {}
        (_, Comparison::Differs) => {
            tracing::warn!(%channel, %msp_id, %poi, block_number = number.0, %commit_hash, "a peer attests another ledger; it is avoided");
        }
        (Comparison::Differs, Comparison::Agrees) => {
            tracing::info!(%channel, %msp_id, %poi, block_number = number.0, "a peer attests this ledger again");
        }
        _ => {}
    }
}
