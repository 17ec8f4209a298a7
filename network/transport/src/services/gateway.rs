//! Fabric's gateway service, by which clients evaluate, endorse, submit and wait.
//!
//! Source: package `gateway` of hyperledger/fabric-protos; the paths are those that the stock client SDKs call.

use protocol::fabric::{
    ChaincodeEventsResponse, CommitStatusResponse, EndorseRequest, EndorseResponse, EvaluateRequest,
    EvaluateResponse, SignedChaincodeEventsRequest, SignedCommitStatusRequest, SubmitRequest, SubmitResponse,
};
use protocol::limits::{ENVELOPE_BYTES_MAX, MESSAGE_BYTES_MAX};

/// One proposal or envelope, and room for names and signatures beside it.
const REQUEST_BYTES_MAX: usize = ENVELOPE_BYTES_MAX + (1 << 20);

grpc_service! {
    /// What a gateway offers to clients.
    trait Gateway, server GatewayServer, client GatewayClient;
    name "gateway.Gateway", requests REQUEST_BYTES_MAX, answers MESSAGE_BYTES_MAX;
    /// Runs a chaincode function without a transaction and returns its answer.
    unary evaluate = "Evaluate": Protobuf<EvaluateRequest> => Protobuf<EvaluateResponse>;
    /// Collects endorsements and returns the envelope to sign.
    unary endorse = "Endorse": Protobuf<EndorseRequest> => Protobuf<EndorseResponse>;
    /// Hands a signed envelope to the orderers; returns when one accepted it.
    unary submit = "Submit": Protobuf<SubmitRequest> => Protobuf<SubmitResponse>;
    /// Waits until the transaction has a verdict.
    unary commit_status = "CommitStatus": Protobuf<SignedCommitStatusRequest> => Protobuf<CommitStatusResponse>;
    /// Streams a chaincode's events, one answer for each block that has some.
    server_stream chaincode_events = "ChaincodeEvents":
        Protobuf<SignedChaincodeEventsRequest> => Protobuf<ChaincodeEventsResponse>;
}
