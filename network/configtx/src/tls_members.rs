//! Remembers which organisation of the channel issued a TLS certificate.
//!
//! Every request is asked for it, and finding an issuer costs a signature. What is remembered depends on the certificate and
//! the configuration only, so the memory lives and ends with its bundle and changes no answer.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use msp::MspSet;
use protocol::{Digest, MspId};

/// Certificates that are remembered, those of strangers too: far more than connections live at a time.
const REMEMBERED_MAX: usize = 4_096;

#[derive(Default)]
pub(crate) struct TlsMembers {
    /// By SHA-256 of the certificate.
    issuers: Mutex<BTreeMap<Digest, Option<Arc<MspId>>>>,
}

impl TlsMembers {
    pub(crate) fn issuer(&self, msps: &MspSet, certificate: &[u8]) -> Option<Arc<MspId>> {
        let key = Digest::of(certificate);
        let known = self.lock(|issuers| issuers.get(&key).cloned());
        if let Some(issuer) = known {
            return issuer;
        }
        let issuer = msps.tls_msp(certificate).map(Arc::new);
        self.lock(|issuers| {
            // Starting over is cheaper than knowing who called last, and as bounded.
            if issuers.len() >= REMEMBERED_MAX {
                issuers.clear();
            }
            issuers.insert(key, issuer.clone());
        });
        issuer
    }

    /// The lock is never held while a certificate is checked.
    fn lock<T>(&self, act: impl FnOnce(&mut BTreeMap<Digest, Option<Arc<MspId>>>) -> T) -> T {
        act(&mut self.issuers.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for TlsMembers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsMembers { .. }")
    }
}
