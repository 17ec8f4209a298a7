//! Fabric's gateway service for the users of this hospital: evaluate, endorse, submit, wait for the verdict, follow events.
//!
//! It stands on [`Node`](crate::ports::Node) for this peer, on [`Endorsers`] and [`Orderers`] for the others, and on
//! [`UploadCustody`] for data keys. Nothing here decides what a valid transaction is; an endorser and the validation do.
//! Every method has its own bound of calls and every call its deadline. No proposal, transient field or payload is ever
//! logged. Codes and texts: Fabric's `internal/pkg/gateway`, where it has them.

mod collect;
mod collection;
mod commit_status;
mod endorse;
mod evaluate;
mod event_blocks;
mod events;
mod opened;
mod reader;
mod remote;
mod slots;
mod submit;
mod upload;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use protocol::ChannelId;
use protocol::fabric::{
    ChaincodeEventsResponse, CommitStatusResponse, EndorseRequest, EndorseResponse, EvaluateRequest,
    EvaluateResponse, SignedChaincodeEventsRequest, SignedCommitStatusRequest, SubmitRequest, SubmitResponse,
};
use tokio::time::Instant;
use transport::services::gateway::Gateway;
use transport::{PeerCertificate, Request, Response, ResponseStream, Status};

use crate::dialer::Dialer;
use crate::ports::{ChannelLedger, Node};

pub use remote::{
    BroadcastVerdict, EndorseAsk, EndorserAnswer, Endorsers, EndpointFailure, NoOrderer, Orderers,
};
pub use slots::GatewayLimits;
pub use upload::UploadCustody;

use event_blocks::EventBlocks;
use slots::{Places, StreamPlaces};

/// gRPC's header with the client's own deadline.
const TIMEOUT_HEADER: &str = "grpc-timeout";

/// The gateway of one peer.
pub struct GatewayService<N, C> {
    node: Arc<N>,
    endorsers: Arc<dyn Endorsers>,
    orderers: Arc<dyn Orderers>,
    custody: Arc<C>,
    limits: GatewayLimits,
    evaluations: Places,
    endorsements: Places,
    submissions: Places,
    waiters: Places,
    streams: StreamPlaces,
    event_blocks: Arc<EventBlocks>,
}

impl<N, C> fmt::Debug for GatewayService<N, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatewayService").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl<N: Node, C: UploadCustody> GatewayService<N, C> {
    /// Takes the peer, the lines to others and the custody of data keys.
    #[must_use]
    pub fn new(node: Arc<N>, dialer: Dialer, custody: Arc<C>, limits: GatewayLimits) -> Self {
        let dialer = Arc::new(dialer);
        let endorsers: Arc<dyn Endorsers> = dialer.clone();
        Self::over(node, (endorsers, dialer), custody, limits)
    }

    /// Takes other ways to reach endorsers and orderers, and other limits.
    #[must_use]
    pub fn over(
        node: Arc<N>,
        (endorsers, orderers): (Arc<dyn Endorsers>, Arc<dyn Orderers>),
        custody: Arc<C>,
        limits: GatewayLimits,
    ) -> Self {
        Self {
            node,
            endorsers,
            orderers,
            custody,
            limits,
            evaluations: Places::new("Evaluate", limits.calls_max),
            endorsements: Places::new("Endorse", limits.calls_max),
            submissions: Places::new("Submit", limits.calls_max),
            waiters: Places::new("CommitStatus", limits.waiters_max),
            streams: StreamPlaces::new("ChaincodeEvents", &limits),
            event_blocks: Arc::default(),
        }
    }

    /// The ledger of a channel that is there for the caller.
    fn joined(&self, channel: &ChannelId, caller: &Caller) -> Result<Arc<dyn ChannelLedger>, Status> {
        self.node.admit(channel, caller.certificate.as_ref())
    }
}

impl<N: Node, C: UploadCustody> Gateway for GatewayService<N, C> {
    async fn evaluate(
        &self,
        request: Request<EvaluateRequest>,
    ) -> Result<Response<EvaluateResponse>, Status> {
        let _place = self.evaluations.enter()?;
        let caller = Caller::of(&request);
        self.evaluated(request.into_inner(), &caller).await.map(Response::new)
    }

    async fn endorse(&self, request: Request<EndorseRequest>) -> Result<Response<EndorseResponse>, Status> {
        let _place = self.endorsements.enter()?;
        let caller = Caller::of(&request);
        self.endorsed(request.into_inner(), &caller).await.map(Response::new)
    }

    async fn submit(&self, request: Request<SubmitRequest>) -> Result<Response<SubmitResponse>, Status> {
        let _place = self.submissions.enter()?;
        let caller = Caller::of(&request);
        self.submitted(request.into_inner(), &caller).await.map(Response::new)
    }

    async fn commit_status(
        &self,
        request: Request<SignedCommitStatusRequest>,
    ) -> Result<Response<CommitStatusResponse>, Status> {
        let _place = self.waiters.enter()?;
        let caller = Caller::of(&request);
        self.status_told(request.into_inner(), &caller).await.map(Response::new)
    }

    async fn chaincode_events(
        &self,
        request: Request<SignedChaincodeEventsRequest>,
    ) -> Result<Response<ResponseStream<ChaincodeEventsResponse>>, Status> {
        let caller = Caller::of(&request);
        self.events_streamed(request.into_inner(), caller).map(Response::new)
    }
}

/// What a request says beside its message.
struct Caller {
    /// The certificate of its connection; `None` within the process.
    certificate: Option<PeerCertificate>,
    /// When the client stops to wait.
    until: Option<Instant>,
}

impl Caller {
    fn of<T>(request: &Request<T>) -> Self {
        let certificate = request.extensions().get::<PeerCertificate>().cloned();
        Self { certificate, until: client_deadline(request) }
    }
}

/// When the client stops waiting, by its `grpc-timeout` header.
fn client_deadline<T>(request: &Request<T>) -> Option<Instant> {
    let header = request.metadata().get(TIMEOUT_HEADER)?.to_str().ok()?;
    Instant::now().checked_add(parse_timeout(header)?)
}

/// gRPC's form: at most 8 digits and a unit.
fn parse_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count * 3_600)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

/// This machine's clock, milliseconds since 1970: signed requests are judged by it, ledger entries never are.
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
pub(crate) mod tests;
