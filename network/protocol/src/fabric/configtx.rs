//! Fabric's messages around a change of configuration (`common/configtx.proto`). The update itself is our own.

use bytes::Bytes;

/// `common.ConfigUpdateEnvelope`: the content of an envelope of type `CONFIG_UPDATE`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ConfigUpdateEnvelope {
    /// Bytes of a [`ConfigUpdate`](crate::ConfigUpdate).
    #[prost(bytes = "bytes", tag = "1")]
    pub config_update: Bytes,
    /// Who agrees.
    #[prost(message, repeated, tag = "2")]
    pub signatures: Vec<ConfigSignature>,
}

/// `common.ConfigSignature`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ConfigSignature {
    /// Bytes of a [`SignatureHeader`](super::SignatureHeader): who signs.
    #[prost(bytes = "bytes", tag = "1")]
    pub signature_header: Bytes,
    /// Signature over `signature_header ‖ config_update`.
    #[prost(bytes = "bytes", tag = "2")]
    pub signature: Bytes,
}
