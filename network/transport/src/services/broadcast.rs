//! Fabric's broadcast service, by which envelopes reach the orderers.

use protocol::fabric::{BroadcastResponse, Envelope};
use protocol::limits::MESSAGE_BYTES_MAX;

grpc_service! {
    /// What an orderer offers to gateways.
    trait AtomicBroadcast, server AtomicBroadcastServer, client AtomicBroadcastClient;
    name "orderer.AtomicBroadcast", limit MESSAGE_BYTES_MAX;
    /// Answers each envelope of the stream, in order, with whether it was accepted.
    bidi broadcast = "Broadcast": Protobuf<Envelope> => Protobuf<BroadcastResponse>;
}
