//! A configuration in its envelope, and the block that begins a channel.
//!
//! The envelope is Fabric's (`CONFIG`, header type 1) without creator and signature: the genesis block is trusted
//! because every node was given it, not because somebody signed it. Its content is the canonical MessagePack of
//! [`ChannelConfig`], and equal configurations give equal envelopes. In every later block it is a [`ConfigEnvelope`], which
//! holds the update beside the configuration.

use bytes::Bytes;
use prost::Message;
use protocol::{
    Block, BlockHash, BlockHeader, BlockNumber, ChannelConfig, ConfigEnvelope, Proof,
    codec::DecodeError,
    data_hash,
    fabric::{ChannelHeader, Envelope, Header, HeaderType, Payload, SignatureHeader},
};

/// Why a block holds no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigBlockError {
    /// A configuration stands alone in its block.
    #[error("block {number} has {envelopes} envelopes; a configuration block has one")]
    NotAlone {
        /// The block.
        number: BlockNumber,
        /// Its envelopes.
        envelopes: usize,
    },
    /// The envelope is of another kind.
    #[error("block {number} holds no configuration; ask for a genesis or configuration block")]
    NotConfig {
        /// The block.
        number: BlockNumber,
    },
    /// The configuration cannot be read.
    #[error("the configuration in block {number} cannot be read")]
    Decode {
        /// The block.
        number: BlockNumber,
        /// What the decoder met.
        #[source]
        source: DecodeError,
    },
    /// Header, envelope and configuration name different channels.
    #[error("block {number} is of channel {header}, its configuration of channel {config}")]
    OtherChannel {
        /// The block.
        number: BlockNumber,
        /// The channel in the block's header.
        header: String,
        /// The channel in the envelope or the configuration.
        config: String,
    },
    /// The envelopes are not those of the header.
    #[error("the data hash of block {number} is not that of its envelopes; the block is damaged")]
    DataHash {
        /// The block.
        number: BlockNumber,
    },
}

/// The bytes of the envelope that holds a configuration.
#[must_use]
pub fn config_envelope(config: &ChannelConfig) -> Bytes {
    let channel_header = ChannelHeader {
        r#type: HeaderType::Config.into(),
        channel_id: config.channel.as_str().to_owned(),
        ..ChannelHeader::default()
    };
    let header = Header {
        channel_header: channel_header.encode_to_vec().into(),
        signature_header: SignatureHeader::default().encode_to_vec().into(),
    };
    let payload = Payload { header: Some(header), data: config.to_bytes().into() };
    Envelope { payload: payload.encode_to_vec().into(), signature: Bytes::new() }.encode_to_vec().into()
}

/// The block that begins a channel: number 0, no block before it, one envelope, no signatures, no proof of work.
#[must_use]
pub fn genesis_block(config: &ChannelConfig, timestamp_ms: u64) -> Block {
    let envelopes = vec![config_envelope(config)];
    let header = BlockHeader {
        version: BlockHeader::VERSION,
        channel: config.channel.clone(),
        number: BlockNumber(0),
        previous_hash: BlockHash::ZERO,
        data_hash: data_hash(&envelopes),
        timestamp_ms,
        last_config: BlockNumber(0),
        proof: Proof::default(),
        envelope_count: None,
    };
    Block { header, envelopes, signatures: Vec::new() }
}

/// Whether the bytes are an envelope of kind `CONFIG`. Whatever else stands in it is not looked at.
#[must_use]
pub fn is_config_envelope(envelope: &[u8]) -> bool {
    config_payload(&Bytes::copy_from_slice(envelope)).is_some()
}

/// The configuration in a genesis or configuration block, for whoever trusts the block. Its rules are not checked here,
/// nor whether it follows from its update: see [`ConfigBundle::new`](crate::ConfigBundle::new) and
/// [`judge_config_envelope`](crate::judge_config_envelope).
///
/// # Errors
/// [`ConfigBlockError`]: another number of envelopes than one, another kind, other channels, a wrong data hash, bytes
/// that are no configuration.
pub fn config_of_block(block: &Block) -> Result<ChannelConfig, ConfigBlockError> {
    let number = block.header.number;
    let [envelope] = &block.envelopes[..] else {
        return Err(ConfigBlockError::NotAlone { number, envelopes: block.envelopes.len() });
    };
    if data_hash(&block.envelopes) != block.header.data_hash {
        return Err(ConfigBlockError::DataHash { number });
    }
    let (header, data) = config_payload(envelope).ok_or(ConfigBlockError::NotConfig { number })?;
    let decode = |source| ConfigBlockError::Decode { number, source };
    let bytes = match number {
        BlockNumber(0) => data,
        _ => ConfigEnvelope::from_bytes(&data).map_err(decode)?.config,
    };
    let config = ChannelConfig::from_bytes(&bytes).map_err(decode)?;
    let channel = block.header.channel.as_str();
    for named in [header.channel_id.as_str(), config.channel.as_str()] {
        if named != channel {
            let named = named.chars().take(128).collect();
            return Err(ConfigBlockError::OtherChannel { number, header: channel.to_owned(), config: named });
        }
    }
    Ok(config)
}

/// The channel header and the content, of an envelope of kind `CONFIG`.
pub(crate) fn config_payload(envelope: &Bytes) -> Option<(ChannelHeader, Bytes)> {
    let envelope = Envelope::decode(envelope.clone()).ok()?;
    let payload = Payload::decode(envelope.payload).ok()?;
    let header = ChannelHeader::decode(payload.header?.channel_header).ok()?;
    (header.r#type == i32::from(HeaderType::Config)).then_some((header, payload.data))
}
