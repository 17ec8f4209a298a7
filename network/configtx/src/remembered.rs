//! A bounded memory of what was found out about bytes, by their SHA-256.
//!
//! For answers that depend on the bytes and the configuration only: the memory lives and ends with its bundle, and changes no
//! answer. The bytes themselves are not kept, so that their size does not count.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, PoisonError},
};

use protocol::Digest;

/// Answers that are remembered: of far more identities and connections than one channel has at a time, a few megabytes.
const REMEMBERED_MAX: usize = 4_096;

/// Answers by the digest of what was asked about.
pub(crate) struct Remembered<T>(Mutex<BTreeMap<Digest, T>>);

impl<T: Clone> Remembered<T> {
    /// What was found before.
    pub(crate) fn of(&self, key: &Digest) -> Option<T> {
        self.lock(|answers| answers.get(key).cloned())
    }

    /// Keeps an answer. Starting over is cheaper than knowing what was asked last, and as bounded.
    pub(crate) fn keep(&self, key: Digest, answer: T) {
        self.lock(|answers| {
            if answers.len() >= REMEMBERED_MAX {
                answers.clear();
            }
            answers.insert(key, answer);
        });
    }

    /// The lock is never held while an answer is found, so examinations run beside each other.
    fn lock<R>(&self, act: impl FnOnce(&mut BTreeMap<Digest, T>) -> R) -> R {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<T> Default for Remembered<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> fmt::Debug for Remembered<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Remembered { .. }")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_bounded_and_the_newest_is_there() {
        let remembered = Remembered::default();
        let key = |number: usize| Digest::of(&number.to_be_bytes());
        for number in 0..=REMEMBERED_MAX {
            remembered.keep(key(number), number);
            assert_eq!(remembered.of(&key(number)), Some(number));
        }
        assert_eq!(remembered.of(&key(0)), None, "it started over");
        assert_eq!(remembered.lock(|answers| answers.len()), 1);
    }
}
