//! Messages between orderers. The consensus library's own messages travel as opaque bytes.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::block::BlockSignature;
use crate::ids::{BlockHash, BlockNumber, ChannelId, Digest};

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

/// Whether a consenter has a log of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LogState {
    /// It has none: it is new, or its disk was lost. It begins nothing by itself.
    Empty,
    /// It has none, and whoever runs it said that the channel begins.
    Beginning,
    /// It has one.
    Begun,
}

/// Where a consenter stands in a channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The id of its log, drawn at random when the log was made.
    pub instance: u64,
    /// Whether anything is in it.
    pub log: LogState,
    /// Its last block.
    pub applied: BlockNumber,
    /// The hash of that block.
    pub tip: BlockHash,
    /// The last one that a majority has signed.
    pub deliverable: BlockNumber,
    /// Who votes, as far as its log says: log and consenter's TLS key.
    pub voters: Vec<(u64, Digest)>,
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
    /// Where do you stand?
    Standing {
        /// The channel.
        channel: ChannelId,
    },
    /// Send me blocks from this one on, with the signatures that you have.
    Blocks {
        /// The channel.
        channel: ChannelId,
        /// The first block.
        from: BlockNumber,
    },
}

/// The answers.
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
    /// Where the answering node stands.
    Standing(Standing),
    /// Blocks in order, as many as fit into an answer; empty where there is none.
    Blocks(Vec<Bytes>),
}
