//! A dialled connection that ends when the gate refuses the server's key.
//!
//! HTTP/2 always has a read under way, so a read that also waits for the gate is woken as soon as the gate changes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::gate::ConnectionGate;
use crate::peer_certificate::PeerCertificate;

/// A stream with what ends it.
pub(crate) struct WatchedStream {
    stream: TlsStream<TcpStream>,
    refusal: Pin<Box<dyn Future<Output = String> + Send>>,
}

impl WatchedStream {
    pub(crate) fn new(stream: TlsStream<TcpStream>, gate: ConnectionGate) -> Self {
        let leaf = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let refusal: Pin<Box<dyn Future<Output = String> + Send>> = match leaf.map(PeerCertificate::of) {
            Some(Ok(certificate)) => Box::pin(gate.refusal(certificate)),
            // The handshake read the certificate, so there is one; without it nothing can be asked.
            _ => Box::pin(std::future::ready("its certificate cannot be read".to_owned())),
        };
        Self { stream, refusal }
    }
}

impl AsyncRead for WatchedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Poll::Ready(reason) = self.refusal.as_mut().poll(cx) {
            // A future that has ended is not asked again.
            self.refusal = Box::pin(std::future::ready(reason.clone()));
            let text = format!("the connection is closed: {reason}");
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::PermissionDenied, text)));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for WatchedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
