//! The custodian's store: keys, releases, deposits that are owed.
//!
//! A key lies on disk only sealed to the hospital's KEM key, whose private part is elsewhere. Everything that a promise
//! rests on is synced before the call returns: a key before its upload is ordered, a release before the key goes out.
//! The store is the caller's; it must be opened with [`CUSTODY_FAMILIES`].

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ipfs::{DataKey, KemPrivateKey, KeyWrapError, unwrap_key, wrap_key};
use protocol::codec::{self, DecodeError};
use protocol::{ChannelId, Digest, MspId, SealedKey, TxId};
use serde::{Deserialize, Serialize};
use store::{Batch, Durability, FamilyKind, FamilySpec, KeyRange, Order, Read, Store, StoreError};
use thiserror::Error;

use super::entry::{self, ENTRY_BYTES_MAX, Entry, VERSION};

pub(super) const KEYS: &str = "custody-keys";
const RELEASES: &str = "custody-releases";
pub(super) const DEPOSITS: &str = "custody-deposits";
pub(super) const PATIENTS: &str = "custody-patients";
/// Reports whose sealed bytes this peer should hold and does not.
pub(super) const WANTED: &str = "custody-wanted";
/// Keyed digests of uploaded files to the CIDs under which they were sealed.
pub(super) const UPLOADS: &str = "custody-uploads";
/// Channel to the first block whose reports were not looked after.
pub(super) const PROGRESS: &str = "custody-progress";

/// The families that the store must be opened with.
pub const CUSTODY_FAMILIES: [FamilySpec; 7] = [
    FamilySpec { name: KEYS, kind: FamilyKind::Small },
    FamilySpec { name: RELEASES, kind: FamilyKind::Small },
    FamilySpec { name: DEPOSITS, kind: FamilyKind::Small },
    FamilySpec { name: PATIENTS, kind: FamilyKind::Small },
    FamilySpec { name: WANTED, kind: FamilyKind::Small },
    FamilySpec { name: PROGRESS, kind: FamilyKind::Small },
    FamilySpec { name: UPLOADS, kind: FamilyKind::Small },
];

/// Why custody failed. No variant holds a key or a patient's name.
#[derive(Debug, Error)]
pub enum CustodyError {
    /// The disk or the database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An entry is not readable.
    #[error("an entry of the key custody is not readable")]
    Unreadable(#[from] DecodeError),
    /// A key could not be sealed to the hospital's KEM key, or not opened with it.
    #[error(
        "the hospital's KEM key does not fit this store: {0}; start the peer with the key that it was created with"
    )]
    Kem(#[from] KeyWrapError),
    /// Another key of the same report is in custody.
    #[error("another data key of report {report_id} is in custody here; it is not replaced")]
    OtherKey {
        /// The report.
        report_id: TxId,
    },
    /// The key was released for the opening to another recipient key.
    #[error("the key was released for opening {open_tx_id} to another recipient key before")]
    ReleasedToAnother {
        /// The opening.
        open_tx_id: TxId,
    },
    /// The operating system gives no randomness.
    #[error("no randomness: {cause}")]
    Randomness {
        /// The system's reason.
        cause: String,
    },
}

#[derive(Serialize, Deserialize)]
pub(super) struct KeyEntry {
    version: u16,
    pub(super) cid: String,
    sealed: SealedKey,
    confirmed: Vec<MspId>,
}

#[derive(Serialize, Deserialize)]
struct ReleaseEntry {
    version: u16,
    recipient: Digest,
}

impl Entry for KeyEntry {
    const NAME: &'static str = "KeyEntry";

    fn version(&self) -> u16 {
        self.version
    }
}

impl Entry for ReleaseEntry {
    const NAME: &'static str = "ReleaseEntry";

    fn version(&self) -> u16 {
        self.version
    }
}

/// A key that another custodian has not acknowledged yet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OwedDeposit {
    /// The channel.
    pub channel: ChannelId,
    /// The report.
    pub report_id: TxId,
    /// The custodian.
    pub to: MspId,
}

/// The keys of a hospital's peer. Clones share them.
#[derive(Clone)]
pub struct Custody {
    pub(super) store: Store,
    kem: KemPrivateKey,
    public: [u8; 32],
    /// Held over every read that decides a write.
    writing: Arc<Mutex<()>>,
}

impl fmt::Debug for Custody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Custody(..)")
    }
}

impl Custody {
    /// Opens the custody in a store that has [`CUSTODY_FAMILIES`], with the hospital's private KEM key.
    ///
    /// # Errors
    /// [`CustodyError::Kem`] where the key is none.
    pub fn open(store: Store, kem: KemPrivateKey) -> Result<Self, CustodyError> {
        let public = kem.public()?;
        Ok(Self { store, kem, public, writing: Arc::default() })
    }

    /// The hospital's public KEM key, as it must stand in channel configuration.
    #[must_use]
    pub const fn public_key(&self) -> Digest {
        Digest(self.public)
    }

    /// Takes a report's key; it is on disk when this returns. The same key again changes nothing.
    ///
    /// # Errors
    /// [`CustodyError::OtherKey`] where another key of the report is here, or the store's fault.
    pub fn take(
        &self,
        channel: &ChannelId,
        report_id: &TxId,
        cid: &str,
        data_key: &DataKey,
    ) -> Result<(), CustodyError> {
        let _writing = self.lock();
        if let Some((standing_cid, standing)) = self.key(channel, report_id)? {
            if standing == *data_key && standing_cid == cid {
                return Ok(());
            }
            return Err(CustodyError::OtherKey { report_id: report_id.clone() });
        }
        let sealed = wrap_key(data_key, &self.public, channel, cid, report_id)?;
        let entry = KeyEntry { version: VERSION, cid: cid.to_owned(), sealed, confirmed: Vec::new() };
        self.put(KEYS, entry_key(channel, report_id, ""), &entry)
    }

    /// Whether the report's key is here.
    ///
    /// # Errors
    /// The store's fault.
    pub fn holds(&self, channel: &ChannelId, report_id: &TxId) -> Result<bool, CustodyError> {
        Ok(self.store.exists(KEYS, &entry_key(channel, report_id, ""))?)
    }

    /// The CID that a report's key opens, and the key. It goes no further than to a sealing under the release rule.
    pub(crate) fn key(
        &self,
        channel: &ChannelId,
        report_id: &TxId,
    ) -> Result<Option<(String, DataKey)>, CustodyError> {
        let Some(entry) = self.entry::<KeyEntry>(KEYS, &entry_key(channel, report_id, ""))? else {
            return Ok(None);
        };
        let data_key = unwrap_key(&entry.sealed, &self.kem, channel, &entry.cid, report_id)?;
        Ok(Some((entry.cid, data_key)))
    }

    /// Opens what another node sealed to this hospital.
    pub(crate) fn unwrap(
        &self,
        sealed: &SealedKey,
        channel: &ChannelId,
        cid: &str,
        tx_id: &TxId,
    ) -> Result<DataKey, CustodyError> {
        Ok(unwrap_key(sealed, &self.kem, channel, cid, tx_id)?)
    }

    /// Removes a report's key and what is owed of it, as after an erasure. The release log stays.
    ///
    /// # Errors
    /// The store's fault.
    pub fn forget(&self, channel: &ChannelId, report_id: &TxId) -> Result<(), CustodyError> {
        let _writing = self.lock();
        let mut batch = Batch::new();
        batch.delete(KEYS, entry_key(channel, report_id, ""));
        for (key, _) in self.store.scan(
            DEPOSITS,
            &KeyRange::prefix(entry_key(channel, report_id, "")),
            Order::Ascending,
            1_024,
        )? {
            batch.delete(DEPOSITS, key);
        }
        Ok(self.store.write(&batch, Durability::Synced)?)
    }

    /// The recipient key to which the key was released for an opening before.
    ///
    /// # Errors
    /// The store's fault.
    pub fn released_to(
        &self,
        channel: &ChannelId,
        open_tx_id: &TxId,
    ) -> Result<Option<Digest>, CustodyError> {
        let entry = self.entry::<ReleaseEntry>(RELEASES, &entry_key(channel, open_tx_id, ""))?;
        Ok(entry.map(|entry| entry.recipient))
    }

    /// Records a release. It is on disk when this returns, so the key may go out then and not before.
    ///
    /// # Errors
    /// [`CustodyError::ReleasedToAnother`] where another recipient key stands there, or the store's fault.
    pub fn log_release(
        &self,
        channel: &ChannelId,
        open_tx_id: &TxId,
        recipient: Digest,
    ) -> Result<(), CustodyError> {
        let _writing = self.lock();
        match self.released_to(channel, open_tx_id)? {
            Some(standing) if standing == recipient => Ok(()),
            Some(_) => Err(CustodyError::ReleasedToAnother { open_tx_id: open_tx_id.clone() }),
            None => {
                let entry = ReleaseEntry { version: VERSION, recipient };
                self.put(RELEASES, entry_key(channel, open_tx_id, ""), &entry)
            }
        }
    }

    /// Notes that custodians must get a key that is here; those who confirmed are passed over. Returns how many are owed.
    ///
    /// # Errors
    /// The store's fault.
    pub fn owe(
        &self,
        channel: &ChannelId,
        report_id: &TxId,
        custodians: &[MspId],
    ) -> Result<usize, CustodyError> {
        let _writing = self.lock();
        let Some(entry) = self.entry::<KeyEntry>(KEYS, &entry_key(channel, report_id, ""))? else {
            return Ok(0);
        };
        let mut batch = Batch::new();
        for to in custodians.iter().filter(|to| !entry.confirmed.contains(to)) {
            let owed = OwedDeposit { channel: channel.clone(), report_id: report_id.clone(), to: to.clone() };
            batch.put(DEPOSITS, entry_key(channel, report_id, to.as_str()), codec::encode(&owed));
        }
        if !batch.is_empty() {
            self.store.write(&batch, Durability::Synced)?;
        }
        Ok(batch.len())
    }

    /// At most `limit` deposits that are owed.
    ///
    /// # Errors
    /// The store's fault.
    pub fn owed(&self, limit: usize) -> Result<Vec<OwedDeposit>, CustodyError> {
        let entries = self.store.scan(DEPOSITS, &KeyRange::all(), Order::Ascending, limit)?;
        entries.iter().map(|(_, value)| Ok(codec::decode(value, ENTRY_BYTES_MAX)?)).collect()
    }

    /// Notes that a custodian has the key.
    ///
    /// # Errors
    /// The store's fault.
    pub fn confirm(&self, deposit: &OwedDeposit) -> Result<(), CustodyError> {
        let OwedDeposit { channel, report_id, to } = deposit;
        let _writing = self.lock();
        let mut batch = Batch::new();
        batch.delete(DEPOSITS, entry_key(channel, report_id, to.as_str()));
        let key = entry_key(channel, report_id, "");
        if let Some(mut entry) = self.entry::<KeyEntry>(KEYS, &key)? {
            if !entry.confirmed.contains(to) {
                entry.confirmed.push(to.clone());
                entry.confirmed.sort();
            }
            batch.put(KEYS, key, codec::encode(&entry));
        }
        Ok(self.store.write(&batch, Durability::Synced)?)
    }

    /// The custodians who confirmed that they have the key, sorted.
    ///
    /// # Errors
    /// The store's fault.
    pub fn confirmed(&self, channel: &ChannelId, report_id: &TxId) -> Result<Vec<MspId>, CustodyError> {
        let entry = self.entry::<KeyEntry>(KEYS, &entry_key(channel, report_id, ""))?;
        Ok(entry.map(|entry| entry.confirmed).unwrap_or_default())
    }

    pub(super) fn seal_to_self(
        &self,
        key: &DataKey,
        purpose: &SecretPurpose,
    ) -> Result<SealedKey, CustodyError> {
        Ok(wrap_key(key, &self.public, &purpose.channel, purpose.label, &purpose.id)?)
    }

    pub(super) fn open_own(
        &self,
        sealed: &SealedKey,
        purpose: &SecretPurpose,
    ) -> Result<DataKey, CustodyError> {
        Ok(unwrap_key(sealed, &self.kem, &purpose.channel, purpose.label, &purpose.id)?)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, ()> {
        // The lock guards no data in memory: what a panic left is what the store holds, which is whole.
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn entry<T: Entry>(
        &self,
        family: &'static str,
        key: &[u8],
    ) -> Result<Option<T>, CustodyError> {
        match self.store.get(family, key)? {
            Some(bytes) => Ok(Some(entry::read(&bytes)?)),
            None => Ok(None),
        }
    }

    pub(super) fn put<T: Serialize>(
        &self,
        family: &'static str,
        key: Vec<u8>,
        value: &T,
    ) -> Result<(), CustodyError> {
        let mut batch = Batch::new();
        batch.put(family, key, codec::encode(value));
        Ok(self.store.write(&batch, Durability::Synced)?)
    }
}

/// What a secret of this peer alone is for: enters the sealing like channel, CID and transaction of a data key.
pub(super) struct SecretPurpose {
    pub(super) channel: ChannelId,
    pub(super) label: &'static str,
    pub(super) id: TxId,
}

/// `transaction 0 channel 0 rest`: neither names nor ids hold a zero byte.
pub(super) fn entry_key(channel: &ChannelId, tx_id: &TxId, rest: &str) -> Vec<u8> {
    [tx_id.as_str().as_bytes(), &[0], channel.as_str().as_bytes(), &[0], rest.as_bytes()].concat()
}

#[cfg(test)]
mod tests;
