//! Fabric's packages `common` and `msp`, and the two of Google's messages that they use.

use bytes::Bytes;

/// `google.protobuf.Timestamp`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Timestamp {
    /// Seconds since 1970.
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    /// Nanoseconds, 0 to 999,999,999.
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Any {
    /// Type of the value.
    #[prost(string, tag = "1")]
    pub type_url: String,
    /// The value's bytes.
    #[prost(bytes = "bytes", tag = "2")]
    pub value: Bytes,
}

/// `google.rpc.Status`: travels in the trailer `grpc-status-details-bin`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct RpcStatus {
    /// gRPC code.
    #[prost(int32, tag = "1")]
    pub code: i32,
    /// Text.
    #[prost(string, tag = "2")]
    pub message: String,
    /// Details.
    #[prost(message, repeated, tag = "3")]
    pub details: Vec<Any>,
}

/// `msp.SerializedIdentity`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SerializedIdentity {
    /// The MSP.
    #[prost(string, tag = "1")]
    pub mspid: String,
    /// PEM certificate, as the client supplied it.
    #[prost(bytes = "bytes", tag = "2")]
    pub id_bytes: Bytes,
}

/// `common.Header`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Header {
    /// Bytes of a [`ChannelHeader`].
    #[prost(bytes = "bytes", tag = "1")]
    pub channel_header: Bytes,
    /// Bytes of a [`SignatureHeader`].
    #[prost(bytes = "bytes", tag = "2")]
    pub signature_header: Bytes,
}

/// `common.ChannelHeader`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ChannelHeader {
    /// A [`HeaderType`].
    #[prost(int32, tag = "1")]
    pub r#type: i32,
    /// Version, 0.
    #[prost(int32, tag = "2")]
    pub version: i32,
    /// The client's clock.
    #[prost(message, optional, tag = "3")]
    pub timestamp: Option<Timestamp>,
    /// The channel.
    #[prost(string, tag = "4")]
    pub channel_id: String,
    /// hex(SHA-256(nonce ‖ creator)).
    #[prost(string, tag = "5")]
    pub tx_id: String,
    /// 0.
    #[prost(uint64, tag = "6")]
    pub epoch: u64,
    /// Bytes of a `ChaincodeHeaderExtension`.
    #[prost(bytes = "bytes", tag = "7")]
    pub extension: Bytes,
    /// SHA-256 of the client's TLS certificate, or empty.
    #[prost(bytes = "bytes", tag = "8")]
    pub tls_cert_hash: Bytes,
}

/// `common.SignatureHeader`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SignatureHeader {
    /// Bytes of a [`SerializedIdentity`].
    #[prost(bytes = "bytes", tag = "1")]
    pub creator: Bytes,
    /// 24 random bytes.
    #[prost(bytes = "bytes", tag = "2")]
    pub nonce: Bytes,
}

/// `common.Payload`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Payload {
    /// Who, where, what.
    #[prost(message, optional, tag = "1")]
    pub header: Option<Header>,
    /// Bytes of the kind that the header names.
    #[prost(bytes = "bytes", tag = "2")]
    pub data: Bytes,
}

/// `common.Envelope`: a payload with its creator's signature. What is ordered and stored.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Envelope {
    /// Bytes of a [`Payload`].
    #[prost(bytes = "bytes", tag = "1")]
    pub payload: Bytes,
    /// The creator's signature over `payload`.
    #[prost(bytes = "bytes", tag = "2")]
    pub signature: Bytes,
}

impl Envelope {
    /// Whether `bytes` are this envelope in its one encoding. Nobody signs an envelope itself: whoever passes it on could add
    /// fields that readers skip, and one transaction would have many bytes and many hashes.
    #[must_use]
    pub fn is_encoded_as(&self, bytes: &[u8]) -> bool {
        prost::Message::encode_to_vec(self) == bytes
    }
}

/// `common.HeaderType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum HeaderType {
    /// An opaque message.
    Message = 0,
    /// A channel's configuration.
    Config = 1,
    /// A change of configuration.
    ConfigUpdate = 2,
    /// A transaction of a chaincode.
    EndorserTransaction = 3,
    /// Orderer's own.
    OrdererTransaction = 4,
    /// A request for blocks.
    DeliverSeekInfo = 5,
    /// A chaincode package.
    ChaincodePackage = 6,
}

/// `common.Status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum Status {
    /// Not set.
    Unknown = 0,
    /// Done.
    Success = 200,
    /// The request is malformed.
    BadRequest = 400,
    /// The requester may not.
    Forbidden = 403,
    /// No such thing.
    NotFound = 404,
    /// Larger than a limit.
    RequestEntityTooLarge = 413,
    /// Not now: the sender's organisation has as much under way as it may. HTTP's number, as the others; Fabric's list does
    /// not hold it, and its clients take any number but 200 for a failure.
    TooManyRequests = 429,
    /// The node failed.
    InternalServerError = 500,
    /// Not offered.
    NotImplemented = 501,
    /// Not now.
    ServiceUnavailable = 503,
}

impl Status {
    /// Fabric's name, as it stands in logs and messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN",
            Self::Success => "SUCCESS",
            Self::BadRequest => "BAD_REQUEST",
            Self::Forbidden => "FORBIDDEN",
            Self::NotFound => "NOT_FOUND",
            Self::RequestEntityTooLarge => "REQUEST_ENTITY_TOO_LARGE",
            Self::TooManyRequests => "TOO_MANY_REQUESTS",
            Self::InternalServerError => "INTERNAL_SERVER_ERROR",
            Self::NotImplemented => "NOT_IMPLEMENTED",
            Self::ServiceUnavailable => "SERVICE_UNAVAILABLE",
        }
    }
}
