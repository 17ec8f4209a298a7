//! CommitStatus: tells a reader of the channel what became of a transaction, as soon as it is known here.
//!
//! The question is signed, so it is judged before anything is waited for: identity, signature, the policy
//! `/Channel/Application/Readers`, and, where the channel registers identities, that this one is active on the ledger. No
//! wait is without an end: a transaction that was never ordered has no verdict.

use configtx::paths;
use prost::Message as _;
use protocol::fabric::{CommitStatusRequest, CommitStatusResponse, SignedCommitStatusRequest};
use protocol::limits::NODE_MESSAGE_BYTES_MAX;
use protocol::{ChannelId, IdentityRule, IdentityStatus, TxId};
use tokio::time::{Instant, timeout_at};
use transport::Status;

use super::endorse::deadline;
use super::opened::signed_by;
use super::upload::UploadCustody;
use super::{GatewayService, now_ms};
use crate::ports::{ChannelLedger, Node};

impl<N: Node, C: UploadCustody> GatewayService<N, C> {
    pub(super) async fn status_told(
        &self,
        signed: SignedCommitStatusRequest,
        until: Option<Instant>,
    ) -> Result<CommitStatusResponse, Status> {
        if signed.request.len() > NODE_MESSAGE_BYTES_MAX {
            return Err(Status::resource_exhausted("the commit status request is too large"));
        }
        let request = CommitStatusRequest::decode(signed.request.clone())
            .map_err(|_| Status::invalid_argument("invalid status request: it cannot be read"))?;
        let invalid = |error: &dyn std::fmt::Display| {
            Status::invalid_argument(format!("invalid status request: {error}"))
        };
        let channel = ChannelId::new(request.channel_id).map_err(|error| invalid(&error))?;
        let tx_id = TxId::new(request.transaction_id).map_err(|error| invalid(&error))?;
        let ledger = self.joined(&channel)?;
        check_reader(&*ledger, &request.identity, &signed)?;
        drop(ledger);
        let deadline = deadline(self.limits.commit_status, until);
        let committed =
            timeout_at(deadline, self.node.committed(&channel, &tx_id)).await.map_err(|_| {
                Status::deadline_exceeded(format!("transaction {tx_id} is not committed here yet; ask again"))
            })??;
        Ok(CommitStatusResponse {
            result: i32::from(u8::from(committed.code)),
            block_number: committed.block_number.0,
        })
    }
}

fn check_reader(
    ledger: &dyn ChannelLedger,
    identity: &[u8],
    signed: &SignedCommitStatusRequest,
) -> Result<(), Status> {
    let bundle = ledger.bundle();
    let signature = signed_by(&bundle, identity, &signed.request, &signed.signature, now_ms())?;
    let reader = signature.identity().clone();
    let policy = bundle.policy(paths::APPLICATION_READERS).ok_or_else(|| {
        let channel = ledger.channel();
        Status::permission_denied(format!("channel {channel} has no policy {}", paths::APPLICATION_READERS))
    })?;
    let verdict = policy.evaluate(&[signature]);
    if !verdict.satisfied {
        return Err(Status::permission_denied(verdict.explanation.to_string()));
    }
    if bundle.config().identities == IdentityRule::Open {
        return Ok(());
    }
    let record = ledger.identity(reader.msp_id(), &reader.poi()).map_err(|fault| {
        tracing::error!(channel = %fault.channel, cause = %fault.cause, "the ledger cannot be read");
        Status::internal("this peer cannot read its ledger")
    })?;
    let state = match record.map(|record| record.status) {
        Some(IdentityStatus::Active) => return Ok(()),
        Some(_) => "is revoked",
        None => "is not registered",
    };
    Err(Status::permission_denied(format!(
        "identity {}/{} {state} on this channel",
        reader.msp_id(),
        reader.poi()
    )))
}
