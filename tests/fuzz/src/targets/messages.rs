//! What nodes and chaincodes say to each other: MessagePack between nodes, and JSON in records and arguments.
//!
//! The first byte of the input chooses the type; the rest is the message.
//!
//! These bytes are not hashed, so another form of the same value may be accepted; what is accepted must survive being
//! written and read again.

use protocol::limits::MESSAGE_BYTES_MAX;
use protocol::{
    BlockRequest, BlockResponse, CommitAttestation, ConsensusReply, ConsensusRequest, DeliverReply,
    DownloadEvent, DownloadRequest, KeyDeposit, KeyRelease, KeyRequest, Outvoted, SealDescription,
    SealRequest, SealedReport, SignedAttestation, SignedRequest, VerifyReport, VerifyRequest, codec,
};
use reports::{Grant, Opening, ReportRecord, UploadClaim};
use serde::{Serialize, de::DeserializeOwned};

type Reader = fn(&[u8]) -> bool;

const READERS: [Reader; 19] = [
    read::<BlockRequest>,
    read::<BlockResponse>,
    read::<CommitAttestation>,
    read::<ConsensusReply>,
    read::<ConsensusRequest>,
    read::<DeliverReply>,
    read::<DownloadEvent>,
    read::<DownloadRequest>,
    read::<KeyDeposit>,
    read::<KeyRelease>,
    read::<KeyRequest>,
    read::<SealDescription>,
    read::<SealRequest>,
    read::<SealedReport>,
    read::<SignedAttestation>,
    read::<SignedRequest>,
    read::<VerifyReport>,
    read::<VerifyRequest>,
    read::<Outvoted>,
];

/// A message of the type that the first byte names.
pub fn message(bytes: &[u8]) -> bool {
    let Some((kind, rest)) = bytes.split_first() else { return false };
    READERS[usize::from(*kind) % READERS.len()](rest)
}

fn read<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> bool {
    let Ok(value) = codec::decode::<T>(bytes, MESSAGE_BYTES_MAX) else { return false };
    let written = codec::encode(&value);
    let again: T = codec::decode_canonical(&written, MESSAGE_BYTES_MAX).expect("what was written reads back");
    assert_eq!(codec::encode(&again), written, "writing and reading lose nothing");
    true
}

/// The JSON of the report chaincode: what an uploader claims, and what the ledger keeps.
pub fn records(bytes: &[u8]) -> bool {
    let readers = [json::<UploadClaim>, json::<ReportRecord>, json::<Grant>, json::<Opening>];
    readers.iter().filter(|read| read(bytes)).count() > 0
}

fn json<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(bytes: &[u8]) -> bool {
    let Ok(value) = serde_json::from_slice::<T>(bytes) else { return false };
    let written = serde_json::to_vec(&value).expect("a record is JSON");
    assert_eq!(
        serde_json::from_slice::<T>(&written).ok(),
        Some(value),
        "a record reads back from what is written"
    );
    true
}
