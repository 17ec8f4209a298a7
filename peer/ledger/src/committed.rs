//! From a validated block to a committed one: the last of the steps that a block takes.

use std::path::Path;

use validation::ValidatedBlock;

use crate::block_commit::BlockCommit;
use crate::fault::LedgerFault;
use crate::ledger::{Ledger, LedgerInfo};
use crate::opening::LedgerOptions;

/// A block that is on the disk with everything it wrote. Only [`Ledger::commit`] makes one, so events, commit status and
/// attestations that are made from it speak of what a crash cannot take back.
#[derive(Clone, Debug)]
pub struct CommittedBlock {
    validated: ValidatedBlock,
    info: LedgerInfo,
}

impl CommittedBlock {
    /// The block with its verdicts, writes and hashes.
    #[must_use]
    pub const fn validated(&self) -> &ValidatedBlock {
        &self.validated
    }

    /// Height and hashes that the ledger reached with it.
    #[must_use]
    pub const fn info(&self) -> &LedgerInfo {
        &self.info
    }
}

impl Ledger {
    /// Creates the ledger of a channel in `path`, which must not hold one, and commits its genesis block. A creation that
    /// was interrupted is taken up again.
    ///
    /// # Errors
    /// [`LedgerFault::Exists`], [`LedgerFault::GenesisWithoutConfig`], [`LedgerFault::Block`] for a block that is not the
    /// first, [`LedgerFault::Store`].
    pub fn create(path: &Path, genesis: &ValidatedBlock) -> Result<Self, LedgerFault> {
        Self::create_with_options(path, genesis, LedgerOptions::default())
    }

    /// As [`Ledger::create`], with other options.
    ///
    /// # Errors
    /// As [`Ledger::create`].
    pub fn create_with_options(
        path: &Path,
        genesis: &ValidatedBlock,
        options: LedgerOptions,
    ) -> Result<Self, LedgerFault> {
        Self::begin(path, &genesis.into(), options)
    }

    /// Commits a block behind the last one: block, verdicts, state, history, indexes, commit hash and configuration in one
    /// synced batch. When this returns, all of it is on the disk; after a fault or a crash nothing of it is, and the same
    /// block may be committed again.
    ///
    /// # Errors
    /// [`LedgerFault::Block`] for a block that does not follow the last one, [`LedgerFault::OtherChannel`],
    /// [`LedgerFault::CodesDiffer`] and [`LedgerFault::UnstorableWrite`] for one that cannot be of this ledger;
    /// [`LedgerFault::Store`] where the disk is full or fails.
    pub fn commit(&self, validated: ValidatedBlock) -> Result<CommittedBlock, LedgerFault> {
        let info = self.commit_block(&BlockCommit::from(&validated))?;
        Ok(CommittedBlock { validated, info })
    }
}
