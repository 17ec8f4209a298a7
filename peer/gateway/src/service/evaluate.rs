//! Evaluate: runs a chaincode function on one peer and passes its answer on; nothing is ordered.
//!
//! The own peer runs it, unless the client names other organisations. So transient data never leaves the hospital unless
//! the client says where to, and a data key goes to nobody but checkers even then.

use configtx::ConfigBundle;
use endorsing::{ParsedProposal, is_success, is_upload};
use protocol::MspId;
use protocol::fabric::{ErrorDetail, EvaluateRequest, EvaluateResponse, Response, SignedProposal};
use tokio::time::{Instant, timeout_at};
use transport::{Code, Status, error_details};

use super::endorse::{check_creator, deadline, named_organizations};
use super::opened::open_proposal;
use super::remote::{EndorseAsk, EndpointFailure};
use super::upload::UploadCustody;
use super::{Caller, GatewayService};
use crate::ports::Node;

/// Fabric's beginning of every failure's text.
const FAILED: &str = "evaluate call to endorser returned error";

impl<N: Node, C: UploadCustody> GatewayService<N, C> {
    pub(super) async fn evaluated(
        &self,
        request: EvaluateRequest,
        caller: &Caller,
    ) -> Result<EvaluateResponse, Status> {
        let EvaluateRequest { transaction_id, channel_id, proposed_transaction, target_organizations } =
            request;
        let own = self.node.msp_id();
        let (parsed, signed) = open_proposal(own, &transaction_id, &channel_id, proposed_transaction)?;
        let bundle = self.joined(&parsed.channel, caller)?.bundle();
        let targets = named_organizations(&target_organizations)?;
        let deadline = deadline(self.limits.evaluate, caller.until);
        let result = if targets.is_empty() || targets.contains(own) {
            self.evaluated_here(signed, deadline).await?
        } else {
            self.evaluated_there(&bundle, (&parsed, &signed), &targets, deadline).await?
        };
        Ok(EvaluateResponse { result: Some(result) })
    }

    async fn evaluated_here(&self, signed: SignedProposal, deadline: Instant) -> Result<Response, Status> {
        let detail = |message: &str| {
            let msp_id = self.node.msp_id().as_str().to_owned();
            vec![ErrorDetail { address: self.node.address(), msp_id, message: message.to_owned() }]
        };
        let late = || Status::deadline_exceeded("the chaincode did not answer in time");
        let answer = timeout_at(deadline, self.node.endorse(signed)).await.unwrap_or_else(|_| Err(late()));
        let answer = answer.map_err(|status| {
            let text = format!("{FAILED}: {}", status.message());
            error_details(status.code(), text, detail(status.message()))
        })?;
        let response = answer.response.unwrap_or_default();
        if is_success(response.status) {
            return Ok(response);
        }
        let message = format!("chaincode response {}, {}", response.status, response.message);
        Err(error_details(Code::Unknown, format!("{FAILED}: {message}"), detail(&message)))
    }

    /// Asks the named organisations in turn.
    async fn evaluated_there(
        &self,
        bundle: &ConfigBundle,
        (parsed, signed): (&ParsedProposal, &SignedProposal),
        targets: &[MspId],
        deadline: Instant,
    ) -> Result<Response, Status> {
        check_targets(parsed, targets, bundle)?;
        check_creator(parsed, signed, bundle)?;
        let mut failures: Vec<EndpointFailure> = Vec::new();
        for msp_id in targets {
            let (msp_id, proposal) = (msp_id.clone(), signed.clone());
            let ask = EndorseAsk { msp_id, count: 1, known: Vec::new(), proposal, deadline };
            match self.endorsers.endorse_at(bundle, ask).await {
                Ok(answers) => {
                    let answer = answers.into_iter().find_map(|answer| answer.response.response);
                    return Ok(answer.unwrap_or_default());
                }
                Err(failed) => failures.extend(failed),
            }
            // A chaincode's error is an answer: another hospital's is not looked for.
            if failures.iter().any(|failure| failure.is_answer) {
                break;
            }
        }
        let answered = failures.iter().find(|failure| failure.is_answer);
        let code = if answered.is_some() { Code::Unknown } else { Code::Unavailable };
        let message =
            answered.or_else(|| failures.last()).map(|failure| failure.message.clone()).unwrap_or_default();
        let rows = failures.into_iter().map(ErrorDetail::from).collect();
        Err(error_details(code, format!("{FAILED}: {message}"), rows))
    }
}

/// A data key goes to the channel's checkers only.
fn check_targets(parsed: &ParsedProposal, targets: &[MspId], bundle: &ConfigBundle) -> Result<(), Status> {
    if !is_upload(parsed) {
        return Ok(());
    }
    let checkers =
        bundle.config().reports.as_ref().map_or(&[][..], |reports| &reports.checkers.organizations);
    match targets.iter().find(|msp_id| !checkers.contains(msp_id)) {
        None => Ok(()),
        Some(stranger) => Err(Status::invalid_argument(format!(
            "the proposal carries a data key, and {stranger} is no checker of reports on channel {}",
            parsed.channel
        ))),
    }
}
