//! Collects the endorsements of a plan: asks this peer and others, waits, compares, and tells what happened where.
//!
//! Which organisation comes next is decided by [`Collection`]. An answer that differs from the first one rules its
//! organisation out, and the next set is tried: one lagging peer must not refuse everybody's transactions.

use std::time::Duration;

use configtx::ConfigBundle;
use endorsing::{Difference, DifferingField, EndorsementPlan, compare_responses, is_success};
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use protocol::MspId;
use protocol::fabric::{ErrorDetail, ProposalResponse, SignedProposal};
use tokio::time::{Instant, timeout_at};
use transport::{Code, Status};

use super::collection::{Collection, Next};
use super::remote::{EndorseAsk, EndorserAnswer, Endorsers, EndpointFailure};
use crate::ports::Node;

/// After it is clear that the plan fails, those that were asked may still say why for so long.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// What asking one organisation gave.
type Asked = (MspId, Result<Vec<EndorserAnswer>, Vec<EndpointFailure>>);

/// One proposal on its way to its endorsers.
pub(super) struct Collector<'a, N> {
    pub(super) node: &'a N,
    pub(super) endorsers: &'a dyn Endorsers,
    pub(super) bundle: &'a ConfigBundle,
    pub(super) proposal: &'a SignedProposal,
    pub(super) deadline: Instant,
    /// Whether this peer endorses before anybody else is asked.
    pub(super) is_own_first: bool,
    /// When to ask others beside those that are silent; `None` for never.
    pub(super) hedge_after: Option<Duration>,
}

/// Why there are not enough endorsements.
#[derive(Debug, Default)]
pub(super) struct Shortfall {
    /// What happened at each endpoint that gave none.
    pub(super) failures: Vec<EndpointFailure>,
    /// Who endorsed.
    pub(super) endorsed: Vec<(MspId, String)>,
    /// Answers that were thrown away since they differed, with the addresses of the first and the second.
    pub(super) differences: Vec<(Difference, String, String)>,
    /// Whether this peer was asked first and refused, so that nobody else was asked.
    pub(super) is_refused_here: bool,
}

impl Shortfall {
    /// A row an endpoint: who failed, who differed, who endorsed.
    pub(super) fn into_details(self) -> Vec<ErrorDetail> {
        let mut rows: Vec<ErrorDetail> = self.failures.into_iter().map(ErrorDetail::from).collect();
        for (difference, first, second) in self.differences {
            let row = |msp_id: &MspId, address: String| ErrorDetail {
                address,
                msp_id: msp_id.as_str().to_owned(),
                // Only the client reads the rows: they may quote what it could read anyway.
                message: format!("{difference:#}"),
            };
            rows.push(row(&difference.first, first));
            rows.push(row(&difference.second, second));
        }
        for (msp_id, address) in self.endorsed {
            // Who stands there with a difference needs no second row.
            if rows.iter().all(|row| row.address != address) {
                let message = "reachable; endorsed".to_owned();
                rows.push(ErrorDetail { address, msp_id: msp_id.as_str().to_owned(), message });
            }
        }
        rows
    }

    /// The height at which the endorsers may agree, where they differed in what they had committed.
    pub(super) fn height_to_reach(&self) -> Option<u64> {
        let of_heights = self.differences.iter().filter(|(difference, ..)| difference.field.is_of_heights());
        let heights = of_heights.map(|(difference, ..)| match &*difference.field {
            DifferingField::Read { first, second, .. } => {
                let versions = [first, second].into_iter().flatten().flatten();
                let newest = versions.map(|version| version.block_number.0).max();
                newest.map_or(0, |number| number.saturating_add(1))
            }
            _ => 0,
        });
        heights.max()
    }
}

impl<N: Node> Collector<'_, N> {
    /// Returns equal endorsements that meet the plan, this peer's first.
    pub(super) async fn collect(&self, plan: &EndorsementPlan) -> Result<Vec<EndorserAnswer>, Shortfall> {
        let own = self.node.msp_id();
        let mut collection = Collection::new(plan, self.is_own_first.then(|| own.clone()));
        for msp_id in collection.organizations() {
            if msp_id != *own && self.endorsers.is_suspect(self.bundle, &msp_id) {
                collection.suspect(msp_id);
            }
        }
        let mut calls: FuturesUnordered<BoxFuture<'_, Asked>> = FuturesUnordered::new();
        let mut shortfall = Shortfall::default();
        let mut hedge_at = None;
        loop {
            match collection.next() {
                Next::Ask(asks) => {
                    hedge_at = self.hedge_after.map(|after| Instant::now() + after);
                    for (msp_id, count) in asks {
                        calls.push(self.ask(msp_id.clone(), count, collection.answers(&msp_id)));
                    }
                    continue;
                }
                Next::Complete(set) => match self.agreed(&collection, &set) {
                    Ok(answers) => return Ok(answers),
                    Err(differing) => {
                        collection.reject(&differing.0.second);
                        shortfall.differences.push(differing);
                        continue;
                    }
                },
                Next::Exhausted => {
                    let until = self.deadline.min(Instant::now() + LAST_WORDS);
                    while let Ok(Some((msp_id, asked))) = timeout_at(until, calls.next()).await {
                        note(&mut collection, &mut shortfall, msp_id, asked);
                    }
                    shortfall.endorsed = endorsed(&collection);
                    return Err(shortfall);
                }
                Next::Wait => {}
            }
            // Each call ends by itself at the deadline, so that this ends too.
            match timeout_at(hedge_at.unwrap_or(self.deadline + LAST_WORDS), calls.next()).await {
                Err(_) => {
                    hedge_at = None;
                    collection.suspect_those_under_way();
                }
                Ok(None) => {
                    debug_assert!(!collection.is_anybody_under_way(), "a call under way is among the calls")
                }
                Ok(Some((msp_id, asked))) => {
                    let is_refused = self.is_own_first
                        && msp_id == *own
                        && asked
                            .as_ref()
                            .is_err_and(|failures| failures.iter().any(|failure| failure.is_answer));
                    note(&mut collection, &mut shortfall, msp_id, asked);
                    if is_refused {
                        return Err(Shortfall { is_refused_here: true, ..shortfall });
                    }
                }
            }
        }
    }

    /// The answers of a set that is met, if they are equal; otherwise the first difference, with addresses.
    fn agreed(
        &self,
        collection: &Collection<EndorserAnswer>,
        set: &[(MspId, usize)],
    ) -> Result<Vec<EndorserAnswer>, (Difference, String, String)> {
        let own = self.node.msp_id();
        let mut set: Vec<_> = set.iter().collect();
        set.sort_by_key(|(msp_id, _)| msp_id != own);
        let answers: Vec<EndorserAnswer> = set
            .into_iter()
            .flat_map(|(msp_id, count)| collection.answers(msp_id).iter().take(*count).cloned())
            .collect();
        let responses: Vec<(MspId, ProposalResponse)> =
            answers.iter().map(|answer| (answer.msp_id.clone(), answer.response.clone())).collect();
        compare_responses(&responses).map_err(|difference| {
            let address = |msp_id: &MspId| {
                let mut of = answers.iter().filter(|answer| answer.msp_id == *msp_id);
                of.next().map(|answer| answer.address.clone()).unwrap_or_default()
            };
            let (first, second) = (address(&difference.first), address(&difference.second));
            (difference, first, second)
        })?;
        Ok(answers)
    }

    /// Asks one organisation; the own one begins with this peer.
    fn ask(&self, msp_id: MspId, count: usize, had: &[EndorserAnswer]) -> BoxFuture<'_, Asked> {
        let endorser =
            |answer: &EndorserAnswer| answer.response.endorsement.as_ref().map(|e| e.endorser.clone());
        let mut known: Vec<_> = had.iter().filter_map(endorser).collect();
        let is_first_here = had.is_empty() && msp_id == *self.node.msp_id();
        Box::pin(async move {
            let mut answers = Vec::new();
            if is_first_here {
                match self.ask_this_peer().await {
                    Ok(answer) => {
                        known.extend(endorser(&answer));
                        answers.push(answer);
                    }
                    Err(failure) => return (msp_id, Err(vec![failure])),
                }
            }
            let count = count - answers.len();
            if count > 0 {
                let (proposal, deadline) = (self.proposal.clone(), self.deadline);
                let ask = EndorseAsk { msp_id: msp_id.clone(), count, known, proposal, deadline };
                match self.endorsers.endorse_at(self.bundle, ask).await {
                    Ok(others) => answers.extend(others),
                    Err(failures) => return (msp_id, Err(failures)),
                }
            }
            (msp_id, Ok(answers))
        })
    }

    async fn ask_this_peer(&self) -> Result<EndorserAnswer, EndpointFailure> {
        let failure = |message: String, is_answer: bool| EndpointFailure {
            msp_id: self.node.msp_id().as_str().to_owned(),
            address: self.node.address(),
            message,
            is_answer,
        };
        let late = || Status::deadline_exceeded("no answer in time");
        let endorsing = timeout_at(self.deadline, self.node.endorse(self.proposal.clone()));
        let response = endorsing.await.unwrap_or_else(|_| Err(late())).map_err(|status| {
            let is_answer = !matches!(
                status.code(),
                Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted
            );
            failure(format!("{:?}: {}", status.code(), status.message()), is_answer)
        })?;
        let outcome = response.response.as_ref().map(|response| (response.status, response.message.as_str()));
        let (status, message) = outcome.unwrap_or((0, "no response"));
        if !is_success(status) {
            return Err(failure(format!("chaincode response {status}, {message}"), true));
        }
        Ok(EndorserAnswer { msp_id: self.node.msp_id().clone(), address: self.node.address(), response })
    }
}

fn note(
    collection: &mut Collection<EndorserAnswer>,
    shortfall: &mut Shortfall,
    msp_id: MspId,
    asked: Result<Vec<EndorserAnswer>, Vec<EndpointFailure>>,
) {
    match asked {
        Ok(answers) => collection.answered(&msp_id, answers),
        Err(failures) => {
            collection.failed(&msp_id);
            shortfall.failures.extend(failures);
        }
    }
}

fn endorsed(collection: &Collection<EndorserAnswer>) -> Vec<(MspId, String)> {
    let organizations = collection.organizations();
    let answers = organizations.iter().flat_map(|msp_id| collection.answers(msp_id));
    answers.map(|answer| (answer.msp_id.clone(), answer.address.clone())).collect()
}
