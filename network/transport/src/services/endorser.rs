//! Fabric's endorser service, by which a gateway asks other peers to endorse.

use protocol::fabric::{ProposalResponse, SignedProposal};
use protocol::limits::{MESSAGE_BYTES_MAX, PROPOSAL_BYTES_MAX};

/// One proposal, and room for the signature beside it.
const REQUEST_BYTES_MAX: usize = PROPOSAL_BYTES_MAX + (1 << 20);

grpc_service! {
    /// What an endorsing peer offers.
    trait Endorser, server EndorserServer, client EndorserClient;
    name "protos.Endorser", requests REQUEST_BYTES_MAX, answers MESSAGE_BYTES_MAX;
    /// Runs the proposal and returns the signed result.
    unary process_proposal = "ProcessProposal": Protobuf<SignedProposal> => Protobuf<ProposalResponse>;
}
