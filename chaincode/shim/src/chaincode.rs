//! The two traits of a chaincode: what it is, and what it may call.

use bytes::Bytes;
use protocol::{ChannelId, ReportsConfig, TxId};
use thiserror::Error;

use crate::invocation::{Creator, Examination};
use crate::state::StateFault;

/// A chaincode: a pure function of its [`Stub`]. It holds no state of its own between runs.
pub trait Chaincode: Send + Sync {
    /// The name under which channels define it; also its namespace.
    fn name(&self) -> &'static str;

    /// Its version; a peer endorses only where the channel's definition names the same.
    fn version(&self) -> &'static str;

    /// Runs one invocation and returns the result's bytes, usually JSON.
    ///
    /// # Errors
    /// [`ChaincodeError`] with a status of 400 and above: the transaction is refused, nothing is written.
    fn invoke(&self, stub: &mut dyn Stub) -> Result<Bytes, ChaincodeError>;
}

/// What a chaincode answers when it refuses. The message goes to the client: it names the value, the rule and the fix, and
/// never a secret.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("chaincode response {status}, {message}")]
pub struct ChaincodeError {
    /// 400 malformed, 403 not allowed, 404 no such thing, 409 exists already, 422 content refused, 500 failed.
    pub status: i32,
    /// For the client.
    pub message: String,
}

impl ChaincodeError {
    /// The arguments are wrong.
    #[must_use]
    pub fn malformed(message: impl Into<String>) -> Self {
        Self { status: 400, message: message.into() }
    }

    /// The creator may not.
    #[must_use]
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self { status: 403, message: message.into() }
    }

    /// There is no such thing.
    #[must_use]
    pub fn not_found(message: impl Into<String>) -> Self {
        Self { status: 404, message: message.into() }
    }

    /// It exists already, or is in a state that forbids the change.
    #[must_use]
    pub fn conflict(message: impl Into<String>) -> Self {
        Self { status: 409, message: message.into() }
    }

    /// The content was examined and refused.
    #[must_use]
    pub fn unacceptable(message: impl Into<String>) -> Self {
        Self { status: 422, message: message.into() }
    }
}

/// Why a call of the stub failed; the chaincode passes it on.
#[derive(Debug, Error, Clone)]
pub enum StubError {
    /// The deadline of the run has passed.
    #[error("the chaincode ran past its deadline")]
    DeadlineExceeded,
    /// The run reads or writes more than one transaction may.
    #[error("the chaincode exceeds the limit of {limit} {what}")]
    OverBudget {
        /// What is counted.
        what: &'static str,
        /// How much is allowed.
        limit: usize,
    },
    /// A key is empty, too long, or holds a zero character at its begin.
    #[error("key {key:?} is not allowed: a key has 1 to 4096 bytes")]
    BadKey {
        /// The key, cut after 64 characters.
        key: String,
    },
    /// The state could not be read.
    #[error(transparent)]
    State(#[from] StateFault),
}

impl From<StubError> for ChaincodeError {
    fn from(error: StubError) -> Self {
        let status = match error {
            StubError::BadKey { .. } => 400,
            StubError::OverBudget { .. } => 413,
            StubError::DeadlineExceeded | StubError::State(_) => 500,
        };
        Self { status, message: error.to_string() }
    }
}

/// What a chaincode may call. Every call checks the run's deadline and budget.
pub trait Stub {
    /// The function's name: the first argument as text, empty where there is none or it is no text.
    fn function(&self) -> &str;

    /// The arguments after the function's name.
    fn args(&self) -> &[Bytes];

    /// The transaction.
    fn tx_id(&self) -> &TxId;

    /// The channel.
    fn channel(&self) -> &ChannelId;

    /// Who asks.
    fn creator(&self) -> &Creator;

    /// The client's clock from the proposal, milliseconds since 1970.
    fn timestamp_ms(&self) -> u64;

    /// A field of the transient data.
    fn transient(&self, name: &str) -> Option<&[u8]>;

    /// The channel's rules for reports.
    fn reports_config(&self) -> Option<&ReportsConfig>;

    /// What the peer found in the report's bytes; `None` where the proposal carries no data key.
    fn examination(&self) -> Option<&Examination>;

    /// The committed value of a key. Writes of this run are not seen.
    ///
    /// # Errors
    /// [`StubError`].
    fn state(&mut self, key: &str) -> Result<Option<Bytes>, StubError>;

    /// Writes a key when the transaction becomes valid.
    ///
    /// # Errors
    /// [`StubError`].
    fn put_state(&mut self, key: &str, value: Bytes) -> Result<(), StubError>;

    /// Deletes a key when the transaction becomes valid.
    ///
    /// # Errors
    /// [`StubError`].
    fn delete_state(&mut self, key: &str) -> Result<(), StubError>;

    /// At most `limit` committed keys from `start` (inclusive) to `end` (exclusive; empty for no end), ascending, with
    /// their values. The range is protected against phantoms.
    ///
    /// # Errors
    /// [`StubError`].
    fn range(&mut self, start: &str, end: &str, limit: usize) -> Result<Vec<(String, Bytes)>, StubError>;

    /// Sets the transaction's event; the last call wins.
    ///
    /// # Errors
    /// [`StubError`].
    fn set_event(&mut self, name: &str, payload: Bytes) -> Result<(), StubError>;
}
