//! Answers the peers of other organisations that tell what they have reached.

use std::fmt;
use std::sync::Arc;

use protocol::{ChannelId, CommitAttestation, SignedAttestation, codec};
use tokio::sync::Semaphore;
use transport::services::attestations::Attestations as AttestationsApi;
use transport::{PeerCertificate, Request, Response, Status};

use super::registry::{ATTESTATION_BYTES_MAX, Attestations};
use crate::ports::Node;
use crate::signed_request::require_peer;

/// Calls at a time: each costs one signature's verification, and a peer is called a few times a second by each other one.
const CALLS_MAX: usize = 64;

/// The service.
pub struct AttestationService<N> {
    node: Arc<N>,
    attestations: Arc<Attestations>,
    calls: Semaphore,
}

impl<N> fmt::Debug for AttestationService<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AttestationService")
    }
}

impl<N: Node> AttestationService<N> {
    /// Takes the peer and where attestations are kept.
    #[must_use]
    pub fn new(node: Arc<N>, attestations: Arc<Attestations>) -> Self {
        Self { node, attestations, calls: Semaphore::new(CALLS_MAX) }
    }
}

impl<N: Node> AttestationsApi for AttestationService<N> {
    async fn attest(
        &self,
        request: Request<SignedAttestation>,
    ) -> Result<Response<Option<SignedAttestation>>, Status> {
        let _call = self.calls.try_acquire().map_err(|_| {
            Status::resource_exhausted(format!("{CALLS_MAX} attestations are being judged, the limit"))
        })?;
        let certificate = request.extensions().get::<PeerCertificate>().cloned();
        let signed = request.into_inner();
        let channel = channel_of(&signed)?;
        let ledger = self.node.admit(&channel, certificate.as_ref())?;
        let is_welcome = |identity: &_| require_peer(&*ledger, identity, certificate.as_ref());
        self.attestations.take(&*ledger, &signed, is_welcome)?;
        Ok(Response::new(self.attestations.own(&channel)))
    }
}

/// Which channel an attestation is of; nothing else of it is believed yet.
fn channel_of(signed: &SignedAttestation) -> Result<ChannelId, Status> {
    let attestation: CommitAttestation = codec::decode(&signed.attestation, ATTESTATION_BYTES_MAX)
        .map_err(|error| Status::invalid_argument(format!("the attestation does not decode: {error}")))?;
    Ok(attestation.channel)
}
