//! A certificate authority, a gateway that does what a test tells it, and a client connected to it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use client::{Connection, ConnectionSettings, Deadlines};
use endorsing::{ParsedProposal, assemble, parse_proposal, proposal_hash, stored_proposal_payload};
use issuing::{
    CaProfile, CertificateAuthority, IdentityProfile, SigningKeyPair, Subject, SubjectAltName, TlsProfile,
};
use msp::SigningIdentity;
use prost::Message as _;
use protocol::fabric::{
    ChaincodeAction, ChaincodeEventsResponse, ChaincodeId, CommitStatusResponse, EndorseRequest,
    EndorseResponse, Endorsement, Envelope, ErrorDetail, EvaluateRequest, EvaluateResponse, ProposalResponse,
    ProposalResponsePayload, Response as FabricResponse, SerializedIdentity, SignedChaincodeEventsRequest,
    SignedCommitStatusRequest, SignedProposal, SubmitRequest, SubmitResponse,
};
use protocol::{
    ChannelId, Digest, DownloadEvent, Endpoint, MspId, SealRequest, SealedReport, SignedRequest,
    UploadedBefore, UploadedRequest, VerifyReport,
};
use tokio::net::TcpListener;
use tokio_stream::StreamExt as _;
use transport::services::endorser::{Endorser, EndorserServer};
use transport::services::gateway::{Gateway, GatewayServer};
use transport::services::reports::{Reports, ReportsServer};
use transport::{
    Code, Request, Response, ResponseStream, Server, Status, Streaming, TlsIdentity, TrustRoots,
    error_details,
};

/// 2026-01-01.
const NOW_MS: u64 = 1_767_225_600_000;

type Tamper = Box<dyn Fn(Envelope) -> Envelope + Send + Sync>;
type Answer = Box<dyn Fn(&ParsedProposal) -> FabricResponse + Send + Sync>;

/// What the gateway does, and what it saw.
pub struct World {
    pub tamper: Mutex<Tamper>,
    pub answer: Mutex<Answer>,
    pub verdict: Mutex<i32>,
    pub unreachable: Mutex<BTreeSet<String>>,
    pub refusal: Mutex<Option<Status>>,
    pub submitted: AtomicUsize,
    pub asked: Mutex<Vec<Vec<String>>>,
    pub sealed_bytes: AtomicUsize,
    pub events: Mutex<Vec<Result<DownloadEvent, Status>>>,
    pub known: Mutex<BTreeMap<Digest, UploadedBefore>>,
}

impl World {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            tamper: Mutex::new(Box::new(|envelope| envelope)),
            answer: Mutex::new(Box::new(|_| success(b"result"))),
            verdict: Mutex::new(0),
            unreachable: Mutex::default(),
            refusal: Mutex::default(),
            submitted: AtomicUsize::new(0),
            asked: Mutex::default(),
            sealed_bytes: AtomicUsize::new(0),
            events: Mutex::default(),
            known: Mutex::default(),
        })
    }

    pub fn submitted(&self) -> usize {
        self.submitted.load(Ordering::SeqCst)
    }

    fn run(&self, proposal: &ParsedProposal) -> FabricResponse {
        (self.answer.lock().unwrap())(proposal)
    }
}

pub fn success(payload: &[u8]) -> FabricResponse {
    FabricResponse { status: 200, message: String::new(), payload: Bytes::copy_from_slice(payload) }
}

/// An endorsement of the proposal, as a peer of that organisation would give it.
fn endorsed(proposal: &ParsedProposal, response: FabricResponse, msp_id: &str) -> ProposalResponse {
    let stored = stored_proposal_payload(&proposal.input);
    let hash = proposal_hash(&proposal.channel_header, &proposal.signature_header, &stored);
    let name = proposal.chaincode.as_str().to_owned();
    let action = ChaincodeAction {
        results: Bytes::from_static(b"rwset"),
        response: Some(response.clone()),
        chaincode_id: Some(ChaincodeId { name, ..ChaincodeId::default() }),
        ..ChaincodeAction::default()
    };
    let payload = ProposalResponsePayload {
        proposal_hash: Bytes::copy_from_slice(hash.as_bytes()),
        extension: action.encode_to_vec().into(),
    };
    let endorser = SerializedIdentity { mspid: msp_id.to_owned(), id_bytes: Bytes::from_static(b"pem") };
    let endorsement = Endorsement {
        endorser: endorser.encode_to_vec().into(),
        signature: Bytes::from_static(b"signature"),
    };
    ProposalResponse {
        version: 1,
        response: Some(response),
        payload: payload.encode_to_vec().into(),
        endorsement: Some(endorsement),
        ..ProposalResponse::default()
    }
}

fn parsed(proposal: Option<SignedProposal>) -> ParsedProposal {
    parse_proposal(&proposal.unwrap()).unwrap()
}

impl Gateway for World {
    async fn evaluate(
        &self,
        request: Request<EvaluateRequest>,
    ) -> Result<Response<EvaluateResponse>, Status> {
        let proposal = parsed(request.into_inner().proposed_transaction);
        Ok(Response::new(EvaluateResponse { result: Some(self.run(&proposal)) }))
    }

    async fn endorse(&self, request: Request<EndorseRequest>) -> Result<Response<EndorseResponse>, Status> {
        let request = request.into_inner();
        self.asked.lock().unwrap().push(request.endorsing_organizations.clone());
        if let Some(refusal) = self.refusal.lock().unwrap().clone() {
            return Err(refusal);
        }
        let gone = self.unreachable.lock().unwrap().clone();
        if let Some(msp_id) = request.endorsing_organizations.iter().find(|msp_id| gone.contains(*msp_id)) {
            let detail = ErrorDetail {
                address: format!("peer0.{msp_id}:7051"),
                msp_id: msp_id.clone(),
                message: "connection refused: nothing listens there".to_owned(),
            };
            return Err(error_details(Code::Unavailable, "failed to endorse transaction", vec![detail]));
        }
        let proposal = parsed(request.proposed_transaction);
        let response = endorsed(&proposal, self.run(&proposal), "HospitalBMSP");
        let envelope =
            assemble(&proposal, &[response]).map_err(|error| Status::aborted(error.to_string()))?;
        let envelope = (self.tamper.lock().unwrap())(envelope);
        Ok(Response::new(EndorseResponse { prepared_transaction: Some(envelope) }))
    }

    async fn submit(&self, request: Request<SubmitRequest>) -> Result<Response<SubmitResponse>, Status> {
        assert!(!request.into_inner().prepared_transaction.unwrap().signature.is_empty());
        self.submitted.fetch_add(1, Ordering::SeqCst);
        Ok(Response::new(SubmitResponse {}))
    }

    async fn commit_status(
        &self,
        _: Request<SignedCommitStatusRequest>,
    ) -> Result<Response<CommitStatusResponse>, Status> {
        let result = *self.verdict.lock().unwrap();
        if result < 0 {
            std::future::pending::<()>().await;
        }
        Ok(Response::new(CommitStatusResponse { result, block_number: 7 }))
    }

    async fn chaincode_events(
        &self,
        _: Request<SignedChaincodeEventsRequest>,
    ) -> Result<Response<ResponseStream<ChaincodeEventsResponse>>, Status> {
        Err(Status::unimplemented("not here"))
    }
}

impl Endorser for World {
    async fn process_proposal(
        &self,
        request: Request<SignedProposal>,
    ) -> Result<Response<ProposalResponse>, Status> {
        let proposal = parse_proposal(&request.into_inner()).unwrap();
        let response = self.run(&proposal);
        Ok(Response::new(endorsed(&proposal, response, "HospitalAMSP")))
    }
}

impl Reports for World {
    async fn seal(&self, request: Request<Streaming<SealRequest>>) -> Result<Response<SealedReport>, Status> {
        let mut messages = request.into_inner();
        let mut size = 0;
        while let Some(message) = messages.next().await {
            match message? {
                SealRequest::Begin(begin) => assert_eq!(begin.domain, protocol::SigningDomain::Seal),
                SealRequest::Chunk(chunk) => size += chunk.len(),
            }
        }
        self.sealed_bytes.store(size, Ordering::SeqCst);
        Ok(Response::new(SealedReport {
            cid: "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi".to_owned(),
            data_key: [7; 32],
            binding: "ab".repeat(32),
            media_type: "image/png".to_owned(),
            perceptual_hash: "00ff00ff00ff00ff".to_owned(),
            size: size as u64,
            sealed_size: size as u64 + 200,
            patient_ref: "cd".repeat(32),
        }))
    }

    async fn download(
        &self,
        _: Request<SignedRequest>,
    ) -> Result<Response<ResponseStream<DownloadEvent>>, Status> {
        let events = std::mem::take(&mut *self.events.lock().unwrap());
        Ok(Response::new(Box::pin(tokio_stream::iter(events))))
    }

    async fn uploaded(
        &self,
        request: Request<SignedRequest>,
    ) -> Result<Response<Vec<UploadedBefore>>, Status> {
        let request = request.into_inner();
        assert_eq!(request.domain, protocol::SigningDomain::Uploaded);
        let asked: UploadedRequest = protocol::codec::decode(&request.payload, 1 << 10).unwrap();
        let known = self.known.lock().unwrap();
        Ok(Response::new(known.get(&asked.digest).cloned().into_iter().collect()))
    }

    async fn verify(&self, _: Request<SignedRequest>) -> Result<Response<VerifyReport>, Status> {
        Ok(Response::new(VerifyReport { block_number: None, findings: Vec::new() }))
    }
}

/// A server of a [`World`] and the material to connect to it.
pub struct Running {
    pub world: Arc<World>,
    pub endpoint: Endpoint,
    pub roots: TrustRoots,
    pub connection: Connection,
}

fn tls(ca: &CertificateAuthority, sans: &[&str]) -> TlsIdentity {
    let key = SigningKeyPair::generate().unwrap();
    let profile = TlsProfile {
        name: "node".to_owned(),
        sans: sans.iter().map(|san| SubjectAltName::parse(san).unwrap()).collect(),
        subject: Subject::default(),
    };
    let certificate = ca.issue_tls(&profile, key.public_key(), NOW_MS).unwrap();
    TlsIdentity::from_pem(certificate.pem().as_bytes(), key.private_pem().as_bytes()).unwrap()
}

fn signer(ca: &CertificateAuthority) -> SigningIdentity {
    let key = SigningKeyPair::generate().unwrap();
    let profile = IdentityProfile {
        name: "User1@a.example".to_owned(),
        organizational_unit: Some("client".to_owned()),
        subject: Subject::default(),
    };
    let certificate = ca.issue_identity(&profile, key.public_key(), NOW_MS).unwrap();
    let msp_id = MspId::new("HospitalAMSP").unwrap();
    SigningIdentity::from_pem(msp_id, certificate.pem().as_bytes(), key.private_pem().as_bytes()).unwrap()
}

impl Running {
    pub async fn start() -> Self {
        let profile = CaProfile {
            common_name: "ca.a.example".to_owned(),
            organization: "a.example".to_owned(),
            organizational_unit: None,
            subject: Subject::default(),
        };
        let ca = CertificateAuthority::create(&profile, NOW_MS).unwrap();
        let roots = TrustRoots::new(vec![Bytes::copy_from_slice(ca.certificate().der())]).unwrap();
        let world = World::new();
        let server = Server::new(&tls(&ca, &["127.0.0.1"]), &roots)
            .add_service(GatewayServer::from_arc(Arc::clone(&world)))
            .add_service(EndorserServer::from_arc(Arc::clone(&world)))
            .add_service(ReportsServer::from_arc(Arc::clone(&world)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Endpoint { host: "127.0.0.1".to_owned(), port: listener.local_addr().unwrap().port() };
        tokio::spawn(server.serve(listener, std::future::pending()));
        let settings = ConnectionSettings {
            endpoint: endpoint.clone(),
            tls: tls(&ca, &[]),
            roots: roots.clone(),
            signer: signer(&ca),
            deadlines: Deadlines { commit: Duration::from_millis(300), ..Deadlines::default() },
        };
        let connection = Connection::open(settings).await.unwrap();
        Self { world, endpoint, roots, connection }
    }
}

pub fn channel() -> ChannelId {
    ChannelId::new("reports").unwrap()
}

/// The names of the files in a folder.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}
