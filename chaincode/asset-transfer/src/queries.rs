//! Reads for evaluation: an asset's past, and assets by pages, in the JSON of the sample `asset-transfer-ledger-queries`.

use bytes::Bytes;
use serde::Serialize;
use shim::{ChaincodeError, KeyModification, Stub};

use crate::{Asset, json};

/// Changes listed in one call; those are the newest.
const CHANGES_LISTED_MAX: usize = 1_000;
/// Assets of a page.
const PAGE_SIZE_MAX: usize = 10_000;

#[derive(Debug, Serialize)]
struct HistoryRecord {
    /// The asset as the transaction wrote it; where it was deleted, one that has only its id, as in the sample.
    record: Asset,
    #[serde(rename = "txId")]
    tx_id: String,
    timestamp: String,
    #[serde(rename = "isDelete")]
    is_delete: bool,
}

#[derive(Debug, Serialize)]
struct Page {
    records: Vec<Asset>,
    #[serde(rename = "fetchedRecordsCount")]
    fetched_records_count: usize,
    bookmark: String,
}

/// The changes of an asset, the newest first.
pub(crate) fn history(stub: &mut dyn Stub, id: &str) -> Result<Bytes, ChaincodeError> {
    let changes = stub.history_for_key(id, CHANGES_LISTED_MAX)?;
    let records: Result<Vec<HistoryRecord>, ChaincodeError> =
        changes.iter().map(|change| record(id, change)).collect();
    Ok(json(&records?))
}

fn record(id: &str, change: &KeyModification) -> Result<HistoryRecord, ChaincodeError> {
    let deleted = || Asset {
        appraised_value: 0,
        color: String::new(),
        id: id.to_owned(),
        owner: String::new(),
        size: 0,
    };
    Ok(HistoryRecord {
        record: change.value.as_ref().map_or_else(|| Ok(deleted()), |value| parse(id, value))?,
        tx_id: change.tx_id.as_str().to_owned(),
        timestamp: protocol::rfc3339(change.timestamp_ms),
        is_delete: change.value.is_none(),
    })
}

/// One page of the assets of a range.
pub(crate) fn page(
    stub: &mut dyn Stub,
    range: (&str, &str),
    page_size: &str,
    bookmark: &str,
) -> Result<Bytes, ChaincodeError> {
    let size = page_size.parse().ok().filter(|size| (1..=PAGE_SIZE_MAX).contains(size));
    let size = size.ok_or_else(|| {
        ChaincodeError::malformed(format!(
            "page size {page_size:?} is not a number from 1 to {PAGE_SIZE_MAX}"
        ))
    })?;
    let page = stub.state_by_range_with_pagination(range, size, bookmark)?;
    let records: Result<Vec<Asset>, ChaincodeError> =
        page.records.iter().map(|(key, value)| parse(key, value)).collect();
    let records = records?;
    Ok(json(&Page { fetched_records_count: records.len(), records, bookmark: page.bookmark }))
}

fn parse(key: &str, value: &[u8]) -> Result<Asset, ChaincodeError> {
    serde_json::from_slice(value).map_err(|error| ChaincodeError {
        status: 500,
        message: format!("the asset {key} is not readable: {error}"),
    })
}
