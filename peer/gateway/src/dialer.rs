//! Lines to the other nodes of a channel: one lazy channel an endpoint, shared by everything that this peer asks of others.
//!
//! Endpoints come from channel configuration, nowhere else. An endpoint that failed a moment ago is asked last, and calls
//! to one endpoint are bounded, so that a dead or slow node costs those calls only that need it. Every failure says which
//! endpoint it was and what happened there.

mod broadcast;

pub(crate) use broadcast::name as status_name;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use configtx::ConfigBundle;
use endorsing::is_success;
use futures_util::future::{BoxFuture, join_all};
use prost::Message as _;
use protocol::fabric::{BroadcastResponse, Envelope, ErrorDetail, ProposalResponse, SerializedIdentity};
use protocol::{Endpoint, MspId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};
use transport::services::broadcast::AtomicBroadcastClient;
use transport::services::endorser::EndorserClient;
use transport::{Channel, Code, Status, TlsClient};

use crate::service::{
    BroadcastVerdict, EndorseAsk, EndorserAnswer, Endorsers, EndpointFailure, NoOrderer, Orderers,
};

/// Endpoints that are remembered; far more than any consortium has. Beyond it all are forgotten and dialled again.
const ENDPOINTS_MAX: usize = 4_096;
/// Calls under way to one endpoint: half of what the gateway runs at a time, so that one slow node never holds all.
const CALLS_MAX: usize = 250;
/// How long an endpoint that failed is asked last.
const SUSPECT_FOR: Duration = Duration::from_secs(5);
/// How long one orderer may think: longer than an orderer itself waits for a leader (10 s), so that its reason is heard.
const BROADCAST_ATTEMPT_MAX: Duration = Duration::from_secs(12);
/// How long a survey waits for one endpoint.
const PROBE_MAX: Duration = Duration::from_secs(2);

/// Dials the nodes of channels. Clones share their lines.
#[derive(Clone)]
pub struct Dialer(Arc<Shared>);

struct Shared {
    client: TlsClient,
    lines: Mutex<BTreeMap<Endpoint, Line>>,
    turn: AtomicUsize,
}

#[derive(Clone)]
struct Line {
    channel: Channel,
    calls: Arc<Semaphore>,
    failed_at: Arc<Mutex<Option<Instant>>>,
}

impl Line {
    fn is_suspect(&self) -> bool {
        let failed_at = *self.failed_at.lock().unwrap_or_else(PoisonError::into_inner);
        failed_at.is_some_and(|at| at.elapsed() < SUSPECT_FOR)
    }

    fn note(&self, is_reached: bool) {
        let failed_at = (!is_reached).then(Instant::now);
        *self.failed_at.lock().unwrap_or_else(PoisonError::into_inner) = failed_at;
    }

    fn enter(&self) -> Result<OwnedSemaphorePermit, String> {
        Arc::clone(&self.calls).try_acquire_owned().map_err(|_| {
            format!("{CALLS_MAX} calls to it are under way already; it is slow, or this peer is overloaded")
        })
    }
}

impl std::fmt::Debug for Dialer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Dialer")
    }
}

impl Dialer {
    /// Takes who dials and whom it believes. Channels to nodes need a tokio runtime when they are first asked for.
    #[must_use]
    pub fn new(client: TlsClient) -> Self {
        let lines = Mutex::new(BTreeMap::new());
        Self(Arc::new(Shared { client, lines, turn: AtomicUsize::new(0) }))
    }

    /// The channel to an endpoint; it connects at its first call.
    #[must_use]
    pub fn channel(&self, endpoint: &Endpoint) -> Channel {
        self.line(endpoint).channel
    }

    /// The peers of an organisation with their channels, in the order in which to ask them: rotating, those that failed a
    /// moment ago last. Empty for an organisation that the channel does not have.
    #[must_use]
    pub fn peers_of(&self, bundle: &ConfigBundle, msp_id: &MspId) -> Vec<(Endpoint, Channel)> {
        let peers = bundle.organization(msp_id).map_or(&[][..], |organization| &organization.peers);
        self.in_turn(peers).into_iter().map(|(endpoint, line)| (endpoint, line.channel)).collect()
    }

    /// The channel's orderers with their channels, in the order in which to ask them.
    #[must_use]
    pub fn orderers_of(&self, bundle: &ConfigBundle) -> Vec<(Endpoint, Channel)> {
        let endpoints = orderer_endpoints(bundle);
        self.in_turn(&endpoints).into_iter().map(|(endpoint, line)| (endpoint, line.channel)).collect()
    }

    /// Says for the next few seconds that an endpoint did, or did not, answer, so that others are asked before it.
    pub fn note(&self, endpoint: &Endpoint, is_reached: bool) {
        self.line(endpoint).note(is_reached);
    }

    /// Asks an organisation's peers in turn to endorse; see [`Endorsers::endorse_at`].
    ///
    /// # Errors
    /// What happened at each peer that was asked, or one row where the organisation has none.
    pub async fn endorse_at(
        &self,
        bundle: &ConfigBundle,
        ask: &EndorseAsk,
    ) -> Result<Vec<EndorserAnswer>, Vec<EndpointFailure>> {
        let peers = bundle.organization(&ask.msp_id).map_or(&[][..], |organization| &organization.peers);
        let mut answers: Vec<EndorserAnswer> = Vec::new();
        let mut failures = Vec::new();
        for (endpoint, line) in self.in_turn(peers) {
            let address = endpoint.to_string();
            match endorse_once(&line, ask).await {
                Ok(response) => {
                    let answer = EndorserAnswer { msp_id: ask.msp_id.clone(), address, response };
                    if is_another(&answer, &answers, &ask.known) {
                        answers.push(answer);
                    }
                }
                Err(missed) => {
                    // The organisation's chaincode is deterministic: its other peers would say the same.
                    let is_final = matches!(missed, Missed::ChaincodeError(_));
                    failures.push(missed.at(&ask.msp_id, address));
                    if is_final {
                        break;
                    }
                }
            }
            if answers.len() >= ask.count.max(1) {
                return Ok(answers);
            }
        }
        if failures.is_empty() {
            let message =
                format!("{} peers are known here, and {} more must endorse", peers.len(), ask.count);
            failures.push(EndpointFailure {
                msp_id: ask.msp_id.as_str().to_owned(),
                address: String::new(),
                message,
                is_answer: false,
            });
        }
        Err(failures)
    }

    /// Hands an envelope to the orderers in turn, again and again while none of them can order it; see
    /// [`Orderers::broadcast`].
    ///
    /// # Errors
    /// [`NoOrderer`] says what happened last at each.
    pub async fn broadcast(
        &self,
        bundle: &ConfigBundle,
        envelope: &Envelope,
        deadline: Instant,
    ) -> Result<BroadcastVerdict, NoOrderer> {
        let endpoints = orderer_endpoints(bundle);
        let round = || self.in_turn(&endpoints).into_iter().map(|(endpoint, _)| endpoint).collect();
        let failure = |endpoint: &Endpoint, message: String| EndpointFailure {
            msp_id: orderer_msp(bundle, endpoint),
            address: endpoint.to_string(),
            message,
            is_answer: false,
        };
        let send = |endpoint: Endpoint| {
            let line = self.line(&endpoint);
            async move { broadcast_once(&line, envelope.clone(), deadline).await }
        };
        broadcast::until_decided(round, send, failure, deadline).await
    }

    fn line(&self, endpoint: &Endpoint) -> Line {
        let mut lines = self.0.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = lines.get(endpoint) {
            return line.clone();
        }
        if lines.len() >= ENDPOINTS_MAX {
            lines.clear();
        }
        let line = Line {
            channel: self.0.client.connect(endpoint),
            calls: Arc::new(Semaphore::new(CALLS_MAX)),
            failed_at: Arc::default(),
        };
        lines.insert(endpoint.clone(), line.clone());
        line
    }

    /// Endpoints from the next in turn on, suspects last.
    fn in_turn(&self, endpoints: &[Endpoint]) -> Vec<(Endpoint, Line)> {
        let Some(start) = self.0.turn.fetch_add(1, Ordering::Relaxed).checked_rem(endpoints.len()) else {
            return Vec::new();
        };
        let rotated = endpoints.iter().cycle().skip(start).take(endpoints.len());
        let mut lines: Vec<(Endpoint, Line)> =
            rotated.map(|endpoint| (endpoint.clone(), self.line(endpoint))).collect();
        lines.sort_by_key(|(_, line)| line.is_suspect());
        lines
    }

    async fn look_at(&self, msp_id: &MspId, endpoint: &Endpoint) -> ErrorDetail {
        let message = match timeout(PROBE_MAX, self.0.client.probe(endpoint)).await {
            Ok(Ok(())) => "reachable".to_owned(),
            Ok(Err(error)) => format!("not reachable: {error}"),
            Err(_) => format!("not reachable: no answer within {PROBE_MAX:?}"),
        };
        ErrorDetail { address: endpoint.to_string(), msp_id: msp_id.as_str().to_owned(), message }
    }
}

impl Endorsers for Dialer {
    fn endorse_at<'a>(
        &'a self,
        bundle: &'a ConfigBundle,
        ask: EndorseAsk,
    ) -> BoxFuture<'a, Result<Vec<EndorserAnswer>, Vec<EndpointFailure>>> {
        Box::pin(async move { Self::endorse_at(self, bundle, &ask).await })
    }

    fn is_suspect(&self, bundle: &ConfigBundle, msp_id: &MspId) -> bool {
        bundle.organization(msp_id).is_some_and(|organization| {
            organization.peers.iter().all(|endpoint| self.line(endpoint).is_suspect())
        })
    }

    fn survey<'a>(&'a self, bundle: &'a ConfigBundle) -> BoxFuture<'a, Vec<ErrorDetail>> {
        Box::pin(async move {
            let organizations = &bundle.config().organizations;
            let peers = organizations.iter().flat_map(|organization| {
                organization.peers.iter().map(|endpoint| self.look_at(&organization.msp.msp_id, endpoint))
            });
            let without = organizations.iter().filter(|organization| organization.peers.is_empty());
            let without = without.map(|organization| ErrorDetail {
                address: String::new(),
                msp_id: organization.msp.msp_id.as_str().to_owned(),
                message: "has no peers in the channel's configuration".to_owned(),
            });
            let mut rows = join_all(peers).await;
            rows.extend(without);
            rows
        })
    }
}

impl Orderers for Dialer {
    fn broadcast<'a>(
        &'a self,
        bundle: &'a ConfigBundle,
        envelope: Envelope,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<BroadcastVerdict, NoOrderer>> {
        Box::pin(async move { Self::broadcast(self, bundle, &envelope, deadline).await })
    }
}

fn orderer_endpoints(bundle: &ConfigBundle) -> Vec<Endpoint> {
    bundle.config().orderer.consenters.iter().map(|consenter| consenter.endpoint.clone()).collect()
}

/// The name of an orderer's organisation.
fn orderer_msp(bundle: &ConfigBundle, endpoint: &Endpoint) -> String {
    let mut consenters = bundle.config().orderer.consenters.iter();
    let consenter = consenters.find(|consenter| consenter.endpoint == *endpoint);
    consenter.map(|consenter| consenter.msp_id.as_str().to_owned()).unwrap_or_default()
}

/// Whether an answer is one of an endorser that has not been counted.
fn is_another(answer: &EndorserAnswer, counted: &[EndorserAnswer], known: &[bytes::Bytes]) -> bool {
    let endorser = |answer: &EndorserAnswer| {
        answer.response.endorsement.as_ref().map(|endorsement| endorsement.endorser.clone())
    };
    let own = endorser(answer);
    counted.iter().all(|other| endorser(other) != own) && own.is_none_or(|own| !known.contains(&own))
}

/// Why a peer gave no endorsement.
enum Missed {
    Unreached(String),
    Refused(String),
    ChaincodeError(String),
}

impl Missed {
    fn at(self, msp_id: &MspId, address: String) -> EndpointFailure {
        let is_answer = !matches!(self, Self::Unreached(_));
        let (Self::Unreached(message) | Self::Refused(message) | Self::ChaincodeError(message)) = self;
        EndpointFailure { msp_id: msp_id.as_str().to_owned(), address, message, is_answer }
    }
}

/// One call of one endorser.
async fn endorse_once(line: &Line, ask: &EndorseAsk) -> Result<ProposalResponse, Missed> {
    let _permit = line.enter().map_err(Missed::Unreached)?;
    let client = EndorserClient::new(line.channel.clone());
    let answer = called(line, ask.deadline, client.process_proposal(ask.proposal.clone())).await;
    let response = answer.map_err(|status| {
        let is_unreached = is_unreached(&status);
        let text = told(&status);
        if is_unreached { Missed::Unreached(text) } else { Missed::Refused(text) }
    })?;
    check_endorsement(&ask.msp_id, response.into_inner())
}

/// Passes on what is an endorsement by the organisation that was asked.
fn check_endorsement(msp_id: &MspId, response: ProposalResponse) -> Result<ProposalResponse, Missed> {
    let outcome = response.response.as_ref().map(|response| (response.status, response.message.as_str()));
    let (status, message) = outcome.unwrap_or((0, "no response"));
    if !is_success(status) {
        return Err(Missed::ChaincodeError(format!("chaincode response {status}, {message}")));
    }
    let endorser =
        response.endorsement.as_ref().map(|endorsement| endorsement.endorser.clone()).unwrap_or_default();
    match SerializedIdentity::decode(endorser) {
        Ok(identity) if identity.mspid == msp_id.as_str() => Ok(response),
        _ => {
            let text = format!("its endorsement is not signed by a peer of {msp_id}; check the endpoint");
            Err(Missed::Refused(text))
        }
    }
}

/// One envelope to one orderer.
async fn broadcast_once(
    line: &Line,
    envelope: Envelope,
    deadline: Instant,
) -> Result<BroadcastResponse, String> {
    let _permit = line.enter()?;
    let deadline = deadline.min(Instant::now() + BROADCAST_ATTEMPT_MAX);
    let client = AtomicBroadcastClient::new(line.channel.clone());
    let answer = async {
        let mut answers = client.broadcast(tokio_stream::once(envelope)).await?.into_inner();
        answers.message().await?.ok_or_else(|| Status::unavailable("it closed the stream without an answer"))
    };
    called(line, deadline, answer).await.map_err(|status| told(&status))
}

/// Waits for a call until the deadline and remembers whether the endpoint was reached.
async fn called<T>(
    line: &Line,
    deadline: Instant,
    call: impl Future<Output = Result<T, Status>>,
) -> Result<T, Status> {
    let began = Instant::now();
    let late = || Status::deadline_exceeded(format!("no answer within {:?}", began.elapsed()));
    let answer = timeout_at(deadline, call).await.unwrap_or_else(|_| Err(late()));
    line.note(!answer.as_ref().is_err_and(is_unreached));
    answer
}

fn is_unreached(status: &Status) -> bool {
    matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled)
}

fn told(status: &Status) -> String {
    format!("{:?}: {}", status.code(), status.message())
}

#[cfg(test)]
mod tests;
