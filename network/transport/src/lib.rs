//! gRPC over mutual TLS: the only way in which nodes and their clients talk to each other.
//!
//! - [`TlsIdentity`] and [`TrustRoots`] are who we are and whom we believe; roots are replaced while connections live.
//! - [`Server`] accepts connections: TLS 1.3, a client certificate that chains to the roots, no resumption, so that a
//!   stranger gets no byte past the handshake. A [`ConnectionGate`] is asked at every handshake and request, and closes what
//!   lives; an [`Observer`] is told of every answer.
//! - [`TlsClient`] dials: [`TlsClient::connect`] gives a lazy channel that reconnects, [`TlsClient::probe`] says in words
//!   what is wrong with an endpoint ([`TransportError`]).
//! - [`services`] declares every service, one module each: a trait to implement, a server and a client with limits set.
//! - [`error_details`] attaches Fabric's `gateway.ErrorDetail` to a status.
//!
//! What is deliberately absent: policies, MSPs and channels. A certificate is bytes here; what it may do is judged above.

pub mod services;

mod codec;
mod config;
mod connector;
mod dial;
mod error;
mod error_details;
mod gate;
mod identity;
mod observer;
mod peer_certificate;
mod roots;
mod routes;
mod server;
mod watched;

pub use codec::{Format, MessagePack, Protobuf, WireCodec};
pub use config::{ALPN_HTTP1, ALPN_HTTP2, client_config, server_config};
pub use connector::TlsClient;
pub use error::{IdentityError, RootsError, TransportError};
pub use error_details::{details_of, error_details};
pub use gate::ConnectionGate;
pub use identity::TlsIdentity;
pub use observer::{Answered, Observer};
pub use peer_certificate::PeerCertificate;
pub use roots::TrustRoots;
pub use server::Server;
pub use services::ResponseStream;

/// What others may need of rustls.
pub mod rustls {
    pub use rustls::pki_types::{CertificateDer, ServerName};
    pub use rustls::{ClientConfig, ServerConfig};
}

/// The channel of every client: lazy, reconnecting, cheap to clone.
pub use tonic::transport::Channel;
pub use tonic::{Code, Extensions, IntoRequest, IntoStreamingRequest, Request, Response, Status, Streaming};
