//! A configuration block after block 0: one valid transaction, and what it writes.
//!
//! Whether its configuration follows from the one in force was decided when the block was linked, by a function that
//! consenters call too. Nothing here may turn that verdict, since it would fork the configuration: neither the registry of
//! identities nor a transaction id that was used before is asked. An old update names an old sequence.
//!
//! It writes key `config` of `_config`, and registers the members that a joining organisation brings; one that the ledger
//! knows already keeps its record, so that nobody who was revoked comes back by leaving and joining.

use configtx::NextConfig;
use protocol::{Block, BlockHash, CommitHash, TxNumber, TxValidationCode, Version};

use crate::{
    examine::ExaminedTransaction,
    genesis::{CONFIG_KEY, CONFIG_NAMESPACE, registration},
    state::{StateFault, StateReader},
    validated::{CreatorName, Draft, HistoryWrite, StateWrite, TransactionSummary, ValidatedBlock},
};

/// Concludes a configuration block whose one envelope was examined.
pub(crate) fn validate(
    (block, block_hash): (Block, BlockHash),
    examined: Vec<ExaminedTransaction>,
    next: &NextConfig,
    state: &dyn StateReader,
    previous_commit: CommitHash,
) -> Result<ValidatedBlock, StateFault> {
    let version = Version { block_number: block.header.number, tx_number: TxNumber(0) };
    let writes = writes(next, version, state)?;
    let history = writes.iter().map(|write| HistoryWrite {
        tx_number: version.tx_number,
        namespace: write.namespace.clone(),
        key: write.key.clone(),
        value: write.value.clone(),
    });
    let (msp_id, poi) = next.submitter();
    let summaries = examined.into_iter().map(|transaction| TransactionSummary {
        number: transaction.number,
        envelope_hash: transaction.envelope_hash,
        tx_id: Some(next.tx_id().clone()),
        claimed_tx_id: transaction.claimed_tx_id,
        code: TxValidationCode::Valid,
        reason: None,
        chaincode: None,
        creator: Some(CreatorName { msp_id: msp_id.clone(), poi }),
        event: None,
    });
    let draft = Draft {
        block,
        block_hash,
        summaries: summaries.collect(),
        history: history.collect(),
        writes,
        config: Some(next.bundle().config().clone()),
    };
    Ok(draft.seal(previous_commit))
}

/// The writes, sorted by namespace and key.
fn writes(
    next: &NextConfig,
    version: Version,
    state: &dyn StateReader,
) -> Result<Vec<StateWrite>, StateFault> {
    let mut writes = vec![StateWrite {
        namespace: CONFIG_NAMESPACE.to_owned(),
        key: CONFIG_KEY.to_owned(),
        value: Some(next.bundle().config().to_bytes().into()),
        version,
    }];
    for identity in next.registered() {
        if state.identity(&identity.msp_id, &identity.poi)?.is_none() {
            writes.push(registration(identity, version));
        }
    }
    writes.sort_by(|a, b| (&a.namespace, &a.key).cmp(&(&b.namespace, &b.key)));
    Ok(writes)
}
