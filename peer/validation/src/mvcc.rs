//! Whether what a transaction read is still so, at the state before it.
//!
//! A read holds if the key's version is the one that was read. A scan holds if scanning the same range gives the same
//! keys with the same versions. Both include the writes of valid transactions earlier in the block. Fabric's rule:
//! `core/ledger/kvledger/txmgmt/validation`.

use protocol::{NamespaceSet, RangeQuery, TxValidationCode, limits::RWSET_ENTRIES_MAX};

use crate::{
    overlay::Overlay,
    parse::Flaw,
    state::{StateFault, StateReader},
};

/// The first conflict of a transaction's reads, then of its scans, namespace by namespace; `None` where all hold.
pub(crate) fn conflict(
    namespaces: &[NamespaceSet],
    overlay: &Overlay,
    state: &dyn StateReader,
) -> Result<Option<Flaw>, StateFault> {
    for set in namespaces {
        let namespace = set.name.as_str();
        for read in &set.reads {
            let found = overlay.version(state, namespace, &read.key)?;
            if found != read.version {
                let reason =
                    format!("a key of namespace {namespace} was at {:?} and is at {found:?}", read.version);
                return Ok(Some(Flaw::new(TxValidationCode::MvccReadConflict, reason)));
            }
        }
        for range in &set.ranges {
            if !holds(namespace, range, overlay, state)? {
                let reason = format!("a scan of namespace {namespace} would give other keys or versions now");
                return Ok(Some(Flaw::new(TxValidationCode::PhantomReadConflict, reason)));
            }
        }
    }
    Ok(None)
}

fn holds(
    namespace: &str,
    range: &RangeQuery,
    overlay: &Overlay,
    state: &dyn StateReader,
) -> Result<bool, StateFault> {
    // A transaction that scanned more than it may write of reads is never repeated in full: it conflicts.
    let bounds = (range.start.as_str(), range.end.as_str());
    let found = overlay.range(state, namespace, bounds, RWSET_ENTRIES_MAX)?;
    Ok(found.is_some_and(|found| RangeQuery::digest_of(&found) == range.digest))
}
