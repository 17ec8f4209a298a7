//! Blocks taken from another consenter's chain, without the log in which they were ordered.
//!
//! A consenter that is new, or whose place in the log was forgotten by the others, needs them. What a majority of the
//! consenters has signed was ordered: each of them signed when it applied the entry. Each block is judged as one that
//! consensus hands back.

use std::sync::PoisonError;

use bytes::Bytes;
use ordering::majority;
use protocol::{Block, BlockNumber, BlockSignature};
use store::{Batch, Durability};

use super::families::{SIGNATURES, signature_key};
use super::judging::{Judged, judge};
use super::shares::Collecting;
use super::{Chain, ChainFault, InForce};

/// Which blocks are believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trusting {
    /// Those that a majority of the consenters in force before them has signed.
    Majority,
    /// Any that continue the chain: whoever runs the channel has said that these logs are what is left of it.
    Any,
}

/// Why a block was not taken.
#[derive(Debug, thiserror::Error)]
pub enum TakeRefusal {
    /// It is none, or does not continue the chain.
    #[error("block {number} is refused: {reason}")]
    Block {
        /// The number that is due.
        number: BlockNumber,
        /// Why.
        reason: String,
    },
    /// Too few have signed it yet.
    #[error("block {number} is signed by {signed} consenters, and {needed} are needed")]
    Unsigned {
        /// Its number.
        number: BlockNumber,
        /// Consenters whose signatures hold.
        signed: usize,
        /// How many are needed.
        needed: usize,
    },
    /// The own chain failed.
    #[error(transparent)]
    Chain(#[from] ChainFault),
}

impl Chain {
    /// Takes blocks in order, with the signatures that they came with; those that are here already are passed over. A block
    /// that no majority vouches for may be stamped up to `stamped_max_ms` (milliseconds since 1970). Returns how many were
    /// new.
    ///
    /// # Errors
    /// [`TakeRefusal`] for the first that is refused; those before it stay.
    pub fn take(
        &self,
        blocks: &[Bytes],
        trusting: Trusting,
        stamped_max_ms: u64,
    ) -> Result<usize, TakeRefusal> {
        let mut taken = 0;
        for bytes in blocks {
            let took = self.take_one(bytes, trusting, stamped_max_ms);
            if let Err(TakeRefusal::Chain(fault)) = &took {
                self.stop(fault);
            }
            taken += usize::from(took?);
        }
        Ok(taken)
    }

    fn take_one(&self, bytes: &Bytes, trusting: Trusting, stamped_max_ms: u64) -> Result<bool, TakeRefusal> {
        // Held a block long, so that consensus need not wait for all of an answer.
        let _adding = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, mut in_force) = (self.last_header(), self.in_force.borrow().clone());
        if trusting == Trusting::Any {
            // What nobody vouches for is signed when the channel has begun with it.
            in_force.own = None;
        }
        let number = last.number.next();
        let refused = |reason: String| TakeRefusal::Block { number, reason };
        let mut block = Block::from_bytes(bytes).map_err(|error| refused(error.to_string()))?;
        if block.header.number <= last.number {
            return Ok(false);
        }
        if trusting == Trusting::Any && block.header.timestamp_ms > stamped_max_ms {
            let stamp_ms = block.header.timestamp_ms;
            return Err(refused(format!(
                "it is stamped {stamp_ms} ms, too far ahead of this consenter's clock"
            )));
        }
        let signatures = std::mem::take(&mut block.signatures);
        let unsigned = Bytes::from(block.to_bytes());
        let (block, next) = match judge(&unsigned, &last, &in_force)? {
            Judged::Next(block, next) => (block, next),
            Judged::Refused(reason) => return Err(refused(reason)),
        };
        let mut batch = Batch::new();
        let (mut collecting, share) =
            self.stage(&mut batch, (&block, &unsigned), &in_force, next.as_deref())?;
        let signed = keep(&mut batch, &mut collecting, number, signatures);
        let needed = majority(in_force.keys.len());
        if trusting == Trusting::Majority && signed < needed {
            return Err(TakeRefusal::Unsigned { number, signed, needed });
        }
        let after = match next {
            Some(next) => InForce::new(next.into_bundle().into(), number, &self.certificate)?,
            None => in_force,
        };
        self.store.write(&batch, Durability::Synced).map_err(ChainFault::from)?;
        self.enforce(after);
        self.publish(block.header, vec![(number, collecting, share)])?;
        Ok(true)
    }
}

/// Keeps the signatures that hold; returns how many consenters they are of. The own one may be among them: this node may
/// have signed the block before it lost its disk.
fn keep(
    batch: &mut Batch,
    Collecting { collector, in_force }: &mut Collecting,
    number: BlockNumber,
    signatures: Vec<BlockSignature>,
) -> usize {
    let mut alone = collector.emptied();
    for signature in signatures {
        let (consenter, bytes) = (signature.consenter, signature.signature.clone());
        if alone.add(alone.block_hash(), signature.clone(), &in_force.keys).is_ok() {
            batch.put(SIGNATURES, signature_key(number, consenter), bytes);
            collector.restore(signature);
        }
    }
    alone.count()
}
