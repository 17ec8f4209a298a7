//! The distribution of a phase's times.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Percentiles in milliseconds, by nearest rank; all zero where nothing was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Percentiles {
    /// Half took at most this.
    pub p50_ms: f64,
    /// 95 of 100 took at most this.
    pub p95_ms: f64,
    /// 99 of 100 took at most this.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

impl Percentiles {
    /// Of times in any order.
    #[must_use]
    pub fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let rank = |percent: usize| {
            let place = (times.len() * percent).div_ceil(100).saturating_sub(1);
            times.get(place).map_or(0.0, |time| time.as_secs_f64() * 1_000.0)
        };
        Self { p50_ms: rank(50), p95_ms: rank(95), p99_ms: rank(99), max_ms: rank(100) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_the_nearest_rank() {
        let millis = |range: std::ops::RangeInclusive<u64>| range.rev().map(Duration::from_millis).collect();
        let rows: [(&str, Vec<Duration>, [f64; 4]); 4] = [
            ("none", Vec::new(), [0.0; 4]),
            ("one", millis(7..=7), [7.0; 4]),
            ("a hundred", millis(1..=100), [50.0, 95.0, 99.0, 100.0]),
            ("three", millis(1..=3), [2.0, 3.0, 3.0, 3.0]),
        ];
        for (name, times, [p50_ms, p95_ms, p99_ms, max_ms]) in rows {
            assert_eq!(Percentiles::of(times), Percentiles { p50_ms, p95_ms, p99_ms, max_ms }, "{name}");
        }
    }
}
