//! The exchange of sealed blocks between peers.

use protocol::limits::MESSAGE_BYTES_MAX;
use protocol::{BlockResponse, SignedRequest};

grpc_service! {
    /// What a holder of sealed reports offers to other peers.
    trait Exchange, server ExchangeServer, client ExchangeClient;
    name "consilium.Exchange", limit MESSAGE_BYTES_MAX;
    /// Streams the blocks of one DAG. The payload is a `BlockRequest`.
    server_stream fetch = "Fetch": MessagePack<SignedRequest> => MessagePack<BlockResponse>;
}
