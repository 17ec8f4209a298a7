//! The port through which validation reads the world state before the block.

use protocol::{IdentityRecord, MspId, Poi, TxId, Version};

/// The state could not be read: a fault of the node, which stops its channel. It is never a verdict.
#[derive(Debug, thiserror::Error)]
#[error("the world state cannot be read: {what}")]
pub struct StateFault {
    /// What was to be read.
    pub what: String,
    /// The cause.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl StateFault {
    /// A fault of the store.
    #[must_use]
    pub fn new(what: impl Into<String>, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self { what: what.into(), source: Some(Box::new(source)) }
    }

    /// Content of the store that cannot be.
    #[must_use]
    pub fn corrupt(what: impl Into<String>) -> Self {
        Self { what: what.into(), source: None }
    }
}

/// Reads one fixed state: that after the block before.
pub trait StateReader {
    /// Where the key was last written; `None` where it does not exist.
    ///
    /// # Errors
    /// [`StateFault`] where the store fails.
    fn version(&self, namespace: &str, key: &str) -> Result<Option<Version>, StateFault>;

    /// The first `limit` keys from `start` (inclusive) to `end` (exclusive; empty for no end), in byte order.
    ///
    /// # Errors
    /// [`StateFault`] where the store fails.
    fn range(
        &self,
        namespace: &str,
        start: &str,
        end: &str,
        limit: usize,
    ) -> Result<Vec<(String, Version)>, StateFault>;

    /// Whether a transaction of that id stands in an earlier block, whatever its code. Only ids of
    /// [`TransactionSummary::tx_id`](crate::TransactionSummary) count: an id that somebody merely wrote into a header
    /// must not forbid its true owner to use it.
    ///
    /// # Errors
    /// [`StateFault`] where the store fails.
    fn has_transaction(&self, tx_id: &TxId) -> Result<bool, StateFault>;

    /// The record of an identity; `None` where it was never registered.
    ///
    /// # Errors
    /// [`StateFault`] where the store fails.
    fn identity(&self, msp_id: &MspId, poi: &Poi) -> Result<Option<IdentityRecord>, StateFault>;
}
