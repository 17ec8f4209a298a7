//! The TLS keys of a channel's revoked identities: what the channel admits no longer.
//!
//! Read from the world state when the ledger is opened, and added to by each block that revokes. A TLS key is refused only
//! under the organisation whose identity was revoked: an administrator may write any digest into a record of its own
//! organisation, and must not close another's connections by it. Nor another channel's: a connection is closed when no
//! channel admits its key (`Channels::admits`).

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use configtx::ConfigBundle;
use gateway::ports::Standing;
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
    /// The last block that revoked somebody, or changed the configuration, while this process lived.
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

    /// Takes what a block revoked, once it is committed and its configuration in force.
    pub fn committed(&self, number: BlockNumber, revoked: &[IdentityRecord], is_config: bool) {
        revoked.iter().for_each(|record| self.take(record));
        if is_config || !revoked.is_empty() {
            self.last.send_replace(Some(number));
        }
    }

    /// Whether after that block somebody may be admitted no longer.
    pub fn is_of(&self, number: BlockNumber) -> bool {
        *self.last.borrow() == Some(number)
    }

    /// Follows the blocks after which somebody may be admitted no longer.
    pub fn changes(&self) -> watch::Receiver<Option<BlockNumber>> {
        self.last.subscribe()
    }

    /// Whether any organisation's revoked record holds the TLS key.
    pub fn lists(&self, spki: &Digest) -> bool {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.values().any(|keys| keys.contains_key(spki))
    }

    /// How a channel with that configuration takes the TLS key.
    pub fn standing(&self, bundle: &ConfigBundle, certificate: &PeerCertificate) -> Standing {
        let Some(issuer) = bundle.tls_msp(&certificate.der) else { return Standing::Stranger };
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        if keys.get(&*issuer).is_some_and(|keys| keys.contains_key(&certificate.spki)) {
            return Standing::Revoked(issuer);
        }
        Standing::Member
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
