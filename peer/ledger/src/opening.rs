//! Opening a ledger: what it says of its last block must agree in every family before anybody reads it.

use std::path::Path;
use std::sync::Arc;

use protocol::{BlockNumber, ChannelConfig};
use store::{BlockStore, KeyRange, Order, Read, SpaceGuard, Store, StoreError, StoreOptions, WalRecovery};

use crate::fault::LedgerFault;
use crate::layout::{self, COMMITS, CONFIGS};
use crate::ledger::{Head, LedgerInfo};
use crate::record::CommitRecord;

/// How a ledger uses disk and memory.
#[derive(Clone, Debug)]
pub struct LedgerOptions {
    /// Bytes of memory for writes that are not in table files yet.
    pub write_buffer_bytes: usize,
    /// Bytes of the page cache.
    pub cache_bytes: usize,
    /// What a damaged write-ahead log means.
    pub wal_recovery: WalRecovery,
    /// The reserve of free space, if one is to be kept.
    pub space: Option<SpaceGuard>,
}

impl Default for LedgerOptions {
    fn default() -> Self {
        let StoreOptions { write_buffer_bytes, cache_bytes, wal_recovery, space, .. } =
            StoreOptions::new(layout::PURPOSE, layout::LAYOUT);
        Self { write_buffer_bytes, cache_bytes, wal_recovery, space }
    }
}

impl LedgerOptions {
    pub(crate) fn open_store(self, path: &Path, create_if_missing: bool) -> Result<Store, StoreError> {
        let options = StoreOptions {
            create_if_missing,
            write_buffer_bytes: self.write_buffer_bytes,
            cache_bytes: self.cache_bytes,
            wal_recovery: self.wal_recovery,
            space: self.space,
            ..StoreOptions::new(layout::PURPOSE, layout::LAYOUT)
        };
        Store::open(path, &layout::families(), options)
    }
}

/// What the ledger says of its last block, `None` where it has no block.
///
/// Compared are the chain's tip, the block itself (header, previous hash, envelopes), the commit record and the
/// configuration in force.
pub(crate) fn read_head<V: Read>(blocks: &BlockStore<V>) -> Result<Option<Head>, LedgerFault> {
    let Some(tip) = blocks.tip()? else { return Ok(None) };
    let path = || blocks.view().path().to_owned();
    let missing = |record, number| LedgerFault::MissingRecord { path: path(), record, number };
    let block = blocks.block_checked(tip.number)?.ok_or_else(|| missing("block", tip.number))?;
    let record =
        read_record(blocks.view(), tip.number)?.ok_or_else(|| missing("commit record", tip.number))?;
    if record.block_hash != tip.hash {
        return Err(LedgerFault::CommitDiffers {
            path: path(),
            number: tip.number,
            chain: tip.hash,
            recorded: record.block_hash,
        });
    }
    let config =
        read_config(blocks.view(), tip.number)?.ok_or_else(|| missing("configuration", tip.number))?;
    if config.channel != block.header.channel {
        return Err(LedgerFault::OtherChannel {
            path: path(),
            expected: block.header.channel,
            what: "the configuration in force",
            found: config.channel,
        });
    }
    let info = LedgerInfo {
        channel: config.channel.clone(),
        height: tip.number.next().0,
        block_hash: tip.hash,
        commit_hash: record.commit_hash,
    };
    Ok(Some(Head { info, header: block.header, config: Arc::new(config) }))
}

/// The commit record of a block, `None` above the height.
pub(crate) fn read_record(view: &impl Read, number: BlockNumber) -> Result<Option<CommitRecord>, StoreError> {
    let record = view.inspect(COMMITS, &layout::block_key(number), CommitRecord::from_bytes)?;
    record.transpose().map_err(|error| StoreError::unreadable(view.path(), COMMITS, error))
}

/// The configuration that stands after a block was committed.
pub(crate) fn read_config(
    view: &impl Read,
    number: BlockNumber,
) -> Result<Option<ChannelConfig>, StoreError> {
    let range = KeyRange::between([], layout::block_key(number.next()));
    let found = view.scan(CONFIGS, &range, Order::Descending, 1)?;
    let config = found.first().map(|(_, bytes)| ChannelConfig::from_bytes(bytes)).transpose();
    config.map_err(|error| StoreError::unreadable(view.path(), CONFIGS, error))
}
