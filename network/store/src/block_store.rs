//! A gapless chain of blocks in two families of a store.
//!
//! Used by peers, which index transactions with their codes, and by orderers, which keep what they ordered. It checks
//! number and previous hash when a block comes in, and header hash, previous hash and data hash when it is read with
//! [`BlockStore::block_checked`]. It never judges signatures, proof of work or transactions.
//!
//! Reads work on a [`Store`] and on a [`Snapshot`](crate::Snapshot); appending is for a store, by one writer.

use std::ops::ControlFlow;

use bytes::Bytes;
use protocol::{Block, BlockHash, BlockNumber, TxId, TxNumber, data_hash};

use crate::batch::{Batch, Durability};
use crate::block_fault::BlockFault;
use crate::block_index::{
    BLOCK_INDEX, BLOCKS, IndexedTransaction, TIP_KEY, Tip, block_key, hash_key, place_from_bytes,
    place_to_bytes, transaction_key,
};
use crate::error::StoreError;
use crate::key_range::{KeyRange, Order};
use crate::read::Read;
use crate::store::Store;

/// A block to append, with its bytes and what is to be found by transaction id.
#[derive(Clone, Copy, Debug)]
pub struct StagedBlock<'a> {
    /// The block.
    pub block: &'a Block,
    /// The same block's bytes, as they arrived.
    pub bytes: &'a Bytes,
    /// Transactions to index; an id that is indexed already is moved here.
    pub transactions: &'a [IndexedTransaction],
}

/// A chain of blocks. `V` is the store, or a snapshot of it.
#[derive(Clone, Debug)]
pub struct BlockStore<V> {
    view: V,
}

impl<V: Read> BlockStore<V> {
    /// The chain in a store that was opened with [`BLOCK_FAMILIES`](crate::BLOCK_FAMILIES).
    pub const fn new(view: V) -> Self {
        Self { view }
    }

    /// What it reads.
    pub const fn view(&self) -> &V {
        &self.view
    }

    /// The last block, `None` in an empty chain.
    ///
    /// # Errors
    /// [`StoreError`] of the read.
    pub fn tip(&self) -> Result<Option<Tip>, StoreError> {
        self.record(&TIP_KEY, Tip::from_bytes)
    }

    /// How many blocks there are: the number of the block that is due.
    ///
    /// # Errors
    /// [`StoreError`] of the read.
    pub fn height(&self) -> Result<u64, StoreError> {
        Ok(self.tip()?.map_or(0, |tip| tip.number.next().0))
    }

    /// The bytes of a block, `None` above the tip.
    ///
    /// # Errors
    /// [`StoreError`] of the read.
    pub fn block(&self, number: BlockNumber) -> Result<Option<Bytes>, StoreError> {
        self.view.get(BLOCKS, &block_key(number))
    }

    /// Consecutive blocks from `from` on: at most `count_max`, and no further one once `bytes_max` is reached. At least
    /// one if there is one.
    ///
    /// # Errors
    /// [`StoreError`] of the read.
    pub fn blocks(
        &self,
        from: BlockNumber,
        count_max: usize,
        bytes_max: usize,
    ) -> Result<Vec<Bytes>, StoreError> {
        let (mut blocks, mut bytes) = (Vec::new(), 0_usize);
        if count_max == 0 {
            return Ok(blocks);
        }
        self.view.walk(BLOCKS, &KeyRange::from(block_key(from)), Order::Ascending, |_, block| {
            if !blocks.is_empty() && bytes.saturating_add(block.len()) > bytes_max {
                return ControlFlow::Break(());
            }
            bytes = bytes.saturating_add(block.len());
            blocks.push(Bytes::copy_from_slice(block));
            if blocks.len() < count_max { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Ok(blocks)
    }

    /// The hash of a block, `None` above the tip.
    ///
    /// # Errors
    /// [`StoreError`] of the read.
    pub fn block_hash(&self, number: BlockNumber) -> Result<Option<BlockHash>, StoreError> {
        self.record(&hash_key(number), |bytes| Some(BlockHash(bytes.try_into().ok()?)))
    }

    /// Where a transaction lies, and the mark it was indexed with.
    ///
    /// # Errors
    /// [`StoreError`] of the read.
    pub fn transaction(&self, tx_id: &TxId) -> Result<Option<(BlockNumber, TxNumber, u8)>, StoreError> {
        self.record(&transaction_key(tx_id), place_from_bytes)
    }

    /// A block whose header is the indexed one, which names the block before it, and whose envelopes are those that the
    /// header sums up; `None` above the tip.
    ///
    /// # Errors
    /// [`BlockFault`] with the two values that differ.
    pub fn block_checked(&self, number: BlockNumber) -> Result<Option<Block>, BlockFault> {
        let Some(tip) = self.tip()?.filter(|tip| tip.number >= number) else { return Ok(None) };
        let path = || self.view.path().to_owned();
        let missing = |number| BlockFault::Missing { path: path(), number, tip: tip.number };
        let bytes = self.block(number)?.ok_or_else(|| missing(number))?;
        let indexed = self.block_hash(number)?.ok_or_else(|| missing(number))?;
        let previous = match number.previous() {
            Some(before) => self.block_hash(before)?.ok_or_else(|| missing(before))?,
            None => BlockHash::ZERO,
        };
        let block = Block::from_bytes(&bytes).map_err(|source| BlockFault::Undecodable {
            path: path(),
            number,
            source,
        })?;
        let header = &block.header;
        if header.number != number {
            return Err(BlockFault::NumberDiffers { path: path(), number, found: header.number });
        }
        let computed = header.hash();
        if computed != indexed {
            return Err(BlockFault::HeaderHashDiffers { path: path(), number, indexed, computed });
        }
        if header.previous_hash != previous {
            let found = header.previous_hash;
            return Err(BlockFault::PreviousHashDiffers { path: path(), number, indexed: previous, found });
        }
        let computed = data_hash(&block.envelopes);
        if computed != header.data_hash {
            let stated = header.data_hash;
            return Err(BlockFault::DataHashDiffers { path: path(), number, stated, computed });
        }
        Ok(Some(block))
    }

    /// Adds to `batch` what appends a block behind `tip`, and returns the tip that holds once the batch is written.
    /// Several blocks may be staged in one batch, each behind the tip that the one before returned.
    ///
    /// # Errors
    /// [`BlockFault::NotNext`] and [`BlockFault::OtherChain`]; the batch is then unchanged.
    pub fn stage(
        &self,
        batch: &mut Batch,
        tip: Option<Tip>,
        staged: StagedBlock<'_>,
    ) -> Result<Tip, BlockFault> {
        let header = &staged.block.header;
        let number = header.number;
        let (expected_number, expected_hash) =
            tip.map_or((BlockNumber(0), BlockHash::ZERO), |tip| (tip.number.next(), tip.hash));
        let path = || self.view.path().to_owned();
        if number != expected_number {
            return Err(BlockFault::NotNext { path: path(), expected: expected_number, found: number });
        }
        if header.previous_hash != expected_hash {
            let found = header.previous_hash;
            return Err(BlockFault::OtherChain { path: path(), number, expected: expected_hash, found });
        }
        let tip = Tip { number, hash: header.hash() };
        batch.put(BLOCKS, block_key(number).to_vec(), staged.bytes.clone());
        batch.put(BLOCK_INDEX, hash_key(number), tip.hash.as_bytes().to_vec());
        for transaction in staged.transactions {
            let key = transaction_key(&transaction.tx_id);
            batch.put(BLOCK_INDEX, key, place_to_bytes(number, transaction));
        }
        batch.put(BLOCK_INDEX, TIP_KEY.to_vec(), tip.to_bytes());
        Ok(tip)
    }

    fn record<T>(&self, key: &[u8], read: impl Fn(&[u8]) -> Option<T>) -> Result<Option<T>, StoreError> {
        match self.view.inspect(BLOCK_INDEX, key, read)? {
            Some(None) => {
                Err(StoreError::unreadable(self.view.path(), BLOCK_INDEX, "a record has another length"))
            }
            Some(found) => Ok(found),
            None => Ok(None),
        }
    }
}

impl BlockStore<Store> {
    /// Appends one block behind the tip. For the only writer of the chain.
    ///
    /// # Errors
    /// As [`BlockStore::stage`], and [`BlockFault::Store`] where the write fails; the chain is then as it was.
    pub fn append(&self, staged: StagedBlock<'_>, durability: Durability) -> Result<Tip, BlockFault> {
        let mut batch = Batch::new();
        let tip = self.stage(&mut batch, self.tip()?, staged)?;
        self.view.write(&batch, durability)?;
        Ok(tip)
    }
}
