//! The service `consilium.Custody`: other peers ask for keys and hand keys over.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use protocol::limits::NODE_MESSAGE_BYTES_MAX;
use protocol::{KeyDeposit, KeyRelease, KeyRequest, MspId, SignedRequest, SigningDomain, TxId, codec};
use reports::grant_key;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use transport::{PeerCertificate, Request, Response, Status};

use super::release::{release, wait_for};
use super::vault::Custody;
use crate::ports::{ChannelLedger, LedgerFault, Node};
use crate::signed_request::{ledger_status, now_ms, payload, require_peer, signer};
use crate::trail::{TrailError, origin};

/// Requests of one organisation that wait for a record at a time.
const WAITS_MAX: usize = 32;

/// Serves keys to the peers of the channel's organisations.
#[derive(Debug)]
pub struct CustodyService<N> {
    node: Arc<N>,
    custody: Arc<Custody>,
    waits: Mutex<BTreeMap<MspId, Arc<Semaphore>>>,
}

impl<N: Node> CustodyService<N> {
    /// Serves the keys of `custody` by what `node`'s ledgers say.
    pub const fn new(node: Arc<N>, custody: Arc<Custody>) -> Self {
        Self { node, custody, waits: Mutex::new(BTreeMap::new()) }
    }

    /// A place to wait on an organisation's behalf.
    fn turn(&self, msp_id: &MspId) -> Result<OwnedSemaphorePermit, Status> {
        let mut waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        // Only those under way count; organisations come and go with the configuration.
        waits.retain(|_, places| Arc::strong_count(places) > 1);
        let places = waits.entry(msp_id.clone()).or_insert_with(|| Arc::new(Semaphore::new(WAITS_MAX)));
        Arc::clone(places).try_acquire_owned().map_err(|_| {
            Status::resource_exhausted(format!(
                "{WAITS_MAX} requests of {msp_id} wait here already; ask again"
            ))
        })
    }

    /// Waits for the record of an opening, if the asker may ever get the key; the text says why not.
    async fn opening_committed(
        &self,
        ledger: &Arc<dyn ChannelLedger>,
        asking: &MspId,
        asked: &KeyRequest,
    ) -> Result<(), Status> {
        if ledger.transaction(&asked.open_tx_id).map_err(|fault| ledger_status(&fault))?.is_some() {
            return Ok(());
        }
        if !may_wait(&**ledger, asking, &asked.report_id).map_err(|fault| ledger_status(&fault))? {
            return Err(Status::unavailable(format!(
                "{} knows neither the opening {} nor a grant of report {} to {asking} yet; ask again",
                self.node.msp_id(),
                asked.open_tx_id,
                asked.report_id
            )));
        }
        let _turn = self.turn(asking)?;
        wait_for(&*self.node, ledger, &asked.open_tx_id).await
    }
}

impl<N: Node> transport::services::custody::Custody for CustodyService<N> {
    async fn request(&self, request: Request<SignedRequest>) -> Result<Response<KeyRelease>, Status> {
        let certificate = request.extensions().get::<PeerCertificate>().cloned();
        let signed = request.into_inner();
        let asked: KeyRequest = payload(&signed, SigningDomain::KeyRequest, NODE_MESSAGE_BYTES_MAX)?;
        expect_version("KeyRequest", asked.version)?;
        let ledger = self.node.admit(&asked.channel, certificate.as_ref())?;
        let asking = signer(&*ledger, &signed, now_ms())?;
        require_peer(&*ledger, &asking, certificate.as_ref())?;
        if let Err(status) = self.opening_committed(&ledger, asking.msp_id(), &asked).await {
            return Ok(Response::new(KeyRelease::Unavailable(status.message().to_owned())));
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
        let ledger = self.node.admit(&deposit.channel, certificate.as_ref())?;
        let giving = signer(&*ledger, &signed, now_ms())?;
        require_peer(&*ledger, &giving, certificate.as_ref())?;
        require_custodian(&*ledger, self.node.msp_id())?;
        let turn = self.turn(giving.msp_id())?;
        wait_for(&*self.node, &ledger, &deposit.report_id).await?;
        drop(turn);
        let (custody, own) = (Arc::clone(&self.custody), self.node.msp_id().clone());
        blocking(move || {
            require_custodian(&*ledger, &own)?;
            accept(&*ledger, &custody, giving.msp_id(), &deposit)
        })
        .await?;
        Ok(Response::new("the key is in custody".to_owned()))
    }
}

/// Whether it makes sense to wait for an opening: the report is recorded here, and the asker owns it or has a grant. Cheap,
/// and no verdict: the release rule judges by the blocks.
fn may_wait(ledger: &dyn ChannelLedger, asking: &MspId, report_id: &TxId) -> Result<bool, LedgerFault> {
    match origin(ledger, report_id) {
        Ok(origin) if origin.owner == *asking => Ok(true),
        Ok(_) => Ok(ledger.state(reports::NAME, &grant_key(report_id, asking))?.is_some()),
        Err(TrailError::Ledger(fault)) => Err(fault),
        Err(_) => Ok(false),
    }
}

/// Refuses keys where the channel does not want this custodian.
fn require_custodian(ledger: &dyn ChannelLedger, own: &MspId) -> Result<(), Status> {
    let bundle = ledger.bundle();
    if bundle.config().reports.as_ref().is_some_and(|reports| reports.custodians.contains(own)) {
        return Ok(());
    }
    let channel = ledger.channel();
    Err(Status::failed_precondition(format!("{own} is not a custodian on channel {channel}")))
}

/// Takes a key into custody, from the report's owner only.
fn accept(
    ledger: &dyn ChannelLedger,
    custody: &Custody,
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
