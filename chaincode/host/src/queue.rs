//! A queue that is fair between organisations: each in turn gives one entry, however many it has waiting, and none has more
//! than a quarter of the places waiting.

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

    /// Places that one organisation can have.
    const fn share(&self) -> usize {
        let quarter = self.capacity / 4;
        if quarter == 0 { 1 } else { quarter }
    }

    /// Appends an entry of an organisation, or gives it back where the queue is full or the organisation has its share.
    pub(crate) fn push(&mut self, msp_id: &MspId, entry: T) -> Result<(), T> {
        let had = self.waiting.get(msp_id).map_or(0, VecDeque::len);
        if self.len >= self.capacity || had >= self.share() {
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

    /// Keeps the entries that would be served first, as many as `most`, and takes out the others.
    pub(crate) fn keep(&mut self, most: usize) -> Vec<T> {
        if self.len <= most {
            return Vec::new();
        }
        let mut kept = Self::new(self.capacity);
        while kept.len < most {
            let Some(msp_id) = self.turns.front().cloned() else { break };
            let Some(entry) = self.pop() else { break };
            // The share was kept when it came in, and the order of turns is that of service.
            let own = kept.waiting.entry(msp_id.clone()).or_default();
            if own.is_empty() {
                kept.turns.push_back(msp_id);
            }
            own.push_back(entry);
            kept.len += 1;
        }
        let refused = std::iter::from_fn(|| self.pop()).collect();
        *self = kept;
        refused
    }

    /// Takes out the entries of which `is_over` holds, organisation by organisation.
    pub(crate) fn remove(&mut self, mut is_over: impl FnMut(&T) -> bool) -> Vec<T> {
        let mut removed = Vec::new();
        for own in self.waiting.values_mut() {
            let (over, kept): (Vec<T>, Vec<T>) = own.drain(..).partition(&mut is_over);
            own.extend(kept);
            removed.extend(over);
        }
        self.waiting.retain(|_, own| !own.is_empty());
        let waiting = &self.waiting;
        self.turns.retain(|msp_id| waiting.contains_key(msp_id));
        self.len -= removed.len();
        removed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn organisations_take_turns_and_each_keeps_its_order() {
        let [a, b, c] = ["A", "B", "C"].map(|name| MspId::new(name).expect("valid"));
        let mut queue = FairQueue::new(12);
        for (msp_id, entry) in [(&a, 1), (&a, 2), (&a, 3), (&b, 10), (&c, 20), (&b, 11)] {
            assert_eq!(queue.push(msp_id, entry), Ok(()));
        }
        let served: Vec<i32> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(served, [1, 10, 20, 2, 11, 3]);
        assert_eq!(queue.len(), 0);
        assert_eq!(queue.push(&c, 21), Ok(()));
        assert_eq!(queue.pop(), Some(21));
    }

    #[test]
    fn entries_that_are_over_leave_and_the_others_keep_their_turns() {
        let [a, b, c] = ["A", "B", "C"].map(|name| MspId::new(name).expect("valid"));
        let mut queue = FairQueue::new(12);
        for (msp_id, entry) in [(&a, 1), (&b, 10), (&a, 2), (&c, 20), (&b, 11)] {
            assert_eq!(queue.push(msp_id, entry), Ok(()));
        }
        assert_eq!(queue.remove(|entry| [1, 10, 11].contains(entry)), [1, 10, 11]);
        assert_eq!(queue.len(), 2);
        assert_eq!(queue.push(&b, 12), Ok(()));
        assert_eq!(std::iter::from_fn(|| queue.pop()).collect::<Vec<_>>(), [2, 20, 12]);
        assert_eq!((queue.len(), queue.remove(|_| true).len()), (0, 0));
    }

    #[test]
    fn those_who_are_kept_are_the_ones_served_first() {
        // how many may stay, who stays in the order of service, who goes
        type Row<'a> = (usize, &'a [i32], &'a [i32]);
        let rows: [Row<'_>; 4] = [
            (9, &[1, 10, 20, 2, 11, 3], &[]),
            (4, &[1, 10, 20, 2], &[11, 3]),
            (1, &[1], &[10, 20, 2, 11, 3]),
            (0, &[], &[1, 10, 20, 2, 11, 3]),
        ];
        for (most, stay, go) in rows {
            let [a, b, c] = ["A", "B", "C"].map(|name| MspId::new(name).expect("valid"));
            let mut queue = FairQueue::new(12);
            for (msp_id, entry) in [(&a, 1), (&a, 2), (&a, 3), (&b, 10), (&c, 20), (&b, 11)] {
                assert_eq!(queue.push(msp_id, entry), Ok(()));
            }
            assert_eq!(queue.keep(most), go, "{most}");
            assert_eq!(queue.len(), stay.len(), "{most}");
            assert_eq!(std::iter::from_fn(|| queue.pop()).collect::<Vec<_>>(), stay, "{most}");
            assert_eq!((queue.push(&b, 12), queue.pop()), (Ok(()), Some(12)), "{most}");
        }
    }

    #[test]
    fn no_organisation_has_more_than_a_quarter_and_all_together_no_more_than_all() {
        let names = ["A", "B", "C", "D", "E"].map(|name| MspId::new(name).expect("valid"));
        // capacity, places of each, of all five
        for (capacity, share, all) in [(8, 2, 8), (4, 1, 4), (3, 1, 3), (1, 1, 1), (0, 0, 0), (40, 10, 40)] {
            let mut queue = FairQueue::new(capacity);
            for msp_id in &names {
                let taken = (0..capacity + 2).filter(|entry| queue.push(msp_id, *entry).is_ok()).count();
                assert!(taken <= share, "{capacity}: {taken}");
            }
            assert_eq!(queue.len(), all, "{capacity}");
        }
    }
}
