//! The way to the other consenters: one TLS connection each, and who of them is heard of.
//!
//! A consenter is dialled at the endpoint that the configuration names, and believed with the TLS key that it names and no
//! other: TLS believes the members of all channels, and the log of one is for its own consenters. What it says about
//! blocks is believed only with its signature, and messages of consensus name the node they are for, so that a wrong
//! endpoint is noticed. Everything received is judged by whoever asked. One that the configuration names no more is called
//! for as long as its log votes: without it there may be no majority that takes its vote away.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use protocol::{ConsensusReply, ConsensusRequest, Consenter, Digest, Endpoint};
use tokio::time::Instant;
use transport::services::consensus::ConsensusClient;
use transport::{Code, ConnectionGate, PeerCertificate, Request, TlsClient, TlsIdentity, TrustRoots};

/// A consenter that was not heard of for so long is called missing: several election timeouts.
const MISSING_AFTER: Duration = Duration::from_secs(3);

/// What a consenter is known by: the SHA-256 of its TLS key's SubjectPublicKeyInfo. Its number in a configuration changes
/// when others come and go.
pub type ConsenterKey = Digest;

/// Why a call was not answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The node is not there, or too slow.
    #[error("consenter unreachable: {0}")]
    Unreachable(String),
    /// The node answered that it will not.
    #[error("consenter refused: {0}")]
    Refused(String),
}

/// Calls to other consenters.
pub trait ConsenterNetwork: Send + Sync + 'static {
    /// Asks a consenter and waits for its answer at most so long.
    fn call(
        &self,
        consenter: ConsenterKey,
        request: ConsensusRequest,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<ConsensusReply, CallError>>;

    /// Asks a consenter that is to come, which the configuration in force does not name yet.
    fn probe<'a>(
        &'a self,
        consenter: &'a Consenter,
        request: ConsensusRequest,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<ConsensusReply, CallError>>;

    /// The consenters of the configuration that came into force.
    fn renew(&self, consenters: &[Consenter]);

    /// Consenters that it names no more, and whose logs vote.
    fn leave(&self, leaving: &[Consenter]);

    /// All consenters of the configuration but this one.
    fn others(&self) -> Vec<ConsenterKey>;

    /// Those that leave.
    fn leaving(&self) -> Vec<ConsenterKey>;

    /// Notes that a consenter has called this node.
    fn heard(&self, consenter: ConsenterKey);

    /// The consenters of the configuration that are not heard of, by name and endpoint, for whoever waits for them.
    fn missing(&self) -> Vec<String>;
}

struct Peer {
    name: String,
    endpoint: Endpoint,
    client: ConsensusClient,
    heard: Mutex<Option<Instant>>,
}

type Peers = BTreeMap<ConsenterKey, Arc<Peer>>;

/// The consenters over mutual TLS.
pub struct TlsConsenters {
    tls: TlsIdentity,
    roots: TrustRoots,
    named: RwLock<Arc<Peers>>,
    leaving: RwLock<Arc<Peers>>,
}

impl TlsConsenters {
    /// Ways to all of these consenters but this node itself. Nothing is dialled before the first call.
    pub fn new(consenters: &[Consenter], tls: &TlsIdentity, roots: &TrustRoots) -> Self {
        let (tls, roots) = (tls.clone(), roots.clone());
        let all = Self { tls, roots, named: RwLock::default(), leaving: RwLock::default() };
        all.renew(consenters);
        all
    }

    fn named(&self) -> Arc<Peers> {
        Arc::clone(&self.named.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn those_that_leave(&self) -> Arc<Peers> {
        Arc::clone(&self.leaving.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn peer(&self, consenter: &ConsenterKey) -> Option<Arc<Peer>> {
        self.named().get(consenter).or(self.those_that_leave().get(consenter)).cloned()
    }

    /// The ways to these consenters but this node itself. A connection outlives a configuration that changes nothing about
    /// it.
    fn ways(&self, consenters: &[Consenter]) -> Arc<Peers> {
        let others = consenters.iter().filter(|consenter| consenter.tls_spki != self.tls.spki());
        let way = |consenter: &Consenter| {
            let known = self.peer(&consenter.tls_spki).filter(|peer| peer.endpoint == consenter.endpoint);
            (consenter.tls_spki, known.unwrap_or_else(|| Arc::new(self.connect(consenter))))
        };
        Arc::new(others.map(way).collect())
    }

    fn connect(&self, consenter: &Consenter) -> Peer {
        let tls = TlsClient::gated(&self.tls, &self.roots, &only(consenter.tls_spki));
        Peer {
            name: format!("{} at {}", consenter.msp_id, consenter.endpoint),
            endpoint: consenter.endpoint.clone(),
            client: ConsensusClient::new(tls.connect(&consenter.endpoint)),
            heard: Mutex::new(None),
        }
    }
}

/// Believes one TLS key.
fn only(expected: Digest) -> ConnectionGate {
    ConnectionGate::new(move |certificate: &PeerCertificate| {
        if certificate.spki == expected {
            return Ok(());
        }
        Err(format!(
            "the channel's configuration names key {expected} for this consenter: check its endpoint"
        ))
    })
}

impl Peer {
    async fn call(&self, request: ConsensusRequest, timeout: Duration) -> Result<ConsensusReply, CallError> {
        match tokio::time::timeout(timeout, self.client.call(Request::new(request))).await {
            Ok(Ok(response)) => {
                self.hear();
                Ok(response.into_inner())
            }
            Ok(Err(status)) if status.code() == Code::PermissionDenied => {
                Err(CallError::Refused(format!("{}: {}", self.name, status.message())))
            }
            Ok(Err(status)) => Err(CallError::Unreachable(format!("{}: {}", self.name, status.message()))),
            Err(_) => Err(CallError::Unreachable(format!("{}: no answer in {timeout:?}", self.name))),
        }
    }

    fn hear(&self) {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn is_missing(&self) -> bool {
        let heard = *self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.is_none_or(|heard| heard.elapsed() > MISSING_AFTER)
    }
}

impl ConsenterNetwork for TlsConsenters {
    fn call(
        &self,
        consenter: ConsenterKey,
        request: ConsensusRequest,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<ConsensusReply, CallError>> {
        async move {
            let peer = self.peer(&consenter);
            let unknown = || CallError::Refused(format!("no consenter has TLS key {consenter}"));
            peer.ok_or_else(unknown)?.call(request, timeout).await
        }
        .boxed()
    }

    fn probe<'a>(
        &'a self,
        consenter: &'a Consenter,
        request: ConsensusRequest,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<ConsensusReply, CallError>> {
        async move { self.connect(consenter).call(request, timeout).await }.boxed()
    }

    fn renew(&self, consenters: &[Consenter]) {
        let ways = self.ways(consenters);
        *self.named.write().unwrap_or_else(PoisonError::into_inner) = ways;
    }

    fn leave(&self, leaving: &[Consenter]) {
        let ways = self.ways(leaving);
        *self.leaving.write().unwrap_or_else(PoisonError::into_inner) = ways;
    }

    fn others(&self) -> Vec<ConsenterKey> {
        self.named().keys().copied().collect()
    }

    fn leaving(&self) -> Vec<ConsenterKey> {
        self.those_that_leave().keys().copied().collect()
    }

    fn heard(&self, consenter: ConsenterKey) {
        if let Some(peer) = self.peer(&consenter) {
            peer.hear();
        }
    }

    fn missing(&self) -> Vec<String> {
        self.named().values().filter(|peer| peer.is_missing()).map(|peer| peer.name.clone()).collect()
    }
}

#[cfg(test)]
pub mod fake {
    //! Consenters that answer by a function.

    use super::*;

    /// What a test's consenters answer.
    pub type Answers = dyn Fn(ConsenterKey, ConsensusRequest) -> BoxFuture<'static, Result<ConsensusReply, CallError>>
        + Send
        + Sync;

    /// These consenters; nobody is missing, comes or leaves.
    pub struct Answering {
        pub others: Vec<ConsenterKey>,
        pub answers: Box<Answers>,
    }

    impl ConsenterNetwork for Answering {
        fn call(
            &self,
            consenter: ConsenterKey,
            request: ConsensusRequest,
            _: Duration,
        ) -> BoxFuture<'_, Result<ConsensusReply, CallError>> {
            (self.answers)(consenter, request)
        }

        fn probe<'a>(
            &'a self,
            _: &'a Consenter,
            _: ConsensusRequest,
            _: Duration,
        ) -> BoxFuture<'a, Result<ConsensusReply, CallError>> {
            async { Err(CallError::Refused("nobody comes".to_owned())) }.boxed()
        }

        fn renew(&self, _: &[Consenter]) {}

        fn leave(&self, _: &[Consenter]) {}

        fn others(&self) -> Vec<ConsenterKey> {
            self.others.clone()
        }

        fn leaving(&self) -> Vec<ConsenterKey> {
            Vec::new()
        }

        fn heard(&self, _: ConsenterKey) {}

        fn missing(&self) -> Vec<String> {
            Vec::new()
        }
    }
}
