//! The one source of chance: streams of random numbers that a world's seed and a purpose name.
//!
//! Each purpose has a stream of its own, so that one draw more for the network leaves the plan of faults as it was.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use protocol::Digest;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// A stream of random numbers. Clones draw from the same one.
#[derive(Clone)]
pub struct Chance(Arc<Mutex<StdRng>>);

impl Chance {
    /// The stream of that seed and purpose.
    #[must_use]
    pub fn of(seed: u64, purpose: &str) -> Self {
        let start = Digest::of(&[&seed.to_be_bytes()[..], purpose.as_bytes()].concat());
        Self(Arc::new(Mutex::new(StdRng::from_seed(start.0))))
    }

    /// A number from `low` to `high`, both possible.
    #[must_use]
    pub fn between(&self, low: u64, high: u64) -> u64 {
        self.draw().random_range(low..=high)
    }

    /// A place in a list of that length, which is not empty.
    #[must_use]
    pub fn place(&self, length: usize) -> usize {
        self.draw().random_range(0..length)
    }

    /// Whether something happens that happens so often in a thousand times.
    #[must_use]
    pub fn happens(&self, permille: u64) -> bool {
        self.between(1, 1000) <= permille
    }

    /// Milliseconds from `low` to `high`.
    #[must_use]
    pub fn wait(&self, low: u64, high: u64) -> Duration {
        Duration::from_millis(self.between(low, high))
    }

    fn draw(&self) -> MutexGuard<'_, StdRng> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
