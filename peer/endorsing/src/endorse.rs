//! An endorser's answer: what the chaincode did, bound to the proposal and signed.
//!
//! The payload is encoded once and signed as `payload ‖ endorser`; equal results give equal bytes on every endorser. A
//! chaincode that answered an error is reported, not endorsed.

use bytes::Bytes;
use msp::{Signer, SigningError};
use prost::Message;
use protocol::{
    ReadWriteSet,
    fabric::{
        ChaincodeAction, ChaincodeEvent, ChaincodeId, Endorsement, ProposalResponse, ProposalResponsePayload,
        Response,
    },
    limits::ENVELOPE_BYTES_MAX,
};

use crate::{
    check::VerifiedProposal,
    draft::timestamp,
    hash::{proposal_hash, stored_proposal_payload},
};

/// What a proposal's answer adds to the result: identities and framing of the later envelope.
const FRAMING_BYTES: usize = 1 << 20;

/// What a chaincode's run gave.
#[derive(Clone, Debug)]
pub struct ExecutionResult {
    /// Reads and writes.
    pub rwset: ReadWriteSet,
    /// The chaincode's answer.
    pub response: Response,
    /// Its event; chaincode and transaction in it are set here.
    pub event: Option<ChaincodeEvent>,
    /// The version of the chaincode that ran.
    pub chaincode_version: String,
}

/// Why a result was not endorsed.
#[derive(Debug, thiserror::Error)]
pub enum EndorsementFault {
    /// The read-write set breaks a rule of its form: a fault of the simulation.
    #[error("the chaincode's result cannot be endorsed: {0}")]
    ReadWriteSet(String),
    /// Result, response and event do not fit into an envelope.
    #[error("the chaincode's result has {bytes} bytes; the limit is {limit}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The greatest size.
        limit: usize,
    },
    /// The key's holder could not sign.
    #[error(transparent)]
    Signing(#[from] SigningError),
}

/// Whether a chaincode's status is a success: 200 to 399.
#[must_use]
pub const fn is_success(status: i32) -> bool {
    status >= 200 && status < 400
}

/// Answers a proposal with the result of its run at `now_ms`. The answer carries an endorsement where the chaincode
/// answered success; otherwise it carries the chaincode's answer only.
///
/// # Errors
/// [`EndorsementFault`]: a result that nobody could commit, or a key that does not sign.
pub fn endorse(
    verified: &VerifiedProposal,
    result: ExecutionResult,
    signer: &dyn Signer,
    now_ms: u64,
) -> Result<ProposalResponse, EndorsementFault> {
    let ExecutionResult { rwset, response, event, chaincode_version } = result;
    let mut answer = ProposalResponse {
        version: 1,
        timestamp: Some(timestamp(now_ms)),
        response: Some(response.clone()),
        ..ProposalResponse::default()
    };
    if !is_success(response.status) {
        return Ok(answer);
    }
    let proposal = verified.proposal();
    let results = rwset.to_bytes();
    // Read what was written: validators would refuse a set that does not read back.
    ReadWriteSet::from_bytes(&results).map_err(|error| EndorsementFault::ReadWriteSet(error.to_string()))?;
    let event = event.map(|event| ChaincodeEvent {
        chaincode_id: proposal.chaincode.as_str().to_owned(),
        tx_id: proposal.tx_id.as_str().to_owned(),
        ..event
    });
    let action = ChaincodeAction {
        results: results.into(),
        events: event.map(|event| Bytes::from(event.encode_to_vec())).unwrap_or_default(),
        response: Some(response),
        chaincode_id: Some(ChaincodeId {
            path: String::new(),
            name: proposal.chaincode.as_str().to_owned(),
            version: chaincode_version,
        }),
    };
    let stored = stored_proposal_payload(&proposal.input);
    let hash = proposal_hash(&proposal.channel_header, &proposal.signature_header, &stored);
    let payload = ProposalResponsePayload {
        proposal_hash: Bytes::copy_from_slice(hash.as_bytes()),
        extension: action.encode_to_vec().into(),
    };
    let payload = payload.encode_to_vec();
    let (bytes, limit) = (payload.len() + stored.len(), ENVELOPE_BYTES_MAX - FRAMING_BYTES);
    if bytes > limit {
        return Err(EndorsementFault::TooLarge { bytes, limit });
    }
    let endorser = signer.serialized_identity();
    let signature = signer.sign(&[&payload[..], &endorser[..]].concat())?;
    answer.payload = payload.into();
    answer.endorsement = Some(Endorsement { endorser, signature: signature.into() });
    Ok(answer)
}
