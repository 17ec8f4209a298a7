//! The owner's side of custody: keys go to the other custodians after the commit, until each has acknowledged.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use ipfs::wrap_key;
use protocol::{KeyDeposit, MspId, SignedRequest, SigningDomain};
use transport::{Code, Status};

use super::service::blocking;
use super::vault::{Custody, CustodyError, OwedDeposit};
use crate::peers::Peers;
use crate::ports::{ChannelLedger, Node};
use crate::signed_request::{ledger_status, sign};
use crate::trail::{TrailError, origin};

/// Deposits of one custodian read at a time.
const PAGE: usize = 256;
/// How long one custodian may take.
const DEPOSIT_TIMEOUT: Duration = Duration::from_secs(30);

/// Tries every deposit that is owed once, custodians beside each other: one that is down delays nobody else, and costs
/// one attempt a round. Returns how many are still owed.
pub(crate) async fn deliver_owed<N: Node>(node: &N, custody: &Arc<Custody>, peers: &dyn Peers) -> usize {
    let round = async {
        let custodians = read(custody, Custody::custodians_owed).await?;
        let deliveries = custodians.iter().map(|to| deliver_to(node, custody, peers, to));
        for outcome in join_all(deliveries).await {
            outcome?;
        }
        read(custody, Custody::owed_count).await
    };
    round.await.unwrap_or_else(|status: Status| {
        tracing::error!(reason = status.message(), "custody.deposits");
        1
    })
}

/// Tries what is owed to one custodian, until it is found not to answer.
async fn deliver_to<N: Node>(
    node: &N,
    custody: &Arc<Custody>,
    peers: &dyn Peers,
    to: &MspId,
) -> Result<(), Status> {
    let mut last: Option<OwedDeposit> = None;
    loop {
        let (custodian, from) = (to.clone(), last.take());
        let page = read(custody, move |custody| custody.owed_to(&custodian, from.as_ref(), PAGE)).await?;
        for deposit in &page {
            let OwedDeposit { channel, report_id, .. } = deposit;
            match deliver(node, custody, peers, deposit).await {
                Ok(()) => tracing::info!(%channel, %report_id, msp_id = %to, "custody.deposited"),
                Err(status) => {
                    tracing::warn!(%channel, %report_id, msp_id = %to, reason = status.message(), "custody.deposit_owed");
                    if is_unreachable(&status) {
                        return Ok(());
                    }
                }
            }
        }
        last = page.into_iter().last();
        if last.is_none() {
            return Ok(());
        }
    }
}

/// Whether the next deposit would meet the same.
fn is_unreachable(status: &Status) -> bool {
    matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted)
}

async fn read<T: Send + 'static>(
    custody: &Arc<Custody>,
    look: impl FnOnce(&Custody) -> Result<T, CustodyError> + Send + 'static,
) -> Result<T, Status> {
    let custody = Arc::clone(custody);
    blocking(move || look(&custody).map_err(|error| Status::internal(error.to_string()))).await
}

async fn deliver<N: Node>(
    node: &N,
    custody: &Arc<Custody>,
    peers: &dyn Peers,
    deposit: &OwedDeposit,
) -> Result<(), Status> {
    let ledger = node
        .ledger(&deposit.channel)
        .ok_or_else(|| Status::failed_precondition("this peer left the channel"))?;
    let bundle = ledger.bundle();
    let request = signed_deposit(node, &*ledger, custody, deposit)?;
    match tokio::time::timeout(DEPOSIT_TIMEOUT, peers.deposit_key(&bundle, &deposit.to, request)).await {
        Ok(answer) => answer.map(drop)?,
        Err(_) => return Err(Status::deadline_exceeded("no answer in time")),
    }
    let (custody, deposit) = (Arc::clone(custody), deposit.clone());
    blocking(move || custody.confirm(&deposit).map_err(|error| Status::internal(error.to_string()))).await
}

fn signed_deposit<N: Node>(
    node: &N,
    ledger: &dyn ChannelLedger,
    custody: &Custody,
    deposit: &OwedDeposit,
) -> Result<SignedRequest, Status> {
    let OwedDeposit { channel, report_id, to } = deposit;
    let origin = origin(ledger, report_id).map_err(|error| match error {
        TrailError::Ledger(fault) => ledger_status(&fault),
        other => Status::failed_precondition(other.to_string()),
    })?;
    let bundle = ledger.bundle();
    let recipient = bundle.organization(to).and_then(|organization| organization.kem_public_key);
    let recipient = recipient.ok_or_else(|| {
        Status::failed_precondition(format!("{to} has no KEM key in the channel configuration"))
    })?;
    let internal = |error: &dyn std::fmt::Display| Status::internal(error.to_string());
    let held = custody.key(channel, report_id).map_err(|error| internal(&error))?;
    let (_, key) = held.ok_or_else(|| Status::failed_precondition("the key is no longer here"))?;
    let key = wrap_key(&key, recipient.as_bytes(), channel, &origin.record.cid, report_id)
        .map_err(|error| internal(&error))?;
    let message = KeyDeposit { version: 1, channel: channel.clone(), report_id: report_id.clone(), key };
    sign(node.signer(), SigningDomain::KeyDeposit, &message)
}

#[cfg(test)]
mod tests;
