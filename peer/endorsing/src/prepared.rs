//! A client's check, before it signs, that an envelope holds what it proposed and nothing else.
//!
//! The stock clients sign whatever a gateway returns. Ours compares every part that its signature will cover with its own
//! proposal; what it cannot compare, the result, it gets back to look at. Endorsements are counted, not verified: the
//! client need not know the organisations' certificates, and validation verifies them.

use bytes::Bytes;
use prost::Message;
use protocol::{
    fabric::{
        ChaincodeAction, ChaincodeActionPayload, ChaincodeProposalPayload, Envelope, Payload,
        ProposalResponsePayload, SignatureHeader, Transaction,
    },
    limits::ENVELOPE_BYTES_MAX,
};

use crate::{
    endorse::is_success,
    hash::{proposal_hash, stored_proposal_payload},
    proposal::ParsedProposal,
};

/// Why a client does not sign an envelope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PreparedRejection {
    /// A part cannot be read, or is missing.
    #[error("the gateway's envelope is malformed: {part}")]
    Malformed {
        /// Which part.
        part: &'static str,
    },
    /// A part is not the one that was proposed.
    #[error(
        "the gateway's envelope is not what was proposed: its {part} differs; do not sign, and ask another gateway"
    )]
    Different {
        /// Which part.
        part: &'static str,
    },
    /// The envelope still holds data for endorsers only.
    #[error("the gateway's envelope holds transient data, which signing would publish; do not sign")]
    HoldsTransient,
    /// Nobody endorsed.
    #[error("the gateway's envelope holds no endorsement")]
    NotEndorsed,
    /// The chaincode answered an error, which cannot commit.
    #[error("the chaincode answered status {status}, which cannot commit")]
    ChaincodeStatus {
        /// Its status.
        status: i32,
    },
}

/// Compares an envelope with what this client proposed; returns the result that it would sign.
///
/// # Errors
/// [`PreparedRejection`] names the first part that differs.
pub fn check_prepared(
    envelope: &Envelope,
    proposed: &ParsedProposal,
) -> Result<ChaincodeAction, PreparedRejection> {
    if envelope.payload.len() > ENVELOPE_BYTES_MAX {
        return Err(PreparedRejection::Malformed { part: "its size" });
    }
    let payload: Payload = read("payload", &envelope.payload)?;
    let header = payload.header.as_ref().ok_or(PreparedRejection::Malformed { part: "header" })?;
    // Channel, tx id, time and chaincode stand in the first header, creator and nonce in the second.
    same("signature header (creator and nonce)", header.signature_header == proposed.signature_header)?;
    same("channel header", header.channel_header == proposed.channel_header)?;
    let signer: SignatureHeader = read("signature header", &header.signature_header)?;
    same("creator", signer.creator == proposed.creator)?;
    same("nonce", signer.nonce == proposed.nonce)?;
    let transaction: Transaction = read("transaction", &payload.data)?;
    let [action] = &transaction.actions[..] else {
        return Err(PreparedRejection::Malformed { part: "transaction: it must hold one action" });
    };
    same("header of the action", action.header == proposed.signature_header)?;
    let action_bytes = &action.payload;
    let action: ChaincodeActionPayload = read("action", action_bytes)?;
    let stored: ChaincodeProposalPayload = read("proposal payload", &action.chaincode_proposal_payload)?;
    if !stored.transient_map.is_empty() {
        return Err(PreparedRejection::HoldsTransient);
    }
    let expected = stored_proposal_payload(&proposed.input);
    same("chaincode or arguments", action.chaincode_proposal_payload == expected)?;
    // A field that is unknown here would be signed unseen.
    same("payload (unknown fields)", payload.encoded_len() == envelope.payload.len())?;
    same("transaction (unknown fields)", transaction.encoded_len() == payload.data.len())?;
    same("action (unknown fields)", action.encoded_len() == action_bytes.len())?;
    let endorsed = action.action.ok_or(PreparedRejection::NotEndorsed)?;
    if endorsed.endorsements.iter().all(|endorsement| endorsement.signature.is_empty()) {
        return Err(PreparedRejection::NotEndorsed);
    }
    result(&endorsed.proposal_response_payload, proposed, &expected)
}

/// The result, if it answers this proposal and is a success of its chaincode.
fn result(
    bytes: &Bytes,
    proposed: &ParsedProposal,
    stored: &[u8],
) -> Result<ChaincodeAction, PreparedRejection> {
    let payload: ProposalResponsePayload = read("response payload", bytes)?;
    same("response payload (unknown fields)", payload.encoded_len() == bytes.len())?;
    let hash = proposal_hash(&proposed.channel_header, &proposed.signature_header, stored);
    same("proposal hash", payload.proposal_hash[..] == hash.as_bytes()[..])?;
    let action: ChaincodeAction = read("chaincode action", &payload.extension)?;
    same("chaincode action (unknown fields)", action.encoded_len() == payload.extension.len())?;
    let named = action.chaincode_id.as_ref().map(|id| id.name.as_str());
    same("chaincode of the result", named == Some(proposed.chaincode.as_str()))?;
    let status = action.response.as_ref().map_or(0, |response| response.status);
    if is_success(status) { Ok(action) } else { Err(PreparedRejection::ChaincodeStatus { status }) }
}

const fn same(part: &'static str, holds: bool) -> Result<(), PreparedRejection> {
    if holds { Ok(()) } else { Err(PreparedRejection::Different { part }) }
}

fn read<M: Message + Default>(part: &'static str, bytes: &Bytes) -> Result<M, PreparedRejection> {
    M::decode(bytes.clone()).map_err(|_| PreparedRejection::Malformed { part })
}
