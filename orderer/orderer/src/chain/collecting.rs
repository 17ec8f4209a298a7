//! Counts the consenters' signatures of applied blocks, and moves the height up to which blocks may leave.

use std::sync::PoisonError;

use bytes::Bytes;
use ordering::SignatureCollector;
use protocol::{BlockHeader, BlockNumber, BlockSignature, SignatureShare};
use store::{Batch, Durability, Read as _};

use super::families::{self, SIGNATURES, signature_key, signatures_of};
use super::judging::config_in_force;
use super::shares::{Collecting, Shares};
use super::{Chain, ChainFault, InForce};
use crate::consenters::ConsenterKey;

impl Chain {
    /// Counts signatures that the consenter with TLS key `from` sent as its own; those for other blocks or that do not hold
    /// are passed over. Returns how many counted.
    ///
    /// # Errors
    /// A fault of the store.
    pub fn add_shares(&self, from: ConsenterKey, offered: Vec<SignatureShare>) -> Result<usize, ChainFault> {
        // The lock comes first: a block that is applied meanwhile takes its early signatures under it.
        let mut shares = self.lock_shares();
        let applied = *self.applied.borrow();
        let mut counted = 0;
        for share in offered {
            if share.number <= shares.deliverable() {
                continue;
            }
            if share.number > applied {
                shares.keep_early(applied, from, share);
            } else if self.count(&mut shares, from, share)? {
                counted += 1;
            }
        }
        self.advance(&mut shares)?;
        Ok(counted)
    }

    /// Signs the blocks that may not be delivered yet and lack the own signature: those that were applied while the
    /// configuration named another certificate of this node, and those that were taken before the channel began.
    ///
    /// # Errors
    /// A fault of the store or of the key.
    pub fn sign_missing(&self) -> Result<(), ChainFault> {
        let mut shares = self.lock_shares();
        let applied = *self.applied.borrow();
        let mut number = shares.deliverable().next();
        while number <= applied {
            self.sign_one(&mut shares, number)?;
            number = number.next();
        }
        self.advance(&mut shares)
    }

    fn sign_one(&self, shares: &mut Shares, number: BlockNumber) -> Result<(), ChainFault> {
        let Some(block) = self.blocks.block_checked(number)? else { return Ok(()) };
        let in_force = self.in_force_before(&block.header)?;
        let Some(consenter) = in_force.own else { return Ok(()) };
        if self.store.get(SIGNATURES, &signature_key(number, consenter))?.is_some() {
            return Ok(());
        }
        let header = SignatureCollector::new(&block.header, in_force.keys.len());
        let signature = Bytes::from(self.signer.sign(header.header_bytes())?);
        let mut batch = Batch::new();
        batch.put(SIGNATURES, signature_key(number, consenter), signature.clone());
        self.store.write(&batch, Durability::Unsynced)?;
        let signature = BlockSignature { consenter, signature };
        if let Some(collecting) = shares.collector(number) {
            collecting.collector.restore(signature.clone());
        }
        // A full queue drops the share; whoever misses it asks.
        let _ =
            self.own_shares.try_send(SignatureShare { number, block_hash: header.block_hash(), signature });
        Ok(())
    }

    pub(super) fn count(
        &self,
        shares: &mut Shares,
        from: ConsenterKey,
        share: SignatureShare,
    ) -> Result<bool, ChainFault> {
        let SignatureShare { number, block_hash, signature } = share;
        let Some(Collecting { collector, in_force }) = self.collector(shares, number)? else {
            return Ok(false);
        };
        let is_own = in_force.bundle.consenter_of_tls_spki(&from) == Some(signature.consenter);
        if !is_own || collector.has(signature.consenter) {
            return Ok(false);
        }
        if let Err(refusal) = collector.add(block_hash, signature.clone(), &in_force.keys) {
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
    ) -> Result<Option<&'a mut Collecting>, ChainFault> {
        if !shares.is_in_window(number) {
            return Ok(None);
        }
        if !shares.has(number) {
            let Some(block) = self.blocks.block_checked(number)? else { return Ok(None) };
            let in_force = self.in_force_before(&block.header)?;
            let mut collector = SignatureCollector::new(&block.header, in_force.keys.len());
            for signature in signatures_of(&self.store, number)? {
                collector.restore(signature);
            }
            shares.insert(number, Collecting { collector, in_force });
        }
        Ok(shares.collector(number))
    }

    /// Moves the deliverable height over all blocks that a majority has signed.
    pub(super) fn advance(&self, shares: &mut Shares) -> Result<(), ChainFault> {
        let applied = *self.applied.borrow();
        let before = shares.deliverable();
        while shares.deliverable() < applied {
            let next = shares.deliverable().next();
            let is_signed =
                self.collector(shares, next)?.is_some_and(|it| it.collector.signatures().is_some());
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

    /// The configuration in force before a block of this chain.
    pub(super) fn in_force_before(&self, header: &BlockHeader) -> Result<InForce, ChainFault> {
        let number = if header.last_config == header.number {
            // A configuration block is signed by the consenters whom it may replace.
            let before = header.number.previous().unwrap_or_default();
            let block = self.blocks.block_checked(before)?.ok_or(ChainFault::NoTip { number: before })?;
            block.header.last_config
        } else {
            header.last_config
        };
        let now = self.in_force.borrow().clone();
        if now.number == number {
            return Ok(now);
        }
        // Blocks are asked for one after the other: the configuration of one is mostly that of the next.
        let mut earlier = self.earlier.lock().unwrap_or_else(PoisonError::into_inner);
        match &*earlier {
            Some(known) if known.number == number => Ok(known.clone()),
            _ => {
                let found = config_in_force(&self.blocks, &self.genesis, number, &self.certificate)?;
                *earlier = Some(found.clone());
                Ok(found)
            }
        }
    }
}
