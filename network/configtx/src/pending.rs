//! An update on its way between administrators: a file to which each adds a signature, and the envelope that submits it.
//!
//! The file is what Fabric's tools pass around: an envelope of type `CONFIG_UPDATE` without creator and signature. Nothing
//! here draws a nonce or reads a clock.

use bytes::Bytes;
use msp::{Signer, SigningError};
use prost::Message as _;
use protocol::{
    ConfigUpdate, TxId,
    fabric::{
        ChannelHeader, ConfigSignature, ConfigUpdateEnvelope, Envelope, Header, HeaderType, Payload,
        SerializedIdentity, SignatureHeader, Timestamp,
    },
    limits::CONFIG_UPDATE_BYTES_MAX,
};

use crate::rejection::UpdateRejection;

/// An update with the signatures so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingUpdate {
    update: ConfigUpdate,
    envelope: ConfigUpdateEnvelope,
}

impl PendingUpdate {
    /// An update that nobody has signed.
    #[must_use]
    pub fn new(update: ConfigUpdate) -> Self {
        let config_update = update.to_bytes().into();
        Self { update, envelope: ConfigUpdateEnvelope { config_update, signatures: Vec::new() } }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`UpdateRejection::Malformed`] for bytes that are no such file.
    pub fn from_bytes(bytes: &Bytes) -> Result<Self, UpdateRejection> {
        let malformed = |what: &str| UpdateRejection::malformed(what);
        if bytes.len() > CONFIG_UPDATE_BYTES_MAX {
            let what = format!("it has {} bytes; no update is so large", bytes.len());
            return Err(UpdateRejection::Malformed { what });
        }
        let envelope = Envelope::decode(bytes.clone()).map_err(|_| malformed("it is no Envelope"))?;
        let payload = Payload::decode(envelope.payload).map_err(|_| malformed("it holds no Payload"))?;
        let header = payload.header.ok_or_else(|| malformed("the payload has no header"))?;
        let header = ChannelHeader::decode(header.channel_header)
            .map_err(|_| malformed("the channel header cannot be read"))?;
        if header.r#type != i32::from(HeaderType::ConfigUpdate) {
            return Err(malformed("the envelope is not of type CONFIG_UPDATE (2)"));
        }
        let envelope = ConfigUpdateEnvelope::decode(payload.data)
            .map_err(|_| malformed("it holds no ConfigUpdateEnvelope"))?;
        let update = ConfigUpdate::from_bytes(&envelope.config_update)
            .map_err(|error| malformed(&error.to_string()))?;
        Ok(Self { update, envelope })
    }

    /// The file's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let header = self.channel_header();
        let payload = self.payload(&header, &SignatureHeader::default());
        Envelope { payload, signature: Bytes::new() }.encode_to_vec()
    }

    /// The update.
    #[must_use]
    pub const fn update(&self) -> &ConfigUpdate {
        &self.update
    }

    /// The organisations of those who signed, in the order of their signatures. Nothing is verified.
    #[must_use]
    pub fn signers(&self) -> Vec<String> {
        let name = |signature: &ConfigSignature| {
            let identity = SerializedIdentity::decode(creator_of(signature)?).ok()?;
            Some(identity.mspid.chars().filter(|c| !c.is_control()).take(128).collect())
        };
        let signatures = self.envelope.signatures.iter();
        signatures.map(|signature| name(signature).unwrap_or_else(|| "unreadable".to_owned())).collect()
    }

    /// Adds a signature; returns false where this identity's stands there already.
    ///
    /// # Errors
    /// [`SigningError`] of the key's holder.
    pub fn sign(&mut self, signer: &dyn Signer, nonce: Bytes) -> Result<bool, SigningError> {
        let creator = signer.serialized_identity();
        if self.envelope.signatures.iter().any(|known| creator_of(known).as_ref() == Some(&creator)) {
            return Ok(false);
        }
        let signature_header = Bytes::from(SignatureHeader { creator, nonce }.encode_to_vec());
        let message = [&signature_header[..], &self.envelope.config_update[..]].concat();
        let signature = signer.sign(&message)?.into();
        self.envelope.signatures.push(ConfigSignature { signature_header, signature });
        Ok(true)
    }

    /// The envelope that submits the update, signed by its submitter, with its transaction id.
    ///
    /// # Errors
    /// [`SigningError`] of the key's holder.
    pub fn submission(
        &self,
        signer: &dyn Signer,
        nonce: Bytes,
        now_ms: u64,
    ) -> Result<(TxId, Envelope), SigningError> {
        let creator = signer.serialized_identity();
        let tx_id = TxId::of(&nonce, &creator);
        let mut header = self.channel_header();
        header.tx_id = tx_id.as_str().to_owned();
        header.timestamp = Some(Timestamp {
            seconds: i64::try_from(now_ms / 1_000).unwrap_or(i64::MAX),
            nanos: i32::try_from(now_ms % 1_000 * 1_000_000).unwrap_or_default(),
        });
        let payload = self.payload(&header, &SignatureHeader { creator, nonce });
        let signature = signer.sign(&payload)?.into();
        Ok((tx_id, Envelope { payload, signature }))
    }

    fn channel_header(&self) -> ChannelHeader {
        ChannelHeader {
            r#type: HeaderType::ConfigUpdate.into(),
            channel_id: self.update.channel.as_str().to_owned(),
            ..ChannelHeader::default()
        }
    }

    fn payload(&self, channel_header: &ChannelHeader, signature_header: &SignatureHeader) -> Bytes {
        let header = Header {
            channel_header: channel_header.encode_to_vec().into(),
            signature_header: signature_header.encode_to_vec().into(),
        };
        let data = self.envelope.encode_to_vec().into();
        Payload { header: Some(header), data }.encode_to_vec().into()
    }
}

fn creator_of(signature: &ConfigSignature) -> Option<Bytes> {
    Some(SignatureHeader::decode(signature.signature_header.clone()).ok()?.creator)
}
