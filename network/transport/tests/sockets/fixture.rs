//! Certificates and a running server for the tests of this folder.

use std::sync::Arc;

use bytes::Bytes;
use protocol::Endpoint;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use transport::{Server, TlsClient, TlsIdentity, TrustRoots};

/// A certificate authority of one organisation.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A CA below this one.
    pub fn below(&self, name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::signed_by(params, KeyPair::generate().unwrap(), &self.0).unwrap())
    }

    pub fn root(&self) -> Bytes {
        Bytes::copy_from_slice(self.0.as_ref().der())
    }

    pub fn root_pem(&self) -> String {
        self.0.as_ref().pem()
    }

    pub fn roots(&self) -> TrustRoots {
        TrustRoots::new(vec![self.root()]).unwrap()
    }

    /// Certificate and key, PEM, changed by `change` before they are signed.
    pub fn issue_with(
        &self,
        names: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> (String, String) {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }

    pub fn identity(&self, names: &[&str]) -> TlsIdentity {
        let (cert, key) = self.issue_with(names, |_| {});
        TlsIdentity::from_pem(cert.as_bytes(), key.as_bytes()).unwrap()
    }

    /// An identity for this machine's loopback.
    pub fn node(&self) -> TlsIdentity {
        self.identity(&["127.0.0.1", "localhost"])
    }

    /// A dialler that is issued by, and believes, this authority.
    pub fn client(&self) -> TlsClient {
        TlsClient::new(&self.identity(&["client"]), &self.roots())
    }
}

/// A server that runs until it is told to stop.
pub struct Running {
    pub endpoint: Endpoint,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    pub async fn start(server: Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = local(listener.local_addr().unwrap().port());
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(server.serve(listener, async move {
            let _ = stopped.await;
        }));
        Self { endpoint, stop, task }
    }

    /// Stops and waits until no connection is left.
    pub async fn stop(self) {
        let _ = self.stop.send(());
        within(self.task).await.unwrap();
    }
}

pub fn local(port: u16) -> Endpoint {
    Endpoint { host: "127.0.0.1".to_owned(), port }
}

/// A test that waits for ever says so.
pub async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(std::time::Duration::from_secs(20), future).await.expect("within 20 s")
}

/// The provider of the hand-made diallers.
pub fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
