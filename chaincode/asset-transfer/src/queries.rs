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
        timestamp: rfc3339(change.timestamp_ms),
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

/// Milliseconds since 1970 in the form of RFC 3339, as Go writes times in JSON. Proleptic Gregorian calendar, days counted
/// from 1 March of year 0.
fn rfc3339(ms: u64) -> String {
    let (seconds, ms) = (ms / 1_000, ms % 1_000);
    let (days, second) = (seconds / 86_400 + 719_468, seconds % 86_400);
    // An era of 400 years has 146,097 days.
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute) = (second / 3_600, second % 3_600 / 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}.{ms:03}Z", second % 60)
}

#[cfg(test)]
mod tests {
    use super::rfc3339;

    #[test]
    fn times_are_those_of_the_calendar() {
        let rows = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_001, "2000-02-29T00:00:00.001Z"),
            (1_709_210_096_789, "2024-02-29T12:34:56.789Z"),
            (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ];
        for (ms, text) in rows {
            assert_eq!(rfc3339(ms), text);
        }
    }
}
