//! Hyperledger Fabric's messages at the edge: what clients sign and call, declared by hand with Fabric's field numbers.
//!
//! A message that somebody signed is never decoded and encoded again: fields that hold signed bytes are `Bytes`, and
//! callers keep the slices they received. prost drops unknown fields, which is why only wrappers that this node makes
//! itself are ever encoded.

mod common;
mod configtx;
mod gateway;
mod orderer;
mod peer;

/// What reads and writes these messages.
pub use prost::Message;

pub use common::{
    Any, ChannelHeader, Envelope, Header, HeaderType, Payload, RpcStatus, SerializedIdentity,
    SignatureHeader, Status, Timestamp,
};
pub use configtx::{ConfigSignature, ConfigUpdateEnvelope};
pub use gateway::{
    ChaincodeEventsRequest, ChaincodeEventsResponse, CommitStatusRequest, CommitStatusResponse,
    EndorseRequest, EndorseResponse, ErrorDetail, EvaluateRequest, EvaluateResponse,
    SignedChaincodeEventsRequest, SignedCommitStatusRequest, SubmitRequest, SubmitResponse,
};
pub use orderer::{
    BroadcastResponse, SeekBehavior, SeekInfo, SeekNewest, SeekNextCommit, SeekOldest, SeekPosition,
    SeekSpecified, seek_position,
};
pub use peer::{
    ChaincodeAction, ChaincodeActionPayload, ChaincodeEndorsedAction, ChaincodeEvent,
    ChaincodeHeaderExtension, ChaincodeId, ChaincodeInput, ChaincodeInvocationSpec, ChaincodeProposalPayload,
    ChaincodeSpec, Endorsement, Proposal, ProposalResponse, ProposalResponsePayload, Response,
    SignedProposal, Transaction, TransactionAction,
};
