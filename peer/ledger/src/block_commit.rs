//! What is written for one block, as plain data: the ledger's core needs no more than this from validation.
//!
//! Outside this crate a block is committed only as a [`ValidatedBlock`], so nothing that was not validated gets here;
//! the crate's tests make their own.

use bytes::Bytes;
use protocol::{Block, ChannelConfig, CommitHash, TxId, TxValidationCode, Version};
use validation::ValidatedBlock;

/// One block with everything that validation concluded from it.
#[derive(Clone, Debug)]
pub(crate) struct BlockCommit {
    /// The block.
    pub(crate) block: Block,
    /// Its bytes as they arrived.
    pub(crate) bytes: Bytes,
    /// Its transactions, one an envelope, in order.
    pub(crate) transactions: Vec<CommittedTransaction>,
    /// The writes of its valid transactions, each key once with its last value.
    pub(crate) writes: Vec<StateWrite>,
    /// Every change by its valid transactions, also those that a later one overwrote.
    pub(crate) changes: Vec<KeyChange>,
    /// The commit hash reached with it.
    pub(crate) commit_hash: CommitHash,
    /// The configuration in force from the next block on, where the block changed it.
    pub(crate) config: Option<ChannelConfig>,
}

/// A transaction's id and verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommittedTransaction {
    /// Its id, `None` where the creator's signature over it does not hold.
    pub(crate) tx_id: Option<TxId>,
    /// The verdict.
    pub(crate) code: TxValidationCode,
}

/// A key's new value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StateWrite {
    /// The namespace.
    pub(crate) namespace: String,
    /// The key.
    pub(crate) key: String,
    /// The value, `None` to delete the key.
    pub(crate) value: Option<Bytes>,
    /// The transaction that wrote it.
    pub(crate) version: Version,
}

/// A change of a key, for its history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyChange {
    /// The namespace.
    pub(crate) namespace: String,
    /// The key.
    pub(crate) key: String,
    /// The transaction that changed it.
    pub(crate) version: Version,
    /// Whether it deleted the key.
    pub(crate) is_delete: bool,
}

impl From<&ValidatedBlock> for BlockCommit {
    fn from(validated: &ValidatedBlock) -> Self {
        let block_number = validated.number();
        let transactions = validated.transactions().iter().map(|transaction| CommittedTransaction {
            tx_id: transaction.tx_id.clone(),
            code: transaction.code,
        });
        let writes = validated.writes().iter().map(|write| StateWrite {
            namespace: write.namespace.clone(),
            key: write.key.clone(),
            value: write.value.clone(),
            version: write.version,
        });
        let changes = validated.history().iter().map(|write| KeyChange {
            namespace: write.namespace.clone(),
            key: write.key.clone(),
            version: Version { block_number, tx_number: write.tx_number },
            is_delete: write.value.is_none(),
        });
        Self {
            block: validated.block().clone(),
            bytes: validated.block_bytes().clone(),
            transactions: transactions.collect(),
            writes: writes.collect(),
            changes: changes.collect(),
            commit_hash: validated.commit_hash(),
            config: validated.config().cloned(),
        }
    }
}
