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

mod collecting;
mod families;
mod fault;
mod judging;
mod reading;
mod shares;
mod taking;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use configtx::{ConfigBundle, NextConfig};
use msp::Signer;
use ordering::{SignatureCollector, inspect};
use protocol::{Block, BlockHeader, BlockNumber, BlockSignature, ChannelId, SignatureShare, TxNumber};
use serde::{Deserialize, Serialize};
use store::{Batch, BlockStore, Durability, IndexedTransaction, KeyRange, Order, Read, StagedBlock, Store};
use tokio::sync::{mpsc, watch};

pub use families::chain_families;
pub use fault::{ChainFault, Stopped};
pub use judging::InForce;
pub use taking::{TakeRefusal, Trusting};

use families::{SIGNATURES, signature_key};
use judging::{Judged, config_in_force, judge};
use shares::{Collecting, Shares};

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
    /// Its certificate (DER), by which configurations name it.
    pub certificate: Bytes,
}

/// The chain of one channel.
pub struct Chain {
    channel: ChannelId,
    store: Store,
    blocks: BlockStore<Store>,
    in_force: watch::Sender<InForce>,
    /// An earlier configuration that was looked up last.
    earlier: Mutex<Option<InForce>>,
    signer: Arc<dyn Signer>,
    certificate: Bytes,
    genesis: Arc<ConfigBundle>,
    last: Mutex<BlockHeader>,
    /// Held by whoever adds blocks: consensus, or what takes them from other consenters.
    adding: Mutex<()>,
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
        let ChainParts { store, genesis, bundle, signer, certificate } = parts;
        let blocks = BlockStore::new(store.clone());
        let last = open_blocks(&blocks, &genesis)?;
        let in_force = config_in_force(&blocks, &bundle, last.last_config, &certificate)?;
        let deliverable = families::deliverable(&store)?;
        let (own_shares, outgoing) = mpsc::channel(OWN_SHARES_MAX);
        let chain = Self {
            applied: watch::Sender::new(last.number),
            deliverable: watch::Sender::new(deliverable),
            shares: Mutex::new(Shares::new(deliverable)),
            last: Mutex::new(last),
            adding: Mutex::new(()),
            channel: in_force.bundle.config().channel.clone(),
            in_force: watch::Sender::new(in_force),
            earlier: Mutex::new(None),
            store,
            blocks,
            signer,
            certificate,
            genesis: bundle,
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

    /// This consenter's number in the configuration in force; `None` where it is no consenter of it.
    pub fn consenter(&self) -> Option<u32> {
        self.in_force.borrow().own
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

    /// Applies entries in order, `None` for one without a block. `record` adds to the batch that makes them durable. A block
    /// that is here already is left as it is: it came from another consenter before the log did.
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
        self.halt(Stopped::by(fault));
    }

    /// Stops for that reason, unless it has stopped for another.
    pub fn halt(&self, reason: Stopped) {
        self.stopped.send_if_modified(|stopped| {
            let is_first = stopped.is_none();
            stopped.get_or_insert_with(|| Arc::new(reason));
            is_first
        });
    }

    fn apply_all(
        &self,
        entries: &[Option<Bytes>],
        record: impl FnOnce(&mut Batch),
    ) -> Result<Vec<Applied>, ChainFault> {
        let _adding = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let mut batch = Batch::new();
        let (mut last, mut in_force) = (self.last_header(), self.in_force.borrow().clone());
        let (mut results, mut signed) = (Vec::with_capacity(entries.len()), Vec::new());
        for entry in entries {
            let result = match entry {
                None => Applied::Nothing,
                Some(bytes) => match judge(bytes, &last, &in_force)? {
                    Judged::Next(block, next) => {
                        let (collecting, share) =
                            self.stage(&mut batch, (&block, bytes), &in_force, next.as_deref())?;
                        last = block.header;
                        signed.push((last.number, collecting, share));
                        if let Some(next) = next {
                            let bundle = Arc::new(next.into_bundle());
                            in_force = InForce::new(bundle, last.number, &self.certificate)?;
                        }
                        Applied::Block(last.number)
                    }
                    Judged::Refused(reason) => self.known(bytes)?.unwrap_or(Applied::Dropped(reason)),
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

    /// The place of a block that the chain holds already.
    fn known(&self, bytes: &[u8]) -> Result<Option<Applied>, ChainFault> {
        let Ok(block) = Block::from_bytes(bytes) else { return Ok(None) };
        let found = self.blocks.block_hash(block.header.number)?;
        Ok((found == Some(block.header.hash())).then_some(Applied::Block(block.header.number)))
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
    ) -> Result<(Collecting, Option<SignatureShare>), ChainFault> {
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
        let mut collector = SignatureCollector::new(header, in_force.keys.len());
        let mut share = None;
        if let Some(consenter) = in_force.own {
            let signature = Bytes::from(self.signer.sign(collector.header_bytes())?);
            batch.put(SIGNATURES, signature_key(number, consenter), signature.clone());
            let signature = BlockSignature { consenter, signature };
            collector.restore(signature.clone());
            share = Some(SignatureShare { number, block_hash: collector.block_hash(), signature });
        }
        Ok((Collecting { collector, in_force: in_force.clone() }, share))
    }

    /// Makes what is durable visible.
    fn publish(
        &self,
        last: BlockHeader,
        signed: Vec<(BlockNumber, Collecting, Option<SignatureShare>)>,
    ) -> Result<(), ChainFault> {
        let number = last.number;
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = last;
        let mut shares = self.lock_shares();
        for (number, collecting, share) in signed {
            if let Some(share) = share {
                // A full queue drops the share; whoever misses it asks.
                let _ = self.own_shares.try_send(share);
            }
            for (from, share) in shares.applied(number, collecting) {
                self.count(&mut shares, from, share)?;
            }
        }
        self.applied.send_replace(number);
        self.advance(&mut shares)
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
