//! The port through which a simulation reads the world state.

use bytes::Bytes;
use protocol::Version;
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
}
