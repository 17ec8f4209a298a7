//! When a block is cut, and what goes into it.
//!
//! Decides over envelopes that passed the filters, in the order of their arrival. A block is cut when the batch is full,
//! when the oldest envelope has waited for the channel's timeout, or, where nothing is in flight in consensus, when the
//! block before it has given it time to fill (Fabric's three limits, and one rule more). An envelope that stands alone, an
//! update of the configuration, closes the batch before it and is the next one.
//!
//! A block costs every node a signature, its check and an fsync, whatever it holds. So a block of several transactions is
//! a sign of load, and gives the next one a few milliseconds for each that it held, at most [`PACE_MS_MAX`]; a block of one
//! gives none. One client that waits for its verdicts waits for no timer, many clients fill blocks.
//!
//! It never reorders, drops or repeats an envelope. Time is an argument; whoever holds the cutter wakes it after
//! [`BlockCutter::wait_ms`].

use std::collections::VecDeque;

use protocol::BatchConfig;

/// The longest time that a block leaves the next one to fill.
const PACE_MS_MAX: u64 = 25;
/// How long a block leaves the next one to fill, for each transaction that it held beside the first.
const PACE_MS_A_TRANSACTION: u64 = 2;

/// Envelopes of one block, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch<T> {
    /// The envelopes with whatever their owner attached to them.
    pub items: Vec<T>,
    /// Their bytes.
    pub bytes: u64,
}

struct Waiting<T> {
    item: T,
    bytes: u64,
    arrived_ms: u64,
    is_alone: bool,
}

/// Collects envelopes and cuts them into batches. `T` is the envelope with what its owner attached to it.
pub struct BlockCutter<T> {
    limits: BatchConfig,
    in_flight_max: usize,
    in_flight: usize,
    is_held: bool,
    waiting: VecDeque<Waiting<T>>,
    waiting_bytes: u64,
    /// How many of those that wait stand alone.
    waiting_alone: usize,
    last_cut: LastCut,
}

/// What the last block leaves to the next one.
#[derive(Clone, Copy, Default)]
struct LastCut {
    at_ms: u64,
    pace_ms: u64,
}

impl LastCut {
    fn of(count: usize, at_ms: u64) -> Self {
        let others = count.saturating_sub(1) as u64;
        Self { at_ms, pace_ms: PACE_MS_MAX.min(others.saturating_mul(PACE_MS_A_TRANSACTION)) }
    }

    /// Whether the next one had its time to fill. A clock that was set back ends the wait.
    fn has_passed(self, now_ms: u64) -> bool {
        now_ms < self.at_ms || now_ms >= self.ends_ms()
    }

    fn ends_ms(self) -> u64 {
        self.at_ms.saturating_add(self.pace_ms)
    }
}

impl<T> BlockCutter<T> {
    /// An empty cutter that lets at most `in_flight_max` blocks be in consensus at a time.
    #[must_use]
    pub fn new(limits: BatchConfig, in_flight_max: usize) -> Self {
        Self {
            limits,
            in_flight_max: in_flight_max.max(1),
            in_flight: 0,
            is_held: false,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            waiting_alone: 0,
            last_cut: LastCut::default(),
        }
    }

    /// Takes an envelope of `bytes` bytes; returns the batches to be proposed now.
    pub fn push(&mut self, item: T, bytes: usize, now_ms: u64) -> Vec<Batch<T>> {
        self.wait(item, bytes, now_ms, false);
        self.cut(now_ms)
    }

    /// Takes an envelope that shares its block with none; returns the batches to be proposed now.
    pub fn push_alone(&mut self, item: T, bytes: usize, now_ms: u64) -> Vec<Batch<T>> {
        self.wait(item, bytes, now_ms, true);
        self.cut(now_ms)
    }

    fn wait(&mut self, item: T, bytes: usize, arrived_ms: u64, is_alone: bool) {
        let bytes = bytes as u64;
        self.waiting_bytes += bytes;
        self.waiting_alone += usize::from(is_alone);
        self.waiting.push_back(Waiting { item, bytes, arrived_ms, is_alone });
    }

    /// Time has passed; returns the batches to be proposed now.
    pub fn tick(&mut self, now_ms: u64) -> Vec<Batch<T>> {
        self.cut(now_ms)
    }

    /// A proposed batch has left consensus, whatever became of it; returns the batches to be proposed now.
    pub fn completed(&mut self, now_ms: u64) -> Vec<Batch<T>> {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.cut(now_ms)
    }

    /// Puts envelopes whose block was dropped back to the front, in their order. Call before [`BlockCutter::completed`].
    /// `is_alone` says of a single one that it shares its block with none.
    pub fn requeue(&mut self, items: Vec<(T, usize)>, now_ms: u64, is_alone: bool) {
        for (item, bytes) in items.into_iter().rev() {
            let bytes = bytes as u64;
            self.waiting_bytes += bytes;
            self.waiting_alone += usize::from(is_alone);
            self.waiting.push_front(Waiting { item, bytes, arrived_ms: now_ms, is_alone });
        }
    }

    /// Gives up: returns all envelopes that wait. What is in flight stays so until [`BlockCutter::completed`].
    pub fn drain(&mut self) -> Vec<T> {
        self.waiting_bytes = 0;
        self.waiting_alone = 0;
        self.waiting.drain(..).map(|waiting| waiting.item).collect()
    }

    /// Whether a batch that was cut is not in consensus yet, since its proof of work is sought or an update has consensus to
    /// itself: a further one would wait behind it, and could as well go on filling here.
    pub fn hold(&mut self, is_held: bool) {
        self.is_held = is_held;
    }

    /// The limits for the blocks to come, after a change of configuration.
    pub fn set_limits(&mut self, limits: BatchConfig) {
        self.limits = limits;
    }

    /// When [`BlockCutter::tick`] is due, by the clock of the arrivals.
    fn deadline_ms(&self) -> Option<u64> {
        if self.is_held || self.in_flight >= self.in_flight_max {
            return None;
        }
        let oldest = self.waiting.front()?;
        let timeout_ms = oldest.arrived_ms.saturating_add(u64::from(self.limits.timeout_ms));
        Some(if self.in_flight == 0 { timeout_ms.min(self.last_cut.ends_ms()) } else { timeout_ms })
    }

    /// How long until [`BlockCutter::tick`] is due; `None` while no envelope waits for a timer. No longer than any timer
    /// lasts: a clock that was set back does not prolong the wait by its step.
    #[must_use]
    pub fn wait_ms(&self, now_ms: u64) -> Option<u64> {
        let longest = if self.in_flight == 0 { PACE_MS_MAX } else { u64::from(self.limits.timeout_ms) };
        Some(self.deadline_ms()?.saturating_sub(now_ms).min(longest))
    }

    /// How many envelopes wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether no envelope waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Bytes of the envelopes that wait.
    #[must_use]
    pub fn waiting_bytes(&self) -> u64 {
        self.waiting_bytes
    }

    /// Batches in consensus.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Whether those that wait do not fill a block: what comes now may still be in the next one.
    #[must_use]
    pub fn has_room(&self) -> bool {
        !self.is_full()
    }

    fn is_full(&self) -> bool {
        self.waiting.len() as u64 >= u64::from(self.limits.max_message_count)
            || self.waiting_bytes >= u64::from(self.limits.preferred_max_bytes)
    }

    fn cut(&mut self, now_ms: u64) -> Vec<Batch<T>> {
        let mut batches = Vec::new();
        while self.is_due(now_ms) {
            let batch = self.take();
            self.last_cut = LastCut::of(batch.items.len(), now_ms);
            batches.push(batch);
            self.in_flight += 1;
        }
        batches
    }

    fn is_due(&self, now_ms: u64) -> bool {
        let Some(oldest) = self.waiting.front() else { return false };
        if self.is_held || self.in_flight >= self.in_flight_max {
            return false;
        }
        // What comes before one that stands alone waits for no company.
        let is_closed = self.waiting_alone > 0;
        let has_waited = now_ms.saturating_sub(oldest.arrived_ms) >= u64::from(self.limits.timeout_ms);
        let is_idle = self.in_flight == 0 && self.last_cut.has_passed(now_ms);
        is_idle || self.is_full() || has_waited || is_closed
    }

    /// The longest prefix that keeps the limits; an envelope over the preferred bytes travels alone, as in Fabric.
    fn take(&mut self) -> Batch<T> {
        let count_max = self.limits.max_message_count.max(1) as usize;
        let preferred = u64::from(self.limits.preferred_max_bytes.min(self.limits.absolute_max_bytes));
        let mut batch = Batch { items: Vec::new(), bytes: 0 };
        while batch.items.len() < count_max {
            let fits = |next: &Waiting<T>| {
                batch.items.is_empty() || (!next.is_alone && batch.bytes + next.bytes <= preferred)
            };
            let Some(next) = self.waiting.pop_front_if(|next| fits(next)) else { break };
            self.waiting_bytes -= next.bytes;
            self.waiting_alone -= usize::from(next.is_alone);
            batch.bytes += next.bytes;
            batch.items.push(next.item);
            if next.is_alone {
                break;
            }
        }
        batch
    }
}

impl<T> std::fmt::Debug for BlockCutter<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlockCutter")
            .field("waiting", &self.waiting.len())
            .field("waiting_bytes", &self.waiting_bytes)
            .field("in_flight", &self.in_flight)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
