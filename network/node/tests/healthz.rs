//! `/healthz` over real TLS.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use node::{Component, Health, health_route};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Value, json};
use transport::{TlsIdentity, TrustRoots};
use web::{HttpsClient, WebServer};

#[tokio::test]
async fn the_answer_follows_the_components() {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let roots = TrustRoots::new(vec![bytes::Bytes::copy_from_slice(ca.as_ref().der())]).unwrap();
    let key = KeyPair::generate().unwrap();
    let cert = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &ca).unwrap();
    let identity = TlsIdentity::from_pem(cert.pem().as_bytes(), key.serialize_pem().as_bytes()).unwrap();

    let health = Health::new("0.1.0");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let routes = vec![health_route(health.clone())];
    let server = WebServer::serve(listener, &identity, &roots, routes).await.unwrap();
    let client = HttpsClient::new(&identity, &roots).unwrap();
    let url = format!("https://{}/healthz", server.address());

    let healthy: Value = client.get_json(&url).await.unwrap();
    assert_eq!(healthy, json!({ "status": "OK", "version": "0.1.0", "components": {} }));

    let height = Arc::new(AtomicU64::new(7));
    health.ask("ledger", {
        let height = Arc::clone(&height);
        move || Component::up(json!({ "height": height.load(Ordering::SeqCst) }))
    });
    health.report("orderer", Component::down("no leader: start a majority of the orderers", json!({})));
    height.store(8, Ordering::SeqCst);
    assert!(!health.is_healthy());
    let reply = client.get(&url).await.unwrap();
    assert_eq!(reply.status, 503);
    let ill: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(ill["status"], "Service Unavailable");
    assert_eq!(
        ill["components"]["ledger"],
        json!({ "healthy": true, "reason": "", "facts": { "height": 8 } })
    );
    assert_eq!(ill["components"]["orderer"]["healthy"], false);

    health.report("orderer", Component::up(json!({})));
    assert_eq!(client.get(&url).await.unwrap().status, 200);
    server.shutdown().await;
}
