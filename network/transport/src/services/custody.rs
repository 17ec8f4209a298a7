//! The movement of sealed data keys between peers. Its messages are small, and so is its limit.

use protocol::limits::NODE_MESSAGE_BYTES_MAX;
use protocol::{KeyRelease, SignedRequest};

grpc_service! {
    /// What a custodian offers to other peers.
    trait Custody, server CustodyServer, client CustodyClient;
    name "consilium.Custody", requests NODE_MESSAGE_BYTES_MAX, answers NODE_MESSAGE_BYTES_MAX;
    /// Releases a key, or says why not. The payload is a `KeyRequest`.
    unary request = "Request": MessagePack<SignedRequest> => MessagePack<KeyRelease>;
    /// Takes a key into custody; the answer is a word for the operator. The payload is a `KeyDeposit`.
    unary deposit = "Deposit": MessagePack<SignedRequest> => MessagePack<String>;
}
