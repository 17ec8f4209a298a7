//! Channels to other nodes: lazy, reconnecting, over our own TLS.
//!
//! No proxy is ever used, whatever the environment says: node traffic goes where the configuration points.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use protocol::Endpoint;
use rustls::ClientConfig;
use tonic::transport::Channel;

use crate::config::{ALPN_HTTP2, gated_client_config};
use crate::dial::{CONNECT_TIMEOUT, dial};
use crate::error::TransportError;
use crate::gate::ConnectionGate;
use crate::identity::TlsIdentity;
use crate::peer_certificate::PeerCertificate;
use crate::roots::TrustRoots;
use crate::watched::WatchedStream;

/// How often a live connection is asked whether the other end lives, even when no call is under way: a dead node is known
/// before the next call needs it.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// How long it may take to say so.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes in flight on one stream and on the connection, as on the server.
const STREAM_WINDOW_BYTES: u32 = 2 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 8 << 20;

/// Dials endpoints with one identity and one set of roots. Cheap to clone.
#[derive(Clone)]
pub struct TlsClient {
    identity: TlsIdentity,
    gate: ConnectionGate,
    config: Arc<ClientConfig>,
}

impl TlsClient {
    /// Takes who we are and whom we believe; later replacements of the roots hold for later connections.
    #[must_use]
    pub fn new(identity: &TlsIdentity, roots: &TrustRoots) -> Self {
        Self::gated(identity, roots, &ConnectionGate::default())
    }

    /// As [`TlsClient::new`], with a gate that is asked about each server's key, at the handshake and as long as the
    /// connection lives. What it refuses is closed, with the calls on it.
    #[must_use]
    pub fn gated(identity: &TlsIdentity, roots: &TrustRoots, gate: &ConnectionGate) -> Self {
        let config = gated_client_config(identity, roots, gate, &[ALPN_HTTP2]);
        Self { identity: identity.clone(), gate: gate.clone(), config: Arc::new(config) }
    }

    /// The same client with other roots: those of the one organisation whose node is to be dialled, so that no other
    /// organisation's certificate is taken for it, whatever host name it carries. Besides whom this client refuses it refuses
    /// whom `judge` refuses, as long as a connection lives; a recheck of the gate asks both.
    #[must_use]
    pub fn narrowed(
        &self,
        roots: &TrustRoots,
        judge: impl Fn(&PeerCertificate) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        Self::gated(&self.identity, roots, &self.gate.narrowed(judge))
    }

    /// Makes a channel that connects at its first call, and again after a loss. A call that finds no connection fails with
    /// `UNAVAILABLE` and the text of the [`TransportError`]. Must run inside a tokio runtime. An endpoint that is no valid
    /// address gives a channel whose every call fails with that reason.
    #[must_use]
    pub fn connect(&self, endpoint: &Endpoint) -> Channel {
        // The URI names no host of its own: authority and server name are the endpoint's, and a host that no URI can
        // hold is refused by the dialler with a clear error.
        let uri = http::Uri::try_from(format!("https://{}", authority(endpoint)))
            .unwrap_or_else(|_| http::Uri::from_static("https://invalid.invalid"));
        tonic::transport::Endpoint::from(uri)
            // The connector's own deadline names the stage; this one only stands behind it.
            .connect_timeout(CONNECT_TIMEOUT + Duration::from_secs(1))
            .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .connect_with_connector_lazy(Connector {
                endpoint: endpoint.clone(),
                gate: self.gate.clone(),
                config: Arc::clone(&self.config),
            })
    }

    /// Dials once and hangs up: says whether the endpoint is reached and each side believes the other.
    ///
    /// # Errors
    /// [`TransportError`] names endpoint, cause and fix.
    pub async fn probe(&self, endpoint: &Endpoint) -> Result<(), TransportError> {
        dial(endpoint, Arc::clone(&self.config)).await.map(drop)
    }
}

impl std::fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsClient")
    }
}

/// `host:port`, with brackets around an IPv6 address.
fn authority(endpoint: &Endpoint) -> String {
    if endpoint.host.contains(':') {
        format!("[{}]:{}", endpoint.host, endpoint.port)
    } else {
        endpoint.to_string()
    }
}

#[derive(Clone)]
struct Connector {
    endpoint: Endpoint,
    gate: ConnectionGate,
    config: Arc<ClientConfig>,
}

impl tower::Service<http::Uri> for Connector {
    type Response = TokioIo<WatchedStream>;
    type Error = TransportError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Uri) -> Self::Future {
        let Self { endpoint, gate, config } = self.clone();
        Box::pin(async move {
            let stream = dial(&endpoint, config).await?;
            Ok(TokioIo::new(WatchedStream::new(stream, gate)))
        })
    }
}
