//! The HTTPS listener: actix-web on our TLS, in a thread of its own.
//!
//! One worker is enough for health and a hospital's console; it shares no thread with the node's work, so that a busy
//! node still says how it fares.

use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpServer, web};
use tokio::sync::oneshot;
use tracing::warn;
use transport::rustls::ServerConfig;
use transport::{TlsIdentity, TrustRoots, server_config};

use crate::error::ServeError;
use crate::route::Route;

/// Connections at a time: some monitors and a hospital's few console users.
const CONNECTIONS_MAX: usize = 128;
/// Bytes of a request's body.
const BODY_BYTES_MAX: usize = 64 << 10;
/// For the handshake, and again for a request's headers.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an idle connection is kept.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long requests under way may go on after shutdown began; idle connections use it up too, so it is short.
const SHUTDOWN_DEADLINE_S: u64 = 1;

/// A listener that serves until it is shut down or dropped.
#[derive(Debug)]
pub struct WebServer {
    address: SocketAddr,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

impl WebServer {
    /// Serves `routes` to clients whose certificate chains to `roots`. Returns when requests are accepted.
    ///
    /// # Errors
    /// [`ServeError`] if the socket or the thread is not to be had.
    pub async fn serve(
        listener: TcpListener,
        identity: &TlsIdentity,
        roots: &TrustRoots,
        routes: Vec<Route>,
    ) -> Result<Self, ServeError> {
        let configure = move |config: &mut web::ServiceConfig| {
            routes.iter().for_each(|route| route.register(config));
        };
        Self::serve_app(listener, identity, roots, configure).await
    }

    /// As [`WebServer::serve`], for routes that need more of actix-web than [`Route`] offers.
    ///
    /// # Errors
    /// As [`WebServer::serve`].
    pub async fn serve_app(
        listener: TcpListener,
        identity: &TlsIdentity,
        roots: &TrustRoots,
        configure: impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static,
    ) -> Result<Self, ServeError> {
        // actix-web adds the protocol names of HTTP/2 and HTTP/1.1 itself.
        let tls = server_config(identity, roots, &[]);
        let address = listener.local_addr().map_err(ServeError::Socket)?;
        let (started, starts) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("web".to_owned())
            .spawn(move || run(listener, tls, configure, started))
            .map_err(ServeError::Thread)?;
        let handle = starts.await.map_err(|_| ServeError::Ended)??;
        Ok(Self { address, handle, thread: Some(thread) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops to accept, waits up to 1 s for requests under way, and ends the thread.
    pub async fn shutdown(mut self) {
        self.handle.stop(true).await;
        if let Some(thread) = self.thread.take() {
            let joined = tokio::task::spawn_blocking(move || thread.join()).await;
            if !matches!(joined, Ok(Ok(()))) {
                warn!("web listener's thread panicked");
            }
        }
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        // The command is sent at once; the returned future only waits for its end.
        drop(self.handle.stop(false));
    }
}

/// The life of the server's thread.
fn run(
    listener: TcpListener,
    tls: ServerConfig,
    configure: impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static,
    started: oneshot::Sender<Result<ServerHandle, ServeError>>,
) {
    actix_web::rt::System::new().block_on(async move {
        let server = HttpServer::new(move || {
            App::new().app_data(web::PayloadConfig::new(BODY_BYTES_MAX)).configure(configure.clone())
        })
        .workers(1)
        .max_connections(CONNECTIONS_MAX)
        .client_request_timeout(REQUEST_TIMEOUT)
        .tls_handshake_timeout(REQUEST_TIMEOUT)
        .keep_alive(KEEP_ALIVE)
        .shutdown_timeout(SHUTDOWN_DEADLINE_S)
        .tcp_nodelay(true)
        // Signals belong to the node, which shuts everything down in its own order.
        .disable_signals()
        .listen_rustls_0_23(listener, tls);
        let running = match server {
            Ok(server) => server.run(),
            Err(error) => {
                let _ = started.send(Err(ServeError::Socket(error)));
                return;
            }
        };
        if started.send(Ok(running.handle())).is_err() {
            return;
        }
        if let Err(error) = running.await {
            warn!(%error, "web listener ended");
        }
    });
}
