//! Lines to the other nodes of a channel: one lazy channel an endpoint, shared by everything that this peer asks of others.
//!
//! Endpoints come from channel configuration, nowhere else. An endpoint that failed a moment ago is asked last, and calls
//! to one endpoint are bounded, so that a dead or slow node costs those calls only that need it. Every failure says which
//! endpoint it was and what happened there.
//!
//! A node is believed only under the TLS roots of the organisation to which the configuration gives its endpoint: keys and
//! proposals must not reach another member of the channel that took over a host name.

mod attesting;
mod broadcast;
mod broadcast_stream;
mod trust;

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
use protocol::{ChannelId, Endpoint, MspId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};
use transport::services::broadcast::AtomicBroadcastClient;
use transport::services::endorser::EndorserClient;
use transport::{Channel, Code, Status, TlsClient};

use attesting::Avoided;
use broadcast_stream::{BroadcastStream, SHARED_BYTES_MAX};
pub use trust::NodeGuard;
use trust::{OrganizationClients, Trusted};

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
    clients: OrganizationClients,
    lines: Mutex<BTreeMap<Node, Line>>,
    turn: AtomicUsize,
    avoided: Avoided,
}

/// An endpoint together with the channel, and the organisation and its TLS roots, under which it is believed.
type Node = (Trusted, Endpoint);

#[derive(Clone)]
struct Line {
    channel: Channel,
    calls: Arc<Semaphore>,
    failed_at: Arc<Mutex<Option<Instant>>>,
    /// Streams of envelopes, by channel: one channel that waits for its leader holds up no other.
    streams: Arc<Mutex<BTreeMap<ChannelId, BroadcastStream>>>,
}

impl Line {
    /// The open stream of a channel's envelopes; a new one where there is none.
    fn stream(&self, channel: &ChannelId) -> BroadcastStream {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        streams.retain(|_, stream| stream.is_open());
        let open = || BroadcastStream::open(self.channel.clone(), BROADCAST_ATTEMPT_MAX);
        streams.entry(channel.clone()).or_insert_with(open).clone()
    }

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
    /// Takes who dials, and who is refused on which channel. Channels to nodes need a tokio runtime when they are first asked
    /// for.
    #[must_use]
    pub fn new(client: TlsClient, guard: NodeGuard) -> Self {
        let (clients, lines) = (OrganizationClients::new(client, guard), Mutex::new(BTreeMap::new()));
        Self(Arc::new(Shared { clients, lines, turn: AtomicUsize::new(0), avoided: Avoided::default() }))
    }

    /// A new channel to a node of an organisation, shared with nobody; it connects at its first call and believes only
    /// certificates of that organisation.
    ///
    /// # Errors
    /// A text where the configuration has no usable TLS roots of the organisation.
    pub fn connect(
        &self,
        bundle: &ConfigBundle,
        msp_id: &MspId,
        endpoint: &Endpoint,
    ) -> Result<Channel, String> {
        let (_, client) = self.0.clients.of(bundle, msp_id)?;
        Ok(client.connect(endpoint))
    }

    /// The peers of an organisation with their channels, in the order in which to ask them: rotating, those that failed a
    /// moment ago last. Empty for an organisation that the channel does not have.
    #[must_use]
    pub fn peers_of(&self, bundle: &ConfigBundle, msp_id: &MspId) -> Vec<(Endpoint, Channel)> {
        self.in_turn(bundle, &peers_of(bundle, msp_id))
            .into_iter()
            .map(|(endpoint, line)| (endpoint, line.channel))
            .collect()
    }

    /// The channel's orderers with their channels, in the order in which to ask them.
    #[must_use]
    pub fn orderers_of(&self, bundle: &ConfigBundle) -> Vec<(Endpoint, Channel)> {
        self.in_turn(bundle, &orderers_of(bundle))
            .into_iter()
            .map(|(endpoint, line)| (endpoint, line.channel))
            .collect()
    }

    /// Says for the next few seconds that a node did, or did not, answer, so that others are asked before it.
    pub fn note(&self, bundle: &ConfigBundle, msp_id: &MspId, endpoint: &Endpoint, is_reached: bool) {
        if let Ok(line) = self.line(bundle, msp_id, endpoint) {
            line.note(is_reached);
        }
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
        let peers = peers_of(bundle, &ask.msp_id);
        let mut answers: Vec<EndorserAnswer> = Vec::new();
        let mut failures = Vec::new();
        for (endpoint, line) in self.in_turn(bundle, &peers) {
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
            failures.extend(self.avoided_of(bundle, &peers));
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
        let orderers = orderers_of(bundle);
        let round = || self.in_turn(bundle, &orderers).into_iter().map(|(endpoint, _)| endpoint).collect();
        let failure = |endpoint: &Endpoint, message: String| EndpointFailure {
            msp_id: orderer_msp(bundle, endpoint),
            address: endpoint.to_string(),
            message,
            is_answer: false,
        };
        let send = |endpoint: Endpoint| {
            let owner = orderers.iter().find(|(_, orderer)| *orderer == endpoint);
            let line = match owner {
                Some((msp_id, _)) => self.line(bundle, msp_id, &endpoint),
                None => Err("it is no orderer of the channel".to_owned()),
            };
            let channel = &bundle.config().channel;
            async move { broadcast_once(&line?, channel, envelope.clone(), deadline).await }
        };
        broadcast::until_decided(round, send, failure, deadline).await
    }

    fn line(&self, bundle: &ConfigBundle, msp_id: &MspId, endpoint: &Endpoint) -> Result<Line, String> {
        let (trusted, client) = self.0.clients.of(bundle, msp_id)?;
        let node = (trusted, endpoint.clone());
        let mut lines = self.0.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = lines.get(&node) {
            return Ok(line.clone());
        }
        if lines.len() >= ENDPOINTS_MAX {
            lines.clear();
        }
        let line = Line {
            channel: client.connect(endpoint),
            calls: Arc::new(Semaphore::new(CALLS_MAX)),
            failed_at: Arc::default(),
            streams: Arc::default(),
        };
        lines.insert(node, line.clone());
        Ok(line)
    }

    /// Nodes from the next in turn on, suspects last. Left out are those that are avoided, and those of an organisation
    /// without usable TLS roots, which cannot be believed.
    fn in_turn(&self, bundle: &ConfigBundle, nodes: &[(MspId, Endpoint)]) -> Vec<(Endpoint, Line)> {
        let Some(start) = self.0.turn.fetch_add(1, Ordering::Relaxed).checked_rem(nodes.len()) else {
            return Vec::new();
        };
        let rotated = nodes.iter().cycle().skip(start).take(nodes.len());
        let rotated = rotated.filter(|(msp_id, endpoint)| self.avoided(bundle, msp_id, endpoint).is_none());
        let mut lines: Vec<(Endpoint, Line)> = rotated
            .filter_map(|(msp_id, endpoint)| {
                let line = self.line(bundle, msp_id, endpoint);
                let line = line.inspect_err(|reason| tracing::error!(%endpoint, reason, "node not dialled"));
                Some((endpoint.clone(), line.ok()?))
            })
            .collect();
        lines.sort_by_key(|(_, line)| line.is_suspect());
        lines
    }

    async fn look_at(&self, bundle: &ConfigBundle, msp_id: &MspId, endpoint: &Endpoint) -> ErrorDetail {
        let address = endpoint.to_string();
        if let Some(message) = self.avoided(bundle, msp_id, endpoint) {
            return ErrorDetail { address, msp_id: msp_id.as_str().to_owned(), message };
        }
        let message = match self.0.clients.of(bundle, msp_id) {
            Ok((_, client)) => match timeout(PROBE_MAX, client.probe(endpoint)).await {
                Ok(Ok(())) => "reachable".to_owned(),
                Ok(Err(error)) => format!("not reachable: {error}"),
                Err(_) => format!("not reachable: no answer within {PROBE_MAX:?}"),
            },
            Err(reason) => format!("not reachable: {reason}"),
        };
        ErrorDetail { address, msp_id: msp_id.as_str().to_owned(), message }
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
            let is_suspect = |endpoint| {
                self.avoided(bundle, msp_id, endpoint).is_some()
                    || self.line(bundle, msp_id, endpoint).is_ok_and(|line| line.is_suspect())
            };
            organization.peers.iter().all(is_suspect)
        })
    }

    fn survey<'a>(&'a self, bundle: &'a ConfigBundle) -> BoxFuture<'a, Vec<ErrorDetail>> {
        Box::pin(async move {
            let organizations = &bundle.config().organizations;
            let peers = organizations.iter().flat_map(|organization| {
                let msp_id = &organization.msp.msp_id;
                organization.peers.iter().map(move |endpoint| self.look_at(bundle, msp_id, endpoint))
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

/// The peers of an organisation.
fn peers_of(bundle: &ConfigBundle, msp_id: &MspId) -> Vec<(MspId, Endpoint)> {
    let peers = bundle.organization(msp_id).map_or(&[][..], |organization| &organization.peers);
    peers.iter().map(|endpoint| (msp_id.clone(), endpoint.clone())).collect()
}

/// The channel's orderers with their organisations.
fn orderers_of(bundle: &ConfigBundle) -> Vec<(MspId, Endpoint)> {
    let consenters = &bundle.config().orderer.consenters;
    consenters.iter().map(|consenter| (consenter.msp_id.clone(), consenter.endpoint.clone())).collect()
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
    channel: &ChannelId,
    envelope: Envelope,
    deadline: Instant,
) -> Result<BroadcastResponse, String> {
    let _permit = line.enter()?;
    let deadline = deadline.min(Instant::now() + BROADCAST_ATTEMPT_MAX);
    let bytes = envelope.payload.len() + envelope.signature.len();
    let answer = async {
        if bytes <= SHARED_BYTES_MAX {
            return line.stream(channel).send(envelope).await;
        }
        let client = AtomicBroadcastClient::new(line.channel.clone());
        let mut answers = client.broadcast(tokio_stream::once(envelope)).await?.into_inner();
        answers.message().await?.ok_or_else(|| Status::unavailable("it closed the stream without an answer"))
    };
    let called = std::pin::pin!(called(line, deadline, answer));
    noted_while_silent(line, called).await.map_err(|status| told(&status))
}

/// Waits for an orderer, and has others asked before it when it is silent for long.
async fn noted_while_silent<T>(line: &Line, mut call: impl Future<Output = T> + Unpin) -> T {
    if let Ok(answer) = timeout(broadcast::SILENT_MAX, &mut call).await {
        return answer;
    }
    line.note(false);
    call.await
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
pub(crate) mod tests;
