//! Messages between orderers. The consensus library's own messages travel as opaque bytes.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::block::BlockSignature;
use crate::ids::{BlockHash, BlockNumber, ChannelId};

/// A message of the consensus library, encoded by the orderer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RaftMessage {
    /// Append entries.
    Append(Bytes),
    /// Ask for a vote.
    Vote(Bytes),
    /// Install a snapshot.
    Snapshot(Bytes),
}

/// One consenter's signature of an applied block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignatureShare {
    /// The block.
    pub number: BlockNumber,
    /// Its hash.
    pub block_hash: BlockHash,
    /// The signature with its consenter's number.
    pub signature: BlockSignature,
}

/// What one orderer asks another. The asker is known by its TLS certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConsensusRequest {
    /// A message of the consensus library to the consenter with this id.
    Raft {
        /// The channel.
        channel: ChannelId,
        /// The id that is addressed.
        target: u64,
        /// The message.
        message: RaftMessage,
    },
    /// Here are signatures of mine.
    Share {
        /// The channel.
        channel: ChannelId,
        /// The signatures.
        shares: Vec<SignatureShare>,
    },
    /// Send me your signatures from this block on.
    Shares {
        /// The channel.
        channel: ChannelId,
        /// The first block.
        from: BlockNumber,
    },
    /// Order these envelopes for me; answered when they are committed or refused.
    Forward {
        /// The channel.
        channel: ChannelId,
        /// The envelopes.
        envelopes: Vec<Bytes>,
    },
}

/// The answers, in the order of the requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConsensusReply {
    /// The consensus library's reply, with the answering node's clock in milliseconds since 1970.
    Raft {
        /// Clock of the answering node.
        clock_ms: u64,
        /// The library's reply.
        reply: Bytes,
    },
    /// Signatures; empty where none was asked for.
    Shares(Vec<SignatureShare>),
    /// Status (Fabric's `common.Status` number) and text of each forwarded envelope.
    Forwarded(Vec<(i32, String)>),
    /// The request was not processed; why.
    Failed(String),
}
