//! Why a proposal is refused: values that are sent to the client, never faults of the node. No text holds an argument or
//! transient data.

use msp::{IdentityRejection, SignatureRejection};
use policy::Explanation;
use protocol::{ChannelId, TxId};

/// Why a proposal is not processed.
#[derive(Debug, thiserror::Error)]
pub enum ProposalRejection {
    /// A part has more bytes or entries than it may have.
    #[error("{part} has {found}; the limit is {limit}")]
    TooLarge {
        /// Which part.
        part: &'static str,
        /// Its size.
        found: usize,
        /// The greatest size allowed.
        limit: usize,
    },
    /// A part cannot be read.
    #[error("{part} is malformed: {reason}")]
    Malformed {
        /// Which part.
        part: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The header's type is not that of a transaction.
    #[error("header type {found} is not ENDORSER_TRANSACTION (3)")]
    HeaderType {
        /// The type found.
        found: i32,
    },
    /// The epoch is not 0.
    #[error("epoch {found} is not 0, the only one there is")]
    Epoch {
        /// The epoch found.
        found: u64,
    },
    /// The header names another chaincode than the invocation.
    #[error("the header names chaincode {header:?}, the invocation {invocation:?}; they must be the same")]
    ChaincodeMismatch {
        /// In the header's extension.
        header: String,
        /// In the invocation.
        invocation: String,
    },
    /// The channel has no such chaincode.
    #[error("channel {channel} has no chaincode {chaincode:?}; it has {}", known.join(", "))]
    UnknownChaincode {
        /// The channel.
        channel: ChannelId,
        /// The name in the proposal.
        chaincode: String,
        /// The chaincodes of the channel.
        known: Vec<String>,
    },
    /// The proposal is for another channel.
    #[error("the proposal is for channel {found}, this is {expected}")]
    OtherChannel {
        /// In the proposal.
        found: ChannelId,
        /// The channel that was asked.
        expected: ChannelId,
    },
    /// The tx id is not the hash of nonce and creator.
    #[error("tx id {found} is not hex(SHA-256(nonce ‖ creator)), which is {expected}")]
    TxId {
        /// In the header.
        found: TxId,
        /// What it must be.
        expected: TxId,
    },
    /// The client's clock differs too much.
    #[error(
        "the proposal's time {timestamp_ms} ms differs from this node's {now_ms} ms by more than 15 minutes; set the clocks"
    )]
    Time {
        /// The client's time.
        timestamp_ms: u64,
        /// The node's time.
        now_ms: u64,
    },
    /// The creator's certificate does not hold.
    #[error("the creator is refused: {0}")]
    Creator(#[source] IdentityRejection),
    /// The creator's signature does not hold.
    #[error("the creator's signature is refused: {0}")]
    Signature(#[source] SignatureRejection),
    /// The creator may not write to the channel.
    #[error("the creator may not propose: {0}")]
    NotAWriter(Box<Explanation>),
    /// The channel has no policy that lets anybody write.
    #[error("channel {channel} has no policy /Channel/Application/Writers, so nobody may propose")]
    NoWriters {
        /// The channel.
        channel: ChannelId,
    },
}

impl ProposalRejection {
    pub(crate) fn malformed(part: &'static str, reason: impl ToString) -> Self {
        Self::Malformed { part, reason: reason.to_string() }
    }

    /// Refuses a size over its limit.
    pub(crate) const fn limit(part: &'static str, found: usize, limit: usize) -> Result<(), Self> {
        if found <= limit { Ok(()) } else { Err(Self::TooLarge { part, found, limit }) }
    }
}
