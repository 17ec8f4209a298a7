//! How the own peer gets a report's key for an opening: from its own custody, or from custodians in turn.

use std::sync::Arc;

use configtx::ConfigBundle;
use ipfs::DataKey;
use protocol::{KeyRelease, KeyRequest, SealedKey, SigningDomain};
use transport::Status;

use super::holders::custodians_of;
use super::service::Shared;
use crate::custody::{Custody, blocking, custody_status, release};
use crate::ports::{ChannelLedger, Node};
use crate::signed_request::sign;
use crate::trail::Origin;

/// What custodians said, while none has released the key.
#[derive(Default)]
struct Refusals {
    refused: Vec<String>,
    unavailable: Vec<String>,
}

impl Refusals {
    fn into_status(self, request: &KeyRequest) -> Status {
        if self.refused.is_empty() {
            return Status::unavailable(format!(
                "no custodian gave the key of report {}: {}; present the same opening {} again",
                request.report_id,
                self.unavailable.join("; "),
                request.open_tx_id
            ));
        }
        Status::permission_denied(self.refused.join("; "))
    }
}

/// The key of a report, released for an opening of the own hospital.
pub(super) async fn obtain_key<N: Node>(
    shared: &Shared<N>,
    ledger: &Arc<dyn ChannelLedger>,
    origin: &Origin,
    request: &KeyRequest,
) -> Result<DataKey, Status> {
    let bundle = ledger.bundle();
    let mut refusals = Refusals::default();
    let own = shared.node.msp_id();
    for custodian in custodians_of(&bundle, origin) {
        let holds = shared.custody.holds(&request.channel, &request.report_id);
        let is_here = custodian == *own && holds.map_err(|error| custody_status(&error))?;
        let answer = if is_here {
            own_release(shared, ledger, request).await
        } else {
            asked(shared, &bundle, &custodian, request).await
        };
        let text = match answer {
            Ok(KeyRelease::Released(sealed)) => match unwrap(&shared.custody, &sealed, origin, request) {
                Ok(key) => return Ok(key),
                Err(reason) => format!("{custodian}: {reason}"),
            },
            Ok(KeyRelease::Refused(text)) => {
                refusals.refused.push(format!("{custodian}: {text}"));
                continue;
            }
            Ok(KeyRelease::Unavailable(text)) => format!("{custodian}: {text}"),
            Err(status) => format!("{custodian}: {}", status.message()),
        };
        refusals.unavailable.push(text);
    }
    Err(refusals.into_status(request))
}

/// The same release as for any other hospital.
async fn own_release<N: Node>(
    shared: &Shared<N>,
    ledger: &Arc<dyn ChannelLedger>,
    request: &KeyRequest,
) -> Result<KeyRelease, Status> {
    let (custody, own) = (Arc::clone(&shared.custody), shared.node.msp_id().clone());
    let (ledger, request) = (Arc::clone(ledger), request.clone());
    blocking(move || release(&*ledger, &custody, &own, &request)).await
}

async fn asked<N: Node>(
    shared: &Shared<N>,
    bundle: &ConfigBundle,
    custodian: &protocol::MspId,
    request: &KeyRequest,
) -> Result<KeyRelease, Status> {
    let signed = sign(shared.node.signer(), SigningDomain::KeyRequest, request)?;
    let call = shared.peers.request_key(bundle, custodian, signed);
    match tokio::time::timeout(shared.limits.custodian_timeout, call).await {
        Ok(answer) => answer,
        Err(_) => Err(Status::deadline_exceeded("no answer in time")),
    }
}

fn unwrap(
    custody: &Custody,
    sealed: &SealedKey,
    origin: &Origin,
    request: &KeyRequest,
) -> Result<DataKey, &'static str> {
    custody
        .unwrap(sealed, &request.channel, &origin.record.cid, &request.open_tx_id)
        .map_err(|_| "the key that it sent is not sealed to this hospital for this opening")
}
