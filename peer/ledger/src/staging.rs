//! One block becomes one batch. This is the only place that decides which keys a block touches.

use std::collections::BTreeMap;
use std::path::PathBuf;

use protocol::{BlockHash, ChannelId, TxId, TxNumber};
use store::{Batch, BlockStore, IndexedTransaction, Read, StagedBlock, Tip};

use crate::block_commit::{BlockCommit, KeyChange, StateWrite};
use crate::fault::LedgerFault;
use crate::history::{DELETED, WRITTEN};
use crate::layout::{self, COMMITS, CONFIGS, HISTORY, STATE};
use crate::record::CommitRecord;

/// The batch that commits a block behind `tip`, and the tip it leads to.
pub(crate) fn stage<V: Read>(
    blocks: &BlockStore<V>,
    tip: Option<Tip>,
    channel: &ChannelId,
    commit: &BlockCommit,
) -> Result<(Batch, Tip), LedgerFault> {
    check_form(commit, channel, || blocks.view().path().to_owned())?;
    let number = commit.block.header.number;
    let mut batch = Batch::new();
    let transactions = transactions_to_index(blocks, commit)?;
    let staged = StagedBlock { block: &commit.block, bytes: &commit.bytes, transactions: &transactions };
    let tip = blocks.stage(&mut batch, tip, staged)?;
    for write in &commit.writes {
        stage_write(&mut batch, write);
    }
    for change in &commit.changes {
        stage_change(&mut batch, change);
    }
    if let Some(config) = &commit.config {
        batch.put(CONFIGS, layout::block_key(number).to_vec(), config.to_bytes());
    }
    batch.put(COMMITS, layout::block_key(number).to_vec(), record_of(commit, tip.hash).to_bytes());
    Ok((batch, tip))
}

fn check_form(
    commit: &BlockCommit,
    channel: &ChannelId,
    path: impl Fn() -> PathBuf,
) -> Result<(), LedgerFault> {
    let header = &commit.block.header;
    let other_channel = |what, found: &ChannelId| LedgerFault::OtherChannel {
        path: path(),
        expected: channel.clone(),
        what,
        found: found.clone(),
    };
    if header.channel != *channel {
        return Err(other_channel("the block", &header.channel));
    }
    if let Some(config) = commit.config.as_ref().filter(|config| config.channel != *channel) {
        return Err(other_channel("the new configuration", &config.channel));
    }
    let (envelopes, codes) = (commit.block.envelopes.len(), commit.transactions.len());
    if envelopes != codes {
        return Err(LedgerFault::CodesDiffer { number: header.number, envelopes, codes });
    }
    let written = commit.writes.iter().map(|write| (&write.namespace, &write.key));
    let changed = commit.changes.iter().map(|change| (&change.namespace, &change.key));
    match written.chain(changed).find(|(namespace, key)| !layout::is_storable(namespace, key)) {
        Some((namespace, _)) => Err(LedgerFault::UnstorableWrite {
            number: header.number,
            namespace: namespace.chars().take(64).collect(),
        }),
        None => Ok(()),
    }
}

/// An id leads to the first transaction that bears it; later ones are judged to be duplicates.
fn transactions_to_index<V: Read>(
    blocks: &BlockStore<V>,
    commit: &BlockCommit,
) -> Result<Vec<IndexedTransaction>, LedgerFault> {
    let mut indexed: BTreeMap<&TxId, IndexedTransaction> = BTreeMap::new();
    for (transaction, number) in commit.transactions.iter().zip(0..) {
        let Some(tx_id) = &transaction.tx_id else { continue };
        if !indexed.contains_key(tx_id) && blocks.transaction(tx_id)?.is_none() {
            let mark = transaction.code.number();
            let place = IndexedTransaction { tx_id: tx_id.clone(), tx_number: TxNumber(number), mark };
            indexed.insert(tx_id, place);
        }
    }
    Ok(indexed.into_values().collect())
}

fn stage_write(batch: &mut Batch, write: &StateWrite) {
    let key = layout::state_key(&write.namespace, &write.key);
    match &write.value {
        Some(value) => batch.put(STATE, key, layout::state_value(write.version, value)),
        None => batch.delete(STATE, key),
    }
}

fn stage_change(batch: &mut Batch, change: &KeyChange) {
    let key = layout::history_key(&change.namespace, &change.key, change.version);
    batch.put(HISTORY, key, vec![if change.is_delete { DELETED } else { WRITTEN }]);
}

fn record_of(commit: &BlockCommit, block_hash: BlockHash) -> CommitRecord {
    let codes = commit.transactions.iter().map(|transaction| transaction.code);
    CommitRecord::new(block_hash, commit.commit_hash, codes)
}
