//! The TLS CA certificates that are believed, replaced while listeners and channels live.
//!
//! Each handshake reads the set of its moment. Connections that live are looked at again when the set changes
//! ([`crate::Server`]), because a handshake of yesterday says nothing about the roots of today.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme};
use tokio::sync::watch;
use tracing::warn;

use crate::config::provider;
use crate::error::RootsError;
use crate::gate::ConnectionGate;
use crate::peer_certificate::PeerCertificate;

/// A live set of trust roots. Clones share the set.
#[derive(Clone)]
pub struct TrustRoots(Arc<Shared>);

struct Shared {
    current: ArcSwap<Verifiers>,
    changes: watch::Sender<u64>,
}

struct Verifiers {
    roots: Vec<Bytes>,
    client: Arc<dyn ClientCertVerifier>,
    server: Arc<WebPkiServerVerifier>,
}

impl TrustRoots {
    /// Takes CA certificates, DER.
    ///
    /// # Errors
    /// [`RootsError`] if there is none, or names the one that is not usable.
    pub fn new(roots: Vec<Bytes>) -> Result<Self, RootsError> {
        let current = ArcSwap::from_pointee(Verifiers::of(roots)?);
        Ok(Self(Arc::new(Shared { current, changes: watch::Sender::new(0) })))
    }

    /// Takes CA certificates, PEM, each file with one or more.
    ///
    /// # Errors
    /// As [`TrustRoots::new`]; the number counts certificates over all files.
    pub fn from_pem<'a>(files: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, RootsError> {
        use rustls::pki_types::pem::PemObject as _;
        let mut roots = Vec::new();
        for file in files {
            for root in CertificateDer::pem_slice_iter(file) {
                let number = roots.len() + 1;
                let root = root.map_err(|error| RootsError::Root { number, reason: error.to_string() })?;
                roots.push(Bytes::copy_from_slice(&root));
            }
        }
        Self::new(roots)
    }

    /// Replaces the set: for every handshake from now on, and for the connections that live. An equal set changes nothing.
    ///
    /// # Errors
    /// As [`TrustRoots::new`]; the old set then stays in force.
    pub fn replace(&self, roots: Vec<Bytes>) -> Result<(), RootsError> {
        if self.0.current.load().roots == roots {
            return Ok(());
        }
        self.0.current.store(Arc::new(Verifiers::of(roots)?));
        self.0.changes.send_modify(|revision| *revision += 1);
        Ok(())
    }

    /// The certificates in force, DER.
    #[must_use]
    pub fn certificates(&self) -> Vec<Bytes> {
        self.0.current.load().roots.clone()
    }

    /// Tells of each replacement.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    /// Whether a client's chain (leaf first) is believed now.
    pub(crate) fn believes_client(&self, chain: &[CertificateDer<'_>]) -> Result<(), rustls::Error> {
        let (leaf, intermediates) = chain.split_first().ok_or(rustls::Error::NoCertificatesPresented)?;
        self.0.current.load().client.verify_client_cert(leaf, intermediates, UnixTime::now()).map(drop)
    }

    pub(crate) fn client_verifier(&self, gate: &ConnectionGate) -> Arc<dyn ClientCertVerifier> {
        Arc::new(LiveVerifier { roots: self.clone(), gate: gate.clone() })
    }

    pub(crate) fn server_verifier(&self, gate: &ConnectionGate) -> Arc<dyn ServerCertVerifier> {
        Arc::new(LiveVerifier { roots: self.clone(), gate: gate.clone() })
    }
}

impl fmt::Debug for TrustRoots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrustRoots({} certificates)", self.0.current.load().roots.len())
    }
}

impl Verifiers {
    fn of(mut roots: Vec<Bytes>) -> Result<Self, RootsError> {
        if roots.is_empty() {
            return Err(RootsError::Empty);
        }
        let mut store = RootCertStore::empty();
        for (index, root) in roots.iter().enumerate() {
            store
                .add(CertificateDer::from_slice(root).into_owned())
                .map_err(|error| RootsError::Root { number: index + 1, reason: error.to_string() })?;
        }
        roots.shrink_to_fit();
        let store = Arc::new(store);
        let unusable = |reason: String| RootsError::Root { number: 1, reason };
        let client = WebPkiClientVerifier::builder_with_provider(Arc::clone(&store), Arc::clone(provider()))
            .build()
            .map_err(|error| unusable(error.to_string()))?;
        let server = WebPkiServerVerifier::builder_with_provider(store, Arc::clone(provider()))
            .build()
            .map_err(|error| unusable(error.to_string()))?;
        Ok(Self { roots, client, server })
    }
}

/// Hands each handshake to the verifiers of its moment, and to the gate.
#[derive(Debug)]
struct LiveVerifier {
    roots: TrustRoots,
    gate: ConnectionGate,
}

impl LiveVerifier {
    fn now(&self) -> Arc<Verifiers> {
        self.roots.0.current.load_full()
    }

    /// The other side hears `certificate_revoked`; the reason is for our log.
    fn admit(&self, certificate: &CertificateDer<'_>) -> Result<(), rustls::Error> {
        let certificate = PeerCertificate::of(certificate)?;
        self.gate.judge(&certificate).map_err(|reason| {
            warn!(spki = %certificate.spki, reason, "TLS key refused");
            rustls::Error::InvalidCertificate(CertificateError::Revoked)
        })
    }
}

impl ClientCertVerifier for LiveVerifier {
    /// None are named: a hint cannot be borrowed from a set that changes, and clients of ours have one certificate.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let verified = self.now().client.verify_client_cert(end_entity, intermediates, now)?;
        self.admit(end_entity)?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.now().client.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.now().client.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.now().client.supported_verify_schemes()
    }
}

impl ServerCertVerifier for LiveVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self.now().server.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        )?;
        self.admit(end_entity)?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.now().server.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.now().server.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.now().server.supported_verify_schemes()
    }
}
