//! Services with answers that a test can foresee.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use protocol::fabric::{BroadcastResponse, Envelope};
use protocol::{
    ConsensusReply, ConsensusRequest, DeliverReply, DownloadEvent, KeyRelease, SealRequest, SealedReport,
    SignedRequest, SigningDomain, UploadedBefore, VerifyReport,
};
use tokio::sync::mpsc;
use transport::services::broadcast::{AtomicBroadcast, AtomicBroadcastServer};
use transport::services::consensus::{Consensus, ConsensusServer};
use transport::services::custody::{Custody, CustodyServer};
use transport::services::delivery::{Delivery, DeliveryServer};
use transport::services::reports::{Reports, ReportsServer};
use transport::{
    PeerCertificate, Request, Response, ResponseStream, Server, Status, Streaming, TlsIdentity, TrustRoots,
};

/// Tells its channel when it is dropped.
struct Farewell(mpsc::UnboundedSender<()>);

impl Drop for Farewell {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

/// All services in one value.
pub struct World {
    left: mpsc::UnboundedSender<()>,
}

/// A server with every service of [`World`], and a receiver that hears of each ended stream without end.
pub fn server(identity: &TlsIdentity, roots: &TrustRoots) -> (Server, mpsc::UnboundedReceiver<()>) {
    let (left, ended) = mpsc::unbounded_channel();
    let world = Arc::new(World { left });
    let server = Server::new(identity, roots)
        .add_service(ConsensusServer::from_arc(Arc::clone(&world)))
        .add_service(CustodyServer::from_arc(Arc::clone(&world)))
        .add_service(DeliveryServer::from_arc(Arc::clone(&world)))
        .add_service(AtomicBroadcastServer::from_arc(Arc::clone(&world)))
        .add_service(ReportsServer::from_arc(world));
    (server, ended)
}

/// A request whose payload has that many bytes.
pub fn signed(payload: usize) -> SignedRequest {
    SignedRequest {
        domain: SigningDomain::KeyRequest,
        payload: Bytes::from(vec![7; payload]),
        signer: Bytes::from_static(b"signer"),
        signature: Bytes::from_static(b"signature"),
    }
}

/// The simplest question: the answer holds the digest of the asker's TLS key.
pub fn question() -> ConsensusRequest {
    ConsensusRequest::Forward { channel: protocol::ChannelId::new("c").unwrap(), envelopes: Vec::new() }
}

impl Consensus for World {
    async fn call(&self, request: Request<ConsensusRequest>) -> Result<Response<ConsensusReply>, Status> {
        let peer = request.extensions().get::<PeerCertificate>().ok_or_else(|| Status::internal("nobody"))?;
        let reply = Bytes::copy_from_slice(peer.spki.as_bytes());
        Ok(Response::new(ConsensusReply::Raft { clock_ms: 1, reply }))
    }
}

impl Custody for World {
    async fn request(&self, request: Request<SignedRequest>) -> Result<Response<KeyRelease>, Status> {
        assert!(request.into_inner().payload.len() != 13, "thirteen bytes panic");
        Ok(Response::new(KeyRelease::Refused("clause".to_owned())))
    }

    async fn deposit(&self, request: Request<SignedRequest>) -> Result<Response<String>, Status> {
        Ok(Response::new(format!("{} bytes", request.into_inner().payload.len())))
    }
}

impl Delivery for World {
    /// Two blocks and a status; without end after the first block if the envelope has a signature.
    async fn deliver(
        &self,
        request: Request<Envelope>,
    ) -> Result<Response<ResponseStream<DeliverReply>>, Status> {
        let envelope = request.into_inner();
        let blocks = futures_util::stream::iter([
            Ok(DeliverReply::Block(envelope.payload.clone())),
            Ok(DeliverReply::Block(Bytes::from_static(b"2"))),
            Ok(DeliverReply::Status(200, "end".to_owned())),
        ]);
        if envelope.signature.is_empty() {
            return Ok(Response::new(Box::pin(blocks)));
        }
        let farewell = Farewell(self.left.clone());
        let endless = blocks.take(1).chain(futures_util::stream::pending()).map(move |reply| {
            let _kept = &farewell;
            reply
        });
        Ok(Response::new(Box::pin(endless)))
    }
}

impl AtomicBroadcast for World {
    async fn broadcast(
        &self,
        request: Request<Streaming<Envelope>>,
    ) -> Result<Response<ResponseStream<BroadcastResponse>>, Status> {
        let answers = request.into_inner().map(|envelope| {
            envelope.map(|envelope| BroadcastResponse {
                status: 200,
                info: format!("{} bytes", envelope.payload.len()),
            })
        });
        Ok(Response::new(Box::pin(answers)))
    }
}

impl Reports for World {
    async fn seal(&self, request: Request<Streaming<SealRequest>>) -> Result<Response<SealedReport>, Status> {
        let mut stream = request.into_inner();
        let mut size = 0;
        while let Some(message) = stream.next().await {
            if let SealRequest::Chunk(chunk) = message? {
                size += chunk.len() as u64;
            }
        }
        Ok(Response::new(SealedReport {
            cid: "cid".to_owned(),
            data_key: [1; 32],
            binding: String::new(),
            media_type: "image/png".to_owned(),
            perceptual_hash: String::new(),
            size,
            sealed_size: 0,
            patient_ref: String::new(),
        }))
    }

    async fn download(
        &self,
        _: Request<SignedRequest>,
    ) -> Result<Response<ResponseStream<DownloadEvent>>, Status> {
        Err(Status::not_found("no such report"))
    }

    async fn verify(&self, _: Request<SignedRequest>) -> Result<Response<VerifyReport>, Status> {
        Ok(Response::new(VerifyReport { block_number: None, findings: Vec::new() }))
    }

    async fn uploaded(&self, _: Request<SignedRequest>) -> Result<Response<Vec<UploadedBefore>>, Status> {
        Ok(Response::new(Vec::new()))
    }
}
