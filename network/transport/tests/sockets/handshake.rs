//! Who gets past the handshake. A stranger gets no byte of HTTP.

use std::sync::Arc;

use bytes::Bytes;
use protocol::ConsensusReply;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, HandshakeKind, NamedGroup, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use transport::services::consensus::ConsensusClient;
use transport::{ALPN_HTTP2, IdentityError, RootsError, TlsClient, TlsIdentity, TransportError, TrustRoots};

use crate::fixture::{Authority, Running, provider, within};
use crate::world;

#[tokio::test]
async fn both_sides_know_each_other_and_the_callers_key_reaches_the_service() {
    let ca = Authority::new("ca");
    let running = Running::start(world::server(&ca.node(), &ca.roots()).0).await;
    let identity = ca.identity(&["client"]);
    let client = TlsClient::new(&identity, &ca.roots());
    client.probe(&running.endpoint).await.unwrap();

    let service = ConsensusClient::new(client.connect(&running.endpoint));
    let reply = within(service.call(world::question())).await.unwrap().into_inner();
    let spki = Bytes::copy_from_slice(identity.spki().as_bytes());
    assert_eq!(reply, ConsensusReply::Raft { clock_ms: 1, reply: spki });
    running.stop().await;
}

/// Dials by hand, says hello to HTTP/2, and returns how many bytes came and the error's text.
async fn bytes_for(config: ClientConfig, port: u16) -> (usize, String) {
    let socket = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let mut stream = match TlsConnector::from(Arc::new(config)).connect(name, socket).await {
        Ok(stream) => stream,
        Err(error) => return (0, error.to_string()),
    };
    let _ = stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    match within(stream.read(&mut [0; 64])).await {
        Ok(bytes) => (bytes, "closed".to_owned()),
        Err(error) => (0, error.to_string()),
    }
}

fn without_certificate(ca: &Authority) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(ca.root().to_vec())).unwrap();
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN_HTTP2.to_vec()];
    config
}

#[tokio::test]
async fn a_stranger_gets_no_byte_past_the_handshake() {
    let (ca, other, namesake) = (Authority::new("ca"), Authority::new("other"), Authority::new("ca"));
    let running = Running::start(world::server(&ca.node(), &ca.roots()).0).await;
    let expired = ca.issue_with(&["client"], |params| params.not_after = rcgen::date_time_ymd(2020, 1, 1));
    let expired = TlsIdentity::from_pem(expired.0.as_bytes(), expired.1.as_bytes()).unwrap();
    let config = |identity| transport::client_config(identity, &ca.roots(), &[ALPN_HTTP2]);
    let rows = [
        // who, the configuration, whether bytes come, the alert
        ("a member", config(&ca.identity(&["client"])), true, ""),
        ("another CA", config(&other.identity(&["client"])), false, "UnknownCA"),
        ("another CA of the same name", config(&namesake.identity(&["client"])), false, "DecryptError"),
        ("nobody", without_certificate(&ca), false, "CertificateRequired"),
        ("a member of the past", config(&expired), false, "CertificateExpired"),
    ];
    for (who, config, served, alert) in rows {
        let (bytes, error) = bytes_for(config, running.endpoint.port).await;
        assert_eq!(bytes > 0, served, "{who}: {error}");
        assert!(error.contains(alert), "{who}: {error}");
    }
    running.stop().await;
}

#[tokio::test]
async fn a_client_without_tls_1_3_is_refused() {
    let ca = Authority::new("ca");
    let running = Running::start(world::server(&ca.node(), &ca.roots()).0).await;
    // ClientHello of TLS 1.2: no supported_versions, one suite (ECDHE-ECDSA-AES128-GCM), the P-256 group.
    let extensions: &[u8] = &[0, 10, 0, 4, 0, 2, 0, 23, 0, 13, 0, 4, 0, 2, 4, 3, 0, 11, 0, 2, 1, 0];
    let mut body = vec![3, 3];
    body.extend([9; 32]);
    body.extend([0, 0, 2, 0xc0, 0x2b, 1, 0, 0, u8::try_from(extensions.len()).unwrap()]);
    body.extend(extensions);
    let mut hello = vec![22, 3, 1, 0, u8::try_from(body.len() + 4).unwrap()];
    hello.extend([1, 0, 0, u8::try_from(body.len()).unwrap()]);
    hello.extend(body);

    let mut socket = TcpStream::connect(("127.0.0.1", running.endpoint.port)).await.unwrap();
    socket.write_all(&hello).await.unwrap();
    let mut answer = Vec::new();
    within(socket.read_to_end(&mut answer)).await.unwrap();
    // A fatal alert, protocol_version (70), and nothing else.
    assert_eq!(answer, [21, 3, 3, 0, 2, 2, 70]);
    running.stop().await;
}

#[tokio::test]
async fn nothing_is_resumed_and_the_key_exchange_is_hybrid() {
    let ca = Authority::new("ca");
    let running = Running::start(world::server(&ca.node(), &ca.roots()).0).await;
    let mut config = transport::client_config(&ca.identity(&["client"]), &ca.roots(), &[ALPN_HTTP2]);
    // This dialler would resume if it were offered a ticket.
    config.resumption = rustls::client::Resumption::in_memory_sessions(8);
    let connector = TlsConnector::from(Arc::new(config));
    for attempt in 1..=3 {
        let socket = TcpStream::connect(("127.0.0.1", running.endpoint.port)).await.unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let mut stream = connector.connect(name, socket).await.unwrap();
        // The first bytes of HTTP/2 come after any ticket would have.
        assert!(within(stream.read(&mut [0; 64])).await.unwrap() > 0);
        let (_, session) = stream.get_ref();
        assert_eq!(session.handshake_kind(), Some(HandshakeKind::Full), "attempt {attempt}");
        assert_eq!(session.tls13_tickets_received(), 0, "attempt {attempt}");
        assert_eq!(session.negotiated_key_exchange_group().unwrap().name(), NamedGroup::X25519MLKEM768);
    }
    running.stop().await;
}

#[tokio::test]
async fn replaced_roots_hold_for_the_next_connection_of_the_same_listener() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let roots = old.roots();
    let running = Running::start(world::server(&old.node(), &roots).0).await;
    let newcomer = TlsClient::new(&new.identity(&["client"]), &old.roots());

    let refused = newcomer.probe(&running.endpoint).await;
    assert!(matches!(refused, Err(TransportError::OurCertificate { .. })), "{refused:?}");
    roots.replace(vec![old.root(), new.root()]).unwrap();
    newcomer.probe(&running.endpoint).await.unwrap();
    old.client().probe(&running.endpoint).await.unwrap();
    roots.replace(vec![new.root()]).unwrap();
    let refused = old.client().probe(&running.endpoint).await;
    assert!(matches!(refused, Err(TransportError::OurCertificate { .. })), "{refused:?}");
    running.stop().await;
}

#[test]
fn an_identity_that_is_not_usable_says_which_half_and_why() {
    let ca = Authority::new("ca");
    let (cert, key) = ca.issue_with(&["a"], |_| {});
    let (_, other_key) = ca.issue_with(&["a"], |_| {});
    let rows: [(&str, &str, &str, &str); 6] = [
        // case, certificate, key, part of the text
        ("swapped", &key, &cert, "no certificate in the TLS certificate's PEM"),
        ("no certificate", "", &key, "(0 bytes)"),
        ("no key", &cert, "", "the TLS key's PEM is not usable"),
        ("another's key", &cert, &other_key, "does not belong to the first certificate"),
        ("damaged", &cert.replace("-----END", "----END"), &key, "TLS certificate's PEM"),
        ("not X.509", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", &key, "damaged"),
    ];
    for (case, cert, key, text) in rows {
        let error = TlsIdentity::from_pem(cert.as_bytes(), key.as_bytes()).unwrap_err();
        assert!(error.to_string().contains(text), "{case}: {error}");
    }
    let error = TlsIdentity::from_pem(cert.as_bytes(), other_key.as_bytes()).unwrap_err();
    assert!(matches!(error, IdentityError::Mismatch));
    let identity = TlsIdentity::from_pem(cert.as_bytes(), key.as_bytes()).unwrap();
    assert_eq!(format!("{identity:?}"), format!("TlsIdentity {{ spki: {:?}, .. }}", identity.spki()));
}

#[test]
fn unusable_roots_are_named_and_leave_the_old_set_in_force() {
    let ca = Authority::new("ca");
    assert!(matches!(TrustRoots::new(Vec::new()), Err(RootsError::Empty)));
    let second = TrustRoots::new(vec![ca.root(), Bytes::from_static(b"no certificate")]);
    assert!(matches!(second, Err(RootsError::Root { number: 2, .. })), "{second:?}");
    let roots = TrustRoots::from_pem([ca.root_pem().as_bytes()]).unwrap();
    assert!(roots.replace(Vec::new()).is_err());
    assert_eq!(roots.certificates(), [ca.root()]);
}
