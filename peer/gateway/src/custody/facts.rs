//! Gathers what the release rule wants to know, from the own blocks and state.

use endorsing::release::{OpeningFacts, ReleaseFacts, ReportAct};
use protocol::{BlockNumber, Digest, KeyRequest, MspId, TxId, Version};
use reports::{Grant, ReportRecord, ReportState, grant_key, opening_key, report_key};
use validation::parse_transaction;

use crate::ports::{ChannelLedger, LedgerFault};
use crate::trail::{Changes, Origin, TrailError, author, changes, committed, reports_set, written};

/// The grants of one report to one organisation.
pub(super) struct GrantTrail {
    /// The last grant.
    pub(super) grant: Option<ReportAct>,
    /// The withdrawals after it.
    pub(super) withdrawals: Vec<ReportAct>,
}

/// The facts about one request.
pub(super) fn release_facts(
    ledger: &dyn ChannelLedger,
    request: &KeyRequest,
    asking: &MspId,
    origin: &Origin,
    released_to: Option<Digest>,
) -> Result<ReleaseFacts, TrailError> {
    let opening = opening(ledger, &request.open_tx_id, &request.report_id)?;
    let GrantTrail { grant, withdrawals } = grant_trail(ledger, &request.report_id, asking)?;
    let configured_key =
        ledger.bundle().organization(asking).and_then(|organization| organization.kem_public_key);
    Ok(ReleaseFacts {
        report_id: request.report_id.clone(),
        owner: origin.owner.clone(),
        height: BlockNumber(ledger.height().saturating_sub(1)),
        asking: asking.clone(),
        // The key is only ever sealed to the configured key; without one the rule refuses, since None is not Some(zero).
        recipient_key: configured_key.unwrap_or(Digest::ZERO),
        configured_key,
        released_to,
        opening,
        grant,
        grant_ends: None,
        withdrawals,
        erasures: erasures(ledger, &request.report_id, origin)?,
    })
}

/// The transaction that is said to record the opening.
fn opening(
    ledger: &dyn ChannelLedger,
    open_tx_id: &TxId,
    report_id: &TxId,
) -> Result<OpeningFacts, TrailError> {
    let Some((at, envelope)) = committed(ledger, open_tx_id)? else {
        return Err(TrailError::NotCommitted {
            tx_id: open_tx_id.clone(),
            channel: ledger.channel().clone(),
        });
    };
    let invalid = || TrailError::NotValid { tx_id: open_tx_id.clone(), code: at.code };
    let transaction = parse_transaction(&envelope).map_err(|_| invalid())?;
    let creator_msp = author(&transaction).ok_or_else(invalid)?.msp_id;
    let names_report = matches!(transaction.args.as_slice(), [function, id, _]
        if function.as_ref() == b"OpenReport" && id.as_ref() == report_id.as_str().as_bytes());
    let key = opening_key(report_id, open_tx_id);
    let records = reports_set(&transaction).and_then(|set| written(set, &key)).is_some_and(Option::is_some);
    Ok(OpeningFacts {
        code: at.code,
        version: Version { block_number: at.block_number, tx_number: at.tx_number },
        creator_msp,
        report_id: (names_report && records).then(|| report_id.clone()),
    })
}

/// The last grant to an organisation and what followed it.
pub(super) fn grant_trail(
    ledger: &dyn ChannelLedger,
    report_id: &TxId,
    to: &MspId,
) -> Result<GrantTrail, TrailError> {
    let mut withdrawals = Vec::new();
    for change in changes(ledger, &grant_key(report_id, to))?.changes {
        let grant = change.value.as_deref().and_then(|value| serde_json::from_slice::<Grant>(value).ok());
        let is_live =
            grant.is_some_and(|grant| grant.live && grant.report_id == *report_id && grant.msp_id == *to);
        // What is no readable grant, or was not what its creator asked for, gives no right and counts as a withdrawal.
        if is_live && change.call.grants(report_id, to) {
            return Ok(GrantTrail { grant: Some(change.act), withdrawals });
        }
        withdrawals.push(change.act);
    }
    Ok(GrantTrail { grant: None, withdrawals })
}

/// Every erasure of a report.
pub(super) fn erasures(
    ledger: &dyn ChannelLedger,
    report_id: &TxId,
    origin: &Origin,
) -> Result<Vec<ReportAct>, TrailError> {
    let key = report_key(report_id);
    let Changes { changes, is_whole } = changes(ledger, &key)?;
    let reaches_upload = changes.last().is_some_and(|change| change.act.version == origin.version);
    // A record that somebody overwrote without reading it may hide the owner's erasure, so nothing is concluded from it.
    if let (false, Some(change)) = (is_whole || reaches_upload, changes.last()) {
        return Err(TrailError::Tampered { key, by: change.act.creator_msp.clone() });
    }
    let erased = changes.into_iter().filter(|change| {
        let record = change.value.as_deref().map(serde_json::from_slice::<ReportRecord>);
        !matches!(record, Some(Ok(record)) if record.state != ReportState::Erased)
    });
    Ok(erased.map(|change| change.act).collect())
}

/// Whether the owner lets an organisation have a report at the own height: its last grant was created by the owner's
/// organisation and not withdrawn by it, and the report is not erased.
pub(crate) fn live_grant(
    ledger: &dyn ChannelLedger,
    report_id: &TxId,
    to: &MspId,
    owner: &MspId,
) -> Result<bool, LedgerFault> {
    let by_owner = |act: &ReportAct| act.creator_was_active && act.creator_msp == *owner;
    match grant_trail(ledger, report_id, to) {
        Ok(GrantTrail { grant: Some(grant), withdrawals }) => {
            Ok(by_owner(&grant) && !withdrawals.iter().any(by_owner))
        }
        Ok(GrantTrail { grant: None, .. }) => Ok(false),
        Err(TrailError::Ledger(fault)) => Err(fault),
        Err(_) => Ok(false),
    }
}

/// Whether the owner erased the report, or its record cannot be trusted.
pub(crate) fn is_erased(
    ledger: &dyn ChannelLedger,
    report_id: &TxId,
    origin: &Origin,
) -> Result<bool, LedgerFault> {
    match erasures(ledger, report_id, origin) {
        Ok(acts) => Ok(acts.iter().any(|act| act.creator_was_active && act.creator_msp == origin.owner)),
        Err(TrailError::Ledger(fault)) => Err(fault),
        Err(_) => Ok(true),
    }
}
