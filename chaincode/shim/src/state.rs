//! The port through which a simulation reads the world state.

use bytes::Bytes;
use protocol::{TxId, Version};
use thiserror::Error;

/// The world state could not be read. The transaction is not judged; the node's disk or data is at fault.
#[derive(Debug, Error, Clone)]
#[error("world state of namespace {namespace:?} is not readable: {cause}")]
pub struct StateFault {
    /// The namespace.
    pub namespace: String,
    /// What the store reported.
    pub cause: String,
}

/// A change of a key by a valid transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyModification {
    /// The transaction.
    pub tx_id: TxId,
    /// What it wrote; `None` where it deleted the key.
    pub value: Option<Bytes>,
    /// The client's clock as it stands in the transaction's header, milliseconds since 1970.
    pub timestamp_ms: u64,
    /// Where the transaction stands.
    pub version: Version,
}

/// Reads committed state. All answers of one reader are of one height or of later ones; what changed meanwhile is found
/// by validation.
pub trait StateReader: Send + Sync {
    /// The value of a key and where it was written.
    ///
    /// # Errors
    /// [`StateFault`] where the store fails.
    fn value(&self, namespace: &str, key: &str) -> Result<Option<(Bytes, Version)>, StateFault>;

    /// At most `limit` keys from `start` (inclusive) to `end` (exclusive; empty for no end), ascending.
    ///
    /// # Errors
    /// [`StateFault`] where the store fails.
    fn values(
        &self,
        namespace: &str,
        start: &str,
        end: &str,
        limit: usize,
    ) -> Result<Vec<(String, Bytes, Version)>, StateFault>;

    /// At most `limit` changes of a key that are older than `before`, the newest first.
    ///
    /// # Errors
    /// [`StateFault`] where the store fails, and for a reader that knows of no history.
    fn history(
        &self,
        namespace: &str,
        key: &str,
        before: Option<Version>,
        limit: usize,
    ) -> Result<Vec<KeyModification>, StateFault> {
        let _ = (key, before, limit);
        Err(StateFault { namespace: namespace.to_owned(), cause: "no history is kept here".to_owned() })
    }
}
