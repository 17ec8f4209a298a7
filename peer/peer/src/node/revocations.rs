//! The TLS keys of a channel's revoked identities: what a listener must refuse, and a dialler must not believe.
//!
//! Read from the world state when the ledger is opened, and added to by each block that revokes. A TLS key is refused only
//! under the organisation whose identity was revoked: an administrator may write any digest into a record of its own
//! organisation, and must not close another's connections by it.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use configtx::ConfigBundle;
use ledger::{Ledger, LedgerFault};
use protocol::{BlockNumber, Digest, IdentityRecord, IdentityStatus, MspId, codec};
use tokio::sync::watch;
use transport::PeerCertificate;
use validation::ValidatedBlock;

/// Keys that are remembered for one organisation; beyond it those of the oldest revocation are let go. Whoever holds one may
/// then connect again, and still not act: identities are asked of the ledger.
const KEYS_MAX: usize = 50_000;
/// Records that are read at once when a ledger is opened.
const PAGE_RECORDS: usize = 1_000;
/// A record holds one certificate, a few digests and its changes.
const RECORD_BYTES_MAX: usize = 64 << 10;

/// TLS keys with the block that revoked them.
type Keys = BTreeMap<Digest, BlockNumber>;

/// The revoked TLS keys of a channel.
pub struct Revocations {
    keys: RwLock<BTreeMap<MspId, Keys>>,
    /// The last block that revoked somebody while this process lived.
    last: watch::Sender<Option<BlockNumber>>,
}

impl Revocations {
    /// Reads the records of a ledger.
    ///
    /// # Errors
    /// [`LedgerFault`] where the store fails.
    pub fn of(ledger: &Ledger) -> Result<Self, LedgerFault> {
        let revocations = Self { keys: RwLock::default(), last: watch::Sender::new(None) };
        let state = ledger.snapshot();
        let mut from = String::new();
        loop {
            let make = |key: String, _, value: &[u8]| (key, revoked(value));
            let page = state.scan(IdentityRecord::NAMESPACE, (&from, ""), PAGE_RECORDS, make)?;
            let is_last = page.len() < PAGE_RECORDS;
            let Some((key, _)) = page.last() else { break };
            from = format!("{key}\0");
            page.into_iter().filter_map(|(_, record)| record).for_each(|record| revocations.take(&record));
            if is_last {
                break;
            }
        }
        Ok(revocations)
    }

    /// Takes what a block revoked, once it is committed.
    pub fn committed(&self, number: BlockNumber, revoked: &[IdentityRecord]) {
        revoked.iter().for_each(|record| self.take(record));
        if !revoked.is_empty() {
            self.last.send_replace(Some(number));
        }
    }

    /// Whether that block revoked somebody.
    pub fn is_of(&self, number: BlockNumber) -> bool {
        *self.last.borrow() == Some(number)
    }

    /// Follows the blocks that revoke.
    pub fn changes(&self) -> watch::Receiver<Option<BlockNumber>> {
        self.last.subscribe()
    }

    /// The organisation under which the TLS key is revoked.
    pub fn refuses(&self, bundle: &ConfigBundle, certificate: &PeerCertificate) -> Option<MspId> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let mut holding = keys.iter().filter(|(_, keys)| keys.contains_key(&certificate.spki)).peekable();
        holding.peek()?;
        // Who issued the certificate costs a signature, and is asked only about keys that somebody's record holds.
        let issuer = bundle.msps().tls_msp(&certificate.der)?;
        holding.find(|(msp_id, _)| **msp_id == issuer).map(|(msp_id, _)| msp_id.clone())
    }

    fn take(&self, record: &IdentityRecord) {
        let number = record.changed_at.last().copied().unwrap_or_default();
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let keys = keys.entry(record.msp_id.clone()).or_default();
        keys.extend(record.tls_spki.iter().map(|spki| (*spki, number)));
        forget_oldest(keys, KEYS_MAX);
    }
}

/// The records that a block leaves revoked.
pub fn revoked_by(block: &ValidatedBlock) -> Vec<IdentityRecord> {
    let writes = block.writes().iter().filter(|write| write.namespace == IdentityRecord::NAMESPACE);
    writes.filter_map(|write| revoked(write.value.as_deref()?)).collect()
}

fn revoked(value: &[u8]) -> Option<IdentityRecord> {
    let record: IdentityRecord = codec::decode(value, RECORD_BYTES_MAX).ok()?;
    (record.status == IdentityStatus::Revoked).then_some(record)
}

fn forget_oldest(keys: &mut Keys, limit: usize) {
    while keys.len() > limit {
        let Some(oldest) = keys.values().min().copied() else { return };
        keys.retain(|_, number| *number != oldest);
    }
}

#[cfg(test)]
pub(super) mod tests;
