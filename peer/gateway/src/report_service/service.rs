//! The service `consilium.Reports` and what its methods share.

use std::sync::Arc;
use std::time::Duration;

use imaging::DecodeLimits;
use ipfs::SealedStore;
use msp::VerifiedIdentity;
use protocol::limits::NODE_MESSAGE_BYTES_MAX;
use protocol::{
    DownloadEvent, DownloadRequest, SealRequest, SealedReport, SignedRequest, SigningDomain, UploadedBefore,
    UploadedRequest, VerifyReport, VerifyRequest,
};
use tokio::sync::Semaphore;
use transport::services::reports::Reports;
use transport::{PeerCertificate, Request, Response, ResponseStream, Status, Streaming};

use super::{download, seal, uploaded, verify};
use crate::custody::Custody;
use crate::exchange::Fetcher;
use crate::images::ImageReader;
use crate::peers::Peers;
use crate::ports::{Asker, ChannelLedger, Node};
use crate::revoked::until_revoked;
use crate::signed_request::{now_ms, payload, require_own_user, signer};

/// Files that one peer seals at once; image workers are as many as these and examinations together.
pub(crate) const SEALS_MAX: usize = 2;

/// How much one peer does for its users at once, and how long it waits.
#[derive(Clone, Copy, Debug)]
pub struct ReportLimits {
    /// What an image may cost.
    pub decode: DecodeLimits,
    /// Files that are sealed at once; each is in memory until it was decoded.
    pub seals_max: usize,
    /// Reports that are handed out or verified at once.
    pub reads_max: usize,
    /// Longest silence of a user who uploads, or who does not take the next bytes.
    pub user_timeout: Duration,
    /// How long one custodian may take to answer.
    pub custodian_timeout: Duration,
}

impl Default for ReportLimits {
    /// Two seals, sixteen reads, a minute of silence, 20 seconds a custodian (it may wait 10 for the record itself).
    fn default() -> Self {
        Self {
            decode: DecodeLimits::default(),
            seals_max: SEALS_MAX,
            reads_max: 16,
            user_timeout: Duration::from_secs(60),
            custodian_timeout: Duration::from_secs(20),
        }
    }
}

/// What the methods work with.
pub(super) struct Shared<N> {
    pub(super) node: Arc<N>,
    pub(super) custody: Arc<Custody>,
    pub(super) store: SealedStore,
    pub(super) fetcher: Arc<Fetcher>,
    pub(super) peers: Arc<dyn Peers>,
    pub(super) images: Arc<dyn ImageReader>,
    pub(super) limits: ReportLimits,
    pub(super) seals: Arc<Semaphore>,
    pub(super) reads: Arc<Semaphore>,
}

/// The parts of a peer that the report service needs.
pub struct ReportParts {
    /// Keys.
    pub custody: Arc<Custody>,
    /// Sealed bytes.
    pub store: SealedStore,
    /// Brings sealed bytes from other hospitals.
    pub fetcher: Arc<Fetcher>,
    /// Asks other hospitals for keys.
    pub peers: Arc<dyn Peers>,
    /// Looks at images.
    pub images: Arc<dyn ImageReader>,
}

impl std::fmt::Debug for ReportParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ReportParts")
    }
}

/// Serves the users of the own hospital.
pub struct ReportService<N> {
    shared: Arc<Shared<N>>,
}

impl<N> std::fmt::Debug for ReportService<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ReportService")
    }
}

impl<N: Node> ReportService<N> {
    /// Serves by what `node`'s ledgers say.
    #[must_use]
    pub fn new(node: Arc<N>, parts: ReportParts, limits: ReportLimits) -> Self {
        let ReportParts { custody, store, fetcher, peers, images } = parts;
        let (seals, reads) =
            (Arc::new(Semaphore::new(limits.seals_max)), Arc::new(Semaphore::new(limits.reads_max)));
        let shared = Shared { node, custody, store, fetcher, peers, images, limits, seals, reads };
        Self { shared: Arc::new(shared) }
    }
}

impl<N: Node> Shared<N> {
    /// Who of the own hospital signed the request.
    pub(super) fn own_user(
        &self,
        ledger: &dyn ChannelLedger,
        request: &SignedRequest,
        certificate: Option<&PeerCertificate>,
    ) -> Result<VerifiedIdentity, Status> {
        let user = signer(ledger, request, now_ms())?;
        require_own_user(self.node.msp_id(), &user)?;
        // The console calls within the process and shows no certificate; whoever comes over the network does.
        if let Some(certificate) = certificate
            && ledger.bundle().tls_msp(&certificate.der).as_deref() != Some(self.node.msp_id())
        {
            return Err(Status::permission_denied("the connection's certificate is of another organisation"));
        }
        Ok(user)
    }
}

impl<N: Node> ReportService<N> {
    /// Seals the file of a stream of messages, as [`Reports::seal`] does for a stream from the network.
    ///
    /// # Errors
    /// A status that names the rule that stream, description or image break.
    pub async fn seal_stream(
        &self,
        stream: ResponseStream<SealRequest>,
        certificate: Option<PeerCertificate>,
    ) -> Result<SealedReport, Status> {
        seal::seal_stream(&self.shared, stream, certificate).await
    }
}

impl<N: Node> Reports for ReportService<N> {
    async fn seal(&self, request: Request<Streaming<SealRequest>>) -> Result<Response<SealedReport>, Status> {
        let certificate = request.extensions().get::<PeerCertificate>().cloned();
        let stream = Box::pin(request.into_inner());
        self.seal_stream(stream, certificate).await.map(Response::new)
    }

    async fn download(
        &self,
        request: Request<SignedRequest>,
    ) -> Result<Response<ResponseStream<DownloadEvent>>, Status> {
        let certificate = request.extensions().get::<PeerCertificate>().cloned();
        let signed = request.into_inner();
        let asked: DownloadRequest = payload(&signed, SigningDomain::Download, NODE_MESSAGE_BYTES_MAX)?;
        let ledger = self.shared.node.admit(&asked.channel, certificate.as_ref())?;
        let user = self.shared.own_user(&*ledger, &signed, certificate.as_ref())?;
        let slot = slot(&self.shared.reads, "reports are being read")?;
        let (node, channel) = (Arc::clone(&self.shared.node), asked.channel.clone());
        let events = download::stream(Arc::clone(&self.shared), ledger, user.clone(), asked, slot);
        Ok(Response::new(until_revoked(node, channel, Asker::new(&user, certificate), events)))
    }

    async fn verify(&self, request: Request<SignedRequest>) -> Result<Response<VerifyReport>, Status> {
        let certificate = request.extensions().get::<PeerCertificate>().cloned();
        let signed = request.into_inner();
        let asked: VerifyRequest = payload(&signed, SigningDomain::Verify, NODE_MESSAGE_BYTES_MAX)?;
        let ledger = self.shared.node.admit(&asked.channel, certificate.as_ref())?;
        self.shared.own_user(&*ledger, &signed, certificate.as_ref())?;
        let _slot = slot(&self.shared.reads, "reports are being read")?;
        verify::verify(&self.shared, ledger, asked).await.map(Response::new)
    }

    async fn uploaded(
        &self,
        request: Request<SignedRequest>,
    ) -> Result<Response<Vec<UploadedBefore>>, Status> {
        let certificate = request.extensions().get::<PeerCertificate>().cloned();
        let signed = request.into_inner();
        let asked: UploadedRequest = payload(&signed, SigningDomain::Uploaded, NODE_MESSAGE_BYTES_MAX)?;
        let ledger = self.shared.node.admit(&asked.channel, certificate.as_ref())?;
        self.shared.own_user(&*ledger, &signed, certificate.as_ref())?;
        let _slot = slot(&self.shared.reads, "reports are being read")?;
        uploaded::uploaded(&self.shared, ledger, asked).await.map(Response::new)
    }
}

/// A permit, or the status that says to come again.
pub(super) fn slot(slots: &Arc<Semaphore>, what: &str) -> Result<tokio::sync::OwnedSemaphorePermit, Status> {
    Arc::clone(slots).try_acquire_owned().map_err(|_| {
        Status::resource_exhausted(format!("as many {what} as this peer does at once; ask again"))
    })
}
