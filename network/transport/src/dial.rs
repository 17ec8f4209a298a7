//! Dialling an endpoint: address, socket, handshake, and the server's first byte, each with its own error.
//!
//! Under TLS 1.3 a client's handshake ends before the server has looked at the client's certificate. So the dialler waits
//! for the first byte of HTTP/2, which our servers send at once: a refused certificate is then reported as such, and not
//! as a broken call later.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use protocol::Endpoint;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::AsyncBufReadExt as _;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::error::TransportError;

/// From the name's resolution to the first byte.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

const CONNECTING: &str = "TCP connection";
const HANDSHAKE: &str = "TLS handshake";
const FIRST_BYTE: &str = "start of HTTP/2";

/// Dials and returns a stream over which the server has begun to speak.
pub(crate) async fn dial(
    endpoint: &Endpoint,
    config: Arc<ClientConfig>,
) -> Result<TlsStream<TcpStream>, TransportError> {
    let name = ServerName::try_from(endpoint.host.clone())
        .map_err(|_| TransportError::InvalidHost { endpoint: endpoint.clone() })?;
    let deadline = Instant::now() + CONNECT_TIMEOUT;
    let late = |stage| TransportError::Timeout { endpoint: endpoint.clone(), stage, after: CONNECT_TIMEOUT };
    let socket =
        timeout_at(deadline, connect_tcp(endpoint)).await.unwrap_or_else(|_| Err(late(CONNECTING)))?;
    let handshake = TlsConnector::from(config).connect(name, socket);
    let mut stream = timeout_at(deadline, handshake)
        .await
        .map_err(|_| late(HANDSHAKE))?
        .map_err(|error| TransportError::classify(endpoint, HANDSHAKE, error))?;
    let first = timeout_at(deadline, stream.fill_buf())
        .await
        .map_err(|_| late(FIRST_BYTE))?
        .map_err(|error| TransportError::classify(endpoint, FIRST_BYTE, error))?;
    if first.is_empty() {
        return Err(TransportError::Closed { endpoint: endpoint.clone(), stage: FIRST_BYTE });
    }
    Ok(stream)
}

/// Tries every address of the host in turn; the last error is the one reported.
async fn connect_tcp(endpoint: &Endpoint) -> Result<TcpStream, TransportError> {
    let nowhere = |source| TransportError::NoAddress { endpoint: endpoint.clone(), source };
    let addresses =
        lookup_host((endpoint.host.as_str(), endpoint.port)).await.map_err(|error| nowhere(Some(error)))?;
    let mut last: Option<io::Error> = None;
    for address in addresses {
        match connect_address(address).await {
            Ok(socket) => return Ok(socket),
            Err(error) => last = Some(error),
        }
    }
    Err(last.map_or_else(|| nowhere(None), |error| TransportError::classify(endpoint, CONNECTING, error)))
}

async fn connect_address(address: std::net::SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    Ok(socket)
}
