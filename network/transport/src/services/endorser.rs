//! Fabric's endorser service, by which a gateway asks other peers to endorse.

use protocol::fabric::{ProposalResponse, SignedProposal};
use protocol::limits::MESSAGE_BYTES_MAX;

grpc_service! {
    /// What an endorsing peer offers.
    trait Endorser, server EndorserServer, client EndorserClient;
    name "protos.Endorser", limit MESSAGE_BYTES_MAX;
    /// Runs the proposal and returns the signed result.
    unary process_proposal = "ProcessProposal": Protobuf<SignedProposal> => Protobuf<ProposalResponse>;
}
