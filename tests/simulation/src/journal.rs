//! What happened in a world, in order: each event enters a digest, and is printed where somebody follows one seed.

use std::fmt::Arguments;
use std::sync::{Mutex, PoisonError};

use protocol::Digest;
use sha2::{Digest as _, Sha256};

/// The events of one world.
pub struct Journal {
    hash: Mutex<(Sha256, u64)>,
    is_printed: bool,
}

impl Journal {
    /// No events yet; printed as they come, if wanted.
    #[must_use]
    pub fn new(is_printed: bool) -> Self {
        Self { hash: Mutex::new((Sha256::new(), 0)), is_printed }
    }

    /// Notes an event. Its text holds nothing that differs between two runs of a seed: no key, signature or hash, whose
    /// keys are drawn anew each time.
    pub fn note(&self, at_ms: u64, event: Arguments<'_>) {
        let line = format!("{at_ms:>6} {event}\n");
        let mut hash = self.hash.lock().unwrap_or_else(PoisonError::into_inner);
        hash.0.update(line.as_bytes());
        hash.1 += 1;
        if self.is_printed {
            print!("{line}");
        }
    }

    /// The digest of all events so far, and how many there were.
    #[must_use]
    pub fn digest(&self) -> (Digest, u64) {
        let hash = self.hash.lock().unwrap_or_else(PoisonError::into_inner);
        (Digest(hash.0.clone().finalize().into()), hash.1)
    }
}
