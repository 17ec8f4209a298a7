//! The clocks of the consenters, as far as this node has heard them.
//!
//! A clock is kept as what it said and when, by this process's steady time, taken to be the middle of a call and its answer.
//! So where the own clock is set while the process runs, the others' stay as they are. The median of all known clocks dates
//! the blocks. One that was never heard is left out: a leader has heard a majority before it cuts.
//!
//! Blocks are judged by the furthest that the own clock has been, since time on a ledger never falls: where all clocks were
//! ahead for a while and were set right, the blocks that follow are still dated ahead, and are no forgery.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use crate::consenters::ConsenterKey;

/// What a clock said, and when.
#[derive(Clone, Copy)]
struct Heard {
    clock_ms: u64,
    at: Instant,
}

/// The clocks of one channel's consenters.
pub struct Clocks {
    own: Box<dyn Fn() -> u64 + Send + Sync>,
    heard: Mutex<BTreeMap<ConsenterKey, Heard>>,
    furthest: Mutex<Furthest>,
}

/// Where a clock that is never set back would stand: as far as it was seen, moved on by the time that passed.
#[derive(Clone, Copy, Debug)]
struct Furthest {
    seen_ms: u64,
    at: Instant,
}

impl Furthest {
    fn moved_on(self, now_ms: u64, at: Instant) -> Self {
        let passed_ms = u64::try_from(at.saturating_duration_since(self.at).as_millis()).unwrap_or(u64::MAX);
        Self { seen_ms: self.seen_ms.saturating_add(passed_ms).max(now_ms), at }
    }
}

/// Milliseconds since 1970 by the system's clock.
pub fn system_clock_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl Clocks {
    /// Only the own clock is known, and the date of the newest block, which a majority has let pass.
    pub fn new(own: impl Fn() -> u64 + Send + Sync + 'static, newest_ms: u64) -> Self {
        let furthest = Furthest { seen_ms: newest_ms, at: Instant::now() };
        Self { own: Box::new(own), heard: Mutex::default(), furthest: Mutex::new(furthest) }
    }

    /// The own clock.
    pub fn now_ms(&self) -> u64 {
        (self.own)()
    }

    /// The furthest that the own clock has been, moved on by the time that passed since.
    pub fn furthest_ms(&self) -> u64 {
        let mut furthest = self.furthest.lock().unwrap_or_else(PoisonError::into_inner);
        *furthest = furthest.moved_on(self.now_ms(), Instant::now());
        furthest.seen_ms
    }

    /// Consenter `consenter` answered with its clock to a call that left at `sent`, and the answer is here.
    pub fn heard(&self, consenter: ConsenterKey, sent: Instant, clock_ms: u64) {
        self.note(consenter, (sent, Instant::now()), clock_ms);
    }

    fn note(&self, consenter: ConsenterKey, (sent, received): (Instant, Instant), clock_ms: u64) {
        let at = sent + received.saturating_duration_since(sent) / 2;
        let heard = Heard { clock_ms, at };
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).insert(consenter, heard);
    }

    /// Forgets the clocks of all but these consenters.
    pub fn keep(&self, consenters: &[ConsenterKey]) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.retain(|key, _| consenters.contains(key));
    }

    /// All known clocks at this moment, the own one first.
    pub fn clocks_ms(&self) -> Vec<u64> {
        self.clocks_at(Instant::now())
    }

    fn clocks_at(&self, now: Instant) -> Vec<u64> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let others = heard.values().map(|heard| {
            let since = now.saturating_duration_since(heard.at);
            heard.clock_ms.saturating_add(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
        });
        std::iter::once(self.now_ms()).chain(others).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use protocol::Digest;

    use super::*;

    #[test]
    fn a_clock_is_kept_as_what_it_said_in_the_middle_of_a_call() {
        let clocks = Clocks::new(|| 10_000, 0);
        let begin = Instant::now();
        let after = |ms| begin + Duration::from_millis(ms);
        let rows: &[(u8, u64, u64, u64, &[u64])] = &[
            // consenter, sent at, its clock, received at and looked at, clocks known
            (1, 0, 10_000, 0, &[10_000, 10_000]),
            (1, 0, 9_500, 1_000, &[10_000, 10_000]),
            (2, 1_000, 70_000, 1_000, &[10_000, 10_000, 70_000]),
            (2, 1_000, 0, 1_000, &[10_000, 10_000, 0]),
            (2, 1_000, u64::MAX, 1_000, &[10_000, 10_000, u64::MAX]),
            (2, 1_000, 5_000, 3_000, &[10_000, 12_000, 6_000]),
        ];
        for (consenter, sent, clock_ms, received, verdict) in rows {
            clocks.note(Digest([*consenter; 32]), (after(*sent), after(*received)), *clock_ms);
            assert_eq!(clocks.clocks_at(after(*received)), *verdict, "{consenter} says {clock_ms}");
        }
        clocks.keep(&[Digest([1; 32])]);
        let known = clocks.clocks_at(after(3_000));
        assert_eq!(known, [10_000, 12_000], "who is no consenter any more dates nothing");
    }

    #[test]
    fn an_own_clock_that_is_set_moves_no_other() {
        let own = Arc::new(AtomicU64::new(10_000));
        let read = Arc::clone(&own);
        let clocks = Clocks::new(move || read.load(Ordering::Relaxed), 0);
        let begin = Instant::now();
        // An hour ahead while the answer is on its way, and again afterwards.
        own.fetch_add(3_600_000, Ordering::Relaxed);
        clocks.note(Digest([1; 32]), (begin, begin), 10_000);
        own.fetch_add(3_600_000, Ordering::Relaxed);
        assert_eq!(clocks.clocks_at(begin), [7_210_000, 10_000]);
    }

    #[test]
    fn a_clock_that_is_set_back_goes_on_from_where_it_was() {
        let begin = Instant::now();
        let mut furthest = Furthest { seen_ms: 5_000, at: begin };
        // after ms, the clock, the furthest
        for (after_ms, now_ms, verdict) in [
            (0, 4_000, 5_000),
            (100, 4_100, 5_100),
            (200, 905_000, 905_000),
            (300, 5_300, 905_100),
            (300, 5_300, 905_100),
            (1_000, 906_000, 906_000),
        ] {
            furthest = furthest.moved_on(now_ms, begin + Duration::from_millis(after_ms));
            assert_eq!(furthest.seen_ms, verdict, "after {after_ms} ms at {now_ms}");
        }
        assert!(Clocks::new(|| 10, 70_000).furthest_ms() >= 70_000, "the newest block's date has been");
    }

    #[test]
    fn the_systems_clock_is_past_2026() {
        assert!(system_clock_ms() > 1_767_225_600_000);
    }
}
