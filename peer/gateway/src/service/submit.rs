//! Submit: hands a signed transaction to the orderers; an answer means that it is ordered, not yet that it is valid.
//!
//! The creator's signature and registration are checked here, so that nobody spends the hospital's place in the orderers'
//! queues, and an upload goes out only while its data key is in custody: a report that nobody can ever open must not be recorded.

use protocol::fabric::{self, ErrorDetail, SubmitRequest, SubmitResponse};
use transport::{Code, Status, error_details};

use super::endorse::deadline;
use super::opened::{open_envelope, signed_by};
use super::remote::BroadcastVerdict;
use super::slots::with_pushback;
use super::upload::{UploadCustody, is_same_cid};
use super::{Caller, GatewayService, now_ms};
use crate::ports::Node;
use crate::signed_request::require_active;

impl<N: Node, C: UploadCustody> GatewayService<N, C> {
    pub(super) async fn submitted(
        &self,
        request: SubmitRequest,
        caller: &Caller,
    ) -> Result<SubmitResponse, Status> {
        let SubmitRequest { transaction_id, channel_id, prepared_transaction } = request;
        let envelope = prepared_transaction.ok_or_else(|| {
            Status::invalid_argument("a prepared transaction is required (prepared_transaction)")
        })?;
        let submitted = open_envelope(self.node.msp_id(), &transaction_id, &channel_id, &envelope)?;
        let ledger = self.joined(&submitted.channel, caller)?;
        let bundle = ledger.bundle();
        let creator =
            signed_by(&bundle, &submitted.creator, &envelope.payload, &envelope.signature, now_ms())?;
        require_active(&*ledger, creator.identity())?;
        drop(ledger);
        if let Some(cid) = &submitted.upload_cid {
            let held = self.custody.held(&submitted.channel, &submitted.tx_id)?;
            if !held.is_some_and(|held| is_same_cid(&held, cid)) {
                return Err(Status::failed_precondition(format!(
                    "the data key of upload {} for its sealed file is not in this peer's custody: endorse the upload \
                     through this gateway first",
                    submitted.tx_id
                )));
            }
        }
        let deadline = deadline(self.limits.broadcast, caller.until);
        match self.orderers.broadcast(&bundle, envelope, deadline).await {
            Ok(verdict) if verdict.status == fabric::Status::Success => Ok(SubmitResponse {}),
            Ok(verdict) => Err(refused(verdict)),
            Err(nobody) => {
                let text = format!(
                    "no orderer took the transaction in time ({} rounds); submit it again",
                    nobody.rounds
                );
                let rows = nobody.failures.into_iter().map(ErrorDetail::from).collect();
                Err(error_details(Code::Unavailable, text, rows))
            }
        }
    }
}

fn refused(verdict: BroadcastVerdict) -> Status {
    let code = match verdict.status {
        fabric::Status::BadRequest => Code::InvalidArgument,
        fabric::Status::Forbidden => Code::PermissionDenied,
        fabric::Status::NotFound => Code::NotFound,
        fabric::Status::RequestEntityTooLarge | fabric::Status::TooManyRequests => Code::ResourceExhausted,
        fabric::Status::NotImplemented => Code::Unimplemented,
        fabric::Status::ServiceUnavailable => Code::Unavailable,
        fabric::Status::Success | fabric::Status::Unknown | fabric::Status::InternalServerError => {
            Code::Aborted
        }
    };
    let name = verdict.status.name();
    let text = format!("received unsuccessful response from orderer: status={name}, info={}", verdict.info);
    let row = ErrorDetail { address: verdict.address, msp_id: verdict.msp_id, message: verdict.info };
    let status = error_details(code, text, vec![row]);
    // What is too large is so the next time too; a queue empties.
    if verdict.status == fabric::Status::TooManyRequests { with_pushback(status) } else { status }
}
