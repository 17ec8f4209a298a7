//! The two TLS configurations of every node: TLS 1.3 only, mutual, nothing resumed.
//!
//! Resumption is off on both sides because a resumed session skips the certificate's check: a client that was revoked
//! an hour ago would be let in by its ticket. A full handshake costs about 0.6 ms of processor time on each side.

use std::sync::{Arc, LazyLock};

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::server::NoServerSessionStorage;
use rustls::sign::SingleCertAndKey;
use rustls::version::TLS13;
use rustls::{ClientConfig, ServerConfig};

use crate::gate::ConnectionGate;
use crate::identity::TlsIdentity;
use crate::roots::TrustRoots;

/// The protocol name of HTTP/2: all that gRPC listeners speak.
pub const ALPN_HTTP2: &[u8] = b"h2";
/// The protocol name of HTTP/1.1, for web listeners.
pub const ALPN_HTTP1: &[u8] = b"http/1.1";

/// The one source of cryptography: aws-lc-rs, with the post-quantum hybrid X25519MLKEM768 offered first.
pub(crate) fn provider() -> &'static Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    &PROVIDER
}

/// Makes a listener's configuration: a client certificate that chains to `roots` is demanded.
#[must_use]
pub fn server_config(identity: &TlsIdentity, roots: &TrustRoots, alpn: &[&[u8]]) -> ServerConfig {
    gated_server_config(identity, roots, &ConnectionGate::default(), alpn)
}

/// Makes a listener's configuration in which the gate is asked about each client's key, too.
pub(crate) fn gated_server_config(
    identity: &TlsIdentity,
    roots: &TrustRoots,
    gate: &ConnectionGate,
    alpn: &[&[u8]],
) -> ServerConfig {
    #[expect(clippy::expect_used, reason = "aws-lc-rs has the cipher suites and groups of TLS 1.3")]
    let mut config = ServerConfig::builder_with_provider(Arc::clone(provider()))
        .with_protocol_versions(&[&TLS13])
        .expect("the provider speaks TLS 1.3")
        .with_client_cert_verifier(roots.client_verifier(gate))
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(identity.certified())));
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    config
}

/// Makes a dialler's configuration: our certificate is shown, and the server's must chain to `roots` and carry its name.
#[must_use]
pub fn client_config(identity: &TlsIdentity, roots: &TrustRoots, alpn: &[&[u8]]) -> ClientConfig {
    gated_client_config(identity, roots, &ConnectionGate::default(), alpn)
}

/// Makes a dialler's configuration in which the gate is asked about each server's key, too.
pub(crate) fn gated_client_config(
    identity: &TlsIdentity,
    roots: &TrustRoots,
    gate: &ConnectionGate,
    alpn: &[&[u8]],
) -> ClientConfig {
    #[expect(clippy::expect_used, reason = "aws-lc-rs has the cipher suites and groups of TLS 1.3")]
    let mut config = ClientConfig::builder_with_provider(Arc::clone(provider()))
        .with_protocol_versions(&[&TLS13])
        .expect("the provider speaks TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(roots.server_verifier(gate))
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity.certified())));
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    config
}
