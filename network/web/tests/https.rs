//! The HTTPS listener and client over real sockets.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::TcpListener;

use bytes::Bytes;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use transport::{TlsIdentity, TrustRoots};
use web::{ClientError, HttpsClient, Reply, Route, WebServer};

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn root(&self) -> Bytes {
        Bytes::copy_from_slice(self.0.as_ref().der())
    }

    fn roots(&self) -> TrustRoots {
        TrustRoots::new(vec![self.root()]).unwrap()
    }

    fn identity(&self) -> TlsIdentity {
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.0).unwrap().pem();
        TlsIdentity::from_pem(cert.as_bytes(), key.serialize_pem().as_bytes()).unwrap()
    }
}

async fn start(ca: &Authority, roots: &TrustRoots) -> WebServer {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let routes = vec![
        Route::get("/sum", |request| async move {
            Reply::json(200, &serde_json::json!({ "path": request.path, "query": request.query }))
        }),
        Route::get("/ill", |_| async { Reply::json(503, &serde_json::json!({ "status": "down" })) }),
        Route::get("/text", |_| async {
            Reply { status: 200, content_type: "text/plain".to_owned(), body: Bytes::from_static(b"no json") }
        }),
        Route::get("/away", |_| async {
            Reply { status: 302, content_type: "text/plain".to_owned(), body: Bytes::new() }
        }),
        Route::get("/large", |_| async {
            let body = Bytes::from(vec![b'x'; (8 << 20) + 1]);
            Reply { status: 200, content_type: "text/plain".to_owned(), body }
        }),
    ];
    WebServer::serve(listener, &ca.identity(), roots, routes).await.unwrap()
}

#[tokio::test]
async fn routes_answer_and_each_failure_is_told_apart() {
    let ca = Authority::new("ca");
    let server = start(&ca, &ca.roots()).await;
    let client = HttpsClient::new(&ca.identity(), &ca.roots()).unwrap();
    let url = |path: &str| format!("https://{}{path}", server.address());

    let sum: serde_json::Value = client.get_json(&url("/sum?a=1")).await.unwrap();
    assert_eq!(sum, serde_json::json!({ "path": "/sum", "query": "a=1" }));
    let ill = client.get(&url("/ill")).await.unwrap();
    assert_eq!((ill.status, ill.content_type.as_str()), (503, "application/json"));

    let rows = [
        // path, part of the error's text
        ("/ill?secret=1", "answered 503: {\"status\":\"down\"}"),
        ("/none?secret=1", "answered 404"),
        ("/away?secret=1", "answered 302"),
        ("/text?secret=1", "is not the expected JSON"),
        ("/large?secret=1", "exceeds 8388608 bytes"),
    ];
    for (path, text) in rows {
        let error = client.get_json::<serde_json::Value>(&url(path)).await.unwrap_err().to_string();
        assert!(error.contains(text), "{path}: {error}");
        assert!(!error.contains("secret"), "{path}: {error}");
    }
    for bad in [format!("http://{}/sum", server.address()), "no url".to_owned()] {
        let error = client.get(&bad).await.unwrap_err();
        assert!(matches!(error, ClientError::Url { .. }), "{bad}: {error}");
    }
    server.shutdown().await;
}

#[tokio::test]
async fn strangers_are_refused_on_both_sides_until_the_roots_change() {
    let (ca, other) = (Authority::new("ca"), Authority::new("other"));
    let roots = ca.roots();
    let server = start(&ca, &roots).await;
    let url = format!("https://{}/sum", server.address());

    let stranger = HttpsClient::new(&other.identity(), &ca.roots()).unwrap();
    let error = stranger.get(&url).await.unwrap_err().to_string();
    assert!(error.contains("UnknownCA") || error.contains("closed"), "{error}");
    let doubting = HttpsClient::new(&ca.identity(), &other.roots()).unwrap();
    let error = doubting.get(&url).await.unwrap_err().to_string();
    assert!(error.contains("UnknownIssuer"), "{error}");

    roots.replace(vec![ca.root(), other.root()]).unwrap();
    assert_eq!(stranger.get(&url).await.unwrap().status, 200);
    server.shutdown().await;
}

#[tokio::test]
async fn shutdown_closes_the_port() {
    let ca = Authority::new("ca");
    let client = HttpsClient::new(&ca.identity(), &ca.roots()).unwrap();
    let server = start(&ca, &ca.roots()).await;
    let address = server.address();
    client.get(&format!("https://{address}/sum")).await.unwrap();
    server.shutdown().await;
    // A client of its own: the other may still hold the connection that was closed.
    let fresh = HttpsClient::new(&ca.identity(), &ca.roots()).unwrap();
    let error = fresh.get(&format!("https://{address}/sum")).await.unwrap_err().to_string();
    assert!(error.contains("refused"), "{error}");
}
