//! Who may have the blocks of a DAG (DESIGN, "Exchange of sealed blocks").
//!
//! For a report on the ledger: its owner, the channel's custodians and holders, and organisations with a live grant of
//! the owner. For an upload under way: the channel's checkers, at the uploader's own hospital, if they show the proposal
//! in which a user of that hospital names the root. A refusal is data: its text goes to the asker.

use bytes::Bytes;
use endorsing::{check_proposal, parse_proposal};
use offchain::Cid;
use prost::Message;
use protocol::fabric::SignedProposal;
use protocol::{FetchReason, MspId, ReportsConfig, TxId};
use transport::Status;

use crate::custody::{is_erased, live_grant};
use crate::ports::ChannelLedger;
use crate::signed_request::{ledger_status, require_active};
use crate::trail::{TrailError, origin};

/// Who asks for what, and why.
#[derive(Clone, Copy)]
pub(super) struct Ask<'a> {
    pub(super) asker: &'a MspId,
    pub(super) root: Cid,
    pub(super) reason: &'a FetchReason,
    pub(super) now_ms: u64,
}

/// Whether the asker may have it; `Err` says why not.
pub(super) type Verdict = Result<(), String>;

/// Whether `asker` may have the DAG of `root`; `Err` in the inner result says why not.
pub(super) fn may_have(ledger: &dyn ChannelLedger, own: &MspId, ask: &Ask<'_>) -> Result<Verdict, Status> {
    let Ask { asker, root, reason, now_ms } = *ask;
    match reason {
        FetchReason::Report(report_id) => of_report(ledger, asker, root, report_id),
        FetchReason::Endorsement(proposal) => {
            Ok(of_upload(ledger, own, proposal, now_ms).and_then(|(uploading, named)| {
                let config = ledger.bundle();
                judge_upload(config.config().reports.as_ref(), own, asker, &uploading, named == Some(root))
            }))
        }
    }
}

fn of_report(
    ledger: &dyn ChannelLedger,
    asker: &MspId,
    root: Cid,
    report_id: &TxId,
) -> Result<Verdict, Status> {
    let origin = match origin(ledger, report_id) {
        Ok(origin) => origin,
        Err(TrailError::Ledger(fault)) => return Err(ledger_status(&fault)),
        Err(other) => return Ok(Err(other.to_string())),
    };
    if origin.cid != root {
        return Ok(Err(format!("report {report_id} has another CID than {root}")));
    }
    if is_erased(ledger, report_id, &origin).map_err(|fault| ledger_status(&fault))? {
        return Ok(Err(format!("report {report_id} was erased")));
    }
    let bundle = ledger.bundle();
    let is_keeper = bundle
        .config()
        .reports
        .as_ref()
        .is_some_and(|reports| reports.custodians.contains(asker) || reports.holders.contains(asker));
    if *asker == origin.owner || is_keeper {
        return Ok(Ok(()));
    }
    let granted =
        live_grant(ledger, report_id, asker, &origin.owner).map_err(|fault| ledger_status(&fault))?;
    Ok(if granted {
        Ok(())
    } else {
        Err(format!(
            "{asker} is neither owner, custodian nor holder of report {report_id} and has no live grant of {}",
            origin.owner
        ))
    })
}

/// The organisation of a proposal's creator and the root that the proposal names.
fn of_upload(
    ledger: &dyn ChannelLedger,
    own: &MspId,
    proposal: &Bytes,
    now_ms: u64,
) -> Result<(MspId, Option<Cid>), String> {
    let signed = SignedProposal::decode(proposal.clone())
        .map_err(|_| "the reason holds no signed proposal".to_owned())?;
    let parsed = parse_proposal(&signed).map_err(|rejection| rejection.to_string())?;
    let named = parsed.transient.get(reports::TRANSIENT_CID);
    let named = named.and_then(|text| std::str::from_utf8(text).ok()).and_then(|text| text.parse().ok());
    let verified = check_proposal(parsed, &signed, &ledger.bundle(), now_ms)
        .map_err(|rejection| format!("the proposal is refused at {own}: {rejection}"))?;
    require_active(ledger, verified.creator()).map_err(|status| status.message().to_owned())?;
    Ok((verified.creator().msp_id().clone(), named))
}

/// The rule for an upload under way.
fn judge_upload(
    reports: Option<&ReportsConfig>,
    own: &MspId,
    asker: &MspId,
    uploading: &MspId,
    names_root: bool,
) -> Result<(), String> {
    if uploading != own {
        return Err(format!(
            "the proposal is of {uploading}; ask its own peer for the sealed bytes, not {own}"
        ));
    }
    if !names_root {
        return Err("the proposal names another CID than the one asked for".to_owned());
    }
    if !reports.is_some_and(|reports| reports.checkers.organizations.contains(asker)) {
        return Err(format!("{asker} is not among the channel's checkers of uploads"));
    }
    Ok(())
}
