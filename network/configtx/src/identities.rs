//! Remembers which serialised identities chain to the channel's organisations.
//!
//! Checking a certificate costs as much as checking a signature, and the same few certificates stand in every
//! transaction. What is remembered depends on the bytes and the configuration only, so the memory lives and ends with its
//! bundle and changes no answer. Expiry and refusals are never remembered.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use msp::{Certified, IdentityRejection, MspSet, VerifiedIdentity};
use protocol::Digest;

/// Identities of one channel that are remembered: far more than act at a time, a few megabytes at most.
const REMEMBERED_MAX: usize = 4_096;

#[derive(Default)]
pub(crate) struct KnownIdentities {
    /// By SHA-256 of the identity: one certificate has many texts, and their size must not count.
    certified: Mutex<BTreeMap<Digest, Arc<Certified>>>,
}

impl KnownIdentities {
    pub(crate) fn identify(
        &self,
        msps: &MspSet,
        serialized: &[u8],
        at_ms: u64,
    ) -> Result<VerifiedIdentity, IdentityRejection> {
        let key = Digest::of(serialized);
        let known = self.lock(|certified| certified.get(&key).cloned());
        if let Some(certified) = known {
            return certified.at(at_ms);
        }
        let certified = msps.certify(serialized)?;
        self.lock(|known| {
            // Starting over is cheaper than knowing who acted last, and as bounded.
            if known.len() >= REMEMBERED_MAX {
                known.clear();
            }
            known.insert(key, Arc::clone(&certified));
        });
        certified.at(at_ms)
    }

    /// The lock is never held while a certificate is checked, so examinations run beside each other.
    fn lock<T>(&self, act: impl FnOnce(&mut BTreeMap<Digest, Arc<Certified>>) -> T) -> T {
        act(&mut self.certified.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for KnownIdentities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KnownIdentities { .. }")
    }
}
