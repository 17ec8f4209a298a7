//! The listener of a node: accepts, shakes hands, and serves HTTP/2 to those whose certificate is believed.
//!
//! Every connection is a task of its own with limits; none can hold up another, and a panic ends one request. The server
//! ends when its shutdown future does: it stops to accept, tells every client to go elsewhere, waits for requests under
//! way until a deadline, and closes what is left.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::CertificateDer;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::Status;
use tonic::body::Body;
use tonic::server::NamedService;
use tower::Service;
use tracing::{debug, warn};

use crate::config::{ALPN_HTTP2, gated_server_config};
use crate::gate::ConnectionGate;
use crate::identity::TlsIdentity;
use crate::observer::Observer;
use crate::peer_certificate::PeerCertificate;
use crate::roots::TrustRoots;
use crate::routes::Routes;

/// Connections at a time, handshakes included: a consortium has some dozens of nodes, a hospital some hundreds of
/// clients, and the usual limit of open files is 1,024. One more is closed at once.
const CONNECTIONS_MAX: usize = 900;
/// Requests and streams under way on one connection. Each may hold a message of its service's limit while it arrives.
const STREAMS_MAX: u32 = 256;
/// A handshake is two round trips and a millisecond of work; a client that needs longer is no client.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a silent connection is asked whether it lives.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
/// How long it may take to say so.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes in flight on one stream: large enough for a block at full speed on a fast link.
const STREAM_WINDOW_BYTES: u32 = 2 << 20;
/// Bytes in flight on one connection.
const CONNECTION_WINDOW_BYTES: u32 = 8 << 20;
/// Bytes of one request's headers.
const HEADER_BYTES_MAX: u32 = 16 << 10;
/// How long requests under way may go on after shutdown began, unless the builder says otherwise.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(5);
/// Pause after a failed accept, so that a full table of open files does not spin a core.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A gRPC listener over mutual TLS.
#[derive(Clone)]
pub struct Server {
    identity: TlsIdentity,
    roots: TrustRoots,
    gate: ConnectionGate,
    observer: Observer,
    routes: Routes,
    connections_max: usize,
    shutdown_deadline: Duration,
}

impl Server {
    /// Begins with a server that has no services and a gate that refuses nobody.
    #[must_use]
    pub fn new(identity: &TlsIdentity, roots: &TrustRoots) -> Self {
        Self {
            identity: identity.clone(),
            roots: roots.clone(),
            gate: ConnectionGate::default(),
            observer: Observer::default(),
            routes: Routes::default(),
            connections_max: CONNECTIONS_MAX,
            shutdown_deadline: SHUTDOWN_DEADLINE,
        }
    }

    /// Adds a service of [`crate::services`].
    #[must_use]
    pub fn add_service<S>(mut self, service: S) -> Self
    where
        S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        self.routes.add(service);
        self
    }

    /// Sets the question that is asked at every handshake and every request.
    #[must_use]
    pub fn gate(mut self, gate: ConnectionGate) -> Self {
        self.gate = gate;
        self
    }

    /// Sets who is told of every answer.
    #[must_use]
    pub fn observer(mut self, observer: Observer) -> Self {
        self.observer = observer;
        self
    }

    /// Sets how many connections live at a time (default 900).
    #[must_use]
    pub fn connections_max(mut self, connections_max: usize) -> Self {
        self.connections_max = connections_max;
        self
    }

    /// Sets how long requests under way may go on after shutdown began (default 5 s).
    #[must_use]
    pub fn shutdown_deadline(mut self, deadline: Duration) -> Self {
        self.shutdown_deadline = deadline;
        self
    }

    /// Serves until `shutdown` ends, then drains. Returns when no connection is left.
    pub async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        let places = Arc::new(Semaphore::new(self.connections_max));
        let (closing, closed) = watch::channel(false);
        let deadline = self.shutdown_deadline;
        let tls = gated_server_config(&self.identity, &self.roots, &self.gate, &[ALPN_HTTP2]);
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let server = Arc::new(self);
        let mut connections = JoinSet::new();
        tokio::pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                Some(_) = connections.join_next(), if !connections.is_empty() => {}
                accepted = listener.accept() => match accepted {
                    Ok((socket, from)) => match Arc::clone(&places).try_acquire_owned() {
                        Ok(place) => {
                            let (server, acceptor) = (Arc::clone(&server), acceptor.clone());
                            let connection = server.connection(acceptor, (socket, from), closed.clone());
                            connections.spawn(async move {
                                connection.await;
                                drop(place);
                            });
                        }
                        Err(_) => warn!(%from, limit = server.connections_max, "connection refused: at the limit"),
                    },
                    Err(error) => {
                        warn!(%error, "connection not accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        }
        drop(listener);
        closing.send_replace(true);
        let drained = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(deadline, drained).await.is_err() {
            connections.shutdown().await;
        }
    }

    /// One connection from its first byte to its last.
    async fn connection(
        self: Arc<Self>,
        acceptor: TlsAcceptor,
        (socket, from): (TcpStream, SocketAddr),
        closed: watch::Receiver<bool>,
    ) {
        // Whatever changes from here on is seen: by the handshake, which asks roots and gate later, or by these receivers.
        let mut changes = Changes { roots: self.roots.changes(), gate: self.gate.changes(), closed };
        if let Err(error) = socket.set_nodelay(true) {
            debug!(%from, %error, "connection lost before its handshake");
            return;
        }
        let stream = match tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(socket)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                warn!(%from, %error, "TLS handshake refused");
                return;
            }
            Err(_) => {
                warn!(%from, "TLS handshake not finished in time");
                return;
            }
        };
        let Some(caller) = Caller::of(&stream) else {
            warn!(%from, "connection without a usable client certificate refused");
            return;
        };
        let http = self.http(stream, &caller.certificate);
        tokio::pin!(http);
        loop {
            tokio::select! {
                result = http.as_mut() => {
                    if let Err(error) = result {
                        debug!(%from, %error, "connection ended");
                    }
                    return;
                }
                change = changes.next() => match change {
                    Change::Closing => http.as_mut().graceful_shutdown(),
                    change => if let Err(reason) = self.still_welcome(&caller, change) {
                        warn!(%from, spki = %caller.certificate.spki, reason, "live connection closed");
                        return;
                    },
                },
            }
        }
    }

    /// The HTTP/2 side of a connection whose caller is known.
    fn http(
        self: &Arc<Self>,
        stream: TlsStream<TcpStream>,
        certificate: &PeerCertificate,
    ) -> http2::Connection<
        TokioIo<TlsStream<TcpStream>>,
        impl hyper::service::Service<
            http::Request<Incoming>,
            Response = http::Response<Body>,
            Error = Infallible,
            Future: Send + 'static,
        > + use<>,
        TokioExecutor,
    > {
        let server = Arc::clone(self);
        let certificate = certificate.clone();
        let service = service_fn(move |request: http::Request<Incoming>| {
            let (server, certificate) = (Arc::clone(&server), certificate.clone());
            async move { Ok::<_, Infallible>(server.answer(request, certificate).await) }
        });
        http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .max_concurrent_streams(STREAMS_MAX)
            .max_header_list_size(HEADER_BYTES_MAX)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .serve_connection(TokioIo::new(stream), service)
    }

    /// One request: judged by the gate, then answered by its service.
    async fn answer(
        &self,
        request: http::Request<Incoming>,
        certificate: PeerCertificate,
    ) -> http::Response<Body> {
        if let Err(reason) = self.gate.judge(&certificate) {
            return Status::permission_denied(reason).into_http();
        }
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(certificate);
        let mut response = self.routes.answer(request).await;
        self.observer.tell(&mut response);
        response
    }

    /// A changed gate leaves the chain as it was, and checking that costs a signature a connection.
    fn still_welcome(&self, caller: &Caller, change: Change) -> Result<(), String> {
        if matches!(change, Change::Roots) {
            self.roots.believes_client(&caller.chain).map_err(|error| error.to_string())?;
        }
        self.gate.judge(&caller.certificate)
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("roots", &self.roots).finish_non_exhaustive()
    }
}

/// Who is at the other end.
struct Caller {
    chain: Vec<CertificateDer<'static>>,
    certificate: PeerCertificate,
}

impl Caller {
    fn of(stream: &TlsStream<TcpStream>) -> Option<Self> {
        let chain: Vec<_> =
            stream.get_ref().1.peer_certificates()?.iter().map(|c| c.clone().into_owned()).collect();
        let certificate = PeerCertificate::of(chain.first()?).ok()?;
        Some(Self { chain, certificate })
    }
}

/// What may happen to a live connection from outside.
struct Changes {
    roots: watch::Receiver<u64>,
    gate: watch::Receiver<u64>,
    closed: watch::Receiver<bool>,
}

enum Change {
    Closing,
    Roots,
    Gate,
}

impl Changes {
    /// Waits for the next one. The senders outlive every connection: the server holds them.
    async fn next(&mut self) -> Change {
        tokio::select! {
            Ok(()) = self.closed.changed() => Change::Closing,
            Ok(()) = self.roots.changed() => Change::Roots,
            Ok(()) = self.gate.changed() => Change::Gate,
            else => std::future::pending().await,
        }
    }
}
