//! Endorse: from a signed proposal to the envelope that the client signs.
//!
//! Without a wish of the client this peer endorses first, which also checks the creator, and then the others of the
//! cheapest set in parallel. With a wish, exactly the named organisations are asked, all in parallel, since a checker of an
//! upload works for a while; then the gateway checks the creator itself before it asks anybody.

use std::time::Duration;

use configtx::ConfigBundle;
use endorsing::{
    AssembleRejection, EndorsementPlan, ParsedProposal, PlanRefusal, PlanRequest, assemble, check_proposal,
    is_upload, plan,
};
use protocol::MspId;
use protocol::fabric::{EndorseRequest, EndorseResponse, SignedProposal};
use tokio::time::{Instant, sleep, timeout_at};
use transport::{Code, Status, error_details};

use super::collect::{Collector, Shortfall};
use super::opened::open_proposal;
use super::remote::EndorserAnswer;
use super::upload::{Upload, UploadCustody};
use super::{Caller, GatewayService, now_ms};
use crate::ports::Node;

/// How long the others get to commit what this peer has committed already.
const LAG_PAUSE: Duration = Duration::from_millis(200);
/// Organisations that a client names; far more than any policy needs.
const NAMED_MAX: usize = 64;

impl<N: Node, C: UploadCustody> GatewayService<N, C> {
    pub(super) async fn endorsed(
        &self,
        request: EndorseRequest,
        caller: &Caller,
    ) -> Result<EndorseResponse, Status> {
        let EndorseRequest { transaction_id, channel_id, proposed_transaction, endorsing_organizations } =
            request;
        let own = self.node.msp_id();
        let (parsed, signed) = open_proposal(own, &transaction_id, &channel_id, proposed_transaction)?;
        let upload = Upload::of(&parsed)?;
        let bundle = self.joined(&parsed.channel, caller)?.bundle();
        let named = named_organizations(&endorsing_organizations)?;
        let request = PlanRequest {
            chaincode: parsed.chaincode.as_str(),
            own,
            requested: &named,
            is_upload: is_upload(&parsed),
        };
        let plan = match plan(&bundle, &request) {
            Ok(plan) => plan,
            Err(refusal) => return Err(self.refused_plan(&bundle, &refusal).await),
        };
        let is_own_first = named.is_empty();
        if !is_own_first {
            check_creator(&parsed, &signed, &bundle)?;
        }
        let limit = if request.is_upload { self.limits.endorse_upload } else { self.limits.endorse };
        let collector = Collector {
            node: &*self.node,
            endorsers: &*self.endorsers,
            bundle: &bundle,
            proposal: &signed,
            deadline: deadline(limit, caller.until),
            is_own_first,
            // An upload's checkers are slow by nature, and who sees a report is not widened for speed.
            hedge_after: (!request.is_upload).then_some(self.limits.hedge_after),
        };
        let answers = match self.collect_twice(&collector, &plan, &parsed).await {
            Ok(answers) => answers,
            Err(shortfall) => {
                let height = self.node.ledger(&parsed.channel).map_or(0, |ledger| ledger.height());
                return Err(shortfall_status(&parsed, shortfall, collector.deadline, height));
            }
        };
        let responses: Vec<_> = answers.into_iter().map(|answer| answer.response).collect();
        let envelope = assemble(&parsed, &responses).map_err(|rejection| {
            let is_large = matches!(rejection, AssembleRejection::TooLarge { .. });
            let code = if is_large { Code::ResourceExhausted } else { Code::Aborted };
            Status::new(code, format!("failed to assemble transaction: {rejection}"))
        })?;
        if let Some(Upload { cid, data_key }) = upload {
            self.custody.take(&parsed.channel, &parsed.tx_id, &cid, &data_key).await?;
        }
        Ok(EndorseResponse { prepared_transaction: Some(envelope) })
    }

    /// Collects, and once more where the endorsers had not committed the same blocks.
    async fn collect_twice(
        &self,
        collector: &Collector<'_, N>,
        plan: &EndorsementPlan,
        parsed: &ParsedProposal,
    ) -> Result<Vec<EndorserAnswer>, Shortfall> {
        let shortfall = match collector.collect(plan).await {
            Ok(answers) => return Ok(answers),
            Err(shortfall) => shortfall,
        };
        let Some(height) = shortfall.height_to_reach() else { return Err(shortfall) };
        let is_behind = self.node.ledger(&parsed.channel).is_some_and(|ledger| ledger.height() < height);
        if is_behind {
            let until = collector.deadline.min(Instant::now() + self.limits.catch_up);
            if !matches!(timeout_at(until, self.node.reached(&parsed.channel, height)).await, Ok(Ok(()))) {
                return Err(shortfall);
            }
        } else {
            sleep(LAG_PAUSE).await;
        }
        collector.collect(plan).await
    }

    /// Says why nobody can be asked, with what is known of the channel's peers.
    async fn refused_plan(&self, bundle: &ConfigBundle, refusal: &PlanRefusal) -> Status {
        let code = match refusal {
            PlanRefusal::NamedTwice { .. }
            | PlanRefusal::NotItsOwn { .. }
            | PlanRefusal::UnnamedCheckers { .. }
            | PlanRefusal::NotAChecker { .. }
            | PlanRefusal::OwnNotNamed { .. }
            | PlanRefusal::TooFewCheckers { .. } => Code::InvalidArgument,
            PlanRefusal::UnknownChaincode { .. } | PlanRefusal::NoReports => Code::FailedPrecondition,
            PlanRefusal::WithoutPeers { .. } | PlanRefusal::Unsatisfiable { .. } => {
                let rows = self.endorsers.survey(bundle).await;
                return error_details(Code::FailedPrecondition, refusal.to_string(), rows);
            }
        };
        Status::new(code, refusal.to_string())
    }
}

/// The organisations that a client named.
pub(super) fn named_organizations(names: &[String]) -> Result<Vec<MspId>, Status> {
    if names.len() > NAMED_MAX {
        let text = format!("{} organisations are named; at most {NAMED_MAX} may be", names.len());
        return Err(Status::invalid_argument(text));
    }
    names
        .iter()
        .map(|name| MspId::new(name.as_str()).map_err(|error| Status::invalid_argument(error.to_string())))
        .collect()
}

/// Checks the creator before another organisation sees the proposal.
pub(super) fn check_creator(
    parsed: &ParsedProposal,
    signed: &SignedProposal,
    bundle: &ConfigBundle,
) -> Result<(), Status> {
    use endorsing::ProposalRejection as Rejection;
    check_proposal(parsed.clone(), signed, bundle, now_ms()).map(drop).map_err(|rejection| {
        let code = match &rejection {
            Rejection::Creator(_)
            | Rejection::Signature(_)
            | Rejection::NotAWriter(_)
            | Rejection::NoWriters { .. } => Code::PermissionDenied,
            Rejection::UnknownChaincode { .. } => Code::FailedPrecondition,
            _ => Code::InvalidArgument,
        };
        Status::new(code, rejection.to_string())
    })
}

/// The earlier of our limit and the client's own deadline.
pub(super) fn deadline(limit: Duration, until: Option<Instant>) -> Instant {
    let ours = Instant::now() + limit;
    until.map_or(ours, |until| until.min(ours))
}

/// Fabric's codes and texts, with a row an endpoint.
fn shortfall_status(parsed: &ParsedProposal, shortfall: Shortfall, deadline: Instant, height: u64) -> Status {
    let collected = "failed to collect enough transaction endorsements, see attached details for more info";
    let is_any_answer = shortfall.failures.iter().any(|failure| failure.is_answer);
    let (code, text) = if shortfall.is_refused_here {
        (Code::Aborted, "failed to endorse transaction, see attached details for more info".to_owned())
    } else if let Some((difference, ..)) = shortfall.differences.first() {
        let reason = match shortfall.height_to_reach() {
            Some(_) => {
                format!("the endorsers are at different heights (this peer has {height} blocks), try again")
            }
            None => "the endorsers do not agree".to_owned(),
        };
        (Code::Aborted, format!("failed to assemble transaction: {reason}: {difference}"))
    } else if is_any_answer {
        (Code::Aborted, collected.to_owned())
    } else if Instant::now() >= deadline {
        (Code::DeadlineExceeded, collected.to_owned())
    } else {
        let chaincode = &parsed.chaincode;
        let text = format!(
            "no combination of peers can be derived which satisfy the endorsement policy of {chaincode}: too few of \
             them are reached, see attached details for more info"
        );
        (Code::FailedPrecondition, text)
    };
    error_details(code, text, shortfall.into_details())
}
