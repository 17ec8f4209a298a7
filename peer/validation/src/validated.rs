//! The result of validation: a block with a code for every transaction, its writes and its commit hash.

use bytes::Bytes;
use msp::VerifiedIdentity;
use protocol::{
    Block, BlockHash, BlockNumber, ChannelConfig, CommitHash, Digest, MspId, Poi, TxId, TxNumber,
    TxValidationCode, Version, fabric::ChaincodeEvent,
};

use crate::commitment::{codes_root, commit_hash, writes_root};

/// Who created a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatorName {
    /// Its organisation.
    pub msp_id: MspId,
    /// SHA-256 of its signing key.
    pub poi: Poi,
}

impl CreatorName {
    pub(crate) fn of(identity: &VerifiedIdentity) -> Self {
        Self { msp_id: identity.msp_id().clone(), poi: identity.poi() }
    }
}

/// What a ledger keeps of a transaction beside its envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionSummary {
    /// Its place in the block.
    pub number: TxNumber,
    /// SHA-256 of the envelope.
    pub envelope_hash: Digest,
    /// Its id, where the creator's signature over it holds: the id to index, whatever the code.
    pub tx_id: Option<TxId>,
    /// The id that its header states, which anybody can write there. It enters the commit hash and no index.
    pub claimed_tx_id: Option<TxId>,
    /// The verdict.
    pub code: TxValidationCode,
    /// Why it is invalid, for the log: the endorsement policy's explanation, the rule that was broken. It enters no hash.
    pub reason: Option<String>,
    /// The chaincode, where the transaction could be read.
    pub chaincode: Option<String>,
    /// Who created it, where the signature holds.
    pub creator: Option<CreatorName>,
    /// The chaincode's event, of a valid transaction.
    pub event: Option<ChaincodeEvent>,
}

/// A change of the world state: the last write of a key in a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateWrite {
    /// The namespace.
    pub namespace: String,
    /// The key.
    pub key: String,
    /// The new value; `None` deletes the key.
    pub value: Option<Bytes>,
    /// Where it was written.
    pub version: Version,
}

/// A write of one valid transaction, for the history of its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryWrite {
    /// The transaction that wrote.
    pub tx_number: TxNumber,
    /// The namespace.
    pub namespace: String,
    /// The key.
    pub key: String,
    /// The value; `None` deleted the key.
    pub value: Option<Bytes>,
}

/// A block that every rule was applied to: the only thing that a ledger commits. Only
/// [`validate_block`](crate::validate_block) and [`validate_genesis`](crate::validate_genesis) make one.
#[derive(Clone, Debug)]
pub struct ValidatedBlock {
    block: Block,
    block_bytes: Bytes,
    block_hash: BlockHash,
    codes: Vec<TxValidationCode>,
    transactions: Vec<TransactionSummary>,
    history: Vec<HistoryWrite>,
    writes: Vec<StateWrite>,
    codes_root: Digest,
    writes_root: Digest,
    commit_hash: CommitHash,
    config: Option<ChannelConfig>,
}

impl ValidatedBlock {
    /// The block.
    #[must_use]
    pub const fn block(&self) -> &Block {
        &self.block
    }

    /// The block's bytes, as they are stored.
    #[must_use]
    pub const fn block_bytes(&self) -> &Bytes {
        &self.block_bytes
    }

    /// The block's number.
    #[must_use]
    pub const fn number(&self) -> BlockNumber {
        self.block.header.number
    }

    /// The block's hash.
    #[must_use]
    pub const fn block_hash(&self) -> BlockHash {
        self.block_hash
    }

    /// The verdicts, in the block's order.
    #[must_use]
    pub fn codes(&self) -> &[TxValidationCode] {
        &self.codes
    }

    /// A summary of each transaction, in the block's order.
    #[must_use]
    pub fn transactions(&self) -> &[TransactionSummary] {
        &self.transactions
    }

    /// Every write of every valid transaction, in the order of transactions, namespaces and keys: also those that a
    /// later transaction of the block overwrote.
    #[must_use]
    pub fn history(&self) -> &[HistoryWrite] {
        &self.history
    }

    /// The last write of each key, sorted by namespace and key, each once.
    #[must_use]
    pub fn writes(&self) -> &[StateWrite] {
        &self.writes
    }

    /// The Merkle root over the verdicts.
    #[must_use]
    pub const fn codes_root(&self) -> Digest {
        self.codes_root
    }

    /// The Merkle root over the writes.
    #[must_use]
    pub const fn writes_root(&self) -> Digest {
        self.writes_root
    }

    /// The commit hash after this block.
    #[must_use]
    pub const fn commit_hash(&self) -> CommitHash {
        self.commit_hash
    }

    /// The configuration that this block puts in force; `None` for every block but configuration blocks.
    #[must_use]
    pub const fn config(&self) -> Option<&ChannelConfig> {
        self.config.as_ref()
    }

    /// The events of the valid transactions, in the block's order.
    pub fn events(&self) -> impl Iterator<Item = &ChaincodeEvent> {
        self.transactions.iter().filter_map(|transaction| transaction.event.as_ref())
    }
}

/// The parts of a validated block before its hashes.
pub(crate) struct Draft {
    pub(crate) block: Block,
    pub(crate) block_hash: BlockHash,
    pub(crate) summaries: Vec<TransactionSummary>,
    pub(crate) history: Vec<HistoryWrite>,
    pub(crate) writes: Vec<StateWrite>,
    pub(crate) config: Option<ChannelConfig>,
}

impl Draft {
    /// Computes the roots and the commit hash.
    pub(crate) fn seal(self, previous_commit: CommitHash) -> ValidatedBlock {
        let Self { block, block_hash, summaries, history, writes, config } = self;
        let (codes_root, writes_root) = (codes_root(&summaries), writes_root(&writes));
        ValidatedBlock {
            block_bytes: block.to_bytes().into(),
            block,
            block_hash,
            codes: summaries.iter().map(|summary| summary.code).collect(),
            transactions: summaries,
            history,
            writes,
            codes_root,
            writes_root,
            commit_hash: commit_hash(&previous_commit, &block_hash, &codes_root, &writes_root),
            config,
        }
    }
}
