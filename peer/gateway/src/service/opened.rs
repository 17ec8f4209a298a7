//! What arrives at the gateway, opened: proposals, signed envelopes, signed questions. Who may ask is judged here, as far
//! as it can be told from the message and the channel's configuration.
//!
//! A gateway serves its own hospital's users: a creator of another MSP is sent to its own hospital. Fabric does not
//! demand that; here the gateway also takes custody of its users' data keys.

use bytes::Bytes;
use configtx::ConfigBundle;
use endorsing::{ParsedProposal, ProposalRejection, parse_proposal};
use msp::VerifiedSignature;
use prost::Message;
use protocol::fabric::{
    ChaincodeActionPayload, ChaincodeInvocationSpec, ChaincodeProposalPayload, ChannelHeader, Envelope,
    HeaderType, Payload, SerializedIdentity, SignatureHeader, SignedProposal, Transaction,
};
use protocol::limits::{ENVELOPE_BYTES_MAX, IDENTITY_BYTES_MAX};
use protocol::{ChannelId, MspId, TxId};
use reports::UploadClaim;
use transport::{Code, Status};

use super::upload::records_report;

/// Reads a request's proposal and checks that it is the one that the request speaks of.
pub(super) fn open_proposal(
    own: &MspId,
    transaction_id: &str,
    channel_id: &str,
    signed: Option<SignedProposal>,
) -> Result<(ParsedProposal, SignedProposal), Status> {
    let signed = signed.filter(|signed| !signed.proposal_bytes.is_empty());
    let signed = signed
        .ok_or_else(|| Status::invalid_argument("a signed proposal is required (proposed_transaction)"))?;
    let parsed = parse_proposal(&signed).map_err(|rejection| {
        let code = if matches!(rejection, ProposalRejection::TooLarge { .. }) {
            Code::ResourceExhausted
        } else {
            Code::InvalidArgument
        };
        Status::new(code, format!("failed to unpack transaction proposal: {rejection}"))
    })?;
    same("transaction id", transaction_id, parsed.tx_id.as_str())?;
    same("channel", channel_id, parsed.channel.as_str())?;
    of_own_hospital(own, &parsed.creator)?;
    Ok((parsed, signed))
}

/// A signed transaction as far as the gateway looks into it.
#[derive(Debug)]
pub(super) struct Submitted {
    pub(super) channel: ChannelId,
    pub(super) tx_id: TxId,
    pub(super) creator: Bytes,
    /// The CID of the report that it records, as its creator claims it; `None` where it records none.
    pub(super) upload_cid: Option<String>,
}

/// Reads a request's envelope and checks that it is the one that the request speaks of. Its signature is checked by
/// [`signed_by`].
pub(super) fn open_envelope(
    own: &MspId,
    transaction_id: &str,
    channel_id: &str,
    envelope: &Envelope,
) -> Result<Submitted, Status> {
    let bytes = envelope.payload.len() + envelope.signature.len();
    if bytes > ENVELOPE_BYTES_MAX {
        let text = format!("the prepared transaction has {bytes} bytes; the limit is {ENVELOPE_BYTES_MAX}");
        return Err(Status::resource_exhausted(text));
    }
    if envelope.signature.is_empty() {
        return Err(Status::invalid_argument("prepared transaction must be signed"));
    }
    let payload: Payload = read("payload", &envelope.payload)?;
    let header = payload.header.ok_or_else(|| malformed("it has no header"))?;
    let channel_header: ChannelHeader = read("channel header", &header.channel_header)?;
    if channel_header.r#type != i32::from(HeaderType::EndorserTransaction) {
        let text = format!("header type {} is not ENDORSER_TRANSACTION (3)", channel_header.r#type);
        return Err(malformed(text));
    }
    let signer: SignatureHeader = read("signature header", &header.signature_header)?;
    let channel = ChannelId::new(channel_header.channel_id.as_str()).map_err(malformed)?;
    let tx_id = TxId::of(&signer.nonce, &signer.creator);
    same("transaction id", &channel_header.tx_id, tx_id.as_str())?;
    same("transaction id", transaction_id, tx_id.as_str())?;
    same("channel", channel_id, channel.as_str())?;
    of_own_hospital(own, &signer.creator)?;
    let upload_cid = upload_cid(&payload.data)?;
    Ok(Submitted { channel, tx_id, creator: signer.creator, upload_cid })
}

/// The CID of the report that a transaction records.
fn upload_cid(transaction: &Bytes) -> Result<Option<String>, Status> {
    let transaction: Transaction = read("transaction", transaction)?;
    if transaction.actions.len() > 1 {
        let text = format!("it has {} actions; a transaction has one", transaction.actions.len());
        return Err(malformed(text));
    }
    for action in &transaction.actions {
        let action: ChaincodeActionPayload = read("action", &action.payload)?;
        let proposal: ChaincodeProposalPayload =
            read("proposal payload", &action.chaincode_proposal_payload)?;
        if !proposal.transient_map.is_empty() {
            return Err(malformed("it holds transient data, which ordering it would publish"));
        }
        let invocation: ChaincodeInvocationSpec = read("invocation", &proposal.input)?;
        let spec = invocation.chaincode_spec.unwrap_or_default();
        let chaincode = spec.chaincode_id.unwrap_or_default().name;
        let args = spec.input.unwrap_or_default().args;
        if records_report(&chaincode, args.first().map(AsRef::as_ref)) {
            let claim = args.get(1).map(AsRef::as_ref).unwrap_or_default();
            let claim: UploadClaim = serde_json::from_slice(claim)
                .map_err(|error| malformed(format!("its claim of an upload does not parse: {error}")))?;
            return Ok(Some(claim.cid));
        }
    }
    Ok(None)
}

/// Proof that the identity signed the message and is valid at `now_ms`.
///
/// # Errors
/// `PERMISSION_DENIED` with the reason.
pub(super) fn signed_by(
    bundle: &ConfigBundle,
    identity: &[u8],
    message: &[u8],
    signature: &[u8],
    now_ms: u64,
) -> Result<VerifiedSignature, Status> {
    if identity.len() > IDENTITY_BYTES_MAX {
        let text = format!("the identity has {} bytes; the limit is {IDENTITY_BYTES_MAX}", identity.len());
        return Err(Status::invalid_argument(text));
    }
    let identity = bundle
        .identify(identity, now_ms)
        .map_err(|rejection| Status::permission_denied(format!("the identity is refused: {rejection}")))?;
    bundle
        .verify(&identity, message, signature)
        .map_err(|rejection| Status::permission_denied(format!("the signature is refused: {rejection}")))
}

/// Refuses a creator of another hospital.
fn of_own_hospital(own: &MspId, creator: &Bytes) -> Result<(), Status> {
    let identity = SerializedIdentity::decode(creator.clone())
        .map_err(|_| Status::invalid_argument("the creator is no serialised identity"))?;
    if identity.mspid == own.as_str() {
        return Ok(());
    }
    let creator: String = identity.mspid.chars().take(64).collect();
    Err(Status::permission_denied(format!(
        "this gateway serves users of {own}, and the creator belongs to {creator:?}; call a peer of {creator:?}"
    )))
}

fn same(what: &str, requested: &str, found: &str) -> Result<(), Status> {
    if requested == found {
        return Ok(());
    }
    let requested: String = requested.chars().take(128).collect();
    let found: String = found.chars().take(128).collect();
    Err(Status::invalid_argument(format!(
        "the request's {what} {requested:?} is not that of the signed message, {found:?}"
    )))
}

fn read<M: Message + Default>(part: &str, bytes: &Bytes) -> Result<M, Status> {
    M::decode(bytes.clone()).map_err(|_| malformed(format!("its {part} cannot be read")))
}

fn malformed(reason: impl std::fmt::Display) -> Status {
    Status::invalid_argument(format!("the prepared transaction is malformed: {reason}"))
}
