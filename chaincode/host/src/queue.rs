//! A queue that is fair between organisations: each in turn gives one entry, however many it has waiting.

use std::collections::{BTreeMap, VecDeque};

use protocol::MspId;

/// Entries by organisation, served round robin.
pub(crate) struct FairQueue<T> {
    waiting: BTreeMap<MspId, VecDeque<T>>,
    turns: VecDeque<MspId>,
    len: usize,
    capacity: usize,
}

impl<T> FairQueue<T> {
    pub(crate) const fn new(capacity: usize) -> Self {
        Self { waiting: BTreeMap::new(), turns: VecDeque::new(), len: 0, capacity }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Appends an entry of an organisation, or gives it back where the queue is full.
    pub(crate) fn push(&mut self, msp_id: &MspId, entry: T) -> Result<(), T> {
        if self.len >= self.capacity {
            return Err(entry);
        }
        let own = self.waiting.entry(msp_id.clone()).or_default();
        if own.is_empty() {
            self.turns.push_back(msp_id.clone());
        }
        own.push_back(entry);
        self.len += 1;
        Ok(())
    }

    /// Takes the next entry: the oldest of the organisation whose turn it is.
    pub(crate) fn pop(&mut self) -> Option<T> {
        let msp_id = self.turns.pop_front()?;
        let own = self.waiting.get_mut(&msp_id)?;
        let entry = own.pop_front()?;
        self.len -= 1;
        if own.is_empty() {
            self.waiting.remove(&msp_id);
        } else {
            self.turns.push_back(msp_id);
        }
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn organisations_take_turns_and_each_keeps_its_order() {
        let [a, b, c] = ["A", "B", "C"].map(|name| MspId::new(name).expect("valid"));
        let mut queue = FairQueue::new(6);
        for (msp_id, entry) in [(&a, 1), (&a, 2), (&a, 3), (&b, 10), (&c, 20), (&b, 11)] {
            assert_eq!(queue.push(msp_id, entry), Ok(()));
        }
        assert_eq!(queue.push(&c, 21), Err(21), "the queue is full");
        let served: Vec<i32> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(served, [1, 10, 20, 2, 11, 3]);
        assert_eq!(queue.len(), 0);
        assert_eq!(queue.push(&c, 21), Ok(()));
        assert_eq!(queue.pop(), Some(21));
    }
}
