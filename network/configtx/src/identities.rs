//! Remembers which serialised identities chain to the channel's organisations.
//!
//! Checking a certificate costs as much as checking a signature, and the same few certificates stand in every
//! transaction. Expiry and refusals are never remembered. One certificate has many texts, each of which is remembered apart.

use std::sync::Arc;

use msp::{Certified, IdentityRejection, MspSet, VerifiedIdentity};
use protocol::Digest;

use crate::remembered::Remembered;

#[derive(Debug, Default)]
pub(crate) struct KnownIdentities(Remembered<Arc<Certified>>);

impl KnownIdentities {
    pub(crate) fn identify(
        &self,
        msps: &MspSet,
        serialized: &[u8],
        at_ms: u64,
    ) -> Result<VerifiedIdentity, IdentityRejection> {
        let key = Digest::of(serialized);
        if let Some(certified) = self.0.of(&key) {
            return certified.at(at_ms);
        }
        let certified = msps.certify(serialized)?;
        self.0.keep(key, Arc::clone(&certified));
        certified.at(at_ms)
    }
}
