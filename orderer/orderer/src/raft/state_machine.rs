//! The state machine of consensus: the chain, and the place in the log up to which it was applied.
//!
//! An entry's block is judged by [`Chain`]; the place is written in the same synced batch. A snapshot is the place, the
//! membership and the last header: it says where a node stands. The blocks themselves come from the others' chains, so one
//! is installed only where the own chain has that header; whoever receives it before fetches them first
//! ([`catching_up`](crate::catching_up)).

use std::io::Cursor;
use std::sync::Arc;

use bytes::Bytes;
use openraft::storage::RaftStateMachine;
use openraft::{
    AnyError, Entry, EntryPayload, LogId, OptionalSend, RaftLogId, RaftSnapshotBuilder, Snapshot,
    SnapshotMeta, StorageIOError, StoredMembership,
};
use protocol::codec::{self, DecodeError};
use protocol::limits::NODE_MESSAGE_BYTES_MAX;
use protocol::{BlockHash, BlockNumber};
use serde::{Deserialize, Serialize};
use store::{Batch, Durability, Read};

use super::log_store::{META, blocking};
use super::record::{AppliedRecord, decode_applied, expect_known};
use super::{Node, NodeId, RaftTypes, StorageFault};
use crate::chain::{Applied, Chain, ChainFault};

const APPLIED: &[u8] = b"applied";
const SNAPSHOT: &[u8] = b"snapshot";
/// Bytes of blocks in one batch of the store.
const BATCH_BYTES_MAX: usize = 16 << 20;

type Meta = SnapshotMeta<NodeId, Node>;

/// What a snapshot holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotRecord {
    version: u16,
    snapshot_id: String,
    applied: AppliedRecord,
    /// The last block of the node that made it.
    pub number: BlockNumber,
    /// Its hash.
    pub block_hash: BlockHash,
}

/// The chain as openraft sees it.
#[derive(Clone)]
pub struct StateMachine {
    chain: Arc<Chain>,
    last: Option<LogId<NodeId>>,
    membership: StoredMembership<NodeId, Node>,
}

impl StateMachine {
    /// The state machine over a chain, at the place where it stopped.
    ///
    /// # Errors
    /// A fault of the store, or a record that is unreadable.
    pub fn open(chain: Arc<Chain>) -> Result<Self, ChainFault> {
        let fault = |source: DecodeError| ChainFault::Record { what: "the place applied", source };
        let record = chain.store().get(META, APPLIED)?;
        let record = record.as_deref().map(decode_applied).transpose().map_err(fault)?;
        let (last, membership) = record.map_or_else(Default::default, |record| {
            (record.last.map(Into::into), record.stored_membership())
        });
        Ok(Self { chain, last, membership })
    }

    /// Applies entries that fit into one batch.
    async fn apply_some(&mut self, entries: Vec<Entry<RaftTypes>>) -> Result<Vec<Applied>, StorageFault> {
        let Some(last) = entries.last().map(|entry| *entry.get_log_id()) else { return Ok(Vec::new()) };
        let mut membership = self.membership.clone();
        let mut blocks: Vec<Option<Bytes>> = Vec::with_capacity(entries.len());
        for entry in entries {
            blocks.push(match entry.payload {
                EntryPayload::Normal(block) => Some(block.0),
                EntryPayload::Blank => None,
                EntryPayload::Membership(changed) => {
                    membership = StoredMembership::new(Some(entry.log_id), changed);
                    None
                }
            });
        }
        let record = codec::encode(&AppliedRecord::new(Some(last), &membership));
        let chain = Arc::clone(&self.chain);
        let work = move || {
            chain
                .apply(&blocks, |batch: &mut Batch| batch.put(META, APPLIED, record))
                .map_err(|error| StorageIOError::apply(last, AnyError::new(&error)))
        };
        let results = blocking(work).await?;
        (self.last, self.membership) = (Some(last), membership);
        Ok(results)
    }

    fn snapshot_record(&self) -> SnapshotRecord {
        let header = self.chain.last_header();
        let index = self.last.map_or(0, |last| last.index);
        let applied = AppliedRecord::new(self.last, &self.membership);
        SnapshotRecord {
            version: applied.version,
            snapshot_id: format!("{}-{index}", header.number),
            applied,
            number: header.number,
            block_hash: header.hash(),
        }
    }

    fn keep_snapshot(&self, record: &SnapshotRecord) -> Result<(), StorageFault> {
        let mut batch = Batch::new();
        batch.put(META, SNAPSHOT, codec::encode(record));
        batch.put(META, APPLIED, codec::encode(&record.applied));
        let written = self.chain.store().write(&batch, Durability::Synced);
        Ok(written.map_err(|error| StorageIOError::write_snapshot(None, AnyError::new(&error)))?)
    }
}

impl SnapshotRecord {
    fn meta(&self) -> Meta {
        SnapshotMeta {
            last_log_id: self.applied.last.map(Into::into),
            last_membership: self.applied.stored_membership(),
            snapshot_id: self.snapshot_id.clone(),
        }
    }

    fn snapshot(&self) -> Snapshot<RaftTypes> {
        Snapshot { meta: self.meta(), snapshot: Box::new(Cursor::new(codec::encode(self))) }
    }
}

/// Reads what a snapshot holds.
pub fn decode_snapshot(bytes: &[u8]) -> Result<SnapshotRecord, DecodeError> {
    codec::decode(bytes, NODE_MESSAGE_BYTES_MAX)
        .and_then(|record: SnapshotRecord| expect_known("SnapshotRecord", record.version).map(|()| record))
}

fn read_snapshot(bytes: &[u8]) -> Result<SnapshotRecord, StorageIOError<NodeId>> {
    decode_snapshot(bytes).map_err(|error| StorageIOError::read_snapshot(None, AnyError::new(&error)))
}

impl RaftStateMachine<RaftTypes> for StateMachine {
    type SnapshotBuilder = Self;

    async fn applied_state(
        &mut self,
    ) -> Result<(Option<LogId<NodeId>>, StoredMembership<NodeId, Node>), StorageFault> {
        Ok((self.last, self.membership.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<Applied>, StorageFault>
    where
        I: IntoIterator<Item = Entry<RaftTypes>> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<Entry<RaftTypes>> = entries.into_iter().collect();
        let mut results = Vec::with_capacity(entries.len());
        let (mut some, mut bytes) = (Vec::new(), 0);
        for entry in entries {
            if let EntryPayload::Normal(block) = &entry.payload {
                bytes += block.0.len();
            }
            some.push(entry);
            if bytes >= BATCH_BYTES_MAX {
                results.append(&mut self.apply_some(std::mem::take(&mut some)).await?);
                bytes = 0;
            }
        }
        results.append(&mut self.apply_some(some).await?);
        Ok(results)
    }

    async fn get_snapshot_builder(&mut self) -> Self::SnapshotBuilder {
        self.clone()
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<Cursor<Vec<u8>>>, StorageFault> {
        Ok(Box::new(Cursor::new(Vec::new())))
    }

    async fn install_snapshot(
        &mut self,
        meta: &Meta,
        snapshot: Box<Cursor<Vec<u8>>>,
    ) -> Result<(), StorageFault> {
        let record = read_snapshot(snapshot.get_ref())?;
        let found = self.chain.block_hash(record.number);
        let found = found.map_err(|error| StorageIOError::write_snapshot(None, AnyError::new(&error)))?;
        if found != Some(record.block_hash) {
            let text =
                format!("the snapshot stands at block {}, which this chain does not have", record.number);
            return Err(StorageIOError::write_snapshot(None, AnyError::error(text)).into());
        }
        self.keep_snapshot(&record)?;
        (self.last, self.membership) = (meta.last_log_id, meta.last_membership.clone());
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot<RaftTypes>>, StorageFault> {
        let bytes = self.chain.store().get(META, SNAPSHOT);
        let bytes = bytes.map_err(|error| StorageIOError::read_snapshot(None, AnyError::new(&error)))?;
        let record = bytes.as_deref().map(read_snapshot).transpose()?;
        Ok(record.map(|record| record.snapshot()))
    }
}

impl RaftSnapshotBuilder<RaftTypes> for StateMachine {
    async fn build_snapshot(&mut self) -> Result<Snapshot<RaftTypes>, StorageFault> {
        let record = self.snapshot_record();
        let mut batch = Batch::new();
        batch.put(META, SNAPSHOT, codec::encode(&record));
        let written = self.chain.store().write(&batch, Durability::Synced);
        written.map_err(|error| StorageIOError::write_snapshot(None, AnyError::new(&error)))?;
        Ok(record.snapshot())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_a_snapshot_are_frozen_and_a_newer_release_is_named() {
        let record = SnapshotRecord {
            version: 1,
            snapshot_id: "7-9".to_owned(),
            applied: AppliedRecord::new(None, &StoredMembership::default()),
            number: BlockNumber(7),
            block_hash: BlockHash([5; 32]),
        };
        let bytes = codec::encode(&record);
        // [version, id, [version, place, place of membership, [voters, nodes]], block, block's hash]
        let golden = [
            &[0x95, 1, 0xa3, b'7', b'-', b'9', 0x94, 1, 0xc0, 0xc0, 0x92, 0x90, 0x90, 7, 0xc4, 32][..],
            &[5; 32],
        ];
        assert_eq!(bytes, golden.concat());
        assert_eq!(decode_snapshot(&bytes).expect("reads back"), record);
        let newer = SnapshotRecord { version: 3, ..record };
        let error = decode_snapshot(&codec::encode(&newer)).expect_err("newer").to_string();
        assert!(error.contains("newer release"), "{error}");
    }
}
