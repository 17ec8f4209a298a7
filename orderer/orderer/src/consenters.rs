//! The way to the other consenters: one TLS connection each, and who of them is heard of.
//!
//! A consenter is dialled at the endpoint that the configuration names, and believed with the TLS key that it names and no
//! other: TLS believes the members of all channels, and the log of one is for its own consenters. What it says about blocks is believed only with its signature, and messages of consensus
//! name the node they are for, so that a wrong endpoint is noticed. Everything received is judged by whoever asked.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use protocol::{ConsensusReply, ConsensusRequest, Consenter, Digest};
use transport::services::consensus::ConsensusClient;
use transport::{Code, ConnectionGate, PeerCertificate, Request, TlsClient, TlsIdentity, TrustRoots};

/// A consenter that was not heard of for so long is called missing: several election timeouts.
const MISSING_AFTER: Duration = Duration::from_secs(3);

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

/// Calls to other consenters by number.
pub trait ConsenterNetwork: Send + Sync + 'static {
    /// Asks a consenter and waits for its answer at most so long.
    fn call(
        &self,
        consenter: u32,
        request: ConsensusRequest,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<ConsensusReply, CallError>>;

    /// The numbers of all consenters but this one.
    fn others(&self) -> Vec<u32>;

    /// Notes that a consenter has called this node.
    fn heard(&self, consenter: u32);

    /// The consenters that are not heard of, by name and endpoint, for whoever waits for them.
    fn missing(&self) -> Vec<String>;
}

struct Peer {
    name: String,
    client: ConsensusClient,
    heard: Mutex<Option<Instant>>,
}

/// The consenters over mutual TLS.
pub struct TlsConsenters {
    peers: BTreeMap<u32, Peer>,
}

impl TlsConsenters {
    /// Ways to all consenters but number `own`. Nothing is dialled before the first call.
    pub fn new(consenters: &[Consenter], own: u32, (tls, roots): (&TlsIdentity, &TrustRoots)) -> Self {
        let peer = |(number, consenter): (usize, &Consenter)| {
            let number = u32::try_from(number).ok().filter(|number| *number != own)?;
            let name = format!("{} at {}", consenter.msp_id, consenter.endpoint);
            let tls = TlsClient::gated(tls, roots, &only(consenter.tls_spki));
            let client = ConsensusClient::new(tls.connect(&consenter.endpoint));
            Some((number, Peer { name, client, heard: Mutex::new(None) }))
        };
        Self { peers: consenters.iter().enumerate().filter_map(peer).collect() }
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
        consenter: u32,
        request: ConsensusRequest,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<ConsensusReply, CallError>> {
        async move {
            let peer = self.peers.get(&consenter);
            let peer = peer.ok_or_else(|| CallError::Refused(format!("no consenter {consenter}")))?;
            let client = peer.client.clone();
            let answer = tokio::time::timeout(timeout, client.call(Request::new(request))).await;
            match answer {
                Ok(Ok(response)) => {
                    peer.hear();
                    Ok(response.into_inner())
                }
                Ok(Err(status)) if status.code() == Code::PermissionDenied => {
                    Err(CallError::Refused(format!("{}: {}", peer.name, status.message())))
                }
                Ok(Err(status)) => {
                    Err(CallError::Unreachable(format!("{}: {}", peer.name, status.message())))
                }
                Err(_) => Err(CallError::Unreachable(format!("{}: no answer in {timeout:?}", peer.name))),
            }
        }
        .boxed()
    }

    fn others(&self) -> Vec<u32> {
        self.peers.keys().copied().collect()
    }

    fn heard(&self, consenter: u32) {
        if let Some(peer) = self.peers.get(&consenter) {
            peer.hear();
        }
    }

    fn missing(&self) -> Vec<String> {
        self.peers.values().filter(|peer| peer.is_missing()).map(|peer| peer.name.clone()).collect()
    }
}
