//! Delivery of blocks between our own nodes: Fabric's signed seek envelope in, our blocks out.

use protocol::DeliverReply;
use protocol::fabric::Envelope;
use protocol::limits::{MESSAGE_BYTES_MAX, NODE_MESSAGE_BYTES_MAX};

grpc_service! {
    /// What orderers and peers offer to those who follow a channel.
    trait Delivery, server DeliveryServer, client DeliveryClient;
    name "consilium.Delivery", requests NODE_MESSAGE_BYTES_MAX, answers MESSAGE_BYTES_MAX;
    /// Streams blocks as the envelope's `SeekInfo` asks.
    server_stream deliver = "Deliver": Protobuf<Envelope> => MessagePack<DeliverReply>;
}
