//! The chain of one channel on one consenter: applied blocks, and the consenters' signatures beside them.
//!
//! A block enters when consensus applies it. It is judged, stored and signed in one synced batch together with the place
//! in the log, so that a crash leaves all of it or nothing. A refused block is not stored: every consenter refuses it
//! alike, since the verdict depends on the chain and the configuration only. A block may be delivered when a majority of
//! the consenters has signed it and all blocks before it. A configuration block is judged like any other, and the blocks
//! behind it by the configuration that it holds, at the same place of the log on every consenter.
//!
//! Everything here is synchronous; whoever calls from an async task uses a thread that may block. Consensus, sockets and
//! clocks are unknown here.

mod families;
mod fault;
mod judging;
mod reading;
mod shares;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use configtx::{ConfigBundle, NextConfig};
use msp::Signer;
use ordering::{ConsenterKeys, SignatureCollector, inspect};
use protocol::{Block, BlockHeader, BlockNumber, BlockSignature, ChannelId, SignatureShare, TxNumber};
use serde::{Deserialize, Serialize};
use store::{Batch, BlockStore, Durability, IndexedTransaction, KeyRange, Order, Read, StagedBlock, Store};
use tokio::sync::{mpsc, watch};

pub use families::chain_families;
pub use fault::{ChainFault, Stopped};
pub use judging::InForce;

use families::{SIGNATURES, signature_key, signatures_of};
use judging::{Judged, config_in_force, judge};
use shares::Shares;

/// Own signatures that wait to be sent; what does not fit is asked for by those who miss it.
const OWN_SHARES_MAX: usize = 1024;
/// The mark of an ordered transaction in the index: orderers judge no validity.
const ORDERED: u8 = 0;

/// What became of an entry of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Applied {
    /// It held no block.
    Nothing,
    /// Its block was appended.
    Block(BlockNumber),
    /// Its block was refused; why.
    Dropped(String),
}

/// What a chain is opened with.
pub struct ChainParts {
    /// A store with [`chain_families`].
    pub store: Store,
    /// The block that begins the channel.
    pub genesis: Block,
    /// Its configuration; a later one is found in the store.
    pub bundle: Arc<ConfigBundle>,
    /// The consenter's signing identity.
    pub signer: Arc<dyn Signer>,
    /// The consenter's number.
    pub consenter: u32,
}

/// The chain of one channel.
pub struct Chain {
    channel: ChannelId,
    store: Store,
    blocks: BlockStore<Store>,
    in_force: watch::Sender<InForce>,
    /// Of all configurations: the consenters stay the same.
    keys: ConsenterKeys,
    signer: Arc<dyn Signer>,
    consenter: u32,
    last: Mutex<BlockHeader>,
    shares: Mutex<Shares>,
    applied: watch::Sender<BlockNumber>,
    deliverable: watch::Sender<BlockNumber>,
    own_shares: mpsc::Sender<SignatureShare>,
    /// Why nothing is applied any more.
    stopped: watch::Sender<Option<Arc<Stopped>>>,
}

impl Chain {
    /// Opens the chain, or begins it with the genesis block. The receiver yields this consenter's own signatures as they
    /// are made, to be sent to the others.
    ///
    /// # Errors
    /// [`ChainFault::OtherGenesis`] for a store that began with another block; faults of the store; a consenter's
    /// certificate that its organisation does not vouch for.
    pub fn open(parts: ChainParts) -> Result<(Arc<Self>, mpsc::Receiver<SignatureShare>), ChainFault> {
        let ChainParts { store, genesis, bundle, signer, consenter } = parts;
        let blocks = BlockStore::new(store.clone());
        let last = open_blocks(&blocks, &genesis)?;
        let in_force = config_in_force(&blocks, bundle, last.last_config)?;
        let config = in_force.bundle.config();
        let keys = ConsenterKeys::new(&config.orderer.consenters, in_force.bundle.msps())?;
        let deliverable = families::deliverable(&store)?;
        let (own_shares, outgoing) = mpsc::channel(OWN_SHARES_MAX);
        let chain = Self {
            applied: watch::Sender::new(last.number),
            deliverable: watch::Sender::new(deliverable),
            shares: Mutex::new(Shares::new(deliverable)),
            last: Mutex::new(last),
            channel: config.channel.clone(),
            in_force: watch::Sender::new(in_force),
            store,
            blocks,
            keys,
            signer,
            consenter,
            own_shares,
            stopped: watch::Sender::new(None),
        };
        chain.advance(&mut chain.lock_shares())?;
        Ok((Arc::new(chain), outgoing))
    }

    /// The channel.
    pub fn channel(&self) -> &ChannelId {
        &self.channel
    }

    /// The configuration in force for the next block.
    pub fn bundle(&self) -> Arc<ConfigBundle> {
        Arc::clone(&self.in_force.borrow().bundle)
    }

    /// The block that holds the configuration in force.
    pub fn last_config(&self) -> BlockNumber {
        self.in_force.borrow().number
    }

    /// The configuration in force, live.
    pub fn configurations(&self) -> watch::Receiver<InForce> {
        self.in_force.subscribe()
    }

    /// This consenter's number.
    pub fn consenter(&self) -> u32 {
        self.consenter
    }

    /// The header of the last block applied.
    pub fn last_header(&self) -> BlockHeader {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The last block applied, live.
    pub fn applied(&self) -> watch::Receiver<BlockNumber> {
        self.applied.subscribe()
    }

    /// The last block that may be delivered, live.
    pub fn deliverable(&self) -> watch::Receiver<BlockNumber> {
        self.deliverable.subscribe()
    }

    /// Why the chain stopped, live; `None` while it does its work.
    pub fn stopped(&self) -> watch::Receiver<Option<Arc<Stopped>>> {
        self.stopped.subscribe()
    }

    /// The store, for the records of consensus.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Applies entries in order, `None` for one without a block. `record` adds to the batch that makes them durable. For
    /// the only writer of the chain.
    ///
    /// # Errors
    /// A fault of the store or of the signing key, or a configuration that needs a newer release: nothing is applied then.
    pub fn apply(
        &self,
        entries: &[Option<Bytes>],
        record: impl FnOnce(&mut Batch),
    ) -> Result<Vec<Applied>, ChainFault> {
        self.apply_all(entries, record).inspect_err(|fault| self.stop(fault))
    }

    /// Stops: consensus does not go on after a fault. The first reason stays.
    fn stop(&self, fault: &ChainFault) {
        let height = self.applied.borrow().next().0;
        tracing::error!(channel = %self.channel, height, %fault, "the channel stops");
        self.stopped.send_if_modified(|stopped| {
            let is_first = stopped.is_none();
            stopped.get_or_insert_with(|| Arc::new(Stopped::by(fault)));
            is_first
        });
    }

    fn apply_all(
        &self,
        entries: &[Option<Bytes>],
        record: impl FnOnce(&mut Batch),
    ) -> Result<Vec<Applied>, ChainFault> {
        let mut batch = Batch::new();
        let (mut last, mut in_force) = (self.last_header(), self.in_force.borrow().clone());
        let (mut results, mut signed) = (Vec::with_capacity(entries.len()), Vec::new());
        for entry in entries {
            let result = match entry {
                None => Applied::Nothing,
                Some(bytes) => match judge(bytes, &last, &in_force)? {
                    Judged::Next(block, next) => {
                        signed.push(self.stage(&mut batch, (&block, bytes), &in_force, next.as_deref())?);
                        last = block.header;
                        if let Some(next) = next {
                            in_force = InForce { bundle: Arc::new(next.into_bundle()), number: last.number };
                        }
                        Applied::Block(last.number)
                    }
                    Judged::Refused(reason) => Applied::Dropped(reason),
                },
            };
            results.push(result);
        }
        record(&mut batch);
        // Without a block there is nothing that the log does not hold already.
        let durability = if signed.is_empty() { Durability::Unsynced } else { Durability::Synced };
        self.store.write(&batch, durability)?;
        if !signed.is_empty() {
            self.enforce(in_force);
            self.publish(last, signed)?;
        }
        Ok(results)
    }

    /// Puts a configuration in force, if it is a new one.
    fn enforce(&self, in_force: InForce) {
        if in_force.number == self.last_config() {
            return;
        }
        let sequence = in_force.bundle.config().sequence;
        tracing::info!(channel = %self.channel, block_number = %in_force.number, sequence, "configuration in force");
        self.in_force.send_replace(in_force);
    }

    /// Adds a block with the own signature to the batch.
    fn stage(
        &self,
        batch: &mut Batch,
        (block, bytes): (&Block, &Bytes),
        in_force: &InForce,
        next: Option<&NextConfig>,
    ) -> Result<(SignatureCollector, SignatureShare), ChainFault> {
        let header = &block.header;
        let number = header.number;
        let indexed = |(place, envelope): (usize, &Bytes)| {
            let tx_id = match next {
                Some(next) => next.tx_id().clone(),
                None => inspect(envelope, in_force.bundle.config()).ok()?.tx_id,
            };
            let tx_number = TxNumber(u32::try_from(place).ok()?);
            Some(IndexedTransaction { tx_id, tx_number, mark: ORDERED })
        };
        let transactions: Vec<_> = block.envelopes.iter().enumerate().filter_map(indexed).collect();
        let before = header.number.previous().map(|number| store::Tip { number, hash: header.previous_hash });
        self.blocks.stage(batch, before, StagedBlock { block, bytes, transactions: &transactions })?;
        let mut collector = SignatureCollector::new(header, self.keys.len());
        let signature = Bytes::from(self.signer.sign(collector.header_bytes())?);
        batch.put(SIGNATURES, signature_key(number, self.consenter), signature.clone());
        let signature = BlockSignature { consenter: self.consenter, signature };
        collector.restore(signature.clone());
        let share = SignatureShare { number, block_hash: collector.block_hash(), signature };
        Ok((collector, share))
    }

    /// Makes what is durable visible.
    fn publish(
        &self,
        last: BlockHeader,
        signed: Vec<(SignatureCollector, SignatureShare)>,
    ) -> Result<(), ChainFault> {
        let number = last.number;
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = last;
        let mut shares = self.lock_shares();
        for (collector, share) in signed {
            // A full queue drops the share; whoever misses it asks.
            let _ = self.own_shares.try_send(share.clone());
            let early = shares.applied(share.number, collector);
            for share in early {
                self.count(&mut shares, share)?;
            }
        }
        self.applied.send_replace(number);
        self.advance(&mut shares)
    }

    /// Counts signatures that consenter `from` sent as its own; those for other blocks or that do not hold are passed
    /// over. Returns how many counted.
    ///
    /// # Errors
    /// A fault of the store.
    pub fn add_shares(&self, from: u32, offered: Vec<SignatureShare>) -> Result<usize, ChainFault> {
        // The lock comes first: a block that is applied meanwhile takes its early signatures under it.
        let mut shares = self.lock_shares();
        let applied = *self.applied.borrow();
        let mut counted = 0;
        for share in offered {
            if share.signature.consenter != from || share.number <= shares.deliverable() {
                continue;
            }
            if share.number > applied {
                shares.keep_early(applied, share);
            } else if self.count(&mut shares, share)? {
                counted += 1;
            }
        }
        self.advance(&mut shares)?;
        Ok(counted)
    }

    fn count(&self, shares: &mut Shares, share: SignatureShare) -> Result<bool, ChainFault> {
        let SignatureShare { number, block_hash, signature } = share;
        let Some(collector) = self.collector(shares, number)? else { return Ok(false) };
        if collector.has(signature.consenter) {
            return Ok(false);
        }
        if let Err(refusal) = collector.add(block_hash, signature.clone(), &self.keys) {
            let consenter = signature.consenter;
            tracing::warn!(channel = %self.channel(), block_number = %number, consenter, %refusal, "signature refused");
            return Ok(false);
        }
        let mut batch = Batch::new();
        batch.put(SIGNATURES, signature_key(number, signature.consenter), signature.signature);
        // Another node holds it durably and is asked again after a crash.
        self.store.write(&batch, Durability::Unsynced)?;
        Ok(true)
    }

    /// The collector of an applied block within the window, with all signatures that are stored.
    fn collector<'a>(
        &self,
        shares: &'a mut Shares,
        number: BlockNumber,
    ) -> Result<Option<&'a mut SignatureCollector>, ChainFault> {
        if !shares.is_in_window(number) {
            return Ok(None);
        }
        if !shares.has(number) {
            let Some(block) = self.blocks.block_checked(number)? else { return Ok(None) };
            let mut collector = SignatureCollector::new(&block.header, self.keys.len());
            for signature in signatures_of(&self.store, number)? {
                collector.restore(signature);
            }
            shares.insert(number, collector);
        }
        Ok(shares.collector(number))
    }

    /// Moves the deliverable height over all blocks that a majority has signed.
    fn advance(&self, shares: &mut Shares) -> Result<(), ChainFault> {
        let applied = *self.applied.borrow();
        let before = shares.deliverable();
        while shares.deliverable() < applied {
            let next = shares.deliverable().next();
            let is_signed =
                self.collector(shares, next)?.is_some_and(|collector| collector.signatures().is_some());
            if !is_signed {
                break;
            }
            shares.delivered(next);
        }
        let deliverable = shares.deliverable();
        if deliverable > before {
            families::keep_deliverable(&self.store, deliverable)?;
            self.deliverable.send_replace(deliverable);
        }
        Ok(())
    }

    fn lock_shares(&self) -> MutexGuard<'_, Shares> {
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Checks or writes the genesis block; returns the last header.
fn open_blocks(blocks: &BlockStore<Store>, genesis: &Block) -> Result<BlockHeader, ChainFault> {
    let Some(tip) = blocks.tip()? else {
        let bytes = Bytes::from(genesis.to_bytes());
        let staged = StagedBlock { block: genesis, bytes: &bytes, transactions: &[] };
        blocks.append(staged, Durability::Synced)?;
        return Ok(genesis.header.clone());
    };
    let expected = genesis.header.hash();
    let found = blocks.block_hash(BlockNumber(0))?;
    if found != Some(expected) {
        let path = blocks.view().path().to_owned();
        return Err(ChainFault::OtherGenesis { path, found, expected });
    }
    let last = blocks.block_checked(tip.number)?;
    last.map(|block| block.header).ok_or(ChainFault::NoTip { number: tip.number })
}

/// A scan of everything under a prefix, bounded.
fn scan_prefix(
    store: &Store,
    family: &'static str,
    prefix: Vec<u8>,
    limit: usize,
) -> Result<Vec<(Bytes, Bytes)>, ChainFault> {
    Ok(store.scan(family, &KeyRange::prefix(prefix), Order::Ascending, limit)?)
}

#[cfg(test)]
pub mod tests;
