//! The ledger: one writer, many readers.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use bytes::Bytes;
use protocol::{
    Block, BlockHash, BlockHeader, BlockNumber, ChannelConfig, ChannelId, CommitHash, Outvoted, TxId,
    TxNumber, TxValidationCode,
};
use store::{Batch, BlockStore, Durability, Read as _, Store, StoreError};

use crate::block_commit::BlockCommit;
use crate::fault::LedgerFault;
use crate::history::{self, HistoryEntry};
use crate::layout::{COMMITS, OUTVOTED_KEY};
use crate::opening::{self, LedgerOptions};
use crate::snapshot::StateSnapshot;
use crate::staging;
use crate::tx_index::{TransactionLocation, locate};

/// What a ledger says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerInfo {
    /// The channel.
    pub channel: ChannelId,
    /// How many blocks are committed; the last one's number is one less.
    pub height: u64,
    /// Hash of the last block.
    pub block_hash: BlockHash,
    /// The commit hash reached with it.
    pub commit_hash: CommitHash,
}

/// What is known of the last block without a read.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) info: LedgerInfo,
    pub(crate) header: BlockHeader,
    pub(crate) config: Arc<ChannelConfig>,
}

/// The blocks and the world state of one channel.
#[derive(Debug)]
pub struct Ledger {
    blocks: BlockStore<Store>,
    /// Held while a block is committed.
    writer: Mutex<()>,
    /// Changed only after the batch is on the disk, by the holder of `writer`.
    head: RwLock<Head>,
}

impl Ledger {
    /// Creates a ledger in `path` and commits its genesis block. A creation that was interrupted is taken up again.
    pub(crate) fn begin(
        path: &Path,
        genesis: &BlockCommit,
        options: LedgerOptions,
    ) -> Result<Self, LedgerFault> {
        let Some(config) = genesis.config.clone() else {
            return Err(LedgerFault::GenesisWithoutConfig { path: path.to_owned() });
        };
        let blocks = BlockStore::new(options.open_store(path, true)?);
        if let Some(Head { info, .. }) = opening::read_head(&blocks)? {
            let (channel, height) = (info.channel, info.height);
            return Err(LedgerFault::Exists { path: path.to_owned(), channel, height });
        }
        let (batch, tip) = staging::stage(&blocks, None, &config.channel, genesis)?;
        blocks.view().write(&batch, Durability::Synced)?;
        let head = Head::after(genesis, tip.hash, Arc::new(config));
        Ok(Self { blocks, writer: Mutex::new(()), head: RwLock::new(head) })
    }

    /// Opens the ledger in `path`, which must hold one.
    ///
    /// # Errors
    /// [`LedgerFault::Store`] where the folder is absent, in use, damaged or of another release; [`LedgerFault::Empty`];
    /// [`LedgerFault::Block`], [`LedgerFault::MissingRecord`], [`LedgerFault::CommitDiffers`] and
    /// [`LedgerFault::OtherChannel`] where the records of the last block do not agree.
    pub fn open(path: &Path) -> Result<Self, LedgerFault> {
        Self::open_with_options(path, LedgerOptions::default())
    }

    /// As [`Ledger::open`], with other options.
    ///
    /// # Errors
    /// As [`Ledger::open`].
    pub fn open_with_options(path: &Path, options: LedgerOptions) -> Result<Self, LedgerFault> {
        let blocks = BlockStore::new(options.open_store(path, false)?);
        let head =
            opening::read_head(&blocks)?.ok_or_else(|| LedgerFault::Empty { path: path.to_owned() })?;
        tracing::info!(channel = %head.info.channel, height = head.info.height, "ledger opened");
        Ok(Self { blocks, writer: Mutex::new(()), head: RwLock::new(head) })
    }

    /// Commits a block behind the last one: all of it, on the disk when this returns, or nothing.
    pub(crate) fn commit_block(&self, commit: &BlockCommit) -> Result<LedgerInfo, LedgerFault> {
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.head();
        let (batch, tip) = staging::stage(&self.blocks, self.blocks.tip()?, &before.info.channel, commit)?;
        self.blocks.view().write(&batch, Durability::Synced)?;
        let config = commit.config.clone().map_or(before.config, Arc::new);
        let head = Head::after(commit, tip.hash, config);
        let info = head.info.clone();
        *self.head.write().unwrap_or_else(PoisonError::into_inner) = head;
        Ok(info)
    }

    /// Channel, height and hashes after the last block.
    #[must_use]
    pub fn info(&self) -> LedgerInfo {
        self.head().info
    }

    /// The header of the last block: what the next one must follow.
    #[must_use]
    pub fn last_header(&self) -> BlockHeader {
        self.head().header
    }

    /// The configuration in force for the next block.
    #[must_use]
    pub fn config(&self) -> Arc<ChannelConfig> {
        self.head().config
    }

    /// The configuration that stood after block `number` was committed, so in force for the one behind it; `None` above
    /// the height.
    ///
    /// # Errors
    /// [`LedgerFault::Store`].
    pub fn config_after(&self, number: BlockNumber) -> Result<Option<ChannelConfig>, LedgerFault> {
        if number.0 >= self.info().height {
            return Ok(None);
        }
        Ok(opening::read_config(self.blocks.view(), number)?)
    }

    /// The bytes of a block, `None` above the height.
    ///
    /// # Errors
    /// [`LedgerFault::Store`].
    pub fn block(&self, number: BlockNumber) -> Result<Option<Bytes>, LedgerFault> {
        Ok(self.blocks.block(number)?)
    }

    /// A block whose hashes were all recomputed, `None` above the height.
    ///
    /// # Errors
    /// [`LedgerFault::Block`] with the two values that differ.
    pub fn block_checked(&self, number: BlockNumber) -> Result<Option<Block>, LedgerFault> {
        Ok(self.blocks.block_checked(number)?)
    }

    /// Consecutive blocks from `from` on, bounded in count and bytes; at least one if there is one.
    ///
    /// # Errors
    /// [`LedgerFault::Store`].
    pub fn blocks(
        &self,
        from: BlockNumber,
        count_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<Bytes>, LedgerFault> {
        Ok(self.blocks.blocks(from, count_max, bytes_max)?)
    }

    /// The hash of a block, `None` above the height.
    ///
    /// # Errors
    /// [`LedgerFault::Store`].
    pub fn block_hash(&self, number: BlockNumber) -> Result<Option<BlockHash>, LedgerFault> {
        Ok(self.blocks.block_hash(number)?)
    }

    /// The verdicts on a block's transactions in order, `None` above the height.
    ///
    /// # Errors
    /// [`LedgerFault::Store`].
    pub fn codes(&self, number: BlockNumber) -> Result<Option<Vec<TxValidationCode>>, LedgerFault> {
        let Some(record) = opening::read_record(self.blocks.view(), number)? else { return Ok(None) };
        let codes = record.codes().ok_or_else(|| {
            StoreError::unreadable(self.blocks.view().path(), COMMITS, "a number is no validation code")
        })?;
        Ok(Some(codes))
    }

    /// The commit hash reached with a block, `None` above the height.
    ///
    /// # Errors
    /// [`LedgerFault::Store`].
    pub fn commit_hash(&self, number: BlockNumber) -> Result<Option<CommitHash>, LedgerFault> {
        Ok(opening::read_record(self.blocks.view(), number)?.map(|record| record.commit_hash))
    }

    /// Keeps, synced, that a majority of organisations contradicts this ledger. Who opens it asks [`Ledger::outvoted`] before
    /// anybody is served from it.
    ///
    /// # Errors
    /// [`LedgerFault::Store`].
    pub fn keep_outvoted(&self, outvoted: &Outvoted) -> Result<(), LedgerFault> {
        let mut batch = Batch::new();
        batch.put(COMMITS, OUTVOTED_KEY, outvoted.to_bytes());
        Ok(self.blocks.view().write(&batch, Durability::Synced)?)
    }

    /// By whom this ledger was found to be another than the channel's; `None` where it never was.
    ///
    /// # Errors
    /// [`LedgerFault::Store`], also for a record that does not read: it may be all that is known of a bad ledger.
    pub fn outvoted(&self) -> Result<Option<Outvoted>, LedgerFault> {
        let view = self.blocks.view();
        let record = view.inspect(COMMITS, OUTVOTED_KEY, Outvoted::from_bytes)?;
        Ok(record.transpose().map_err(|error| StoreError::unreadable(view.path(), COMMITS, error))?)
    }

    /// Where a transaction lies and how it was judged.
    ///
    /// # Errors
    /// [`LedgerFault::Store`].
    pub fn transaction(&self, tx_id: &TxId) -> Result<Option<TransactionLocation>, LedgerFault> {
        Ok(locate(&self.blocks, tx_id)?)
    }

    /// An envelope as its client signed it, `None` where there is none at that place.
    ///
    /// # Errors
    /// [`LedgerFault::Block`] where the block is damaged.
    pub fn envelope(&self, number: BlockNumber, tx_number: TxNumber) -> Result<Option<Bytes>, LedgerFault> {
        let Some(mut block) = self.blocks.block_checked(number)? else { return Ok(None) };
        let place = usize::try_from(tx_number.0).unwrap_or(usize::MAX);
        Ok((place < block.envelopes.len()).then(|| block.envelopes.swap_remove(place)))
    }

    /// At most `limit` changes of a key, newest first.
    ///
    /// # Errors
    /// [`LedgerFault::Store`].
    pub fn history(
        &self,
        namespace: &str,
        key: &str,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>, LedgerFault> {
        Ok(history::read(self.blocks.view(), (namespace, key), None, limit)?)
    }

    /// The world state as it is now, to be read by any thread.
    #[must_use]
    pub fn snapshot(&self) -> StateSnapshot {
        StateSnapshot::new(self.blocks.view().snapshot())
    }

    /// Makes a copy of the ledger as it is now in `target`, which must not exist; commits go on meanwhile.
    ///
    /// # Errors
    /// [`LedgerFault::Store`].
    pub fn checkpoint(&self, target: &Path) -> Result<(), LedgerFault> {
        Ok(self.blocks.view().checkpoint(target)?)
    }

    fn head(&self) -> Head {
        self.head.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Head {
    fn after(commit: &BlockCommit, block_hash: BlockHash, config: Arc<ChannelConfig>) -> Self {
        let header = commit.block.header.clone();
        let info = LedgerInfo {
            channel: header.channel.clone(),
            height: header.number.next().0,
            block_hash,
            commit_hash: commit.commit_hash,
        };
        Self { info, header, config }
    }
}
