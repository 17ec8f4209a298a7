//! Who may read which blocks: a deliver request, judged.
//!
//! Fabric's rules: an envelope of type `DELIVER_SEEK_INFO`, signed by a member that satisfies the channel's readers, not
//! older or younger than fifteen minutes, with a first and a last block. The reader's certificate is looked at again
//! before each block that is sent.

use std::sync::Arc;

use configtx::{ConfigBundle, paths};
use msp::Certified;
use prost::Message as _;
use protocol::BlockNumber;
use protocol::fabric::{
    ChannelHeader, Envelope, HeaderType, Payload, SeekBehavior, SeekInfo, SeekPosition, SignatureHeader,
    Status, Timestamp, seek_position,
};

/// How far the client's clock may be from this node's, in milliseconds (Fabric's `timewindow`).
const TIME_WINDOW_MS: u64 = 15 * 60 * 1000;

/// Why blocks are not delivered: a status and a text.
pub type Refusal = (Status, String);

/// Which blocks, to whom.
#[derive(Debug)]
pub struct Seek {
    /// First block.
    pub start: BlockNumber,
    /// Last block.
    pub stop: BlockNumber,
    /// Whether to wait for blocks that are not there yet.
    pub waits: bool,
    /// The reader.
    pub reader: Arc<Certified>,
    /// Sequence of the configuration under which the reader was judged.
    pub sequence: u64,
}

/// The channel that a deliver request names.
pub fn channel_name(envelope: &Envelope) -> Result<String, Refusal> {
    Ok(headers(envelope)?.0.channel_id)
}

/// Judges a request; `newest` is the last block that may be delivered.
pub fn judge(
    envelope: &Envelope,
    bundle: &ConfigBundle,
    newest: BlockNumber,
    now_ms: u64,
) -> Result<Seek, Refusal> {
    let (channel_header, signature_header, data) = headers(envelope)?;
    if channel_header.r#type != i32::from(HeaderType::DeliverSeekInfo) {
        let text = format!("header type {} is no DELIVER_SEEK_INFO (5)", channel_header.r#type);
        return Err((Status::BadRequest, text));
    }
    check_time(channel_header.timestamp.as_ref(), now_ms)?;
    let reader = reader(envelope, &signature_header, bundle, now_ms)?;
    let seek = SeekInfo::decode(data).map_err(|_| bad("the payload holds no SeekInfo"))?;
    let start = position(seek.start.as_ref(), newest, "start")?;
    let stop = position(seek.stop.as_ref(), newest, "stop")?;
    if stop < start {
        return Err((Status::BadRequest, format!("stop {stop} lies before start {start}")));
    }
    let waits = SeekBehavior::try_from(seek.behavior) == Ok(SeekBehavior::BlockUntilReady);
    Ok(Seek { start, stop, waits, reader, sequence: bundle.config().sequence })
}

impl Seek {
    /// Judges the reader again where another configuration is in force than before.
    ///
    /// # Errors
    /// The refusal of somebody who is no reader any more.
    pub fn follow(&mut self, envelope: &Envelope, bundle: &ConfigBundle, now_ms: u64) -> Result<(), Refusal> {
        let sequence = bundle.config().sequence;
        if sequence != self.sequence {
            let (_, signature_header, _) = headers(envelope)?;
            self.reader = reader(envelope, &signature_header, bundle, now_ms)?;
            self.sequence = sequence;
        }
        Ok(())
    }
}

/// Who asks, if that identity signed the request and is a reader of the channel.
fn reader(
    envelope: &Envelope,
    signature_header: &SignatureHeader,
    bundle: &ConfigBundle,
    now_ms: u64,
) -> Result<Arc<Certified>, Refusal> {
    let forbidden = |error: &dyn std::fmt::Display| (Status::Forbidden, error.to_string());
    let reader =
        bundle.msps().identify(&signature_header.creator, now_ms).map_err(|error| forbidden(&error))?;
    let signature =
        reader.verify(&envelope.payload, &envelope.signature).map_err(|error| forbidden(&error))?;
    let readers = bundle.policy(paths::READERS).ok_or_else(|| forbidden(&"the channel has no readers"))?;
    let verdict = readers.evaluate(&[signature]);
    if !verdict.satisfied {
        let text =
            format!("{} does not satisfy {}: {}", reader.msp_id(), paths::READERS, verdict.explanation);
        return Err((Status::Forbidden, text));
    }
    Ok(Arc::clone(reader.certified()))
}

type Headers = (ChannelHeader, SignatureHeader, bytes::Bytes);

fn headers(envelope: &Envelope) -> Result<Headers, Refusal> {
    let payload = Payload::decode(envelope.payload.clone()).map_err(|_| bad("it holds no Payload"))?;
    let header = payload.header.ok_or_else(|| bad("the payload has no header"))?;
    let channel_header =
        ChannelHeader::decode(header.channel_header).map_err(|_| bad("the channel header cannot be read"))?;
    let signature_header = SignatureHeader::decode(header.signature_header)
        .map_err(|_| bad("the signature header cannot be read"))?;
    Ok((channel_header, signature_header, payload.data))
}

fn bad(what: &str) -> Refusal {
    (Status::BadRequest, format!("the deliver request is malformed: {what}"))
}

fn check_time(timestamp: Option<&Timestamp>, now_ms: u64) -> Result<(), Refusal> {
    let timestamp = timestamp.ok_or_else(|| bad("the channel header has no timestamp"))?;
    let at_ms = i128::from(timestamp.seconds) * 1000 + i128::from(timestamp.nanos) / 1_000_000;
    if (i128::from(now_ms) - at_ms).unsigned_abs() > u128::from(TIME_WINDOW_MS) {
        let text = format!(
            "the request is stamped {at_ms} ms and this orderer's clock shows {now_ms} ms, over 15 minutes apart: check \
             the clocks"
        );
        return Err((Status::BadRequest, text));
    }
    Ok(())
}

fn position(
    position: Option<&SeekPosition>,
    newest: BlockNumber,
    which: &str,
) -> Result<BlockNumber, Refusal> {
    use seek_position::Type::{Newest, NextCommit, Oldest, Specified};
    match position.and_then(|position| position.r#type.as_ref()) {
        Some(Oldest(_)) => Ok(BlockNumber(0)),
        Some(Newest(_)) => Ok(newest),
        Some(NextCommit(_)) => Ok(newest.next()),
        Some(Specified(specified)) => Ok(BlockNumber(specified.number)),
        None => Err(bad(&format!("{which} names no position"))),
    }
}

#[cfg(test)]
mod tests;
