//! The exchange of sealed blocks between peers.

use protocol::limits::{DAG_BLOCK_BYTES_MAX, PROPOSAL_BYTES_MAX};
use protocol::{BlockResponse, SignedRequest};

/// A request may show the proposal for which an endorser needs the blocks; the rest is identity, signature and names.
const REQUEST_BYTES_MAX: usize = PROPOSAL_BYTES_MAX + (64 << 10);
/// One sealed block, or a text.
const ANSWER_BYTES_MAX: usize = DAG_BLOCK_BYTES_MAX + (64 << 10);

grpc_service! {
    /// What a holder of sealed reports offers to other peers.
    trait Exchange, server ExchangeServer, client ExchangeClient;
    name "consilium.Exchange", requests REQUEST_BYTES_MAX, answers ANSWER_BYTES_MAX;
    /// Streams the blocks of one DAG. The payload is a `BlockRequest`.
    server_stream fetch = "Fetch": MessagePack<SignedRequest> => MessagePack<BlockResponse>;
}
