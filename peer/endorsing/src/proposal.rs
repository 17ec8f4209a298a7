//! From the bytes of a signed proposal to its parts: sizes first, then form. Signatures are looked at in
//! [`check_proposal`](crate::check_proposal).
//!
//! The parts keep the slices that came, so that header bytes enter hashes and transactions as the client signed them.
//! Form: Fabric's `core/endorser/msgvalidation.go`; in addition unknown fields in the outer messages are refused, since
//! they would be signed without being understood.

use bytes::Bytes;
use prost::Message;
use protocol::{
    ChaincodeName, ChannelId, TxId,
    fabric::{
        ChaincodeHeaderExtension, ChaincodeInvocationSpec, ChaincodeProposalPayload, ChannelHeader, Header,
        HeaderType, Proposal, SignatureHeader, SignedProposal, Timestamp,
    },
    limits::{IDENTITY_BYTES_MAX, NODE_MESSAGE_BYTES_MAX, PROPOSAL_BYTES_MAX},
};

use crate::{rejection::ProposalRejection, transient::TransientMap};

/// Bytes of a nonce, in proposals and transactions: it only has to be unique, and Fabric's clients send 24.
pub const NONCE_BYTES_MAX: usize = 64;
/// A DER signature over P-256 has at most 72 bytes; room for other curves.
const SIGNATURE_BYTES_MAX: usize = 1 << 10;
/// Arguments of one call.
const ARGS_MAX: usize = 1_024;
/// Transient fields of one call.
const TRANSIENT_FIELDS_MAX: usize = 64;

/// A proposal's parts. Debug output shows no argument and no transient data.
#[derive(Clone, PartialEq, Eq)]
pub struct ParsedProposal {
    /// The channel.
    pub channel: ChannelId,
    /// The transaction id that the header states; compared with nonce and creator in
    /// [`check_proposal`](crate::check_proposal).
    pub tx_id: TxId,
    /// The chaincode.
    pub chaincode: ChaincodeName,
    /// Function name, then its arguments.
    pub args: Vec<Bytes>,
    /// Data for the endorsers only.
    pub transient: TransientMap,
    /// The creator's serialised identity.
    pub creator: Bytes,
    /// The client's nonce.
    pub nonce: Bytes,
    /// The client's clock, milliseconds since 1970.
    pub timestamp_ms: u64,
    /// Bytes of the channel header, as signed.
    pub channel_header: Bytes,
    /// Bytes of the signature header, as signed.
    pub signature_header: Bytes,
    /// Bytes of the chaincode invocation, as signed.
    pub input: Bytes,
}

impl std::fmt::Debug for ParsedProposal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParsedProposal")
            .field("channel", &self.channel)
            .field("tx_id", &self.tx_id)
            .field("chaincode", &self.chaincode)
            .field("timestamp_ms", &self.timestamp_ms)
            .finish_non_exhaustive()
    }
}

/// Reads a proposal's parts.
///
/// # Errors
/// [`ProposalRejection`] for a part that is too large, malformed, of another kind, or in contradiction to another part.
/// Nothing is said of signatures, time and policy.
pub fn parse_proposal(signed: &SignedProposal) -> Result<ParsedProposal, ProposalRejection> {
    ProposalRejection::limit("the proposal", signed.proposal_bytes.len(), PROPOSAL_BYTES_MAX)?;
    ProposalRejection::limit("the proposal's signature", signed.signature.len(), SIGNATURE_BYTES_MAX)?;
    let proposal: Proposal = exact("the proposal", &signed.proposal_bytes)?;
    if !proposal.extension.is_empty() {
        return Err(ProposalRejection::malformed(
            "the proposal",
            "its extension has no meaning here; leave it out",
        ));
    }
    ProposalRejection::limit("the proposal's header", proposal.header.len(), NODE_MESSAGE_BYTES_MAX)?;
    let header: Header = exact("the proposal's header", &proposal.header)?;
    let channel_header: ChannelHeader = read("the channel header", &header.channel_header)?;
    let (creator, nonce) = signer(&header.signature_header)?;
    let (channel, tx_id, timestamp_ms) = context(&channel_header)?;
    let named = header_chaincode(&channel_header)?;
    let payload: ChaincodeProposalPayload = read("the proposal's payload", &proposal.payload)?;
    let transient = TransientMap::new(payload.transient_map);
    ProposalRejection::limit("the transient map's field count", transient.len(), TRANSIENT_FIELDS_MAX)?;
    let (invoked, args) = invocation(&payload.input)?;
    if named != invoked {
        let (header, invocation) = (shortened(&named), shortened(&invoked));
        return Err(ProposalRejection::ChaincodeMismatch { header, invocation });
    }
    let chaincode = ChaincodeName::new(invoked)
        .map_err(|error| ProposalRejection::malformed("the chaincode's name", error))?;
    Ok(ParsedProposal {
        channel,
        tx_id,
        chaincode,
        args,
        transient,
        creator,
        nonce,
        timestamp_ms,
        channel_header: header.channel_header,
        signature_header: header.signature_header,
        input: payload.input,
    })
}

/// Creator and nonce of a signature header.
fn signer(bytes: &Bytes) -> Result<(Bytes, Bytes), ProposalRejection> {
    let header: SignatureHeader = exact("the signature header", bytes)?;
    ProposalRejection::limit("the creator", header.creator.len(), IDENTITY_BYTES_MAX)?;
    ProposalRejection::limit("the nonce", header.nonce.len(), NONCE_BYTES_MAX)?;
    if header.creator.is_empty() || header.nonce.is_empty() {
        let reason = "creator and nonce must be present";
        return Err(ProposalRejection::malformed("the signature header", reason));
    }
    Ok((header.creator, header.nonce))
}

/// Channel, transaction id and time of a channel header.
fn context(header: &ChannelHeader) -> Result<(ChannelId, TxId, u64), ProposalRejection> {
    if header.r#type != i32::from(HeaderType::EndorserTransaction) {
        return Err(ProposalRejection::HeaderType { found: header.r#type });
    }
    if header.epoch != 0 {
        return Err(ProposalRejection::Epoch { found: header.epoch });
    }
    let malformed = |reason: String| ProposalRejection::Malformed { part: "the channel header", reason };
    let channel = ChannelId::new(header.channel_id.as_str()).map_err(|error| malformed(error.to_string()))?;
    let tx_id = TxId::new(header.tx_id.as_str()).map_err(|error| malformed(error.to_string()))?;
    let time = header.timestamp.as_ref().ok_or_else(|| malformed("it has no timestamp".to_owned()))?;
    let timestamp_ms =
        milliseconds(time).ok_or_else(|| malformed("its timestamp is out of range".to_owned()))?;
    Ok((channel, tx_id, timestamp_ms))
}

/// The chaincode that the header names.
fn header_chaincode(header: &ChannelHeader) -> Result<String, ProposalRejection> {
    let extension: ChaincodeHeaderExtension = read("the header's extension", &header.extension)?;
    match extension.chaincode_id {
        Some(id) if !id.name.is_empty() => Ok(id.name),
        _ => Err(ProposalRejection::malformed("the header's extension", "it names no chaincode")),
    }
}

/// Chaincode and arguments of an invocation.
fn invocation(input: &Bytes) -> Result<(String, Vec<Bytes>), ProposalRejection> {
    let part = "the chaincode invocation";
    let invocation: ChaincodeInvocationSpec = read(part, input)?;
    let spec =
        invocation.chaincode_spec.ok_or_else(|| ProposalRejection::malformed(part, "it has no spec"))?;
    let id = spec.chaincode_id.ok_or_else(|| ProposalRejection::malformed(part, "it names no chaincode"))?;
    let args = spec.input.ok_or_else(|| ProposalRejection::malformed(part, "it has no input"))?.args;
    ProposalRejection::limit("the count of arguments", args.len(), ARGS_MAX)?;
    Ok((id.name, args))
}

pub(crate) fn milliseconds(time: &Timestamp) -> Option<u64> {
    let nanos = u64::try_from(time.nanos).ok().filter(|nanos| *nanos < 1_000_000_000)?;
    u64::try_from(time.seconds).ok()?.checked_mul(1_000)?.checked_add(nanos / 1_000_000)
}

fn read<M: Message + Default>(part: &'static str, bytes: &Bytes) -> Result<M, ProposalRejection> {
    M::decode(bytes.clone()).map_err(|error| ProposalRejection::malformed(part, error))
}

/// Reads a message and refuses fields that it does not know: they would make it longer than it encodes.
fn exact<M: Message + Default>(part: &'static str, bytes: &Bytes) -> Result<M, ProposalRejection> {
    let message: M = read(part, bytes)?;
    if message.encoded_len() == bytes.len() {
        Ok(message)
    } else {
        Err(ProposalRejection::malformed(part, "it has unknown or repeated fields"))
    }
}

fn shortened(name: &str) -> String {
    name.chars().take(64).collect()
}
