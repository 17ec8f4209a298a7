//! The bytes of every wire and disk type of this crate, frozen. A change of a format shows here first.
//!
//! `CONSILIUM_GOLDEN=write cargo test -p protocol --test golden` writes the files anew; do so only with a new version.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use bytes::Bytes;
use prost::Message;
use protocol::fabric::{
    ChaincodeAction, ChaincodeEvent, ChaincodeId, ChannelHeader, ConfigSignature, ConfigUpdateEnvelope,
    Endorsement, Envelope, Header, Payload, ProposalResponsePayload, Response, SeekBehavior, SeekInfo,
    SeekPosition, SerializedIdentity, SignatureHeader, Timestamp,
};
use protocol::*;
use sha2::{Digest as _, Sha256};

fn check(name: &str, bytes: &[u8]) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.hex"));
    let found = format!("{}\nsha256 {}\n", hex::encode(bytes), hex::encode(Sha256::digest(bytes)));
    if std::env::var_os("CONSILIUM_GOLDEN").is_some_and(|mode| mode == "write") {
        fs::write(&path, &found).expect("the golden file is written");
        return;
    }
    let frozen = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(
        found, frozen,
        "the bytes of {name} changed: a stored or signed format needs a new version instead"
    );
}

fn channel() -> ChannelId {
    ChannelId::new("reports").expect("valid")
}

fn msp(name: &str) -> MspId {
    MspId::new(name).expect("valid")
}

fn tx_id() -> TxId {
    TxId::of(b"nonce", b"creator")
}

fn version() -> Version {
    Version { block_number: BlockNumber(7), tx_number: TxNumber(2) }
}

fn header() -> BlockHeader {
    BlockHeader {
        version: BlockHeader::VERSION,
        channel: channel(),
        number: BlockNumber(300),
        previous_hash: BlockHash([1; 32]),
        data_hash: Digest([2; 32]),
        timestamp_ms: 1_700_000_000_000,
        last_config: BlockNumber(0),
        proof: Proof { difficulty_bits: 8, nonce: 77 },
        envelope_count: None,
    }
}

fn signature() -> BlockSignature {
    BlockSignature { consenter: 1, signature: Bytes::from_static(b"signature") }
}

fn rwset() -> ReadWriteSet {
    let read = |key: &str, version| KvRead { key: key.into(), version };
    let write = |key: &str, value| KvWrite { key: key.into(), value };
    ReadWriteSet {
        version: ReadWriteSet::VERSION,
        namespaces: vec![NamespaceSet {
            name: "asset-transfer".into(),
            reads: vec![read("a", Some(version())), read("b", None)],
            ranges: vec![RangeQuery {
                start: "a".into(),
                end: "c".into(),
                exhausted: true,
                digest: RangeQuery::digest_of(&[("a".into(), version())]),
            }],
            writes: vec![write("a", Some(Bytes::from_static(b"value"))), write("b", None)],
            ..NamespaceSet::default()
        }],
    }
}

fn msp_config() -> MspConfig {
    let ou = |name: &str| {
        Some(OuIdentifier { organizational_unit: name.into(), certificate: Some(Bytes::from_static(b"ca")) })
    };
    MspConfig {
        version: MspConfig::VERSION,
        msp_id: msp("HospitalAMSP"),
        root_certs: vec![Bytes::from_static(b"root")],
        intermediate_certs: vec![],
        admin_certs: vec![],
        tls_root_certs: vec![Bytes::from_static(b"tls root")],
        tls_intermediate_certs: vec![],
        node_ous: Some(NodeOus {
            client: ou("client"),
            peer: ou("peer"),
            admin: ou("admin"),
            orderer: ou("orderer"),
        }),
    }
}

fn config() -> ChannelConfig {
    ChannelConfig {
        version: ChannelConfig::VERSION,
        channel: channel(),
        sequence: 0,
        capabilities: vec![Capability("V1_0".into())],
        organizations: vec![Organization {
            msp: msp_config(),
            kem_public_key: Some(Digest([9; 32])),
            peers: vec![Endpoint { host: "peer0.a.example.com".into(), port: 7051 }],
            policies: BTreeMap::from([("Readers".into(), "OR('HospitalAMSP.member')".into())]),
        }],
        orderer: OrdererConfig {
            consenters: vec![Consenter {
                msp_id: msp("OrdererMSP"),
                endpoint: Endpoint { host: "orderer0.example.com".into(), port: 7050 },
                identity_cert: Bytes::from_static(b"pem"),
                tls_spki: Digest([3; 32]),
            }],
            batch: BatchConfig {
                max_message_count: 500,
                absolute_max_bytes: 16 << 20,
                preferred_max_bytes: 2 << 20,
                timeout_ms: 100,
            },
            difficulty_bits: 0,
        },
        policies: BTreeMap::from([(
            "/Channel/Application/Endorsement".into(),
            "MAJORITY Endorsement".into(),
        )]),
        chaincodes: vec![ChaincodeDefinition {
            name: ChaincodeName::new("reports").expect("valid"),
            version: "1.0".into(),
            sequence: 1,
            endorsement_policy: String::new(),
            self_test_id: "ab".into(),
        }],
        reports: Some(ReportsConfig {
            checkers: Checkers { required: 2, organizations: vec![msp("HospitalAMSP"), msp("HospitalBMSP")] },
            custodians: vec![],
            holders: vec![],
            admission: vec![AdmissionConfig {
                modality: "CR".into(),
                profile: "calibrated".into(),
                refuse: false,
                references: vec![ReferenceHash {
                    id: "cr-01".into(),
                    hash: 0x084b_cb4a_5e3e_3e3c,
                    source: "source".into(),
                    licence: "CC BY 4.0".into(),
                }],
            }],
        }),
        identities: IdentityRule::Registered,
        first_identities: vec![RegisteredIdentity {
            msp_id: msp("HospitalAMSP"),
            poi: Poi::from_digest([4; 32]),
            roles: vec![Role::Member, Role::Peer],
            certificate: Bytes::from_static(b"pem"),
            tls_spki: vec![Digest([5; 32])],
        }],
    }
}

#[test]
fn the_bytes_of_hashed_and_stored_types_are_frozen() {
    check("block_header", &codec::encode(&header()));
    let counted = BlockHeader { version: 2, envelope_count: Some(300), ..header() };
    check("block_header_v2", &codec::encode(&counted));
    check(
        "block",
        &Block { header: header(), envelopes: vec![Bytes::from_static(b"e")], signatures: vec![signature()] }
            .to_bytes(),
    );
    check("read_write_set", &rwset().to_bytes());
    check("channel_config", &config().to_bytes());
    let update = ConfigUpdate {
        version: ConfigUpdate::VERSION,
        channel: channel(),
        sequence: 3,
        read_set: vec![
            ConfigRead { path: "/Channel/Application/Chaincodes/reports".into(), digest: None },
            ConfigRead { path: "/Channel/Orderer/Batch".into(), digest: Some(Digest([6; 32])) },
        ],
        write_set: vec![
            ConfigWrite { path: "/Channel/Application/Chaincodes/reports".into(), value: None },
            ConfigWrite { path: "/Channel/Orderer/Batch".into(), value: Some(Bytes::from_static(b"v")) },
        ],
    };
    check("config_update", &update.to_bytes());
    let envelope = ConfigEnvelope {
        version: ConfigEnvelope::VERSION,
        config: config().to_bytes().into(),
        last_update: Bytes::from_static(b"envelope"),
    };
    check("config_envelope", &envelope.to_bytes());
    let attestation = CommitAttestation {
        version: CommitAttestation::VERSION,
        channel: channel(),
        number: BlockNumber(7),
        block_hash: BlockHash([1; 32]),
        commit_hash: CommitHash([2; 32]),
    };
    check("commit_attestation", &codec::encode(&attestation));
    let contradiction = Contradiction {
        msp_id: msp("HospitalAMSP"),
        number: BlockNumber(7),
        attested: CommitHash([2; 32]),
        own: CommitHash([3; 32]),
    };
    check("outvoted", &Outvoted::new(3, vec![contradiction]).to_bytes());
    let record = IdentityRecord {
        version: IdentityRecord::VERSION,
        msp_id: msp("HospitalAMSP"),
        poi: Poi::from_digest([4; 32]),
        roles: vec![Role::Member, Role::Admin],
        certificate: Bytes::from_static(b"pem"),
        tls_spki: vec![Digest([5; 32])],
        status: IdentityStatus::Active,
        changed_at: vec![BlockNumber(0)],
    };
    check("identity_record", &codec::encode(&record));
    let claim = IdentityClaim {
        version: IdentityClaim::VERSION,
        msp_id: msp("HospitalAMSP"),
        certificate: Bytes::from_static(b"pem"),
        tls_spki: vec![Digest([5; 32])],
        proof: Bytes::from_static(b"signature"),
    };
    check("identity_claim", &claim.to_bytes());
    let poi = Poi::from_digest([4; 32]);
    let proven = |scope| claim.proven_bytes(scope, &channel(), &poi);
    check("identity_register_proof", &proven(ProofScope::Registration));
    check("identity_renew_proof", &proven(ProofScope::Renewal));
    check("identity_renew_proof_v2", &proven(ProofScope::RenewalAfter(3)));
}

/// What a key signs for one purpose is no signature for another, in this release or a later one.
#[test]
fn what_stands_before_a_signed_request_is_frozen() {
    let domains = [
        SigningDomain::KeyRequest,
        SigningDomain::KeyDeposit,
        SigningDomain::BlockRequest,
        SigningDomain::Seal,
        SigningDomain::Download,
        SigningDomain::Verify,
        SigningDomain::SignatureShare,
        SigningDomain::Uploaded,
    ];
    let signed: Vec<u8> =
        domains.into_iter().flat_map(|domain| SignedRequest::signed_bytes(domain, b"payload")).collect();
    check("signed_bytes", &signed);
    check("signing_domain", &codec::encode(&domains));
}

#[test]
fn the_bytes_of_messages_between_nodes_are_frozen() {
    let sealed =
        SealedKey { encapsulated: Bytes::from_static(&[1; 32]), ciphertext: Bytes::from_static(&[2; 48]) };
    let share =
        SignatureShare { number: BlockNumber(7), block_hash: BlockHash([1; 32]), signature: signature() };
    check(
        "deliver_reply",
        &codec::encode(&[
            DeliverReply::Block(Bytes::from_static(b"b")),
            DeliverReply::Status(503, "s".into()),
        ]),
    );
    let request = SignedRequest {
        domain: SigningDomain::KeyRequest,
        payload: Bytes::from_static(b"p"),
        signer: Bytes::from_static(b"s"),
        signature: Bytes::from_static(b"x"),
    };
    check("signed_request", &codec::encode(&request));
    check(
        "key_request",
        &codec::encode(&KeyRequest {
            version: 1,
            channel: channel(),
            report_id: tx_id(),
            open_tx_id: tx_id(),
        }),
    );
    check(
        "key_release",
        &codec::encode(&[
            KeyRelease::Released(sealed.clone()),
            KeyRelease::Refused("r".into()),
            KeyRelease::Unavailable("u".into()),
        ]),
    );
    check(
        "key_deposit",
        &codec::encode(&KeyDeposit { version: 1, channel: channel(), report_id: tx_id(), key: sealed }),
    );
    let reasons = [FetchReason::Report(tx_id()), FetchReason::Endorsement(Bytes::from_static(b"proposal"))];
    let requests =
        reasons.map(|reason| BlockRequest { version: 1, channel: channel(), root: "bafk".into(), reason });
    check("block_request", &codec::encode(&requests));
    check(
        "block_response",
        &codec::encode(&[
            BlockResponse::Block(Bytes::from_static(b"b")),
            BlockResponse::NotHeld("n".into()),
            BlockResponse::Refused("r".into()),
        ]),
    );
    let raft = ConsensusRequest::Raft {
        channel: channel(),
        target: 2,
        message: RaftMessage::Append(Bytes::from_static(b"m")),
    };
    let forward = ConsensusRequest::Forward { channel: channel(), envelopes: vec![Bytes::from_static(b"e")] };
    let shares = ConsensusRequest::Shares { channel: channel(), from: BlockNumber(3) };
    check(
        "consensus_request",
        &codec::encode(&[
            raft,
            ConsensusRequest::Share { channel: channel(), shares: vec![share.clone()] },
            shares,
            forward,
        ]),
    );
    let replies = [
        ConsensusReply::Raft { clock_ms: 5, reply: Bytes::from_static(b"r") },
        ConsensusReply::Shares(vec![share]),
        ConsensusReply::Forwarded(vec![(200, String::new())]),
        ConsensusReply::Failed("f".into()),
    ];
    check("consensus_reply", &codec::encode(&replies));
    let questions = [
        ConsensusRequest::Standing { channel: channel() },
        ConsensusRequest::Blocks { channel: channel(), from: BlockNumber(3) },
    ];
    check("consensus_questions", &codec::encode(&questions));
    let standing = |log| Standing {
        instance: u64::MAX,
        log,
        applied: BlockNumber(9),
        tip: BlockHash([5; 32]),
        deliverable: BlockNumber(8),
        voters: vec![(u64::MAX, Digest([7; 32]))],
    };
    let logs = [LogState::Empty, LogState::Beginning, LogState::Begun];
    let mut answers = logs.map(|log| ConsensusReply::Standing(standing(log))).to_vec();
    answers.push(ConsensusReply::Blocks(vec![Bytes::from_static(b"b")]));
    check("consensus_answers", &codec::encode(&answers));
}

#[test]
fn the_bytes_of_messages_of_a_hospitals_users_are_frozen() {
    let request = SignedRequest {
        domain: SigningDomain::Seal,
        payload: Bytes::from_static(b"p"),
        signer: Bytes::from_static(b"s"),
        signature: Bytes::from_static(b"x"),
    };
    let description =
        SealDescription { channel: channel(), patient: "p".into(), modality: "CR".into(), size: 1_000 };
    check("seal_description", &codec::encode(&description));
    check(
        "seal_request",
        &codec::encode(&[SealRequest::Begin(request), SealRequest::Chunk(Bytes::from_static(b"c"))]),
    );
    let sealed = SealedReport {
        cid: "bafk".into(),
        data_key: [7; 32],
        binding: "ab".into(),
        media_type: "image/png".into(),
        perceptual_hash: "0123456789abcdef".into(),
        size: 1_000,
        sealed_size: 1_200,
        patient_ref: "cd".into(),
    };
    check("sealed_report", &codec::encode(&sealed));
    let download = DownloadRequest { channel: channel(), report_id: tx_id(), open_tx_id: tx_id() };
    check("download_request", &codec::encode(&download));
    let events = [
        DownloadEvent::Progress("asked".into()),
        DownloadEvent::Chunk(Bytes::from_static(b"c")),
        DownloadEvent::Verified { binding: "ab".into(), size: 1_000 },
    ];
    check("download_event", &codec::encode(&events));
    let uploaded =
        UploadedRequest { version: UploadedRequest::VERSION, channel: channel(), digest: Digest([6; 32]) };
    check("uploaded_request", &codec::encode(&uploaded));
    check(
        "uploaded_before",
        &codec::encode(&[UploadedBefore { report_id: tx_id(), uploaded_at_ms: 1_700_000_000_000 }]),
    );
    check("verify_request", &codec::encode(&VerifyRequest { channel: channel(), report_id: tx_id() }));
    let finding = VerifyFinding { subject: "binding".into(), holds: true, detail: "same".into() };
    check(
        "verify_report",
        &codec::encode(&VerifyReport { block_number: Some(BlockNumber(7)), findings: vec![finding] }),
    );
    let word = SignedAttestation {
        attestation: Bytes::from_static(b"a"),
        peer: Bytes::from_static(b"p"),
        signature: Bytes::from_static(b"x"),
    };
    check("signed_attestation", &codec::encode(&word));
}

#[test]
fn the_bytes_of_fabrics_messages_are_frozen() {
    let identity = SerializedIdentity { mspid: "HospitalAMSP".into(), id_bytes: Bytes::from_static(b"pem") };
    let channel_header = ChannelHeader {
        r#type: 3,
        timestamp: Some(Timestamp { seconds: 1, nanos: 2 }),
        channel_id: "reports".into(),
        tx_id: tx_id().as_str().into(),
        extension: Bytes::from_static(b"x"),
        ..ChannelHeader::default()
    };
    let signature_header =
        SignatureHeader { creator: identity.encode_to_vec().into(), nonce: Bytes::from_static(&[7; 24]) };
    let header = Header {
        channel_header: channel_header.encode_to_vec().into(),
        signature_header: signature_header.encode_to_vec().into(),
    };
    let payload = Payload { header: Some(header), data: Bytes::from_static(b"data") };
    let envelope =
        Envelope { payload: payload.encode_to_vec().into(), signature: Bytes::from_static(b"sig") };
    check("fabric_envelope", &envelope.encode_to_vec());
    let event = ChaincodeEvent {
        chaincode_id: "reports".into(),
        tx_id: "t".into(),
        event_name: "n".into(),
        payload: Bytes::from_static(b"p"),
    };
    let action = ChaincodeAction {
        results: rwset().to_bytes().into(),
        events: event.encode_to_vec().into(),
        response: Some(Response { status: 200, message: String::new(), payload: Bytes::from_static(b"ok") }),
        chaincode_id: Some(ChaincodeId {
            path: String::new(),
            name: "reports".into(),
            version: "1.0".into(),
        }),
    };
    let response = ProposalResponsePayload {
        proposal_hash: Bytes::from_static(&[1; 32]),
        extension: action.encode_to_vec().into(),
    };
    check("fabric_proposal_response_payload", &response.encode_to_vec());
    check(
        "fabric_endorsement",
        &Endorsement { endorser: Bytes::from_static(b"e"), signature: Bytes::from_static(b"s") }
            .encode_to_vec(),
    );
    let seek = SeekInfo {
        start: Some(SeekPosition::specified(7)),
        stop: Some(SeekPosition::newest()),
        behavior: SeekBehavior::FailIfNotReady.into(),
    };
    check("fabric_seek_info", &seek.encode_to_vec());
    let signature =
        ConfigSignature { signature_header: Bytes::from_static(b"h"), signature: Bytes::from_static(b"s") };
    let update =
        ConfigUpdateEnvelope { config_update: Bytes::from_static(b"u"), signatures: vec![signature] };
    check("fabric_config_update_envelope", &update.encode_to_vec());
}
