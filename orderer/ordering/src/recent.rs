//! Which transactions an orderer has on their way or has seen in a block of late.
//!
//! A client, a gateway or a forwarding orderer repeats a broadcast when the answer is lost. The repetition is not
//! ordered again. The set is bounded: the oldest of the committed ids is forgotten first, and the caller asks its
//! index of blocks for those. A transaction that slips through is harmless: peers mark it as a duplicate.

use std::collections::{BTreeMap, VecDeque};

use protocol::{BlockNumber, TxId};

/// A bounded memory of transaction ids.
#[derive(Debug)]
pub struct RecentTransactions {
    queued: BTreeMap<TxId, u32>,
    committed: BTreeMap<TxId, BlockNumber>,
    order: VecDeque<TxId>,
    committed_max: usize,
}

impl RecentTransactions {
    /// An empty memory of at most `committed_max` committed transactions.
    #[must_use]
    pub fn new(committed_max: usize) -> Self {
        let (queued, committed, order) = (BTreeMap::new(), BTreeMap::new(), VecDeque::new());
        Self { queued, committed, order, committed_max }
    }

    /// Notes that a transaction waits; returns false where it waits already.
    pub fn queue(&mut self, tx_id: &TxId) -> bool {
        let times = self.queued.entry(tx_id.clone()).or_default();
        *times += 1;
        *times == 1
    }

    /// Forgets that a transaction waits, without a block.
    pub fn release(&mut self, tx_id: &TxId) {
        self.queued.remove(tx_id);
    }

    /// Notes that a block holds the transaction.
    pub fn commit(&mut self, tx_id: &TxId, number: BlockNumber) {
        self.queued.remove(tx_id);
        if self.committed.insert(tx_id.clone(), number).is_none() {
            self.order.push_back(tx_id.clone());
        }
        while self.order.len() > self.committed_max {
            if let Some(oldest) = self.order.pop_front() {
                self.committed.remove(&oldest);
            }
        }
    }

    /// The block that holds the transaction, as far as is remembered.
    #[must_use]
    pub fn committed_in(&self, tx_id: &TxId) -> Option<BlockNumber> {
        self.committed.get(tx_id).copied()
    }

    /// Whether the transaction waits.
    #[must_use]
    pub fn is_queued(&self, tx_id: &TxId) -> bool {
        self.queued.contains_key(tx_id)
    }

    /// Forgets everything that waits: the leader has changed.
    pub fn release_all(&mut self) {
        self.queued.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> TxId {
        TxId::of(&[number], b"creator")
    }

    #[test]
    fn a_transaction_is_queued_once_until_it_is_released_or_committed() {
        let mut recent = RecentTransactions::new(10);
        assert!(recent.queue(&id(1)));
        assert!(!recent.queue(&id(1)));
        recent.release(&id(1));
        assert!(recent.queue(&id(1)));
        recent.commit(&id(1), BlockNumber(7));
        assert!(!recent.is_queued(&id(1)));
        assert_eq!(recent.committed_in(&id(1)), Some(BlockNumber(7)));
    }

    #[test]
    fn the_oldest_committed_transaction_is_forgotten_first() {
        let mut recent = RecentTransactions::new(2);
        for number in 1..=3 {
            recent.commit(&id(number), BlockNumber(u64::from(number)));
        }
        assert_eq!(recent.committed_in(&id(1)), None);
        assert_eq!(recent.committed_in(&id(2)), Some(BlockNumber(2)));
        assert_eq!(recent.committed_in(&id(3)), Some(BlockNumber(3)));
        recent.commit(&id(3), BlockNumber(3));
        assert_eq!(recent.committed_in(&id(2)), Some(BlockNumber(2)), "a repetition displaces nothing");
    }

    #[test]
    fn a_change_of_leader_forgets_what_waits_and_keeps_what_is_committed() {
        let mut recent = RecentTransactions::new(2);
        recent.queue(&id(1));
        recent.commit(&id(2), BlockNumber(1));
        recent.release_all();
        assert!(!recent.is_queued(&id(1)));
        assert!(recent.committed_in(&id(2)).is_some());
    }
}
