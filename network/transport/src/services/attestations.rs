//! The exchange of attestations between the peers of a channel. Its messages are small, and so is its limit.

use protocol::SignedAttestation;
use protocol::limits::NODE_MESSAGE_BYTES_MAX;

grpc_service! {
    /// What a peer offers to the peers of other organisations.
    trait Attestations, server AttestationsServer, client AttestationsClient;
    name "consilium.Attestations", requests NODE_MESSAGE_BYTES_MAX, answers NODE_MESSAGE_BYTES_MAX;
    /// Takes the caller's newest attestation of a channel and answers with the own newest, if there is one.
    unary attest = "Attest": MessagePack<SignedAttestation> => MessagePack<Option<SignedAttestation>>;
}
