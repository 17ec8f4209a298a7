//! One message of every kind between nodes, under the number by which the target `message` knows its type.

use bytes::Bytes;
use protocol::{
    BlockHash, BlockNumber, BlockRequest, BlockResponse, BlockSignature, ChannelId, CommitAttestation,
    CommitHash, ConsensusReply, ConsensusRequest, Contradiction, DeliverReply, Digest, DownloadEvent,
    DownloadRequest, FetchReason, KeyDeposit, KeyRelease, KeyRequest, LogState, MspId, Outvoted, RaftMessage,
    SealDescription, SealRequest, SealedKey, SealedReport, SignatureShare, SignedAttestation, SignedRequest,
    SigningDomain, Standing, TxId, VerifyFinding, VerifyReport, VerifyRequest, codec,
};
use serde::Serialize;

fn bytes(kind: u8, message: &impl Serialize) -> Vec<u8> {
    [vec![kind], codec::encode(message)].concat()
}

const SOME: Bytes = Bytes::from_static(b"some bytes");

fn channel() -> ChannelId {
    ChannelId::new("reports").expect("valid")
}

fn id() -> TxId {
    TxId::of(b"nonce", b"creator")
}

fn key() -> SealedKey {
    SealedKey { encapsulated: Bytes::from_static(&[1; 32]), ciphertext: Bytes::from_static(&[2; 48]) }
}

fn share() -> SignatureShare {
    let signature = BlockSignature { consenter: 1, signature: SOME };
    SignatureShare { number: BlockNumber(7), block_hash: BlockHash([1; 32]), signature }
}

fn signed() -> SignedRequest {
    SignedRequest { domain: SigningDomain::Seal, payload: SOME, signer: SOME, signature: SOME }
}

fn between_peers() -> Vec<(&'static str, Vec<u8>)> {
    let reason = FetchReason::Endorsement(SOME);
    let request = BlockRequest { version: 1, channel: channel(), root: "bafk".into(), reason };
    let attestation = CommitAttestation {
        version: CommitAttestation::VERSION,
        channel: channel(),
        number: BlockNumber(7),
        block_hash: BlockHash([1; 32]),
        commit_hash: CommitHash([2; 32]),
    };
    let deposit = KeyDeposit { version: 1, channel: channel(), report_id: id(), key: key() };
    let key_request = KeyRequest { version: 1, channel: channel(), report_id: id(), open_tx_id: id() };
    let (attested, own) = (CommitHash([2; 32]), CommitHash([3; 32]));
    let contradiction =
        Contradiction { msp_id: MspId::new("AMSP").expect("valid"), number: BlockNumber(7), attested, own };
    let word = SignedAttestation { attestation: SOME, peer: SOME, signature: SOME };
    vec![
        ("block-request", bytes(0, &request)),
        ("block-response", bytes(1, &BlockResponse::Refused("why".into()))),
        ("attestation", bytes(2, &attestation)),
        ("key-deposit", bytes(8, &deposit)),
        ("key-release", bytes(9, &KeyRelease::Released(key()))),
        ("key-request", bytes(10, &key_request)),
        ("signed-attestation", bytes(14, &word)),
        ("signed-request", bytes(15, &signed())),
        ("outvoted", bytes(18, &Outvoted::new(3, vec![contradiction]))),
    ]
}

fn between_orderers() -> Vec<(&'static str, Vec<u8>)> {
    let raft = ConsensusRequest::Raft { channel: channel(), target: 2, message: RaftMessage::Append(SOME) };
    let forward = ConsensusRequest::Forward { channel: channel(), envelopes: vec![SOME, SOME] };
    let standing = Standing {
        instance: u64::MAX,
        log: LogState::Begun,
        applied: BlockNumber(9),
        tip: BlockHash([5; 32]),
        deliverable: BlockNumber(8),
        voters: vec![(u64::MAX, Digest([7; 32]))],
    };
    vec![
        ("consensus-blocks", bytes(3, &ConsensusReply::Blocks(vec![SOME]))),
        ("consensus-standing", bytes(3, &ConsensusReply::Standing(standing))),
        (
            "consensus-ask-blocks",
            bytes(4, &ConsensusRequest::Blocks { channel: channel(), from: BlockNumber(3) }),
        ),
        ("consensus-reply", bytes(3, &ConsensusReply::Shares(vec![share()]))),
        ("consensus-forwarded", bytes(3, &ConsensusReply::Forwarded(vec![(503, "later".into())]))),
        ("consensus-raft", bytes(4, &raft)),
        ("consensus-forward", bytes(4, &forward)),
        ("consensus-share", bytes(4, &ConsensusRequest::Share { channel: channel(), shares: vec![share()] })),
        ("deliver-block", bytes(5, &DeliverReply::Block(SOME))),
        ("deliver-status", bytes(5, &DeliverReply::Status(503, "later".into()))),
    ]
}

fn of_users() -> Vec<(&'static str, Vec<u8>)> {
    let download = DownloadRequest { channel: channel(), report_id: id(), open_tx_id: id() };
    let description =
        SealDescription { channel: channel(), patient: "p".into(), modality: "CR".into(), size: 1_000 };
    let sealed = SealedReport {
        cid: "bafk".into(),
        data_key: [7; 32],
        binding: "ab".into(),
        media_type: "image/png".into(),
        perceptual_hash: "0123456789abcdef".into(),
        size: 1_000,
        sealed_size: 1_200,
        patient_ref: String::new(),
    };
    let finding = VerifyFinding { subject: "binding".into(), holds: true, detail: "same".into() };
    let report = VerifyReport { block_number: Some(BlockNumber(7)), findings: vec![finding] };
    let verified = DownloadEvent::Verified { binding: "ab".into(), size: 1_000 };
    vec![
        ("download-event", bytes(6, &verified)),
        ("download-request", bytes(7, &download)),
        ("seal-description", bytes(11, &description)),
        ("seal-begin", bytes(12, &SealRequest::Begin(signed()))),
        ("sealed-report", bytes(13, &sealed)),
        ("verify-report", bytes(16, &report)),
        ("verify-request", bytes(17, &VerifyRequest { channel: channel(), report_id: id() })),
    ]
}

/// Writes every message as a seed.
pub fn write(keep: impl Fn(&str, Vec<u8>)) {
    for (name, bytes) in [between_peers(), between_orderers(), of_users()].concat() {
        keep(&format!("seeds/message/accepted-{name}"), bytes);
    }
}
