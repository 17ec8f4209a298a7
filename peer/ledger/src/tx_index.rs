//! Where a transaction id leads.
//!
//! Validation names an id only where the creator's signature over it holds, so nobody can use up the id of another. What
//! the index holds is the first transaction with the id, whatever its verdict: sent again, an invalid one might be judged
//! otherwise, and its client was told the first verdict.

use std::path::Path;

use protocol::{BlockNumber, TxId, TxNumber, TxValidationCode};
use store::{BlockStore, Read, StoreError};

/// A transaction's place and verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactionLocation {
    /// Its block.
    pub number: BlockNumber,
    /// Its place in the block.
    pub tx_number: TxNumber,
    /// The verdict.
    pub code: TxValidationCode,
}

/// Where a transaction lies, by the index of `blocks`.
pub(crate) fn locate<V: Read>(
    blocks: &BlockStore<V>,
    tx_id: &TxId,
) -> Result<Option<TransactionLocation>, StoreError> {
    let Some((number, tx_number, mark)) = blocks.transaction(tx_id)? else { return Ok(None) };
    let code = TxValidationCode::from_number(mark).ok_or_else(|| no_code(blocks.view().path()))?;
    Ok(Some(TransactionLocation { number, tx_number, code }))
}

fn no_code(path: &Path) -> StoreError {
    StoreError::unreadable(path, "block_index", "the mark of a transaction is no validation code")
}
