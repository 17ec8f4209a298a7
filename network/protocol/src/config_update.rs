//! A change of a channel's configuration, and the content of a configuration block.
//!
//! Both stand where Fabric's `ConfigUpdate` and `ConfigEnvelope` do. A configuration is a tree of elements there, each
//! with a version of its own; here an element is named by its path and its version is the SHA-256 of its bytes, so that
//! configurations of version 1 need no new field. Equal bytes may come back, so the update also names the sequence of the
//! configuration that it changes: an old update, whoever keeps it, fits no later configuration.
//!
//! Which paths there are, and who must agree to a change of each, is decided in `configtx`.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::codec::{self, DecodeError};
use crate::ids::{ChannelId, Digest};
use crate::limits::{CONFIG_BYTES_MAX, CONFIG_UPDATE_BYTES_MAX};

/// An element as the update's author saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigRead {
    /// The element, such as `/Channel/Orderer/Batch`.
    pub path: String,
    /// SHA-256 of its bytes; `None` where there was no such element.
    pub digest: Option<Digest>,
}

/// An element as it is to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigWrite {
    /// The element.
    pub path: String,
    /// MessagePack of its new value; `None` removes it.
    pub value: Option<Bytes>,
}

/// What administrators sign to change a channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigUpdate {
    /// Version of this type's encoding.
    pub version: u16,
    /// The channel.
    pub channel: ChannelId,
    /// Sequence of the configuration that is changed.
    pub sequence: u64,
    /// What the author looked at, sorted by path; holds at least every path that is written.
    pub read_set: Vec<ConfigRead>,
    /// What changes, sorted by path.
    pub write_set: Vec<ConfigWrite>,
}

impl ConfigUpdate {
    /// The version that this release writes.
    pub const VERSION: u16 = 1;

    /// The canonical bytes: what is signed.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads an update; its rules are judged by `configtx`.
    ///
    /// # Errors
    /// [`DecodeError`] as [`codec::decode_canonical`], and for an unknown version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let update: Self = codec::decode_canonical(bytes, CONFIG_UPDATE_BYTES_MAX)?;
        codec::expect_version("ConfigUpdate", update.version, Self::VERSION)?;
        Ok(update)
    }
}

/// What a configuration block after block 0 holds: the configuration in force from the next block on, and the envelope
/// that asked for it, from which every node derives the configuration again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigEnvelope {
    /// Version of this type's encoding.
    pub version: u16,
    /// Bytes of the [`ChannelConfig`](crate::ChannelConfig).
    pub config: Bytes,
    /// The submitter's envelope of type `CONFIG_UPDATE`, verbatim.
    pub last_update: Bytes,
}

impl ConfigEnvelope {
    /// The version that this release writes.
    pub const VERSION: u16 = 1;

    /// The canonical bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads the content of a configuration block. Nothing inside is read.
    ///
    /// # Errors
    /// [`DecodeError`] as [`codec::decode_canonical`], and for an unknown version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        // The framing of three fields needs a few bytes.
        let envelope: Self =
            codec::decode_canonical(bytes, CONFIG_BYTES_MAX + CONFIG_UPDATE_BYTES_MAX + 1_024)?;
        codec::expect_version("ConfigEnvelope", envelope.version, Self::VERSION)?;
        Ok(envelope)
    }
}
