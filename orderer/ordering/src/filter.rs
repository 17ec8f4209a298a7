//! Which envelopes a channel orders.
//!
//! [`inspect`] judges form alone: size, decoding, channel, kind, transaction id. [`admit`] judges besides who sent it:
//! the creator's certificate at the given time, its signature, and the channel's `/Channel/Writers` policy. A leader
//! admits; a consenter that applies a block inspects, since peers check every creator's signature once more. An update of
//! the configuration is judged by `configtx`, at admission and again at each later step.
//!
//! Nothing here knows endorsements, versions or registered identities. The rules are those of Fabric's
//! `msgprocessor`, with its statuses.

use bytes::Bytes;
use configtx::{UpdateRejection, next_config};
use msp::{IdentityRejection, SignatureRejection};
use prost::Message;
use protocol::fabric::{ChannelHeader, Envelope, HeaderType, Payload, SignatureHeader, Status};
use protocol::limits::{CONFIG_UPDATE_BYTES_MAX, ENVELOPE_BYTES_MAX};
use protocol::{ChannelConfig, ChannelId, MspId, TxId};

/// The policy whose members may send transactions.
const WRITERS: &str = "/Channel/Writers";
/// Far above the 24 bytes that clients draw.
const NONCE_BYTES_MAX: usize = 1024;

/// An envelope whose form is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspected {
    /// The transaction.
    pub tx_id: TxId,
    /// Bytes of the envelope.
    pub size: usize,
}

/// An envelope that may be ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// The transaction.
    pub tx_id: TxId,
    /// Bytes of the envelope.
    pub size: usize,
    /// The creator's organisation.
    pub msp_id: MspId,
    /// Whether it is an update of the configuration, which is ordered alone.
    pub is_config_update: bool,
    /// Sequence of the configuration under which it was admitted.
    pub sequence: u64,
}

/// Why an envelope is not ordered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BroadcastRejection {
    /// Larger than the channel allows.
    #[error(
        "the envelope has {bytes} bytes and the channel's absolute_max_bytes is {limit}; send less in one transaction"
    )]
    TooLarge {
        /// Bytes of the envelope.
        bytes: usize,
        /// The channel's limit.
        limit: usize,
    },
    /// A part of it cannot be read.
    #[error("the envelope is malformed: {what}")]
    Malformed {
        /// The part.
        what: &'static str,
    },
    /// For another channel.
    #[error(
        "channel '{channel}' is not served here; check its name, and whether this orderer is its consenter"
    )]
    UnknownChannel {
        /// The channel named in the envelope.
        channel: String,
    },
    /// A change of configuration that is refused.
    #[error(transparent)]
    ConfigUpdate(Box<UpdateRejection>),
    /// Any other kind of message.
    #[error(
        "header type {header_type} is not ordered; send an ENDORSER_TRANSACTION (3), or a CONFIG_UPDATE (2) by itself"
    )]
    HeaderType {
        /// The number in the channel header.
        header_type: i32,
    },
    /// The id is not that of nonce and creator.
    #[error("tx_id '{found}' is not hex(SHA-256(nonce || creator)), which is {expected}")]
    WrongTxId {
        /// The id in the channel header.
        found: String,
        /// The id computed.
        expected: TxId,
    },
    /// The creator is no valid identity of the channel.
    #[error("creator refused: {0}")]
    Creator(IdentityRejection),
    /// The signature is not the creator's.
    #[error("signature of the envelope refused: {0}")]
    Signature(SignatureRejection),
    /// The channel's writers do not include the creator.
    #[error("{msp_id} does not satisfy {WRITERS}: {explanation}")]
    Policy {
        /// The creator's organisation.
        msp_id: MspId,
        /// What the policy wanted.
        explanation: String,
    },
    /// The configuration has no policy for writers.
    #[error("the channel's configuration has no policy {WRITERS}; nobody may write")]
    NoPolicy,
}

impl BroadcastRejection {
    /// Fabric's status for the answer.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::TooLarge { .. } => Status::RequestEntityTooLarge,
            Self::Malformed { .. } | Self::HeaderType { .. } | Self::WrongTxId { .. } => Status::BadRequest,
            Self::UnknownChannel { .. } => Status::NotFound,
            Self::ConfigUpdate(rejection) if rejection.is_about_rights() => Status::Forbidden,
            Self::ConfigUpdate(rejection) => match **rejection {
                UpdateRejection::OtherChannel { .. } => Status::NotFound,
                _ => Status::BadRequest,
            },
            Self::Creator(_) | Self::Signature(_) | Self::Policy { .. } | Self::NoPolicy => Status::Forbidden,
        }
    }
}

/// The parts of an envelope that the filters look at.
struct Parts {
    envelope: Envelope,
    channel_header: ChannelHeader,
    signature_header: SignatureHeader,
}

/// The channel that an envelope names, for a node that serves several.
///
/// # Errors
/// [`BroadcastRejection::Malformed`], and [`BroadcastRejection::TooLarge`] beyond every channel's limit.
pub fn channel_of(envelope: &[u8]) -> Result<String, BroadcastRejection> {
    Ok(parse(envelope, ENVELOPE_BYTES_MAX)?.channel_header.channel_id)
}

/// Judges form: what can be said without identities.
///
/// # Errors
/// [`BroadcastRejection`] with the first rule that the envelope breaks.
pub fn inspect(envelope: &[u8], config: &ChannelConfig) -> Result<Inspected, BroadcastRejection> {
    let tx_id = check_form(&open(envelope, config)?, config)?;
    Ok(Inspected { tx_id, size: envelope.len() })
}

/// Judges form, creator, signature and policy at `at_ms` (milliseconds since 1970).
///
/// # Errors
/// [`BroadcastRejection`] with the first rule that the envelope breaks.
pub fn admit(
    envelope: &Bytes,
    bundle: &configtx::ConfigBundle,
    at_ms: u64,
) -> Result<Admitted, BroadcastRejection> {
    let sequence = bundle.config().sequence;
    let parts = open(envelope, bundle.config())?;
    let size = envelope.len();
    if is_config_update(&parts) {
        let next = next_config(bundle, envelope, at_ms)
            .map_err(|rejection| BroadcastRejection::ConfigUpdate(Box::new(rejection)))?;
        let (tx_id, msp_id) = (next.tx_id().clone(), next.submitter().0.clone());
        return Ok(Admitted { tx_id, size, msp_id, is_config_update: true, sequence });
    }
    let tx_id = check_form(&parts, bundle.config())?;
    let creator =
        bundle.identify(&parts.signature_header.creator, at_ms).map_err(BroadcastRejection::Creator)?;
    let signature = creator
        .verify(&parts.envelope.payload, &parts.envelope.signature)
        .map_err(BroadcastRejection::Signature)?;
    let writers = bundle.policy(WRITERS).ok_or(BroadcastRejection::NoPolicy)?;
    let verdict = writers.evaluate(&[signature]);
    if !verdict.satisfied {
        let explanation = verdict.explanation.to_string();
        return Err(BroadcastRejection::Policy { msp_id: creator.msp_id().clone(), explanation });
    }
    let msp_id = creator.msp_id().clone();
    Ok(Admitted { tx_id, size, msp_id, is_config_update: false, sequence })
}

/// The parts of an envelope that is not too large. An update of the configuration has a limit of its own, since a channel
/// whose limits are too low must still be able to raise them.
fn open(envelope: &[u8], config: &ChannelConfig) -> Result<Parts, BroadcastRejection> {
    let limit = ENVELOPE_BYTES_MAX.min(config.orderer.batch.absolute_max_bytes as usize);
    let bytes = envelope.len();
    if bytes <= limit {
        return parse(envelope, limit);
    }
    match parse(envelope, CONFIG_UPDATE_BYTES_MAX) {
        Ok(parts) if is_config_update(&parts) => Ok(parts),
        _ => Err(BroadcastRejection::TooLarge { bytes, limit }),
    }
}

fn is_config_update(parts: &Parts) -> bool {
    parts.channel_header.r#type == i32::from(HeaderType::ConfigUpdate)
}

/// The transaction's id, if channel, kind and id are right.
fn check_form(parts: &Parts, config: &ChannelConfig) -> Result<TxId, BroadcastRejection> {
    let header = &parts.channel_header;
    check_channel(&header.channel_id, &config.channel)?;
    if header.r#type != i32::from(HeaderType::EndorserTransaction) {
        return Err(BroadcastRejection::HeaderType { header_type: header.r#type });
    }
    let SignatureHeader { creator, nonce } = &parts.signature_header;
    let expected = TxId::of(nonce, creator);
    if header.tx_id != expected.as_str() {
        let found = header.tx_id.chars().filter(|c| !c.is_control()).take(64).collect();
        return Err(BroadcastRejection::WrongTxId { found, expected });
    }
    Ok(expected)
}

fn check_channel(found: &str, served: &ChannelId) -> Result<(), BroadcastRejection> {
    if found == served.as_str() {
        return Ok(());
    }
    let channel = found.chars().filter(|c| !c.is_control()).take(128).collect();
    Err(BroadcastRejection::UnknownChannel { channel })
}

fn parse(bytes: &[u8], limit: usize) -> Result<Parts, BroadcastRejection> {
    let malformed = |what| BroadcastRejection::Malformed { what };
    if bytes.len() > limit {
        return Err(BroadcastRejection::TooLarge { bytes: bytes.len(), limit });
    }
    let envelope = Envelope::decode(bytes).map_err(|_| malformed("it is no Envelope"))?;
    if !envelope.is_encoded_as(bytes) {
        return Err(malformed("it holds more than payload and signature"));
    }
    let payload = Payload::decode(&envelope.payload[..]).map_err(|_| malformed("it holds no Payload"))?;
    let header = payload.header.ok_or(malformed("the payload has no header"))?;
    let channel_header = ChannelHeader::decode(&header.channel_header[..])
        .map_err(|_| malformed("the channel header cannot be read"))?;
    let signature_header = SignatureHeader::decode(&header.signature_header[..])
        .map_err(|_| malformed("the signature header cannot be read"))?;
    if signature_header.creator.is_empty() {
        return Err(malformed("it names no creator"));
    }
    if signature_header.nonce.is_empty() || signature_header.nonce.len() > NONCE_BYTES_MAX {
        return Err(malformed("its nonce is empty or over 1024 bytes"));
    }
    if channel_header.epoch != 0 {
        return Err(malformed("its epoch is not 0"));
    }
    Ok(Parts { envelope, channel_header, signature_header })
}

#[cfg(test)]
mod tests;
