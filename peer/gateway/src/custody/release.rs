//! One release: facts, verdict, log, sealing, in that order.
//!
//! It is the only way by which a key leaves custody, to other hospitals and to the own users alike.

use std::sync::Arc;
use std::time::Duration;

use endorsing::release::{ReleaseRefusal, judge};
use ipfs::wrap_key;
use protocol::{KeyRelease, KeyRequest, MspId, TxId};
use transport::Status;

use super::facts::release_facts;
use super::vault::{Custody, CustodyError};
use crate::ports::{ChannelLedger, Node};
use crate::signed_request::ledger_status;
use crate::trail::{TrailError, origin};

/// How long a request waits for a record that was ordered but is not committed here yet.
const COMMIT_WAIT: Duration = Duration::from_secs(10);

/// Waits, for a bounded time, until a transaction is committed here.
pub(crate) async fn wait_for<N: Node>(
    node: &N,
    ledger: &Arc<dyn ChannelLedger>,
    tx_id: &TxId,
) -> Result<(), Status> {
    if ledger.transaction(tx_id).map_err(|fault| ledger_status(&fault))?.is_some() {
        return Ok(());
    }
    match tokio::time::timeout(COMMIT_WAIT, node.committed(ledger.channel(), tx_id)).await {
        Ok(outcome) => outcome.map(drop),
        Err(_) => Err(Status::unavailable(format!(
            "transaction {tx_id} is not committed at {} yet; ask again",
            node.msp_id()
        ))),
    }
}

/// Releases a report's key to the organisation `asking`, or says why not. Blocks on the disk.
pub(crate) fn release(
    ledger: &dyn ChannelLedger,
    custody: &Custody,
    asking: &MspId,
    request: &KeyRequest,
) -> Result<KeyRelease, Status> {
    let outcome = judged(ledger, custody, asking, request);
    match outcome.and_then(|cid| sealed(ledger, custody, &cid, request)) {
        Ok(release) => Ok(release),
        Err(Stop::Answer(release)) => Ok(release),
        Err(Stop::Fault(status)) => Err(status),
    }
}

enum Stop {
    Answer(KeyRelease),
    Fault(Status),
}

impl From<CustodyError> for Stop {
    fn from(error: CustodyError) -> Self {
        if let CustodyError::ReleasedToAnother { .. } = error {
            return Self::Answer(KeyRelease::Refused(ReleaseRefusal::ReleasedToAnotherKey.to_string()));
        }
        tracing::error!(%error, "custody.release");
        Self::Fault(Status::internal(
            "the key custody of this peer failed; its operator finds the reason in the log",
        ))
    }
}

impl From<TrailError> for Stop {
    fn from(error: TrailError) -> Self {
        match error {
            TrailError::Ledger(fault) => Self::Fault(ledger_status(&fault)),
            TrailError::NotCommitted { .. } => Self::Answer(KeyRelease::Unavailable(error.to_string())),
            TrailError::NotValid { .. } | TrailError::NotAnUpload { .. } | TrailError::Tampered { .. } => {
                Self::Answer(KeyRelease::Refused(error.to_string()))
            }
        }
    }
}

/// The rule over the facts, then the entry in the release log. Returns the recorded CID.
fn judged(
    ledger: &dyn ChannelLedger,
    custody: &Custody,
    asking: &MspId,
    request: &KeyRequest,
) -> Result<String, Stop> {
    let origin = origin(ledger, &request.report_id)?;
    let released_to = custody.released_to(ledger.channel(), &request.open_tx_id)?;
    let facts = release_facts(ledger, request, asking, &origin, released_to)?;
    match judge(&facts) {
        Ok(()) => {}
        Err(refusal @ ReleaseRefusal::NotReached { .. }) => {
            return Err(Stop::Answer(KeyRelease::Unavailable(refusal.to_string())));
        }
        Err(refusal) => return Err(Stop::Answer(KeyRelease::Refused(refusal.to_string()))),
    }
    if !custody.holds(ledger.channel(), &request.report_id)? {
        let text = format!("this peer does not keep the key of report {}", request.report_id);
        return Err(Stop::Answer(KeyRelease::Unavailable(text)));
    }
    // Before the key is even unsealed: a crash from here on leaves a log that knows of more, never of less.
    custody.log_release(ledger.channel(), &request.open_tx_id, facts.recipient_key)?;
    tracing::info!(channel = %ledger.channel(), report_id = %request.report_id, tx_id = %request.open_tx_id, msp_id = %asking, "custody.released");
    Ok(origin.record.cid)
}

/// The key, sealed to the recipient key that the log names.
fn sealed(
    ledger: &dyn ChannelLedger,
    custody: &Custody,
    cid: &str,
    request: &KeyRequest,
) -> Result<KeyRelease, Stop> {
    let channel = ledger.channel();
    let gone = || {
        let text = format!("this peer no longer keeps the key of report {}", request.report_id);
        Stop::Answer(KeyRelease::Unavailable(text))
    };
    // The uploader's client may have written the CID in another base than the record; the reader knows the record.
    let (_, key) = custody.key(channel, &request.report_id)?.ok_or_else(gone)?;
    let recipient = custody.released_to(channel, &request.open_tx_id)?.ok_or_else(gone)?;
    let sealed = wrap_key(&key, recipient.as_bytes(), channel, cid, &request.open_tx_id)
        .map_err(CustodyError::from)?;
    Ok(KeyRelease::Released(sealed))
}

#[cfg(test)]
mod tests;
