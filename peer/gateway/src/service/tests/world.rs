//! The world around a gateway: one peer, its ledger, other hospitals' endorsers, orderers, custody.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use configtx::ConfigBundle;
use endorsing::{
    ExecutionResult, ProposalDraft, TransientMap, check_proposal, endorse, parse_proposal, sign_proposal,
};
use futures_util::future::BoxFuture;
use msp::SigningIdentity;
use protocol::fabric::{
    self, EndorseRequest, Envelope, ErrorDetail, ProposalResponse, Response, SignedProposal,
};
use protocol::{
    BlockNumber, ChaincodeName, ChannelId, CommitHash, IdentityRecord, IdentityStatus, KvRead, KvWrite,
    MspId, NamespaceSet, Poi, ReadWriteSet, TxId, TxNumber, TxValidationCode, Version,
};
use tokio::sync::Notify;
use tokio::time::Instant;
use transport::{Code, Status};

use super::super::remote::{
    BroadcastVerdict, EndorseAsk, EndorserAnswer, Endorsers, EndpointFailure, NoOrderer, Orderers,
};
use super::super::{GatewayLimits, GatewayService, UploadCustody, now_ms};
use super::fixture::{Network, msp_id};
use crate::ports::{Asker, ChannelLedger, CommittedAt, LedgerFault, Node};

pub const OWN: &str = "HospitalA";

/// What an endorser does with a proposal.
#[derive(Clone, Copy, Debug)]
pub enum Does {
    /// Endorses a write of "v".
    Endorse,
    /// Endorses a write of another value.
    Write(&'static str),
    /// Endorses after it read a key that was written in that block.
    ReadAt(u64),
    /// Runs a chaincode that answers an error.
    ChaincodeError(i32, &'static str),
    /// Answers a status.
    Refuse(Code, &'static str),
    /// Never answers.
    Hang,
}

pub type Script = VecDeque<Does>;

/// Takes the next step of a script; the last one is repeated.
fn step(script: &Mutex<Script>) -> Does {
    let mut script = script.lock().unwrap();
    if script.len() > 1 { script.pop_front().unwrap() } else { *script.front().unwrap_or(&Does::Endorse) }
}

pub async fn perform(
    does: Does,
    signed: &SignedProposal,
    bundle: &ConfigBundle,
    signer: &SigningIdentity,
) -> Result<ProposalResponse, Status> {
    let (status, value, read) = match does {
        Does::Endorse => (200, "v", None),
        Does::Write(value) => (200, value, None),
        Does::ReadAt(block) => (200, "v", Some(block)),
        Does::ChaincodeError(status, _) => (status, "", None),
        Does::Refuse(code, text) => return Err(Status::new(code, text)),
        Does::Hang => std::future::pending().await,
    };
    let message = if let Does::ChaincodeError(_, text) = does { text.to_owned() } else { String::new() };
    let parsed = parse_proposal(signed).map_err(|error| Status::invalid_argument(error.to_string()))?;
    let chaincode = parsed.chaincode.as_str().to_owned();
    let verified = check_proposal(parsed, signed, bundle, now_ms())
        .map_err(|error| Status::permission_denied(error.to_string()))?;
    let version = |block| Version { block_number: BlockNumber(block), tx_number: TxNumber(0) };
    let reads = read.map(|block| KvRead { key: "k".to_owned(), version: Some(version(block)) });
    let write = KvWrite { key: "k".to_owned(), value: Some(Bytes::copy_from_slice(value.as_bytes())) };
    let namespace = NamespaceSet {
        name: chaincode,
        reads: reads.into_iter().collect(),
        writes: vec![write],
        ..NamespaceSet::default()
    };
    let rwset = ReadWriteSet { version: ReadWriteSet::VERSION, namespaces: vec![namespace] };
    let response = Response { status, message, payload: Bytes::from_static(b"result") };
    let result = ExecutionResult { rwset, response, event: None, chaincode_version: "1.0".to_owned() };
    endorse(&verified, result, signer, now_ms()).map_err(|error| Status::internal(error.to_string()))
}

/// One channel with nothing in it but its configuration and identities.
#[derive(Debug)]
pub struct FakeLedger {
    bundle: Arc<ConfigBundle>,
    pub height: AtomicU64,
    pub revoked: Mutex<BTreeSet<Poi>>,
}

impl ChannelLedger for FakeLedger {
    fn channel(&self) -> &ChannelId {
        &self.bundle.config().channel
    }

    fn bundle(&self) -> Arc<ConfigBundle> {
        Arc::clone(&self.bundle)
    }

    fn height(&self) -> u64 {
        self.height.load(Ordering::SeqCst)
    }

    fn block(&self, _: BlockNumber) -> Result<Option<Bytes>, LedgerFault> {
        Ok(None)
    }

    fn verdicts(&self, _: BlockNumber) -> Result<Option<Vec<TxValidationCode>>, LedgerFault> {
        Ok(None)
    }

    fn differences(&self, _: BlockNumber) -> Vec<String> {
        Vec::new()
    }

    fn commit_hash(&self, _: BlockNumber) -> Result<Option<CommitHash>, LedgerFault> {
        Ok(None)
    }

    fn transaction(&self, _: &TxId) -> Result<Option<CommittedAt>, LedgerFault> {
        Ok(None)
    }

    fn envelope(&self, _: &TxId) -> Result<Option<Bytes>, LedgerFault> {
        Ok(None)
    }

    fn state(&self, _: &str, _: &str) -> Result<Option<(Bytes, Version)>, LedgerFault> {
        Ok(None)
    }

    fn identity(&self, msp_id: &MspId, poi: &Poi) -> Result<Option<IdentityRecord>, LedgerFault> {
        let mut first = self.bundle.config().first_identities.iter();
        let found = first.find(|identity| identity.msp_id == *msp_id && identity.poi == *poi);
        let is_revoked = self.revoked.lock().unwrap().contains(poi);
        Ok(found.map(|identity| IdentityRecord {
            version: IdentityRecord::VERSION,
            msp_id: identity.msp_id.clone(),
            poi: identity.poi,
            roles: identity.roles.clone(),
            certificate: identity.certificate.clone(),
            tls_spki: Vec::new(),
            status: if is_revoked { IdentityStatus::Revoked } else { IdentityStatus::Active },
            changed_at: vec![BlockNumber(0)],
        }))
    }

    fn block_time_ms(&self) -> u64 {
        0
    }
}

/// The hospital's peer.
pub struct FakeNode {
    own: MspId,
    signer: SigningIdentity,
    pub ledger: Arc<FakeLedger>,
    pub script: Mutex<Script>,
    pub calls: AtomicU64,
    /// Ends the wait for every transaction.
    /// Told when whoever waits is revoked.
    pub revocation: Notify,
    pub commit: Notify,
    pub waiting: AtomicU64,
}

impl Node for FakeNode {
    fn msp_id(&self) -> &MspId {
        &self.own
    }

    fn address(&self) -> String {
        "peer0.HospitalA:7051".to_owned()
    }

    fn signer(&self) -> &dyn msp::Signer {
        &self.signer
    }

    fn ledger(&self, channel: &ChannelId) -> Option<Arc<dyn ChannelLedger>> {
        if channel == self.ledger.channel() { Some(self.ledger.clone()) } else { None }
    }

    fn channels(&self) -> Vec<ChannelId> {
        vec![self.ledger.channel().clone()]
    }

    async fn endorse(&self, proposal: SignedProposal) -> Result<ProposalResponse, Status> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let bundle = self.ledger.bundle();
        perform(step(&self.script), &proposal, &bundle, &self.signer).await
    }

    async fn committed(&self, _: &ChannelId, _: &TxId) -> Result<CommittedAt, Status> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        self.commit.notified().await;
        let code = TxValidationCode::MvccReadConflict;
        Ok(CommittedAt { block_number: BlockNumber(7), tx_number: TxNumber(0), code })
    }

    async fn revoked(&self, channel: &ChannelId, asker: &Asker) -> Status {
        self.revocation.notified().await;
        asker.was_revoked(channel)
    }

    async fn reached(&self, _: &ChannelId, height: u64) -> Result<(), Status> {
        self.ledger.height.store(height, Ordering::SeqCst);
        Ok(())
    }
}

/// Peers of the other hospitals, one each.
pub struct FakeEndorsers {
    peers: BTreeMap<MspId, (SigningIdentity, Mutex<Script>)>,
    pub suspects: Mutex<BTreeSet<MspId>>,
    pub asked: Mutex<Vec<MspId>>,
}

impl Endorsers for FakeEndorsers {
    fn endorse_at<'a>(
        &'a self,
        bundle: &'a ConfigBundle,
        ask: EndorseAsk,
    ) -> BoxFuture<'a, Result<Vec<EndorserAnswer>, Vec<EndpointFailure>>> {
        self.asked.lock().unwrap().push(ask.msp_id.clone());
        Box::pin(async move {
            let address = format!("peer0.{}:7051", ask.msp_id);
            let (signer, script) = self.peers.get(&ask.msp_id).expect("a hospital of the fixture");
            let doing = perform(step(script), &ask.proposal, bundle, signer);
            let answer = tokio::time::timeout_at(ask.deadline, doing).await;
            let answer = answer.unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer in time")));
            let failure = |message: String, is_answer: bool| {
                let msp_id = ask.msp_id.as_str().to_owned();
                Err(vec![EndpointFailure { msp_id, address: address.clone(), message, is_answer }])
            };
            match answer {
                Err(status) => {
                    let is_answer = !matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded);
                    failure(status.message().to_owned(), is_answer)
                }
                Ok(response) => {
                    let said = response.response.clone().unwrap_or_default();
                    if endorsing::is_success(said.status) {
                        Ok(vec![EndorserAnswer { msp_id: ask.msp_id.clone(), address, response }])
                    } else {
                        failure(format!("chaincode response {}, {}", said.status, said.message), true)
                    }
                }
            }
        })
    }

    fn is_suspect(&self, _: &ConfigBundle, msp_id: &MspId) -> bool {
        self.suspects.lock().unwrap().contains(msp_id)
    }

    fn survey<'a>(&'a self, bundle: &'a ConfigBundle) -> BoxFuture<'a, Vec<ErrorDetail>> {
        let row = |msp_id: &MspId| ErrorDetail {
            address: format!("peer0.{msp_id}:7051"),
            msp_id: msp_id.as_str().to_owned(),
            message: "reachable".to_owned(),
        };
        let rows = bundle.endorsing_organizations().map(row).collect();
        Box::pin(std::future::ready(rows))
    }
}

/// Orderers that all answer the same.
pub struct FakeOrderers {
    pub status: Mutex<Option<fabric::Status>>,
    pub taken: Mutex<Vec<Envelope>>,
}

impl Orderers for FakeOrderers {
    fn broadcast<'a>(
        &'a self,
        _: &'a ConfigBundle,
        envelope: Envelope,
        _: Instant,
    ) -> BoxFuture<'a, Result<BroadcastVerdict, NoOrderer>> {
        self.taken.lock().unwrap().push(envelope);
        let address = "orderer0:7050".to_owned();
        let answer = match *self.status.lock().unwrap() {
            Some(status) => {
                let (info, msp_id) = ("said so".to_owned(), "Orderers".to_owned());
                Ok(BroadcastVerdict { status, info, address, msp_id })
            }
            None => {
                let (msp_id, message) = ("Orderers".to_owned(), "connection refused".to_owned());
                let failures = vec![EndpointFailure { msp_id, address, message, is_answer: false }];
                Err(NoOrderer { rounds: 3, failures })
            }
        };
        Box::pin(std::future::ready(answer))
    }
}

/// Custody in memory.
#[derive(Default)]
pub struct FakeCustody {
    pub held: Mutex<BTreeMap<TxId, (String, [u8; 32])>>,
    pub is_broken: Mutex<bool>,
}

impl UploadCustody for FakeCustody {
    async fn take(
        &self,
        _: &ChannelId,
        report_id: &TxId,
        cid: &str,
        data_key: &[u8; 32],
    ) -> Result<(), Status> {
        if *self.is_broken.lock().unwrap() {
            return Err(Status::unavailable("the custody's disk is full"));
        }
        self.held.lock().unwrap().insert(report_id.clone(), (cid.to_owned(), *data_key));
        Ok(())
    }

    fn held(&self, _: &ChannelId, report_id: &TxId) -> Result<Option<String>, Status> {
        Ok(self.held.lock().unwrap().get(report_id).map(|(cid, _)| cid.clone()))
    }
}

/// Everything together.
pub struct World {
    pub network: Network,
    pub node: Arc<FakeNode>,
    pub endorsers: Arc<FakeEndorsers>,
    pub orderers: Arc<FakeOrderers>,
    pub custody: Arc<FakeCustody>,
    pub gateway: Arc<GatewayService<FakeNode, FakeCustody>>,
}

impl World {
    pub fn new() -> Self {
        Self::with(GatewayLimits {
            endorse: Duration::from_secs(20),
            hedge_after: Duration::from_secs(20),
            ..GatewayLimits::default()
        })
    }

    pub fn with(limits: GatewayLimits) -> Self {
        let network = Network::new();
        let bundle = Arc::new(ConfigBundle::new(network.config.clone()).expect("a valid configuration"));
        let node = Arc::new(FakeNode {
            own: msp_id(OWN),
            signer: network.orgs[OWN].issue("peer1", "peer"),
            ledger: Arc::new(FakeLedger { bundle, height: AtomicU64::new(5), revoked: Mutex::default() }),
            script: Mutex::default(),
            calls: AtomicU64::new(0),
            commit: Notify::new(),
            revocation: Notify::new(),
            waiting: AtomicU64::new(0),
        });
        let others = ["HospitalB", "HospitalC"]
            .map(|name| (msp_id(name), (network.orgs[name].issue("peer1", "peer"), Mutex::default())));
        let endorsers = Arc::new(FakeEndorsers {
            peers: others.into(),
            suspects: Mutex::default(),
            asked: Mutex::default(),
        });
        let status = Mutex::new(Some(fabric::Status::Success));
        let orderers = Arc::new(FakeOrderers { status, taken: Mutex::default() });
        let custody = Arc::new(FakeCustody::default());
        let lines: (Arc<dyn Endorsers>, Arc<dyn Orderers>) = (endorsers.clone(), orderers.clone());
        let gateway = Arc::new(GatewayService::over(node.clone(), lines, custody.clone(), limits));
        Self { network, node, endorsers, orderers, custody, gateway }
    }

    /// What the peers of a hospital do, one call after the other.
    pub fn script(&self, org: &str, script: &[Does]) {
        let script = script.iter().copied().collect();
        if org == OWN {
            *self.node.script.lock().unwrap() = script;
        } else {
            *self.endorsers.peers[&msp_id(org)].1.lock().unwrap() = script;
        }
    }

    pub fn asked(&self) -> Vec<String> {
        self.endorsers.asked.lock().unwrap().iter().map(ToString::to_string).collect()
    }

    pub fn proposal(&self, call: &Call<'_>) -> (TxId, SignedProposal) {
        let creator = self.network.identity(call.org, call.user);
        let mut transient = BTreeMap::new();
        for (name, value) in call.transient {
            transient.insert((*name).to_owned(), value.to_vec());
        }
        let draft = ProposalDraft {
            channel: ChannelId::new("reports").unwrap(),
            chaincode: ChaincodeName::new(call.chaincode).unwrap(),
            args: [Some(call.function), call.arg]
                .into_iter()
                .flatten()
                .map(|arg| Bytes::copy_from_slice(arg.as_bytes()))
                .collect(),
            transient: TransientMap::new(transient),
            creator: creator.serialized(),
            nonce: Bytes::copy_from_slice(call.nonce.as_bytes()),
            timestamp_ms: now_ms(),
        };
        let tx_id = draft.tx_id();
        (tx_id, sign_proposal(draft, creator).expect("a signature"))
    }

    pub fn endorse_request(&self, call: &Call<'_>, named: &[&str]) -> EndorseRequest {
        let (tx_id, signed) = self.proposal(call);
        EndorseRequest {
            transaction_id: tx_id.as_str().to_owned(),
            channel_id: "reports".to_owned(),
            proposed_transaction: Some(signed),
            endorsing_organizations: named.iter().map(|name| (*name).to_owned()).collect(),
        }
    }
}

/// A client's call.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    pub org: &'a str,
    pub user: &'a str,
    pub chaincode: &'a str,
    pub function: &'a str,
    pub arg: Option<&'a str>,
    pub nonce: &'a str,
    pub transient: &'a [(&'a str, &'a [u8])],
}

impl Default for Call<'_> {
    fn default() -> Self {
        Self {
            org: OWN,
            user: "user",
            chaincode: "basic",
            function: "Put",
            arg: None,
            nonce: "nonce",
            transient: &[],
        }
    }
}

pub const DATA_KEY: [u8; 32] = [9; 32];

/// What an upload says of its report.
pub const CLAIM: &str = r#"{"cid":"bafy-cid","binding":"","media_type":"","modality":"CR","perceptual_hash":"",
    "size":0,"sealed_size":0,"patient_ref":"","share_with":[]}"#;

/// An upload with everything that belongs to it.
pub fn upload<'a>() -> Call<'a> {
    let transient: &[(&str, &[u8])] = &[("content_cid", b"bafy-cid"), ("data_key", &DATA_KEY)];
    Call { chaincode: "reports", function: "UploadReport", arg: Some(CLAIM), transient, ..Call::default() }
}

/// A test that waits for ever says so.
pub async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("within 20 s")
}
