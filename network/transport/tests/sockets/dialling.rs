//! What a dialler says when it does not reach a node: endpoint, cause and fix, at once and not after a deadline.

use protocol::Endpoint;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use transport::services::consensus::ConsensusClient;
use transport::{Code, TlsClient, TlsIdentity, TransportError, TrustRoots};

use crate::fixture::{Authority, Running, local, within};
use crate::world;

/// A listener that is not TLS: writes `greeting` to each caller and hangs up.
async fn plain(greeting: &'static [u8]) -> Endpoint {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = local(listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut hello = [0; 16];
            let _ = tokio::io::AsyncReadExt::read(&mut socket, &mut hello).await;
            let _ = socket.write_all(greeting).await;
            let _ = socket.shutdown().await;
            // Reading to the end lets the greeting arrive before the reset that unread bytes would cause.
            let _ = tokio::io::copy(&mut socket, &mut tokio::io::sink()).await;
        }
    });
    endpoint
}

#[tokio::test]
async fn each_cause_has_its_own_words() {
    let (ca, other) = (Authority::new("ca"), Authority::new("other"));
    let (cert, key) =
        ca.issue_with(&["127.0.0.1"], |params| params.not_after = rcgen::date_time_ymd(2020, 1, 1));
    let expired = TlsIdentity::from_pem(cert.as_bytes(), key.as_bytes()).unwrap();
    let serve = async |identity: &TlsIdentity| Running::start(world::server(identity, &ca.roots()).0).await;
    let good = serve(&ca.node()).await;
    let named = serve(&ca.identity(&["peer0.org1.example", "peer0"])).await;
    let foreign = serve(&other.node()).await;
    let late = serve(&expired).await;
    // Port 1 (tcpmux) is nobody's, and never given out as a free one.
    let unused = local(1);
    let nameless = Endpoint { host: "no such host!".to_owned(), port: 1 };

    let (ours, theirs) = (ca.client(), TlsClient::new(&other.identity(&["client"]), &ca.roots()));
    let rows: [(&str, &TlsClient, &Endpoint, &[&str]); 9] = [
        // case, dialler, endpoint, parts of the text; none for success
        ("a good node", &ours, &good.endpoint, &[]),
        ("another name", &ours, &named.endpoint, &["127.0.0.1", "peer0.org1.example", "dial one of"]),
        ("an unknown CA", &ours, &foreign.endpoint, &["issued by no CA that is trusted", "tlscacerts"]),
        ("an expired certificate", &ours, &late.endpoint, &["expired", "days ago", "renew"]),
        (
            "a plain port",
            &ours,
            &plain(b"HTTP/1.0 400 Bad\r\n\r\n").await,
            &["not in TLS", "plain-text port"],
        ),
        ("a port that hangs up", &ours, &plain(b"").await, &["closed the connection", "TLS handshake"]),
        ("nobody", &ours, &unused, &["connection refused", "nothing listens"]),
        ("no name", &ours, &nameless, &["neither a DNS name nor an IP address"]),
        ("our own certificate", &theirs, &good.endpoint, &["refused our TLS certificate", "UnknownCA"]),
    ];
    for (case, client, endpoint, texts) in rows {
        let answer = within(client.probe(endpoint)).await;
        assert_eq!(answer.is_ok(), texts.is_empty(), "{case}: {answer:?}");
        let Err(error) = answer else { continue };
        let text = error.to_string();
        assert!(text.starts_with(&endpoint.to_string()), "{case} names the endpoint: {text}");
        for part in texts {
            assert!(text.contains(part), "{case}: {part:?} in {text}");
        }
        // The same words reach who calls a service over a channel, without waiting for the call's own deadline.
        let status = within(ConsensusClient::new(client.connect(endpoint)).call(world::question())).await;
        let status = status.expect_err(case);
        assert_eq!(status.code(), Code::Unavailable, "{case}: {status}");
        assert!(status.message().contains(&text), "{case}: {status}");
    }
}

#[tokio::test]
async fn a_ca_below_a_root_is_believed_where_it_is_among_the_roots_itself() {
    let root = Authority::new("root");
    let (low, other) = (root.below("low"), root.below("other"));
    let both = TrustRoots::new(vec![root.root(), low.root()]).unwrap();
    // Nodes send their own certificate alone, so an organisation's intermediates stand beside its roots.
    let running = Running::start(world::server(&low.node(), &both).0).await;
    let rows = [
        ("below it, believing it", TlsClient::new(&low.identity(&["client"]), &low.roots()), ""),
        ("below it, believing root and it", TlsClient::new(&low.identity(&["client"]), &both), ""),
        (
            "below it, believing the root",
            TlsClient::new(&low.identity(&["client"]), &root.roots()),
            "no CA that is trusted",
        ),
        ("below the root", TlsClient::new(&root.identity(&["client"]), &both), ""),
        ("below another", TlsClient::new(&other.identity(&["client"]), &both), "refused our TLS certificate"),
    ];
    for (case, client, verdict) in rows {
        match within(client.probe(&running.endpoint)).await {
            Ok(()) => assert!(verdict.is_empty(), "{case} is believed"),
            Err(error) => {
                assert!(!verdict.is_empty() && error.to_string().contains(verdict), "{case}: {error}")
            }
        }
    }
}

#[tokio::test]
async fn a_channel_finds_a_node_that_comes_up_later() {
    let ca = Authority::new("ca");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = local(listener.local_addr().unwrap().port());
    drop(listener);
    let service = ConsensusClient::new(ca.client().connect(&endpoint));
    assert_eq!(service.call(world::question()).await.unwrap_err().code(), Code::Unavailable);

    let listener = TcpListener::bind(("127.0.0.1", endpoint.port)).await.unwrap();
    let (server, _ended) = world::server(&ca.node(), &ca.roots());
    tokio::spawn(server.serve(listener, std::future::pending()));
    within(service.call(world::question())).await.unwrap();
}

#[tokio::test]
async fn one_connection_more_than_the_limit_is_closed() {
    let ca = Authority::new("ca");
    let (server, _ended) = world::server(&ca.node(), &ca.roots());
    let running = Running::start(server.connections_max(1)).await;
    let first = ConsensusClient::new(ca.client().connect(&running.endpoint));
    first.call(world::question()).await.unwrap();
    let second = ca.client().probe(&running.endpoint).await;
    assert!(matches!(second, Err(TransportError::Closed { .. })), "{second:?}");
    first.call(world::question()).await.unwrap();
}
