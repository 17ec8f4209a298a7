//! The clocks of the consenters, as far as this node has heard them.
//!
//! A clock is kept as its distance from the own one, measured at the middle of a call and its answer. The median of all
//! known clocks dates the blocks. One that was never heard is left out: a leader has heard a majority before it cuts.
//!
//! Blocks are judged by the furthest that the own clock has been, since time on a ledger never falls: where all clocks were
//! ahead for a while and were set right, the blocks that follow are still dated ahead, and are no forgery.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::consenters::ConsenterKey;

/// The clocks of one channel's consenters.
#[derive(Debug)]
pub struct Clocks {
    own: fn() -> u64,
    offsets_ms: Mutex<BTreeMap<ConsenterKey, i64>>,
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
    pub fn new(own: fn() -> u64, newest_ms: u64) -> Self {
        let furthest = Furthest { seen_ms: newest_ms, at: Instant::now() };
        Self { own, offsets_ms: Mutex::default(), furthest: Mutex::new(furthest) }
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

    /// Consenter `consenter` answered with its clock to a call that left at `sent_ms`, and the answer is here.
    pub fn heard(&self, consenter: ConsenterKey, sent_ms: u64, clock_ms: u64) {
        let now_ms = self.now_ms();
        let middle_ms = sent_ms.saturating_add(now_ms.saturating_sub(sent_ms) / 2);
        let offset_ms = i64::try_from(i128::from(clock_ms) - i128::from(middle_ms)).unwrap_or_default();
        self.offsets_ms.lock().unwrap_or_else(PoisonError::into_inner).insert(consenter, offset_ms);
    }

    /// Forgets the clocks of all but these consenters.
    pub fn keep(&self, consenters: &[ConsenterKey]) {
        let mut offsets = self.offsets_ms.lock().unwrap_or_else(PoisonError::into_inner);
        offsets.retain(|key, _| consenters.contains(key));
    }

    /// All known clocks at this moment, the own one first.
    pub fn clocks_ms(&self) -> Vec<u64> {
        let now_ms = self.now_ms();
        let offsets = self.offsets_ms.lock().unwrap_or_else(PoisonError::into_inner);
        let others = offsets.values().map(|offset_ms| now_ms.saturating_add_signed(*offset_ms));
        std::iter::once(now_ms).chain(others).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use protocol::Digest;

    use super::*;

    #[test]
    fn a_clock_is_kept_as_its_distance_from_the_own_one() {
        let clocks = Clocks::new(|| 10_000, 0);
        let rows: &[(u8, u64, u64, &[u64])] = &[
            // consenter, sent at, its clock, clocks known
            (1, 10_000, 10_000, &[10_000, 10_000]),
            (1, 9_000, 9_500, &[10_000, 10_000]),
            (2, 10_000, 70_000, &[10_000, 10_000, 70_000]),
            (2, 10_000, 0, &[10_000, 10_000, 0]),
            (2, 10_000, u64::MAX, &[10_000, 10_000, 10_000]),
        ];
        for (consenter, sent_ms, clock_ms, verdict) in rows {
            clocks.heard(Digest([*consenter; 32]), *sent_ms, *clock_ms);
            assert_eq!(clocks.clocks_ms(), *verdict, "{consenter} says {clock_ms}");
        }
        clocks.keep(&[Digest([1; 32])]);
        assert_eq!(clocks.clocks_ms(), [10_000, 10_000], "who is no consenter any more dates nothing");
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
