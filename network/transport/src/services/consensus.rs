//! Messages between orderers. The caller is known by its TLS key: compare [`crate::PeerCertificate::spki`] with the
//! channel's consenters.

use protocol::limits::MESSAGE_BYTES_MAX;
use protocol::{ConsensusReply, ConsensusRequest};

grpc_service! {
    /// What an orderer offers to the other consenters.
    trait Consensus, server ConsensusServer, client ConsensusClient;
    name "consilium.Consensus", requests MESSAGE_BYTES_MAX, answers MESSAGE_BYTES_MAX;
    /// Answers one request of another consenter.
    unary call = "Call": MessagePack<ConsensusRequest> => MessagePack<ConsensusReply>;
}
