//! Who is asked for the sealed bytes and the key of a report, and in which order.

use configtx::ConfigBundle;
use msp::Signer;
use protocol::{BlockRequest, ChannelId, FetchReason, MspId, SignedRequest, SigningDomain, TxId};
use transport::Status;

use crate::signed_request::sign;
use crate::trail::Origin;

/// Organisations that should hold the sealed bytes: the owner first, then custodians, configured holders and checkers.
pub(crate) fn holders_of(bundle: &ConfigBundle, origin: &Origin) -> Vec<MspId> {
    let mut holders = custodians_of(bundle, origin);
    if let Some(reports) = &bundle.config().reports {
        holders.extend(reports.holders.iter().cloned());
        holders.extend(reports.checkers.organizations.iter().cloned());
    }
    once_each(holders)
}

/// Custodians of the key: the owner first, then those of the record, then those of the configuration in force.
pub(crate) fn custodians_of(bundle: &ConfigBundle, origin: &Origin) -> Vec<MspId> {
    let mut custodians = vec![origin.owner.clone()];
    custodians.extend(origin.record.custodians.iter().cloned());
    if let Some(reports) = &bundle.config().reports {
        custodians.extend(reports.custodians.iter().cloned());
    }
    once_each(custodians)
}

fn once_each(msp_ids: Vec<MspId>) -> Vec<MspId> {
    let mut seen = Vec::with_capacity(msp_ids.len());
    for msp_id in msp_ids {
        if !seen.contains(&msp_id) {
            seen.push(msp_id);
        }
    }
    seen
}

/// The request for a recorded report's blocks, signed by this peer.
pub(crate) fn signed_block_request(
    signer: &dyn Signer,
    channel: &ChannelId,
    report_id: &TxId,
    origin: &Origin,
) -> Result<SignedRequest, Status> {
    let request = BlockRequest {
        version: 1,
        channel: channel.clone(),
        root: origin.cid.to_string(),
        reason: FetchReason::Report(report_id.clone()),
    };
    sign(signer, SigningDomain::BlockRequest, &request)
}
