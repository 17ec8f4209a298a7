//! What must hold after every step of a world, whatever its faults.
//!
//! One block a height and equal hashes on all nodes; blocks that continue their chain, with times that rise and are not
//! ahead of the true time; no transaction twice; signatures of a majority under each block that may leave; what was
//! acknowledged in the chain. It reads what a node gives to others, and believes no node.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail, ensure};
use configtx::ConfigBundle;
use orderer::simulated::Channel;
use protocol::{Block, BlockHash, BlockNumber, TxId, codec, data_hash};

/// How far a block's time may be ahead of the true time while at most one clock is wrong: what measuring a clock over a
/// slow link costs, and what the right clocks differ by.
pub const AHEAD_MS_MAX: u64 = 3_000;
/// Blocks read at a time.
const BLOCKS: usize = 64;
const BLOCKS_BYTES: usize = 64 << 20;

/// A block that some node has applied.
struct Seen {
    hash: BlockHash,
    timestamp_ms: u64,
    transactions: Vec<TxId>,
}

/// How far a node's chain has been looked at.
#[derive(Clone, Copy, Default)]
struct Looked {
    applied: BlockNumber,
    deliverable: BlockNumber,
}

/// What is known of a world's chain so far.
pub struct Checks {
    bundle: std::sync::Arc<ConfigBundle>,
    blocks: Vec<Seen>,
    placed: BTreeMap<TxId, BlockNumber>,
    looked: BTreeMap<usize, Looked>,
}

/// A block that was not seen before.
pub struct News {
    /// Its number.
    pub number: BlockNumber,
    /// Its time.
    pub timestamp_ms: u64,
    /// Its transactions.
    pub transactions: Vec<TxId>,
}

impl Checks {
    /// A chain with its genesis block alone.
    #[must_use]
    pub fn new(bundle: std::sync::Arc<ConfigBundle>, genesis: &Block) -> Self {
        let (hash, timestamp_ms) = (genesis.header.hash(), genesis.header.timestamp_ms);
        let blocks = vec![Seen { hash, timestamp_ms, transactions: Vec::new() }];
        Self { bundle, blocks, placed: BTreeMap::new(), looked: BTreeMap::new() }
    }

    /// The time of the last block.
    #[must_use]
    pub fn last_ms(&self) -> u64 {
        self.blocks.last().map_or(0, |block| block.timestamp_ms)
    }

    /// The last block that some node has applied.
    #[must_use]
    pub fn last(&self) -> BlockNumber {
        BlockNumber(self.blocks.len() as u64 - 1)
    }

    /// The block that holds a transaction.
    #[must_use]
    pub fn block_of(&self, tx_id: &TxId) -> Option<BlockNumber> {
        self.placed.get(tx_id).copied()
    }

    /// The node's process has ended: what the next one reads from its disk is looked at from the beginning.
    pub fn restarted(&mut self, node: usize) {
        self.looked.remove(&node);
    }

    /// Looks at what is new on a node.
    ///
    /// # Errors
    /// What does not hold.
    pub fn look(&mut self, node: usize, channel: &Channel, true_ms: u64) -> anyhow::Result<Vec<News>> {
        let mut looked = self.looked.get(&node).copied().unwrap_or_default();
        let mut news = Vec::new();
        let applied = *channel.chain.applied().borrow();
        while looked.applied < applied {
            let from = looked.applied.next();
            for bytes in channel.chain.blocks_from(from, BLOCKS, BLOCKS_BYTES)? {
                let block = Block::from_bytes(&bytes).context("an applied block is none")?;
                let number = looked.applied.next();
                news.extend(
                    self.applied(number, &block, true_ms).with_context(|| format!("block {number}"))?,
                );
                looked.applied = number;
            }
            ensure!(looked.applied >= from, "block {from} is applied and cannot be read");
        }
        let deliverable = *channel.chain.deliverable().borrow();
        ensure!(deliverable <= applied, "block {deliverable} may leave and is not applied");
        while looked.deliverable < deliverable {
            looked.deliverable = looked.deliverable.next();
            self.delivered(looked.deliverable, channel)?;
        }
        self.looked.insert(node, looked);
        Ok(news)
    }

    fn applied(&mut self, number: BlockNumber, block: &Block, true_ms: u64) -> anyhow::Result<Option<News>> {
        let (header, hash) = (&block.header, block.header.hash());
        ensure!(header.number == number, "is numbered {}", header.number);
        let place = usize::try_from(number.0)?;
        if let Some(seen) = self.blocks.get(place) {
            ensure!(seen.hash == hash, "is another one on another node");
            return Ok(None);
        }
        let before = self.blocks.last().context("no genesis block")?;
        ensure!(self.blocks.len() == place, "comes before block {}", self.blocks.len());
        ensure!(header.previous_hash == before.hash, "does not continue the chain");
        ensure!(header.data_hash == data_hash(&block.envelopes), "has other envelopes than its header says");
        ensure!(header.timestamp_ms > before.timestamp_ms, "is not later than the one before");
        let limit_ms = true_ms + AHEAD_MS_MAX;
        let ahead_ms = header.timestamp_ms.saturating_sub(true_ms);
        ensure!(header.timestamp_ms <= limit_ms, "is stamped {ahead_ms} ms ahead of the true time");
        let mut transactions = Vec::new();
        for envelope in &block.envelopes {
            let tx_id = ordering::inspect(envelope, self.bundle.config())?.tx_id;
            if let Some(other) = self.placed.insert(tx_id.clone(), number) {
                bail!("holds transaction {tx_id}, which block {other} holds");
            }
            transactions.push(tx_id);
        }
        let timestamp_ms = header.timestamp_ms;
        self.blocks.push(Seen { hash, timestamp_ms, transactions: transactions.clone() });
        Ok(Some(News { number, timestamp_ms, transactions }))
    }

    fn delivered(&self, number: BlockNumber, channel: &Channel) -> anyhow::Result<()> {
        let bytes = channel.chain.delivered_block(number)?;
        let bytes = bytes.with_context(|| format!("block {number} may leave and cannot be read"))?;
        let block = Block::from_bytes(&bytes).with_context(|| format!("block {number}"))?;
        let seen = self.blocks.get(usize::try_from(number.0)?);
        let seen = seen.with_context(|| format!("block {number} was never applied"))?;
        ensure!(seen.hash == block.header.hash(), "block {number} leaves as another one");
        self.bundle
            .verify_block_signatures(&codec::encode(&block.header), &block.signatures)
            .with_context(|| format!("block {number} leaves without a majority"))
    }

    /// A transaction was acknowledged: it is in a block of the one chain.
    ///
    /// # Errors
    /// Where it is not.
    pub fn acknowledged(&self, tx_id: &TxId) -> anyhow::Result<()> {
        let number = self.block_of(tx_id);
        let number =
            number.with_context(|| format!("transaction {tx_id} was acknowledged and is in no block"))?;
        let block = self.blocks.get(usize::try_from(number.0)?).context("no such block")?;
        let count = block.transactions.iter().filter(|it| *it == tx_id).count();
        ensure!(count == 1, "transaction {tx_id} stands {count} times in block {number}");
        Ok(())
    }

    /// Whether a node has all blocks, and may deliver all.
    #[must_use]
    pub fn is_complete(&self, channel: &Channel) -> bool {
        let (applied, deliverable) =
            (*channel.chain.applied().borrow(), *channel.chain.deliverable().borrow());
        applied == self.last() && deliverable == self.last()
    }
}
