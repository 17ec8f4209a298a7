//! What a key's changes wrote, from the envelopes of the transactions that made them.
//!
//! The index says which transactions changed the key; the values stand in the blocks, as endorsers signed them. Nothing
//! of a block is judged again: the index holds valid transactions only.

use bytes::Bytes;
use prost::Message as _;
use protocol::fabric::{ChannelHeader, Envelope, Payload};
use protocol::{Block, BlockNumber, Version};
use shim::KeyModification;
use store::{Read as _, StoreError};
use validation::parse_transaction;

use crate::fault::LedgerFault;
use crate::history::{self, HistoryEntry};
use crate::layout::HISTORY;
use crate::snapshot::StateSnapshot;

impl StateSnapshot {
    /// At most `limit` changes of a key that are older than `before`, the newest first, with what they wrote.
    ///
    /// # Errors
    /// [`LedgerFault::Store`], also where a block is not what the index says of it.
    pub fn modifications(
        &self,
        (namespace, key): (&str, &str),
        before: Option<Version>,
        limit: usize,
    ) -> Result<Vec<KeyModification>, LedgerFault> {
        let entries = history::read(self.view(), (namespace, key), before, limit)?;
        let mut found = Vec::with_capacity(entries.len());
        // A block that changed the key more than once is read once.
        let mut read: Option<(BlockNumber, Block)> = None;
        for entry in entries {
            let number = entry.version.block_number;
            let block = match read.take() {
                Some((known, block)) if known == number => block,
                _ => self.block_of(number)?,
            };
            let change = modification(&block, (namespace, key), entry);
            found.push(change.ok_or_else(|| {
                let (block, tx) = (number, entry.version.tx_number.0);
                self.unindexed(format!(
                    "transaction {tx} of block {block} does not change a key that it is said to"
                ))
            })?);
            read = Some((number, block));
        }
        Ok(found)
    }

    fn block_of(&self, number: BlockNumber) -> Result<Block, LedgerFault> {
        let bytes = self.blocks().block(number)?;
        let bytes = bytes.ok_or_else(|| self.unindexed(format!("block {number} is missing")))?;
        Block::from_bytes(&bytes).map_err(|error| self.unindexed(format!("block {number}: {error}")))
    }

    fn unindexed(&self, reason: String) -> LedgerFault {
        StoreError::unreadable(self.view().path(), HISTORY, reason).into()
    }
}

/// What the transaction of an entry wrote to the key; `None` where it did not.
fn modification(
    block: &Block,
    (namespace, key): (&str, &str),
    entry: HistoryEntry,
) -> Option<KeyModification> {
    let place = usize::try_from(entry.version.tx_number.0).ok()?;
    let envelope = block.envelopes.get(place)?;
    let transaction = parse_transaction(envelope).ok()?;
    let mut sets = transaction.rwset.namespaces.into_iter();
    let set = sets.find(|set| set.name == namespace)?;
    let write = set.writes.into_iter().find(|write| write.key == key)?;
    if write.value.is_none() != entry.is_delete {
        return None;
    }
    let (tx_id, version) = (transaction.tx_id, entry.version);
    // Not a slice of the block, which would stay in memory with it.
    let value = write.value.map(|value| Bytes::copy_from_slice(&value));
    Some(KeyModification { tx_id, value, timestamp_ms: timestamp_ms(envelope)?, version })
}

/// The client's clock as it stands in the envelope's header.
fn timestamp_ms(envelope: &Bytes) -> Option<u64> {
    let envelope = Envelope::decode(envelope.clone()).ok()?;
    let payload = Payload::decode(envelope.payload).ok()?;
    let header = ChannelHeader::decode(payload.header?.channel_header).ok()?;
    let timestamp = header.timestamp.unwrap_or_default();
    let (seconds, nanos) = (u64::try_from(timestamp.seconds).ok()?, u64::try_from(timestamp.nanos).ok()?);
    Some(seconds.saturating_mul(1_000).saturating_add(nanos / 1_000_000))
}
