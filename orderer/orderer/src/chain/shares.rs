//! The signatures that are being collected: bounded, whatever the other consenters send.
//!
//! Collectors exist for a window of blocks above the deliverable height; the rest waits on disk. A signature may come
//! before its block is applied here, since the others need not be slower: such ones are kept, a few blocks ahead. Whoever
//! brings one is known by its TLS key: numbers belong to a configuration, which may be another at that block.

use std::collections::BTreeMap;

use ordering::SignatureCollector;
use protocol::{BlockNumber, SignatureShare};

use super::judging::InForce;
use crate::consenters::ConsenterKey;

/// Blocks above the deliverable one whose signatures are collected at a time: some seconds of a busy channel.
const WINDOW_BLOCKS: u64 = 256;
/// Blocks above the applied one whose signatures are kept: a consenter is rarely further behind; if it is, it asks.
const EARLY_BLOCKS: u64 = 64;

/// The signatures of one applied block, and the configuration in force before it, whose consenters sign it.
#[derive(Debug)]
pub struct Collecting {
    /// The signatures.
    pub collector: SignatureCollector,
    /// Whose they are.
    pub in_force: InForce,
}

/// What is being collected.
#[derive(Debug)]
pub struct Shares {
    deliverable: BlockNumber,
    collectors: BTreeMap<BlockNumber, Collecting>,
    early: BTreeMap<BlockNumber, BTreeMap<ConsenterKey, SignatureShare>>,
}

impl Shares {
    /// Nothing collected above `deliverable`.
    pub fn new(deliverable: BlockNumber) -> Self {
        Self { deliverable, collectors: BTreeMap::new(), early: BTreeMap::new() }
    }

    /// The last block that may be delivered.
    pub fn deliverable(&self) -> BlockNumber {
        self.deliverable
    }

    /// Whether signatures of that block are collected now.
    pub fn is_in_window(&self, number: BlockNumber) -> bool {
        number > self.deliverable && number.0 - self.deliverable.0 <= WINDOW_BLOCKS
    }

    /// A block was applied with the own signature; returns what others signed before.
    pub fn applied(
        &mut self,
        number: BlockNumber,
        collecting: Collecting,
    ) -> BTreeMap<ConsenterKey, SignatureShare> {
        if self.is_in_window(number) {
            self.collectors.insert(number, collecting);
        }
        let early = self.early.remove(&number).unwrap_or_default();
        self.early = self.early.split_off(&number);
        early
    }

    /// Keeps a signature of a block that is not applied yet, if it is near; one a consenter and block.
    pub fn keep_early(&mut self, applied: BlockNumber, from: ConsenterKey, share: SignatureShare) {
        if share.number > applied && share.number.0 - applied.0 <= EARLY_BLOCKS {
            self.early.entry(share.number).or_default().insert(from, share);
        }
    }

    /// Whether that block has a collector.
    pub fn has(&self, number: BlockNumber) -> bool {
        self.collectors.contains_key(&number)
    }

    /// Adds a collector.
    pub fn insert(&mut self, number: BlockNumber, collecting: Collecting) {
        self.collectors.insert(number, collecting);
    }

    /// The collector of that block.
    pub fn collector(&mut self, number: BlockNumber) -> Option<&mut Collecting> {
        self.collectors.get_mut(&number)
    }

    /// The block may be delivered, and so may all before it.
    pub fn delivered(&mut self, number: BlockNumber) {
        self.deliverable = number;
        self.collectors.remove(&number);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use protocol::{BlockHash, BlockSignature, Digest};

    use super::*;

    fn share(number: u64) -> SignatureShare {
        let signature = BlockSignature { consenter: 0, signature: Bytes::new() };
        SignatureShare { number: BlockNumber(number), block_hash: BlockHash::ZERO, signature }
    }

    #[test]
    fn early_signatures_are_few_and_near() {
        let mut shares = Shares::new(BlockNumber(0));
        for (number, consenter) in [(10, 0), (11, 0), (11, 0), (74, 1), (75, 1), (u64::MAX, 2)] {
            shares.keep_early(BlockNumber(10), Digest([consenter; 32]), share(number));
        }
        let kept: Vec<_> = shares.early.iter().map(|(number, by)| (number.0, by.len())).collect();
        assert_eq!(kept, [(11, 1), (74, 1)]);
    }

    #[test]
    fn the_window_moves_with_the_deliverable_height() {
        let mut shares = Shares::new(BlockNumber(5));
        let rows = [(5, false), (6, true), (5 + WINDOW_BLOCKS, true), (6 + WINDOW_BLOCKS, false)];
        for (number, verdict) in rows {
            assert_eq!(shares.is_in_window(BlockNumber(number)), verdict, "{number}");
        }
        shares.delivered(BlockNumber(6));
        assert!(shares.is_in_window(BlockNumber(6 + WINDOW_BLOCKS)));
    }
}
