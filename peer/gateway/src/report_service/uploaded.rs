//! Whether this hospital uploaded a file before: what custody knows of the file, and what the own ledger says of it.

use std::sync::Arc;

use protocol::{TxId, UploadedBefore, UploadedRequest, codec};
use reports::{ReportRecord, ReportState, cid_key, report_key};
use transport::Status;

use super::service::Shared;
use crate::custody::{blocking, custody_status};
use crate::ports::{ChannelLedger, LedgerFault, Node};
use crate::signed_request::ledger_status;

/// The own reports that hold the file, the newest last. Sealings that never became a report, and reports that were erased,
/// are none.
pub(super) async fn uploaded<N: Node>(
    shared: &Arc<Shared<N>>,
    ledger: Arc<dyn ChannelLedger>,
    asked: UploadedRequest,
) -> Result<Vec<UploadedBefore>, Status> {
    codec::expect_version("UploadedRequest", asked.version, UploadedRequest::VERSION)
        .map_err(|error| Status::invalid_argument(error.to_string()))?;
    let (custody, own) = (Arc::clone(&shared.custody), shared.node.msp_id().clone());
    blocking(move || {
        let cids = custody
            .sealings_of_file(&asked.channel, &asked.digest)
            .map_err(|error| custody_status(&error))?;
        let mut known = Vec::new();
        for cid in cids {
            let record = record_of(&*ledger, &cid).map_err(|fault| ledger_status(&fault))?;
            let record = record.filter(|record| record.owner == own && record.state != ReportState::Erased);
            known.extend(record.map(|record| UploadedBefore {
                report_id: record.report_id,
                uploaded_at_ms: record.uploaded_at_ms,
            }));
        }
        Ok(known)
    })
    .await
}

/// The record of the report with that CID, if there is one that can be read.
fn record_of(ledger: &dyn ChannelLedger, cid: &str) -> Result<Option<ReportRecord>, LedgerFault> {
    let Some((id, _)) = ledger.state(reports::NAME, &cid_key(cid))? else { return Ok(None) };
    let Ok(id) = serde_json::from_slice::<TxId>(&id) else { return Ok(None) };
    let Some((record, _)) = ledger.state(reports::NAME, &report_key(&id))? else { return Ok(None) };
    Ok(serde_json::from_slice(&record).ok())
}
