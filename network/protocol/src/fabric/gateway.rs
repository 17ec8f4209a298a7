//! Fabric's package `gateway`: what client SDKs call.

use bytes::Bytes;

use super::{ChaincodeEvent, Envelope, Response, SeekPosition, SignedProposal};

/// Asks for endorsements.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct EndorseRequest {
    /// The transaction.
    #[prost(string, tag = "1")]
    pub transaction_id: String,
    /// The channel.
    #[prost(string, tag = "2")]
    pub channel_id: String,
    /// The signed proposal.
    #[prost(message, optional, tag = "3")]
    pub proposed_transaction: Option<SignedProposal>,
    /// MSPs that must endorse; empty lets the gateway choose.
    #[prost(string, repeated, tag = "4")]
    pub endorsing_organizations: Vec<String>,
}

/// The envelope to sign.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct EndorseResponse {
    /// Envelope without a signature.
    #[prost(message, optional, tag = "1")]
    pub prepared_transaction: Option<Envelope>,
}

/// Hands over a signed envelope.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SubmitRequest {
    /// The transaction.
    #[prost(string, tag = "1")]
    pub transaction_id: String,
    /// The channel.
    #[prost(string, tag = "2")]
    pub channel_id: String,
    /// The signed envelope.
    #[prost(message, optional, tag = "3")]
    pub prepared_transaction: Option<Envelope>,
}

/// Accepted for ordering.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SubmitResponse {}

/// A signed [`CommitStatusRequest`].
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SignedCommitStatusRequest {
    /// Bytes of a [`CommitStatusRequest`].
    #[prost(bytes = "bytes", tag = "1")]
    pub request: Bytes,
    /// The identity's signature over `request`.
    #[prost(bytes = "bytes", tag = "2")]
    pub signature: Bytes,
}

/// Waits for a transaction's verdict.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct CommitStatusRequest {
    /// The transaction.
    #[prost(string, tag = "1")]
    pub transaction_id: String,
    /// The channel.
    #[prost(string, tag = "2")]
    pub channel_id: String,
    /// Bytes of the asking `SerializedIdentity`.
    #[prost(bytes = "bytes", tag = "3")]
    pub identity: Bytes,
}

/// The verdict.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct CommitStatusResponse {
    /// A `TxValidationCode`.
    #[prost(int32, tag = "1")]
    pub result: i32,
    /// The block.
    #[prost(uint64, tag = "2")]
    pub block_number: u64,
}

/// Asks to run a chaincode without a transaction.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct EvaluateRequest {
    /// The id of the proposal.
    #[prost(string, tag = "1")]
    pub transaction_id: String,
    /// The channel.
    #[prost(string, tag = "2")]
    pub channel_id: String,
    /// The signed proposal.
    #[prost(message, optional, tag = "3")]
    pub proposed_transaction: Option<SignedProposal>,
    /// MSPs that may run it; empty lets the gateway choose.
    #[prost(string, repeated, tag = "4")]
    pub target_organizations: Vec<String>,
}

/// The chaincode's answer.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct EvaluateResponse {
    /// The answer.
    #[prost(message, optional, tag = "1")]
    pub result: Option<Response>,
}

/// A signed [`ChaincodeEventsRequest`].
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SignedChaincodeEventsRequest {
    /// Bytes of a [`ChaincodeEventsRequest`].
    #[prost(bytes = "bytes", tag = "1")]
    pub request: Bytes,
    /// The identity's signature over `request`.
    #[prost(bytes = "bytes", tag = "2")]
    pub signature: Bytes,
}

/// Asks for a chaincode's events.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ChaincodeEventsRequest {
    /// The channel.
    #[prost(string, tag = "1")]
    pub channel_id: String,
    /// The chaincode.
    #[prost(string, tag = "2")]
    pub chaincode_id: String,
    /// Bytes of the asking `SerializedIdentity`.
    #[prost(bytes = "bytes", tag = "3")]
    pub identity: Bytes,
    /// Where to begin.
    #[prost(message, optional, tag = "4")]
    pub start_position: Option<SeekPosition>,
    /// Resume after this transaction.
    #[prost(string, tag = "5")]
    pub after_transaction_id: String,
}

/// Events of one block.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ChaincodeEventsResponse {
    /// The events in order.
    #[prost(message, repeated, tag = "1")]
    pub events: Vec<ChaincodeEvent>,
    /// The block.
    #[prost(uint64, tag = "2")]
    pub block_number: u64,
}

/// What one endpoint answered, inside an error.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ErrorDetail {
    /// The endpoint.
    #[prost(string, tag = "1")]
    pub address: String,
    /// Its MSP.
    #[prost(string, tag = "2")]
    pub msp_id: String,
    /// Its answer.
    #[prost(string, tag = "3")]
    pub message: String,
}
