//! A user's connection to the own hospital's peer.

use std::fmt;
use std::sync::Arc;

use msp::{Signer, SigningIdentity};
use protocol::{Digest, Endpoint, MspId, Poi, SignedRequest, SigningDomain};
use serde::Serialize;
use transport::services::endorser::EndorserClient;
use transport::services::gateway::GatewayClient;
use transport::services::reports::ReportsClient;
use transport::{TlsClient, TlsIdentity, TrustRoots};

use crate::deadlines::Deadlines;
use crate::error::{ClientError, Fault};

/// Where the gateway is, and who asks.
#[derive(Debug)]
pub struct ConnectionSettings {
    /// The own hospital's peer.
    pub endpoint: Endpoint,
    /// The TLS certificate and key with which the user's program calls.
    pub tls: TlsIdentity,
    /// The TLS CAs that are believed.
    pub roots: TrustRoots,
    /// Who signs.
    pub signer: SigningIdentity,
    /// How long each step may take.
    pub deadlines: Deadlines,
}

/// A connection. Cheap to clone; clones share it.
#[derive(Clone)]
pub struct Connection(Arc<Inner>);

struct Inner {
    endpoint: Endpoint,
    tls: TlsIdentity,
    signer: SigningIdentity,
    deadlines: Deadlines,
    gateway: GatewayClient,
    endorser: EndorserClient,
    reports: ReportsClient,
}

impl Connection {
    /// Dials once, so that a wrong address or certificate is named here and not at the first call.
    ///
    /// # Errors
    /// [`Fault::Transport`] names endpoint, cause and fix.
    pub async fn open(settings: ConnectionSettings) -> Result<Self, ClientError> {
        let ConnectionSettings { endpoint, tls, roots, signer, deadlines } = settings;
        let dialler = TlsClient::new(&tls, &roots);
        dialler.probe(&endpoint).await.map_err(Fault::Transport)?;
        let channel = dialler.connect(&endpoint);
        Ok(Self(Arc::new(Inner {
            gateway: GatewayClient::new(channel.clone()),
            endorser: EndorserClient::new(channel.clone()),
            reports: ReportsClient::new(channel),
            endpoint,
            tls,
            signer,
            deadlines,
        })))
    }

    /// The organisation of the user.
    #[must_use]
    pub fn msp_id(&self) -> &MspId {
        self.0.signer.msp_id()
    }

    /// The user's proof of identity.
    #[must_use]
    pub fn poi(&self) -> Poi {
        self.0.signer.poi()
    }

    /// The peer at the other end.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.0.endpoint
    }

    pub(crate) fn signer(&self) -> &SigningIdentity {
        &self.0.signer
    }

    /// SHA-256 of the key of the TLS certificate with which the user's program calls.
    pub(crate) fn tls_spki(&self) -> Digest {
        self.0.tls.spki()
    }

    pub(crate) fn deadlines(&self) -> &Deadlines {
        &self.0.deadlines
    }

    pub(crate) fn gateway(&self) -> &GatewayClient {
        &self.0.gateway
    }

    pub(crate) fn endorser(&self) -> &EndorserClient {
        &self.0.endorser
    }

    pub(crate) fn reports(&self) -> &ReportsClient {
        &self.0.reports
    }

    /// A dialler with this user's TLS identity and other roots.
    pub(crate) fn dialler(&self, roots: &TrustRoots) -> TlsClient {
        TlsClient::new(&self.0.tls, roots)
    }

    /// Signs a request to the own peer for one purpose.
    pub(crate) fn signed_request<T: Serialize>(
        &self,
        domain: SigningDomain,
        request: &T,
    ) -> Result<SignedRequest, Fault> {
        let payload = protocol::codec::encode(request);
        let signer: &dyn Signer = self.signer();
        let signature = signer
            .sign(&SignedRequest::signed_bytes(domain, &payload))
            .map_err(|error| Fault::Proposal { reason: error.to_string() })?;
        Ok(SignedRequest {
            domain,
            payload: payload.into(),
            signer: signer.serialized_identity(),
            signature: signature.into(),
        })
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("endpoint", &self.0.endpoint)
            .field("msp_id", self.msp_id())
            .finish_non_exhaustive()
    }
}
