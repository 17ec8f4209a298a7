//! Fabric's package `protos`: proposals, their endorsements, transactions.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::Timestamp;

/// `protos.SignedProposal`. It holds transient data: it is never stored, traced or logged.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[prost(skip_debug)]
pub struct SignedProposal {
    /// Bytes of a [`Proposal`].
    #[prost(bytes = "bytes", tag = "1")]
    pub proposal_bytes: Bytes,
    /// The creator's signature over them.
    #[prost(bytes = "bytes", tag = "2")]
    pub signature: Bytes,
}

impl std::fmt::Debug for SignedProposal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SignedProposal { .. }")
    }
}

/// `protos.Proposal`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[prost(skip_debug)]
pub struct Proposal {
    /// Bytes of a `Header`.
    #[prost(bytes = "bytes", tag = "1")]
    pub header: Bytes,
    /// Bytes of a [`ChaincodeProposalPayload`].
    #[prost(bytes = "bytes", tag = "2")]
    pub payload: Bytes,
    /// Unused.
    #[prost(bytes = "bytes", tag = "3")]
    pub extension: Bytes,
}

impl std::fmt::Debug for Proposal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Proposal { .. }")
    }
}

/// `protos.ChaincodeHeaderExtension`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ChaincodeHeaderExtension {
    /// The chaincode.
    #[prost(message, optional, tag = "2")]
    pub chaincode_id: Option<ChaincodeId>,
}

/// `protos.ChaincodeID`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ChaincodeId {
    /// Unused.
    #[prost(string, tag = "1")]
    pub path: String,
    /// The name.
    #[prost(string, tag = "2")]
    pub name: String,
    /// The version.
    #[prost(string, tag = "3")]
    pub version: String,
}

/// `protos.ChaincodeProposalPayload`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[prost(skip_debug)]
pub struct ChaincodeProposalPayload {
    /// Bytes of a [`ChaincodeInvocationSpec`].
    #[prost(bytes = "bytes", tag = "1")]
    pub input: Bytes,
    /// Data for the endorsers only; never stored.
    #[prost(btree_map = "string, bytes", tag = "2")]
    pub transient_map: BTreeMap<String, Vec<u8>>,
}

impl std::fmt::Debug for ChaincodeProposalPayload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ChaincodeProposalPayload { .. }")
    }
}

/// `protos.ChaincodeInvocationSpec`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ChaincodeInvocationSpec {
    /// What to run.
    #[prost(message, optional, tag = "1")]
    pub chaincode_spec: Option<ChaincodeSpec>,
}

/// `protos.ChaincodeSpec`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ChaincodeSpec {
    /// Language of the chaincode; clients send 2.
    #[prost(int32, tag = "1")]
    pub r#type: i32,
    /// The chaincode.
    #[prost(message, optional, tag = "2")]
    pub chaincode_id: Option<ChaincodeId>,
    /// The arguments.
    #[prost(message, optional, tag = "3")]
    pub input: Option<ChaincodeInput>,
    /// Unused.
    #[prost(int32, tag = "4")]
    pub timeout: i32,
}

/// `protos.ChaincodeInput`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ChaincodeInput {
    /// Function name, then its arguments.
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub args: Vec<Bytes>,
    /// Unused.
    #[prost(btree_map = "string, bytes", tag = "2")]
    pub decorations: BTreeMap<String, Vec<u8>>,
    /// Unused.
    #[prost(bool, tag = "3")]
    pub is_init: bool,
}

/// `protos.Response`: a chaincode's answer.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Response {
    /// 200 to 399 is success.
    #[prost(int32, tag = "1")]
    pub status: i32,
    /// Text, of an error.
    #[prost(string, tag = "2")]
    pub message: String,
    /// The result.
    #[prost(bytes = "bytes", tag = "3")]
    pub payload: Bytes,
}

/// `protos.ProposalResponse`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ProposalResponse {
    /// 1.
    #[prost(int32, tag = "1")]
    pub version: i32,
    /// The endorser's clock.
    #[prost(message, optional, tag = "2")]
    pub timestamp: Option<Timestamp>,
    /// The chaincode's answer.
    #[prost(message, optional, tag = "4")]
    pub response: Option<Response>,
    /// Bytes of a [`ProposalResponsePayload`], what endorsers sign together with their identity.
    #[prost(bytes = "bytes", tag = "5")]
    pub payload: Bytes,
    /// The signature.
    #[prost(message, optional, tag = "6")]
    pub endorsement: Option<Endorsement>,
}

/// `protos.ProposalResponsePayload`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ProposalResponsePayload {
    /// SHA-256(channel header ‖ signature header ‖ proposal payload without transient data).
    #[prost(bytes = "bytes", tag = "1")]
    pub proposal_hash: Bytes,
    /// Bytes of a [`ChaincodeAction`].
    #[prost(bytes = "bytes", tag = "2")]
    pub extension: Bytes,
}

/// `protos.ChaincodeAction`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ChaincodeAction {
    /// MessagePack of our `ReadWriteSet`.
    #[prost(bytes = "bytes", tag = "1")]
    pub results: Bytes,
    /// Bytes of a [`ChaincodeEvent`], or empty.
    #[prost(bytes = "bytes", tag = "2")]
    pub events: Bytes,
    /// The chaincode's answer.
    #[prost(message, optional, tag = "3")]
    pub response: Option<Response>,
    /// The chaincode with its version.
    #[prost(message, optional, tag = "4")]
    pub chaincode_id: Option<ChaincodeId>,
}

/// `protos.Endorsement`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Endorsement {
    /// Bytes of the endorser's `SerializedIdentity`.
    #[prost(bytes = "bytes", tag = "1")]
    pub endorser: Bytes,
    /// Over payload ‖ endorser.
    #[prost(bytes = "bytes", tag = "2")]
    pub signature: Bytes,
}

/// `protos.ChaincodeEvent`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ChaincodeEvent {
    /// The chaincode.
    #[prost(string, tag = "1")]
    pub chaincode_id: String,
    /// The transaction.
    #[prost(string, tag = "2")]
    pub tx_id: String,
    /// The event's name.
    #[prost(string, tag = "3")]
    pub event_name: String,
    /// Its content.
    #[prost(bytes = "bytes", tag = "4")]
    pub payload: Bytes,
}

/// `protos.Transaction`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Transaction {
    /// Exactly one.
    #[prost(message, repeated, tag = "1")]
    pub actions: Vec<TransactionAction>,
}

/// `protos.TransactionAction`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct TransactionAction {
    /// Bytes of the proposal's `SignatureHeader`.
    #[prost(bytes = "bytes", tag = "1")]
    pub header: Bytes,
    /// Bytes of a [`ChaincodeActionPayload`].
    #[prost(bytes = "bytes", tag = "2")]
    pub payload: Bytes,
}

/// `protos.ChaincodeActionPayload`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ChaincodeActionPayload {
    /// Bytes of a [`ChaincodeProposalPayload`] without transient data.
    #[prost(bytes = "bytes", tag = "1")]
    pub chaincode_proposal_payload: Bytes,
    /// What was endorsed.
    #[prost(message, optional, tag = "2")]
    pub action: Option<ChaincodeEndorsedAction>,
}

/// `protos.ChaincodeEndorsedAction`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ChaincodeEndorsedAction {
    /// Bytes of a [`ProposalResponsePayload`], as endorsed.
    #[prost(bytes = "bytes", tag = "1")]
    pub proposal_response_payload: Bytes,
    /// The endorsements.
    #[prost(message, repeated, tag = "2")]
    pub endorsements: Vec<Endorsement>,
}
