//! A queue for each organisation, read in turns, so that one that never stops delays no other.
//!
//! Each queue is bounded in number and bytes: what does not fit is handed back, and its sender told to come again. An
//! organisation that sends little waits for at most one envelope of each other one. Within a queue the order stays.

use std::collections::{BTreeMap, VecDeque};

/// What one queue holds at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// Envelopes.
    pub count_max: usize,
    /// Their bytes. An empty queue takes one envelope of any size.
    pub bytes_max: usize,
}

/// Queues by `K`, of `T` with their bytes.
#[derive(Debug)]
pub struct FairQueues<K, T> {
    limits: QueueLimits,
    queues: BTreeMap<K, Queue<T>>,
    /// Those that hold something, in the order of their turns.
    turns: VecDeque<K>,
}

#[derive(Debug)]
struct Queue<T> {
    waiting: VecDeque<(T, usize)>,
    bytes: usize,
}

impl<K: Ord + Clone, T> FairQueues<K, T> {
    /// No queue yet.
    #[must_use]
    pub fn new(limits: QueueLimits) -> Self {
        Self { limits, queues: BTreeMap::new(), turns: VecDeque::new() }
    }

    /// Puts `item` at the end of `key`'s queue.
    ///
    /// # Errors
    /// The item, where the queue is full.
    pub fn push(&mut self, key: &K, item: T, bytes: usize) -> Result<(), T> {
        let Some(queue) = self.queues.get_mut(key) else {
            self.queues.insert(key.clone(), Queue { waiting: VecDeque::from([(item, bytes)]), bytes });
            self.turns.push_back(key.clone());
            return Ok(());
        };
        let has_room = queue.waiting.len() < self.limits.count_max
            && queue.bytes.saturating_add(bytes) <= self.limits.bytes_max;
        if !has_room {
            return Err(item);
        }
        queue.bytes += bytes;
        queue.waiting.push_back((item, bytes));
        Ok(())
    }

    /// The first of the queue whose turn it is, with its bytes; the next turn is another queue's.
    pub fn pop(&mut self) -> Option<(T, usize)> {
        let key = self.turns.pop_front()?;
        let queue = self.queues.get_mut(&key)?;
        let (item, bytes) = queue.waiting.pop_front()?;
        queue.bytes -= bytes;
        if queue.waiting.is_empty() {
            // A queue is there only while it holds something, so organisations that left the channel leave nothing.
            self.queues.remove(&key);
        } else {
            self.turns.push_back(key);
        }
        Some((item, bytes))
    }

    /// Everything, in the order of the turns.
    pub fn drain(&mut self) -> Vec<T> {
        std::iter::from_fn(|| self.pop()).map(|(item, _)| item).collect()
    }

    /// How many wait in `key`'s queue.
    #[must_use]
    pub fn waiting_of(&self, key: &K) -> usize {
        self.queues.get(key).map_or(0, |queue| queue.waiting.len())
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: QueueLimits = QueueLimits { count_max: 3, bytes_max: 100 };

    #[test]
    fn each_rule_of_the_queues() {
        // organisation and bytes of what comes; how many are handed back; the organisations in the order of their turns
        type Row<'a> = (&'a str, &'a [(char, usize)], usize, &'a str);
        let rows: &[Row<'_>] = &[
            ("nothing", &[], 0, ""),
            ("one alone has every turn", &[('a', 1), ('a', 1)], 0, "aa"),
            (
                "one that came late waits for one of each other",
                &[('a', 1), ('a', 1), ('a', 1), ('b', 1)],
                0,
                "abaa",
            ),
            ("turns go round", &[('a', 1), ('a', 1), ('b', 1), ('b', 1), ('c', 1), ('a', 1)], 0, "abcaba"),
            ("a full queue is full", &[('a', 1); 4], 1, "aaa"),
            ("and no other is", &[('a', 1), ('a', 1), ('a', 1), ('a', 1), ('b', 1), ('b', 1)], 1, "ababa"),
            ("bytes count", &[('a', 60), ('a', 41), ('a', 40)], 1, "aa"),
            ("an empty queue takes the largest", &[('a', 1_000), ('a', 1), ('b', 1)], 1, "ab"),
        ];
        for (name, coming, refused, order) in rows {
            let mut queues = FairQueues::new(LIMITS);
            let full = coming.iter().filter(|(org, bytes)| queues.push(org, *org, *bytes).is_err()).count();
            assert_eq!(full, *refused, "{name}");
            assert_eq!(queues.drain().into_iter().collect::<String>(), *order, "{name}");
            assert!(queues.is_empty() && queues.queues.is_empty(), "{name}: nothing is left behind");
        }
    }

    proptest! {
        /// Whatever the others send, an organisation's first envelope is among the next ones, one of each.
        #[test]
        fn nobody_waits_for_more_than_one_of_each_other(
            coming in proptest::collection::vec((0_u8..4, 1_usize..60, any::<bool>()), 0..200),
        ) {
            let mut queues = FairQueues::new(LIMITS);
            let (mut pushed, mut popped) = (Vec::new(), Vec::new());
            for (number, (org, bytes, pops)) in coming.into_iter().enumerate() {
                if queues.push(&org, (org, number), bytes).is_ok() {
                    pushed.push((org, number));
                }
                prop_assert!(queues.waiting_of(&org) <= LIMITS.count_max);
                if pops {
                    popped.extend(queues.pop().map(|(item, _)| item));
                }
            }
            let waiting = queues.queues.keys().copied().collect::<Vec<_>>();
            let next: Vec<_> = std::iter::from_fn(|| queues.pop()).map(|(item, _)| item).collect();
            for org in &waiting {
                prop_assert!(next[..waiting.len()].iter().any(|(of, _)| of == org), "{org} has its turn");
            }
            popped.extend(next);
            for org in 0..4 {
                let of = |all: &[(u8, usize)]| all.iter().filter(|(of, _)| *of == org).copied().collect::<Vec<_>>();
                prop_assert_eq!(of(&popped), of(&pushed), "in their order, each once");
            }
        }
    }
}
