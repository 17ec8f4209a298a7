//! The world state at one height, for simulations and validation, whatever is committed meanwhile.

use std::ops::ControlFlow;

use bytes::Bytes;
use protocol::codec;
use protocol::{IdentityRecord, MspId, Poi, TxId, Version};
use store::{BlockStore, Order, Read, Snapshot, StoreError};

use crate::fault::LedgerFault;
use crate::layout::{self, STATE};
use crate::tx_index::{TransactionLocation, locate};

/// An identity record holds one certificate and a few digests.
const IDENTITY_RECORD_BYTES_MAX: usize = 64 << 10;

/// An owned view of the state, the transaction index and the chain as they are at one height. It may be sent to any
/// thread. Keep it for one simulation or one block: the store cannot drop what it sees.
#[derive(Debug)]
pub struct StateSnapshot {
    blocks: BlockStore<Snapshot>,
}

impl StateSnapshot {
    pub(crate) const fn new(snapshot: Snapshot) -> Self {
        Self { blocks: BlockStore::new(snapshot) }
    }

    /// How many blocks are committed in this view.
    ///
    /// # Errors
    /// [`LedgerFault::Store`].
    pub fn height(&self) -> Result<u64, LedgerFault> {
        Ok(self.blocks.height()?)
    }

    /// The value of a key and the transaction that wrote it.
    ///
    /// # Errors
    /// [`LedgerFault::Store`].
    pub fn get(&self, namespace: &str, key: &str) -> Result<Option<(Bytes, Version)>, LedgerFault> {
        self.value_of(namespace, key, |version, value| (Bytes::copy_from_slice(value), version))
    }

    /// The transaction that wrote the key last; the value is not copied.
    ///
    /// # Errors
    /// [`LedgerFault::Store`].
    pub fn version(&self, namespace: &str, key: &str) -> Result<Option<Version>, LedgerFault> {
        self.value_of(namespace, key, |version, _| version)
    }

    /// At most `limit` keys of a namespace from `start` (inclusive) to `end` (exclusive; empty for no end), ascending by
    /// their bytes, each as `make` shows it.
    ///
    /// # Errors
    /// [`LedgerFault::Store`].
    pub fn scan<T>(
        &self,
        namespace: &str,
        (start, end): (&str, &str),
        limit: usize,
        make: impl Fn(String, Version, &[u8]) -> T,
    ) -> Result<Vec<T>, LedgerFault> {
        let mut found = Vec::new();
        if limit == 0 || namespace.contains('\0') {
            return Ok(found);
        }
        let mut is_readable = true;
        let range = layout::state_range(namespace, start, end);
        self.view().walk(STATE, &range, Order::Ascending, |stored, value| {
            let key = layout::key_of_state_key(namespace, stored);
            let (Some(key), Some((version, value))) = (key, layout::parse_state_value(value)) else {
                is_readable = false;
                return ControlFlow::Break(());
            };
            found.push(make(key.to_owned(), version, value));
            if found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        if is_readable { Ok(found) } else { Err(self.unreadable("a record is no state value")) }
    }

    /// Where a transaction lies.
    ///
    /// # Errors
    /// [`LedgerFault::Store`].
    pub fn transaction(&self, tx_id: &TxId) -> Result<Option<TransactionLocation>, LedgerFault> {
        Ok(locate(&self.blocks, tx_id)?)
    }

    /// Whether a transaction of this id is in the chain, whatever its verdict.
    ///
    /// # Errors
    /// [`LedgerFault::Store`].
    pub fn has_transaction(&self, tx_id: &TxId) -> Result<bool, LedgerFault> {
        Ok(self.transaction(tx_id)?.is_some())
    }

    /// The record of an identity.
    ///
    /// # Errors
    /// [`LedgerFault::Store`].
    pub fn identity(&self, msp_id: &MspId, poi: &Poi) -> Result<Option<IdentityRecord>, LedgerFault> {
        let key = IdentityRecord::key(msp_id, poi);
        let read = |_, value: &[u8]| {
            let record: IdentityRecord = codec::decode(value, IDENTITY_RECORD_BYTES_MAX)?;
            codec::expect_version("IdentityRecord", record.version, IdentityRecord::VERSION)?;
            Ok(record)
        };
        let found = self.value_of(IdentityRecord::NAMESPACE, &key, read)?;
        found.transpose().map_err(|error: codec::DecodeError| self.unreadable(error))
    }

    fn value_of<T>(
        &self,
        namespace: &str,
        key: &str,
        make: impl FnOnce(Version, &[u8]) -> T,
    ) -> Result<Option<T>, LedgerFault> {
        if !layout::is_storable(namespace, key) {
            return Ok(None);
        }
        let found = self.view().inspect(STATE, &layout::state_key(namespace, key), |stored| {
            layout::parse_state_value(stored).map(|(version, value)| make(version, value))
        })?;
        match found {
            Some(None) => Err(self.unreadable("a record is no state value")),
            Some(value) => Ok(value),
            None => Ok(None),
        }
    }

    fn unreadable(&self, reason: impl std::fmt::Display) -> LedgerFault {
        StoreError::unreadable(self.view().path(), STATE, reason).into()
    }

    pub(crate) const fn blocks(&self) -> &BlockStore<Snapshot> {
        &self.blocks
    }

    pub(crate) fn view(&self) -> &Snapshot {
        self.blocks.view()
    }
}
