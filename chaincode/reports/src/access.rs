//! Who may open a report: grants, and the record of each opening.

use bytes::Bytes;
use protocol::{MspId, TxId};
use serde::{Serialize, de::DeserializeOwned};
use shim::{ChaincodeError, Stub};

use crate::record::{
    Grant, Opening, ReportPage, ReportRecord, ReportState, grant_key, opening_key, poi_text, range_of,
    report_key,
};

/// Reports, grants or openings listed in one call.
const LISTED_MAX: usize = 10_000;
/// Longest purpose of an opening.
const PURPOSE_CHARS_MAX: usize = 500;

/// The record of a report.
pub(crate) fn read(stub: &mut dyn Stub, report_id: &TxId) -> Result<ReportRecord, ChaincodeError> {
    load(stub, &report_key(report_id))?
        .ok_or_else(|| ChaincodeError::not_found(format!("there is no report {report_id} on this channel")))
}

/// All reports, by id.
pub(crate) fn list(stub: &mut dyn Stub) -> Result<Vec<ReportRecord>, ChaincodeError> {
    scan(stub, "report/")
}

/// One page of the reports, by id. For evaluation, as every read by pages.
pub(crate) fn list_page(
    stub: &mut dyn Stub,
    page_size: &str,
    bookmark: &str,
) -> Result<ReportPage, ChaincodeError> {
    let size = page_size.parse().ok().filter(|size| (1..=LISTED_MAX).contains(size));
    let size = size.ok_or_else(|| {
        ChaincodeError::malformed(format!("page size {page_size:?} is not a number from 1 to {LISTED_MAX}"))
    })?;
    let (start, end) = range_of("report/");
    let page = stub.state_by_range_with_pagination((&start, &end), size, bookmark)?;
    let records: Result<_, _> = page.records.iter().map(|(key, value)| parse(key, value)).collect();
    Ok(ReportPage { records: records?, bookmark: page.bookmark })
}

/// All grants of a report, withdrawn ones included.
pub(crate) fn grants(stub: &mut dyn Stub, report_id: &TxId) -> Result<Vec<Grant>, ChaincodeError> {
    read(stub, report_id)?;
    scan(stub, &format!("grant/{report_id}/"))
}

/// All openings of a report.
pub(crate) fn openings(stub: &mut dyn Stub, report_id: &TxId) -> Result<Vec<Opening>, ChaincodeError> {
    read(stub, report_id)?;
    scan(stub, &format!("open/{report_id}/"))
}

/// Gives or withdraws the right to open. Only the owner's members may.
pub(crate) fn change_grant(
    stub: &mut dyn Stub,
    report_id: &TxId,
    msp_id: &MspId,
    live: bool,
) -> Result<Grant, ChaincodeError> {
    let record = read(stub, report_id)?;
    require_owner(stub, &record)?;
    require_active(&record)?;
    // Read before each change, so that the ledger tells of all changes in their order.
    let standing: Option<Grant> = load(stub, &grant_key(report_id, msp_id))?;
    match (standing.is_some_and(|grant| grant.live), live) {
        (true, true) => {
            let text = format!("report {report_id} is shared with {msp_id} already");
            return Err(ChaincodeError::conflict(text));
        }
        (false, false) => {
            return Err(ChaincodeError::not_found(format!("report {report_id} is not shared with {msp_id}")));
        }
        _ => {}
    }
    share_with(stub, &record, msp_id, live)
}

/// Writes a grant of a report whose owner is the creator.
pub(crate) fn share_with(
    stub: &mut dyn Stub,
    record: &ReportRecord,
    msp_id: &MspId,
    live: bool,
) -> Result<Grant, ChaincodeError> {
    if *msp_id == record.owner {
        return Err(ChaincodeError::malformed(format!("{msp_id} owns the report and needs no grant")));
    }
    let grant = Grant {
        report_id: record.report_id.clone(),
        msp_id: msp_id.clone(),
        live,
        tx_id: stub.tx_id().clone(),
        by_msp: stub.creator().msp_id.clone(),
        by_poi: poi_text(&stub.creator().poi),
    };
    put(stub, &grant_key(&record.report_id, msp_id), &grant)?;
    Ok(grant)
}

/// Records that the creator opens a report: the owner's members may, and those of organisations with a live grant.
pub(crate) fn open(stub: &mut dyn Stub, report_id: &TxId, purpose: &str) -> Result<Opening, ChaincodeError> {
    let purpose = purpose.trim();
    if purpose.is_empty() || purpose.chars().count() > PURPOSE_CHARS_MAX {
        return Err(ChaincodeError::malformed("say why the report is opened, in 1 to 500 characters"));
    }
    let record = read(stub, report_id)?;
    require_active(&record)?;
    let reader = stub.creator().msp_id.clone();
    if reader != record.owner {
        let grant: Option<Grant> = load(stub, &grant_key(report_id, &reader))?;
        if !grant.is_some_and(|grant| grant.live) {
            return Err(ChaincodeError::forbidden(format!(
                "{reader} may not open report {report_id}: its owner {} has not shared it with {reader}",
                record.owner
            )));
        }
    }
    let opening = Opening {
        report_id: report_id.clone(),
        tx_id: stub.tx_id().clone(),
        msp_id: reader,
        poi: poi_text(&stub.creator().poi),
        purpose: purpose.to_owned(),
        opened_at_ms: stub.timestamp_ms(),
    };
    put(stub, &opening_key(report_id, &opening.tx_id), &opening)?;
    Ok(opening)
}

fn require_owner(stub: &dyn Stub, record: &ReportRecord) -> Result<(), ChaincodeError> {
    let asking = &stub.creator().msp_id;
    if *asking == record.owner {
        return Ok(());
    }
    Err(ChaincodeError::forbidden(format!(
        "report {} belongs to {}; {asking} may not share or unshare it",
        record.report_id, record.owner
    )))
}

fn require_active(record: &ReportRecord) -> Result<(), ChaincodeError> {
    if record.state == ReportState::Active {
        return Ok(());
    }
    let state = format!("{:?}", record.state).to_lowercase();
    Err(ChaincodeError::conflict(format!("report {} is {state}", record.report_id)))
}

/// Writes a record as JSON.
pub(crate) fn put<T: Serialize>(stub: &mut dyn Stub, key: &str, value: &T) -> Result<(), ChaincodeError> {
    let json = serde_json::to_vec(value).map_err(|error| ChaincodeError {
        status: 500,
        message: format!("{key} does not serialise: {error}"),
    })?;
    Ok(stub.put_state(key, Bytes::from(json))?)
}

fn load<T: DeserializeOwned>(stub: &mut dyn Stub, key: &str) -> Result<Option<T>, ChaincodeError> {
    match stub.state(key)? {
        Some(value) => parse(key, &value).map(Some),
        None => Ok(None),
    }
}

fn scan<T: DeserializeOwned>(stub: &mut dyn Stub, prefix: &str) -> Result<Vec<T>, ChaincodeError> {
    let (start, end) = range_of(prefix);
    let found = stub.range(&start, &end, LISTED_MAX)?;
    found.iter().map(|(key, value)| parse(key, value)).collect()
}

fn parse<T: DeserializeOwned>(key: &str, value: &[u8]) -> Result<T, ChaincodeError> {
    serde_json::from_slice(value).map_err(|error| ChaincodeError {
        status: 500,
        message: format!("record {key} is not readable: {error}"),
    })
}
