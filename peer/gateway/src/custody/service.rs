//! The service `consilium.Custody`: other peers ask for keys and hand keys over.

use std::sync::Arc;

use protocol::limits::NODE_MESSAGE_BYTES_MAX;
use protocol::{ChannelId, KeyDeposit, KeyRelease, KeyRequest, MspId, SignedRequest, SigningDomain, codec};
use transport::{PeerCertificate, Request, Response, Status};

use super::release::{release, wait_for};
use super::vault::Custody;
use crate::ports::{ChannelLedger, Node};
use crate::signed_request::{ledger_status, now_ms, payload, require_peer, signer};
use crate::trail::{TrailError, origin};

/// Serves keys to the peers of the channel's organisations.
#[derive(Debug)]
pub struct CustodyService<N> {
    node: Arc<N>,
    custody: Arc<Custody>,
}

impl<N: Node> CustodyService<N> {
    /// Serves the keys of `custody` by what `node`'s ledgers say.
    pub const fn new(node: Arc<N>, custody: Arc<Custody>) -> Self {
        Self { node, custody }
    }

    fn ledger(&self, channel: &ChannelId) -> Result<Arc<dyn ChannelLedger>, Status> {
        self.node
            .ledger(channel)
            .ok_or_else(|| Status::not_found(format!("this peer has not joined channel {channel}")))
    }
}

impl<N: Node> transport::services::custody::Custody for CustodyService<N> {
    async fn request(&self, request: Request<SignedRequest>) -> Result<Response<KeyRelease>, Status> {
        let certificate = request.extensions().get::<PeerCertificate>().cloned();
        let signed = request.into_inner();
        let asked: KeyRequest = payload(&signed, SigningDomain::KeyRequest, NODE_MESSAGE_BYTES_MAX)?;
        expect_version("KeyRequest", asked.version)?;
        let ledger = self.ledger(&asked.channel)?;
        let asking = signer(&*ledger, &signed, now_ms())?;
        require_peer(&*ledger, &asking, certificate.as_ref())?;
        for tx_id in [&asked.report_id, &asked.open_tx_id] {
            if let Err(status) = wait_for(&*self.node, &ledger, tx_id).await {
                return Ok(Response::new(KeyRelease::Unavailable(status.message().to_owned())));
            }
        }
        let custody = Arc::clone(&self.custody);
        let answer = blocking(move || release(&*ledger, &custody, asking.msp_id(), &asked)).await?;
        Ok(Response::new(answer))
    }

    async fn deposit(&self, request: Request<SignedRequest>) -> Result<Response<String>, Status> {
        let certificate = request.extensions().get::<PeerCertificate>().cloned();
        let signed = request.into_inner();
        let deposit: KeyDeposit = payload(&signed, SigningDomain::KeyDeposit, NODE_MESSAGE_BYTES_MAX)?;
        expect_version("KeyDeposit", deposit.version)?;
        let ledger = self.ledger(&deposit.channel)?;
        let giving = signer(&*ledger, &signed, now_ms())?;
        require_peer(&*ledger, &giving, certificate.as_ref())?;
        wait_for(&*self.node, &ledger, &deposit.report_id).await?;
        let (custody, own) = (Arc::clone(&self.custody), self.node.msp_id().clone());
        blocking(move || accept(&*ledger, &custody, &own, giving.msp_id(), &deposit)).await?;
        Ok(Response::new("the key is in custody".to_owned()))
    }
}

/// Takes a key into custody: from the report's owner only, and only where the channel wants this custodian.
fn accept(
    ledger: &dyn ChannelLedger,
    custody: &Custody,
    own: &MspId,
    giving: &MspId,
    deposit: &KeyDeposit,
) -> Result<(), Status> {
    let (channel, report_id) = (&deposit.channel, &deposit.report_id);
    let origin = origin(ledger, report_id).map_err(|error| match error {
        TrailError::Ledger(fault) => ledger_status(&fault),
        other => Status::failed_precondition(other.to_string()),
    })?;
    if origin.owner != *giving {
        return Err(Status::permission_denied(format!(
            "report {report_id} belongs to {}; {giving} may not deposit its key",
            origin.owner
        )));
    }
    let bundle = ledger.bundle();
    let is_custodian =
        bundle.config().reports.as_ref().is_some_and(|reports| reports.custodians.contains(own));
    if !is_custodian {
        return Err(Status::failed_precondition(format!("{own} is not a custodian on channel {channel}")));
    }
    let key = custody
        .unwrap(&deposit.key, channel, &origin.record.cid, report_id)
        .map_err(|_| Status::invalid_argument("the key is not sealed to this hospital for this report"))?;
    custody.take(channel, report_id, &origin.record.cid, &key).map_err(|error| {
        tracing::error!(%error, %channel, %report_id, "custody.deposit");
        Status::failed_precondition("the key could not be taken into custody")
    })
}

fn expect_version(type_name: &'static str, version: u16) -> Result<(), Status> {
    codec::expect_version(type_name, version, 1).map_err(|error| Status::invalid_argument(error.to_string()))
}

/// Runs what waits for the disk on a thread that may.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Status> + Send + 'static,
) -> Result<T, Status> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) => {
            tracing::error!(%error, "gateway.blocking_work");
            Err(Status::internal("this peer failed while it served the request"))
        }
    }
}

#[cfg(test)]
mod tests;
