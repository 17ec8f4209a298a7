//! From a submitted update to the configuration block's envelope, and back: every node goes the whole way itself.
//!
//! A consenter that admits an update, every consenter that applies the block, and every peer that validates it call the
//! same function over the same bytes, the configuration in force before the block and the block's time. What an orderer
//! put beside the update is compared with what comes out, byte for byte, so that no orderer is believed. A block whose
//! configuration does not follow is not the channel's block at all: it is refused, never committed as an invalid
//! transaction, so that no two nodes can go on with different configurations.

use bytes::Bytes;
use msp::VerifiedIdentity;
use prost::Message as _;
use protocol::{
    ConfigEnvelope, MspId, Poi, RegisteredIdentity, TxId,
    fabric::{ChannelHeader, ConfigUpdateEnvelope, Envelope, Header, HeaderType, Payload, SignatureHeader},
    limits::CONFIG_UPDATE_BYTES_MAX,
};

use crate::{
    authorize::{Authorized, authorize},
    bundle::ConfigBundle,
    envelope::config_payload,
    policies::paths,
    rejection::UpdateRejection,
};

/// Far above the 24 bytes that clients draw.
const NONCE_BYTES_MAX: usize = 1024;

/// A configuration that an update leads to, agreed to by those who must. Only [`next_config`] and
/// [`judge_config_envelope`] make one.
#[derive(Debug)]
pub struct NextConfig {
    bundle: ConfigBundle,
    registered: Vec<RegisteredIdentity>,
    tx_id: TxId,
    submitter: VerifiedIdentity,
    envelope: Bytes,
}

impl NextConfig {
    /// The configuration, checked and compiled.
    #[must_use]
    pub const fn bundle(&self) -> &ConfigBundle {
        &self.bundle
    }

    /// The identities that it registers, of organisations that join.
    #[must_use]
    pub fn registered(&self) -> &[RegisteredIdentity] {
        &self.registered
    }

    /// The transaction.
    #[must_use]
    pub const fn tx_id(&self) -> &TxId {
        &self.tx_id
    }

    /// The submitter's organisation and PoI.
    #[must_use]
    pub fn submitter(&self) -> (&MspId, Poi) {
        (self.submitter.msp_id(), self.submitter.poi())
    }

    /// The envelope of type `CONFIG` that stands alone in the configuration block.
    #[must_use]
    pub const fn envelope(&self) -> &Bytes {
        &self.envelope
    }

    /// The compiled configuration, to be kept.
    #[must_use]
    pub fn into_bundle(self) -> ConfigBundle {
        self.bundle
    }
}

/// Judges a submitted envelope of type `CONFIG_UPDATE` against the configuration in force; certificates count at `at_ms`
/// Unix milliseconds.
///
/// # Errors
/// [`UpdateRejection`] with the first kind of rule that is broken, and all that break it.
pub fn next_config(
    bundle: &ConfigBundle,
    envelope: &Bytes,
    at_ms: u64,
) -> Result<NextConfig, UpdateRejection> {
    let submitted = Submitted::open(envelope)?;
    let channel = &bundle.config().channel;
    if submitted.channel_header.channel_id != channel.as_str() {
        let found =
            submitted.channel_header.channel_id.chars().filter(|c| !c.is_control()).take(128).collect();
        return Err(UpdateRejection::OtherChannel { found, expected: channel.to_string() });
    }
    let tx_id = submitted.tx_id()?;
    let submitter = submitted.submitter(bundle, at_ms)?;
    let update = ConfigUpdateEnvelope::decode(submitted.data)
        .map_err(|_| UpdateRejection::malformed("it holds no ConfigUpdateEnvelope"))?;
    let Authorized { bundle, registered } = authorize(bundle, &update, at_ms)?;
    let envelope = config_envelope_of(&bundle, &tx_id, envelope);
    Ok(NextConfig { bundle, registered, tx_id, submitter, envelope })
}

/// Judges the envelope of a configuration block that is stamped `at_ms`, against the configuration in force before it.
///
/// # Errors
/// [`UpdateRejection`] of the update inside, and [`UpdateRejection::Forged`] where anything beside it is not what follows.
pub fn judge_config_envelope(
    bundle: &ConfigBundle,
    envelope: &Bytes,
    at_ms: u64,
) -> Result<NextConfig, UpdateRejection> {
    let (_, data) = config_payload(envelope)
        .ok_or_else(|| UpdateRejection::malformed("the envelope is not of type CONFIG"))?;
    let content =
        ConfigEnvelope::from_bytes(&data).map_err(|error| UpdateRejection::malformed(error.to_string()))?;
    let next = next_config(bundle, &content.last_update, at_ms)?;
    if next.envelope == *envelope { Ok(next) } else { Err(UpdateRejection::Forged) }
}

/// The `CONFIG` envelope: unsigned, since everything in it follows from the update and the block is signed.
fn config_envelope_of(bundle: &ConfigBundle, tx_id: &TxId, update: &Bytes) -> Bytes {
    let config = bundle.config();
    let channel_header = ChannelHeader {
        r#type: HeaderType::Config.into(),
        channel_id: config.channel.as_str().to_owned(),
        tx_id: tx_id.as_str().to_owned(),
        ..ChannelHeader::default()
    };
    let header = Header {
        channel_header: channel_header.encode_to_vec().into(),
        signature_header: SignatureHeader::default().encode_to_vec().into(),
    };
    let content = ConfigEnvelope {
        version: ConfigEnvelope::VERSION,
        config: config.to_bytes().into(),
        last_update: update.clone(),
    };
    let payload = Payload { header: Some(header), data: content.to_bytes().into() };
    Envelope { payload: payload.encode_to_vec().into(), signature: Bytes::new() }.encode_to_vec().into()
}

/// The parts of a submitted envelope.
struct Submitted {
    payload: Bytes,
    signature: Bytes,
    channel_header: ChannelHeader,
    signature_header: SignatureHeader,
    data: Bytes,
}

impl Submitted {
    fn open(envelope: &Bytes) -> Result<Self, UpdateRejection> {
        let malformed = |what: &str| UpdateRejection::malformed(what);
        let bytes = envelope.len();
        if bytes > CONFIG_UPDATE_BYTES_MAX {
            let what = format!("it has {bytes} bytes; the limit is {CONFIG_UPDATE_BYTES_MAX}");
            return Err(UpdateRejection::Malformed { what });
        }
        let Envelope { payload, signature } =
            Envelope::decode(envelope.clone()).map_err(|_| malformed("it is no Envelope"))?;
        let opened = Payload::decode(payload.clone()).map_err(|_| malformed("it holds no Payload"))?;
        let header = opened.header.ok_or_else(|| malformed("the payload has no header"))?;
        let channel_header = ChannelHeader::decode(header.channel_header)
            .map_err(|_| malformed("the channel header cannot be read"))?;
        let signature_header = SignatureHeader::decode(header.signature_header)
            .map_err(|_| malformed("the signature header cannot be read"))?;
        if channel_header.r#type != i32::from(HeaderType::ConfigUpdate) {
            return Err(malformed("the envelope is not of type CONFIG_UPDATE"));
        }
        if channel_header.epoch != 0 {
            return Err(malformed("its epoch is not 0"));
        }
        if signature_header.creator.is_empty() {
            return Err(malformed("it names no submitter"));
        }
        if !(1..=NONCE_BYTES_MAX).contains(&signature_header.nonce.len()) {
            return Err(malformed("its nonce is empty or over 1024 bytes"));
        }
        Ok(Self { payload, signature, channel_header, signature_header, data: opened.data })
    }

    fn tx_id(&self) -> Result<TxId, UpdateRejection> {
        let expected = TxId::of(&self.signature_header.nonce, &self.signature_header.creator);
        let found = &self.channel_header.tx_id;
        if *found == expected.as_str() {
            return Ok(expected);
        }
        let found = found.chars().filter(|c| !c.is_control()).take(64).collect();
        Err(UpdateRejection::WrongTxId { found, expected })
    }

    /// Who submitted, if that identity signed the envelope and may write to the channel.
    fn submitter(&self, bundle: &ConfigBundle, at_ms: u64) -> Result<VerifiedIdentity, UpdateRejection> {
        let identity =
            bundle.identify(&self.signature_header.creator, at_ms).map_err(UpdateRejection::Submitter)?;
        let signature =
            identity.verify(&self.payload, &self.signature).map_err(UpdateRejection::Signature)?;
        let refused = |explanation: String| UpdateRejection::NotAWriter {
            msp_id: identity.msp_id().clone(),
            explanation,
        };
        let writers = bundle.policy(paths::WRITERS);
        let writers =
            writers.ok_or_else(|| refused(format!("the channel has no policy {}", paths::WRITERS)))?;
        let verdict = writers.evaluate(&[signature]);
        if verdict.satisfied { Ok(identity) } else { Err(refused(verdict.explanation.to_string())) }
    }
}
