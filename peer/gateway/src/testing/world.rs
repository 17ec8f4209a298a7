//! The consortium and the transactions of its users: forged ones too, since the tests choose every read and write.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use configtx::ConfigBundle;
use endorsing::{
    ExecutionResult, ProposalDraft, TransientMap, assemble, check_proposal, endorse, parse_proposal,
    sign_envelope, sign_proposal,
};
use ipfs::KemPrivateKey;
use issuing::{CaProfile, CertificateAuthority, SigningKeyPair, Subject, TlsProfile};
use msp::{Signer, SigningIdentity};
use prost::Message;
use protocol::fabric::{ChaincodeEvent, ProposalResponse, Response, SignedProposal};
use protocol::{
    ChaincodeName, ChannelId, Digest, KvRead, KvWrite, MspId, NamespaceSet, ReadWriteSet, TxId,
    TxValidationCode,
};
use reports::{
    AdmissionRecord, Grant, Opening, ReportRecord, ReportState, grant_key, opening_key, report_key,
};
use serde::Serialize;
use shim::Examination;
use transport::{PeerCertificate, Status};

use super::fixture::{HOSPITALS, NOW_MS, Network, msp_id};
use super::ledger::MemoryLedger;
use crate::ports::{ChannelLedger, CommittedAt, Node};
use crate::signed_request::now_ms;

/// The consortium.
pub(crate) struct World {
    pub(crate) network: Arc<Network>,
    pub(crate) ledger: Arc<MemoryLedger>,
    pub(crate) certificates: BTreeMap<MspId, PeerCertificate>,
    nonce: AtomicU64,
}

/// A call of the report chaincode with what it reads and writes.
pub(crate) struct Call {
    pub(crate) args: Vec<String>,
    pub(crate) reads: Vec<KvRead>,
    pub(crate) writes: Vec<KvWrite>,
}

pub(crate) fn json<T: Serialize>(value: &T) -> Option<Bytes> {
    Some(serde_json::to_vec(value).expect("JSON").into())
}

pub(crate) fn kem_bytes(org: &str) -> [u8; 32] {
    Digest::of(org.as_bytes()).0
}

/// The record that an upload of that examination writes.
pub(crate) fn upload_call(
    examined: &Examination,
    owner: &str,
    custodians: &[&str],
) -> impl Fn(&TxId) -> Call + use<> {
    let record = ReportRecord {
        report_id: TxId::of(b"", b""),
        owner: msp_id(owner),
        poi: String::new(),
        patient_ref: String::new(),
        modality: "CR".into(),
        media_type: examined.media_type.clone(),
        size: examined.size,
        sealed_size: examined.sealed_size,
        cid: examined.cid.clone(),
        binding: examined.binding.clone(),
        perceptual_hash: format!("{:016x}", examined.perceptual_hash),
        admission: AdmissionRecord {
            profile_in_force: String::new(),
            outcome: "no rule".into(),
            verdicts: vec![],
        },
        custodians: custodians.iter().map(|name| msp_id(name)).collect(),
        state: ReportState::Active,
        uploaded_at_ms: NOW_MS,
    };
    move |tx_id| {
        let record = ReportRecord { report_id: tx_id.clone(), ..record.clone() };
        let write = KvWrite { key: report_key(tx_id), value: json(&record) };
        Call { args: vec!["UploadReport".into(), "{}".into()], reads: vec![], writes: vec![write] }
    }
}

impl World {
    pub(crate) fn new() -> Self {
        let mut network = Network::new();
        let mut certificates = BTreeMap::new();
        for name in HOSPITALS {
            let profile = CaProfile {
                common_name: format!("tlsca.{name}"),
                organization: name.to_owned(),
                organizational_unit: None,
                subject: Subject::default(),
            };
            let ca = CertificateAuthority::create(&profile, NOW_MS).expect("an authority");
            let key = SigningKeyPair::generate().expect("a key");
            let profile =
                TlsProfile { name: format!("peer0.{name}"), sans: vec![], subject: Subject::default() };
            let leaf = ca.issue_tls(&profile, key.public_key(), NOW_MS).expect("a certificate");
            let der = Bytes::copy_from_slice(leaf.der());
            let certificate = PeerCertificate { spki: Digest::of(&der), der };
            certificates.insert(msp_id(name), certificate);
            let kem = KemPrivateKey::from_bytes(kem_bytes(name)).public().expect("a public key");
            let organizations = &mut network.config.organizations;
            let organization =
                organizations.iter_mut().find(|org| org.msp.msp_id.as_str() == name).expect("known");
            organization.kem_public_key = Some(Digest(kem));
            organization.msp.tls_root_certs = vec![Bytes::copy_from_slice(ca.certificate().der())];
        }
        let bundle = Arc::new(ConfigBundle::new(network.config.clone()).expect("a valid configuration"));
        let ledger = Arc::new(MemoryLedger::new(bundle));
        Self { network: Arc::new(network), ledger, certificates, nonce: AtomicU64::new(0) }
    }

    pub(crate) fn channel(&self) -> ChannelId {
        self.ledger.channel().clone()
    }

    pub(crate) fn identity(&self, org: &str, name: &str) -> &SigningIdentity {
        self.network.identity(org, name)
    }

    pub(crate) fn node(&self, org: &str) -> Arc<TestNode> {
        Arc::new(TestNode {
            msp_id: msp_id(org),
            org: HOSPITALS.into_iter().find(|name| *name == org).expect("a hospital"),
            network: Arc::clone(&self.network),
            ledger: Arc::clone(&self.ledger),
        })
    }

    fn draft(&self, creator: &SigningIdentity, args: Vec<Bytes>, transient: TransientMap) -> ProposalDraft {
        let nonce = self.nonce.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        ProposalDraft {
            channel: self.channel(),
            chaincode: ChaincodeName::new("reports").expect("a name"),
            args,
            transient,
            creator: creator.serialized(),
            nonce: Bytes::copy_from_slice(&nonce),
            timestamp_ms: now_ms(),
        }
    }

    /// A proposal of an upload with key and CID.
    pub(crate) fn proposal(&self, creator: &SigningIdentity, key: &[u8], cid: &str) -> SignedProposal {
        let fields = [("data_key", key.to_vec()), ("content_cid", cid.as_bytes().to_vec())];
        let fields: BTreeMap<_, _> =
            fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let args = vec![Bytes::from_static(b"UploadReport"), Bytes::from_static(b"{}")];
        sign_proposal(self.draft(creator, args, TransientMap::new(fields)), creator).expect("signed")
    }

    /// The envelope of a call, endorsed by a peer of each hospital.
    pub(crate) fn envelope(&self, creator: &SigningIdentity, call: impl Fn(&TxId) -> Call) -> (TxId, Bytes) {
        let mut draft = self.draft(creator, vec![], TransientMap::default());
        let tx_id = draft.tx_id();
        let Call { args, reads, mut writes } = call(&tx_id);
        draft.args = args.into_iter().map(Bytes::from).collect();
        writes.sort_by(|left, right| left.key.cmp(&right.key));
        let set = NamespaceSet { name: "reports".into(), reads, writes, ..NamespaceSet::default() };
        let rwset = ReadWriteSet { version: 1, namespaces: vec![set] };
        let signed = sign_proposal(draft, creator).expect("signed");
        let parsed = parse_proposal(&signed).expect("parsed");
        let verified =
            check_proposal(parsed.clone(), &signed, &self.ledger.bundle(), now_ms()).expect("accepted");
        let result = ExecutionResult {
            rwset,
            response: Response { status: 200, ..Response::default() },
            // Named after the function, so that tests can tell events apart.
            event: parsed.args.first().map(|function| ChaincodeEvent {
                event_name: String::from_utf8_lossy(function).into_owned(),
                payload: Bytes::copy_from_slice(tx_id.as_str().as_bytes()),
                ..ChaincodeEvent::default()
            }),
            chaincode_version: "1.0".into(),
        };
        let answers: Vec<ProposalResponse> = HOSPITALS
            .iter()
            .map(|org| {
                endorse(&verified, result.clone(), self.identity(org, "peer0"), NOW_MS).expect("endorsed")
            })
            .collect();
        let envelope = assemble(&parsed, &answers).expect("assembled");
        let envelope = sign_envelope(envelope, creator).expect("signed");
        (tx_id, envelope.encode_to_vec().into())
    }

    /// Commits one call as VALID in a block of its own.
    pub(crate) fn commit(&self, org: &str, call: impl Fn(&TxId) -> Call) -> TxId {
        self.commit_as(org, TxValidationCode::Valid, call)
    }

    pub(crate) fn commit_as(&self, org: &str, code: TxValidationCode, call: impl Fn(&TxId) -> Call) -> TxId {
        let (tx_id, envelope) = self.envelope(self.identity(org, "user"), call);
        self.ledger.commit(&[(envelope, code)]);
        tx_id
    }

    /// A change of a grant as the chaincode makes it; `reads` says whether it reads the standing one.
    pub(crate) fn grant(&self, by: &str, report_id: &TxId, to: &str, live: bool) -> TxId {
        let key = grant_key(report_id, &msp_id(to));
        let version = self.ledger.state("reports", &key).expect("readable").map(|(_, version)| version);
        self.commit(by, |tx_id| {
            let grant = Grant {
                report_id: report_id.clone(),
                msp_id: msp_id(to),
                live,
                tx_id: tx_id.clone(),
                by_msp: msp_id(by),
                by_poi: String::new(),
            };
            let function = if live { "ShareReport" } else { "UnshareReport" };
            let reads = if live { vec![] } else { vec![KvRead { key: key.clone(), version }] };
            Call {
                args: vec![function.into(), report_id.to_string(), to.into()],
                reads,
                writes: vec![KvWrite { key: key.clone(), value: json(&grant) }],
            }
        })
    }

    /// The record of an opening.
    pub(crate) fn open(&self, org: &str, report_id: &TxId) -> TxId {
        self.open_as(org, TxValidationCode::Valid, report_id)
    }

    pub(crate) fn open_as(&self, org: &str, code: TxValidationCode, report_id: &TxId) -> TxId {
        self.commit_as(org, code, |tx_id| {
            let opening = Opening {
                report_id: report_id.clone(),
                tx_id: tx_id.clone(),
                msp_id: msp_id(org),
                poi: String::new(),
                purpose: "treatment".into(),
                opened_at_ms: NOW_MS,
            };
            Call {
                args: vec!["OpenReport".into(), report_id.to_string(), "treatment".into()],
                reads: vec![],
                writes: vec![KvWrite { key: opening_key(report_id, tx_id), value: json(&opening) }],
            }
        })
    }

    /// Rewrites a report's record; `reads` says whether the transaction reads the standing one.
    pub(crate) fn rewrite(
        &self,
        by: &str,
        report_id: &TxId,
        reads: bool,
        change: impl Fn(&mut ReportRecord),
    ) -> TxId {
        let key = report_key(report_id);
        let (value, version) = self.ledger.state("reports", &key).expect("readable").expect("a record");
        let mut record: ReportRecord = serde_json::from_slice(&value).expect("a record");
        change(&mut record);
        let reads = if reads { vec![KvRead { key: key.clone(), version: Some(version) }] } else { vec![] };
        self.commit(by, |_| Call {
            args: vec!["EraseReport".into(), report_id.to_string()],
            reads: reads.clone(),
            writes: vec![KvWrite { key: key.clone(), value: json(&record) }],
        })
    }
}

/// A peer of the consortium; all of them share one chain.
pub(crate) struct TestNode {
    msp_id: MspId,
    org: &'static str,
    network: Arc<Network>,
    ledger: Arc<MemoryLedger>,
}

impl Node for TestNode {
    fn msp_id(&self) -> &MspId {
        &self.msp_id
    }

    fn signer(&self) -> &dyn Signer {
        self.network.identity(self.org, "peer0")
    }

    fn ledger(&self, channel: &ChannelId) -> Option<Arc<dyn ChannelLedger>> {
        if channel != self.ledger.channel() {
            return None;
        }
        let ledger: Arc<dyn ChannelLedger> = Arc::<MemoryLedger>::clone(&self.ledger);
        Some(ledger)
    }

    fn channels(&self) -> Vec<ChannelId> {
        vec![self.ledger.channel().clone()]
    }

    async fn endorse(&self, _: SignedProposal) -> Result<ProposalResponse, Status> {
        Err(Status::unimplemented("no endorser here"))
    }

    /// What is not committed never will be.
    fn committed(
        &self,
        _: &ChannelId,
        tx_id: &TxId,
    ) -> impl Future<Output = Result<CommittedAt, Status>> + Send {
        let found = self.ledger.transaction(tx_id).ok().flatten();
        std::future::ready(found.ok_or_else(|| Status::unavailable("not committed here")))
    }

    fn reached(&self, _: &ChannelId, _: u64) -> impl Future<Output = Result<(), Status>> + Send {
        std::future::ready(Ok(()))
    }
}
