//! The two traits of a chaincode: what it is, and what it may call.

use bytes::Bytes;
use protocol::{ChannelId, MspConfig, ReportsConfig, TxId};
use thiserror::Error;

use crate::composite_key::{create_composite_key, split_composite_key};
use crate::invocation::{Creator, Examination};
use crate::state::{KeyModification, StateFault};

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
    /// A part of a composite key holds one of the two characters that bound such keys.
    #[error(
        "U+{code_point:04X} at byte {place} of a composite key's part is not allowed; U+0000 and U+10FFFF bound the parts"
    )]
    BadAttribute {
        /// Where in the part.
        place: usize,
        /// Which character.
        code_point: u32,
    },
    /// A key is not composite.
    #[error("key {key:?} is no composite key: that begins and ends with U+0000")]
    NotComposite {
        /// The key, cut after 64 characters.
        key: String,
    },
    /// A range of plain keys was to begin with a composite one.
    #[error("{key:?} begins no range of plain keys; composite keys are read by their first parts")]
    CompositeBound {
        /// The key, cut after 64 characters.
        key: String,
    },
    /// A bookmark lies outside its range.
    #[error("bookmark {bookmark:?} is not one of this list; begin again without a bookmark")]
    BadBookmark {
        /// The bookmark, cut after 64 characters.
        bookmark: String,
    },
    /// A run both paged through the state and wrote to it.
    #[error(
        "a transaction that reads by pages writes nothing; evaluate it, and write in another transaction"
    )]
    PagedWrite,
    /// The state could not be read.
    #[error(transparent)]
    State(#[from] StateFault),
}

impl From<StubError> for ChaincodeError {
    fn from(error: StubError) -> Self {
        let status = match error {
            StubError::BadKey { .. }
            | StubError::BadAttribute { .. }
            | StubError::NotComposite { .. }
            | StubError::CompositeBound { .. }
            | StubError::BadBookmark { .. }
            | StubError::PagedWrite => 400,
            StubError::OverBudget { .. } => 413,
            StubError::DeadlineExceeded | StubError::State(_) => 500,
        };
        Self { status, message: error.to_string() }
    }
}

/// A page of a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatePage {
    /// Keys with their values, ascending.
    pub records: Vec<(String, Bytes)>,
    /// Where the next page begins; empty where this is the last one.
    pub bookmark: String,
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

    /// The version of the chaincode that the channel runs.
    fn version(&self) -> &str;

    /// Who asks.
    fn creator(&self) -> &Creator;

    /// The client's clock from the proposal, milliseconds since 1970.
    fn timestamp_ms(&self) -> u64;

    /// A field of the transient data.
    fn transient(&self, name: &str) -> Option<&[u8]>;

    /// The channel's rules for reports.
    fn reports_config(&self) -> Option<&ReportsConfig>;

    /// The creator's organisation as the channel's configuration has it; `None` for all but the system chaincode.
    fn organization(&self) -> Option<&MspConfig>;

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

    /// At most `limit` committed plain keys from `start` (inclusive; empty for the first) to `end` (exclusive; empty for no
    /// end), ascending, with their values. The range is protected against phantoms.
    ///
    /// # Errors
    /// [`StubError`].
    fn range(&mut self, start: &str, end: &str, limit: usize) -> Result<Vec<(String, Bytes)>, StubError>;

    /// The same range by pages: at most `page_size` keys from `bookmark` on, or from `start` where that is empty. For runs
    /// that write nothing: between two pages the state may change, so nothing that is written may depend on them.
    ///
    /// # Errors
    /// [`StubError::PagedWrite`] where the run has written; otherwise as a range, and for a bookmark outside of it.
    fn state_by_range_with_pagination(
        &mut self,
        range: (&str, &str),
        page_size: usize,
        bookmark: &str,
    ) -> Result<StatePage, StubError>;

    /// At most `limit` committed composite keys that begin with these parts and have more, ascending, with their values.
    /// The range is protected against phantoms.
    ///
    /// # Errors
    /// [`StubError`].
    fn state_by_partial_composite_key(
        &mut self,
        object_type: &str,
        attributes: &[&str],
        limit: usize,
    ) -> Result<Vec<(String, Bytes)>, StubError>;

    /// The composite key of an object type and its attributes.
    ///
    /// # Errors
    /// [`StubError::BadAttribute`].
    fn create_composite_key(&self, object_type: &str, attributes: &[&str]) -> Result<String, StubError> {
        create_composite_key(object_type, attributes)
    }

    /// The object type and the attributes of a composite key.
    ///
    /// # Errors
    /// [`StubError::NotComposite`].
    fn split_composite_key(&self, key: &str) -> Result<(String, Vec<String>), StubError> {
        split_composite_key(key)
    }

    /// At most `limit` committed changes of a key, the newest first. For runs that only read: as in Fabric, the history
    /// enters no read set, so nothing protects what is written on its grounds.
    ///
    /// # Errors
    /// [`StubError`].
    fn history_for_key(&mut self, key: &str, limit: usize) -> Result<Vec<KeyModification>, StubError>;

    /// Sets the transaction's event; the last call wins.
    ///
    /// # Errors
    /// [`StubError`].
    fn set_event(&mut self, name: &str, payload: Bytes) -> Result<(), StubError>;
}
