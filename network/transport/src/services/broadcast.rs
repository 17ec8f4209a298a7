//! Fabric's broadcast service, by which envelopes reach the orderers.

use protocol::fabric::{BroadcastResponse, Envelope};
use protocol::limits::{ENVELOPE_BYTES_MAX, NODE_MESSAGE_BYTES_MAX};

/// One envelope with its framing.
const REQUEST_BYTES_MAX: usize = ENVELOPE_BYTES_MAX + (64 << 10);

grpc_service! {
    /// What an orderer offers to gateways.
    trait AtomicBroadcast, server AtomicBroadcastServer, client AtomicBroadcastClient;
    name "orderer.AtomicBroadcast", requests REQUEST_BYTES_MAX, answers NODE_MESSAGE_BYTES_MAX;
    /// Answers each envelope of the stream, in order, with whether it was accepted.
    bidi broadcast = "Broadcast": Protobuf<Envelope> => Protobuf<BroadcastResponse>;
}
