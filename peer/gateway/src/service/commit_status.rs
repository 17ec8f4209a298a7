//! CommitStatus: tells a reader of the channel what became of a transaction, as soon as it is known here.
//!
//! The question is signed, so it is judged before anything is waited for: identity, signature, the policy
//! `/Channel/Application/Readers`, and, where the channel registers identities, that this one is active on the ledger. No
//! wait is without an end: a transaction that was never ordered has no verdict, and whoever is revoked stops to wait.

use std::sync::Arc;

use prost::Message as _;
use protocol::fabric::{CommitStatusRequest, CommitStatusResponse, SignedCommitStatusRequest};
use protocol::limits::NODE_MESSAGE_BYTES_MAX;
use protocol::{ChannelId, TxId};
use tokio::time::timeout_at;
use transport::Status;

use super::endorse::deadline;
use super::reader::check_reader;
use super::upload::UploadCustody;
use super::{Caller, GatewayService};
use crate::ports::{Asker, Node};
use crate::revoked::revocation;

impl<N: Node, C: UploadCustody> GatewayService<N, C> {
    pub(super) async fn status_told(
        &self,
        signed: SignedCommitStatusRequest,
        caller: &Caller,
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
        let ledger = self.joined(&channel, caller)?;
        let question = (&signed.request[..], &signed.signature[..]);
        let reader = check_reader(&*ledger, &ledger.bundle(), &request.identity, question)?;
        drop(ledger);
        let deadline = deadline(self.limits.commit_status, caller.until);
        let asker = Asker::new(&reader, caller.certificate.clone());
        let waiting = async {
            tokio::select! {
                committed = self.node.committed(&channel, &tx_id) => committed,
                revoked = revocation(Arc::clone(&self.node), channel.clone(), asker) => Err(revoked),
            }
        };
        let committed = timeout_at(deadline, waiting).await.map_err(|_| {
            Status::deadline_exceeded(format!("transaction {tx_id} is not committed here yet; ask again"))
        })??;
        Ok(CommitStatusResponse {
            result: i32::from(u8::from(committed.code)),
            block_number: committed.block_number.0,
        })
    }
}
