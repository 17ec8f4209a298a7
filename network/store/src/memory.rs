//! A disk in memory, for simulations: it keeps what is written and what is synced apart, and a crash takes the difference.
//!
//! The disk outlives the stores over it, as a real one outlives a process. A batch is applied whole, and what was not
//! synced is lost from its end, as the write-ahead log of a real store loses it. Reads look at one moment, which later
//! writes leave as it was. Whether nodes run on this or on files makes no difference to anything above [`Store`](crate::Store).

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use crate::batch::{Batch, Change, Durability};
use crate::family::FamilySpec;
use crate::key_range::{KeyRange, Order};

/// Keys and values by family.
pub(crate) type Families = BTreeMap<&'static str, BTreeMap<Bytes, Bytes>>;

type Wait = dyn Fn() -> Duration + Send + Sync;

struct State {
    written: Arc<Families>,
    synced: Families,
    /// What leads from the synced state to the written one, in order.
    unsynced: Vec<Batch>,
    /// Counts crashes: whoever opened the disk before one writes no more.
    crashes: u64,
}

/// A disk in memory. Clones are the same disk.
#[derive(Clone)]
pub struct MemoryDisk {
    state: Arc<Mutex<State>>,
    wait: Arc<Wait>,
}

impl MemoryDisk {
    /// An empty disk; `wait` says how long each sync takes, for callers who let simulated time pass.
    pub fn new(wait: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        let state =
            State { written: Arc::default(), synced: Families::new(), unsynced: Vec::new(), crashes: 0 };
        Self { state: Arc::new(Mutex::new(state)), wait: Arc::new(wait) }
    }

    /// Batches that a crash could take.
    #[must_use]
    pub fn unsynced(&self) -> usize {
        self.state().unsynced.len()
    }

    /// A crash: the first `kept` of the batches that were not synced reached the disk, the others are gone. Stores that are
    /// open write no more.
    pub fn crash(&self, kept: usize) {
        let mut state = self.state();
        let State { synced, unsynced, .. } = &mut *state;
        for batch in unsynced.drain(..).take(kept) {
            apply(synced, &batch);
        }
        state.written = Arc::new(state.synced.clone());
        state.crashes += 1;
    }

    pub(crate) fn open(&self, families: &[FamilySpec]) -> MemoryEngine {
        let mut state = self.state();
        for family in families {
            state.synced.entry(family.name).or_default();
            Arc::make_mut(&mut state.written).entry(family.name).or_default();
        }
        MemoryEngine { disk: self.clone(), crashes: state.crashes }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryDisk").field("unsynced", &self.unsynced()).finish_non_exhaustive()
    }
}

/// A disk in memory as one store sees it.
pub(crate) struct MemoryEngine {
    disk: MemoryDisk,
    crashes: u64,
}

impl MemoryEngine {
    /// Applies a batch; `false` where the disk has crashed since this store was opened.
    pub(crate) fn write(&self, batch: &Batch, durability: Durability) -> bool {
        let mut state = self.disk.state();
        if state.crashes != self.crashes {
            return false;
        }
        apply(Arc::make_mut(&mut state.written), batch);
        state.unsynced.push(batch.clone());
        if durability == Durability::Synced {
            let State { synced, unsynced, .. } = &mut *state;
            for batch in unsynced.drain(..) {
                apply(synced, &batch);
            }
        }
        true
    }

    /// This moment.
    pub(crate) fn moment(&self) -> Arc<Families> {
        Arc::clone(&self.disk.state().written)
    }

    /// How long the next sync takes.
    pub(crate) fn wait(&self) -> Duration {
        (self.disk.wait)()
    }
}

fn apply(families: &mut Families, batch: &Batch) {
    for change in batch.changes() {
        let family = families.entry(change.family()).or_default();
        match change {
            Change::Put { key, value, .. } => {
                family.insert(key.clone(), value.clone());
            }
            Change::Delete { key, .. } => {
                family.remove(key);
            }
            Change::DeleteRange { start, end, .. } => family.retain(|key, _| key < start || key >= end),
        }
    }
}

/// The keys and values of a range, in order.
pub(crate) fn range_of<'a>(
    family: &'a BTreeMap<Bytes, Bytes>,
    range: &KeyRange,
    order: Order,
) -> Box<dyn Iterator<Item = (&'a Bytes, &'a Bytes)> + 'a> {
    let start = Bound::Included(Bytes::copy_from_slice(&range.start));
    let end = range.end.as_ref().map_or(Bound::Unbounded, |end| Bound::Excluded(Bytes::copy_from_slice(end)));
    let entries = family.range((start, end));
    match order {
        Order::Ascending => Box::new(entries),
        Order::Descending => Box::new(entries.rev()),
    }
}
