//! When a key changed: every valid transaction that wrote or deleted it, newest first.

use std::ops::ControlFlow;

use protocol::Version;
use store::{KeyRange, Order, Read, StoreError};

use crate::layout::{self, HISTORY};

/// A change of a key by one valid transaction. The value stands in the transaction's envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The transaction that changed it.
    pub version: Version,
    /// Whether it deleted the key.
    pub is_delete: bool,
}

pub(crate) const WRITTEN: u8 = 0;
pub(crate) const DELETED: u8 = 1;

/// At most `limit` changes that are older than `before`.
pub(crate) fn read(
    view: &impl Read,
    (namespace, key): (&str, &str),
    before: Option<Version>,
    limit: usize,
) -> Result<Vec<HistoryEntry>, StoreError> {
    let mut entries = Vec::new();
    if limit == 0 || !layout::is_storable(namespace, key) {
        return Ok(entries);
    }
    let mut is_readable = true;
    let range = match before {
        None => KeyRange::prefix(layout::history_prefix(namespace, key)),
        Some(version) => KeyRange::between(
            layout::history_prefix(namespace, key),
            layout::history_key(namespace, key, version),
        ),
    };
    view.walk(HISTORY, &range, Order::Descending, |stored, change| {
        let entry = match (layout::version_of_history_key(stored), change) {
            (Some(version), [WRITTEN]) => HistoryEntry { version, is_delete: false },
            (Some(version), [DELETED]) => HistoryEntry { version, is_delete: true },
            _ => {
                is_readable = false;
                return ControlFlow::Break(());
            }
        };
        entries.push(entry);
        if entries.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    if is_readable {
        Ok(entries)
    } else {
        Err(StoreError::unreadable(view.path(), HISTORY, "a record is no history entry"))
    }
}
