//! From equal endorsements to the envelope that the client signs.
//!
//! The envelope holds the headers and the endorsed payload as they came, and the proposal's input without transient
//! data. Fabric's rule: `protoutil/txutils.go`. Whether the endorsements are enough is judged by the plan before and by
//! validation after.

use bytes::Bytes;
use msp::{Signer, SigningError};
use prost::Message;
use protocol::{
    fabric::{
        ChaincodeActionPayload, ChaincodeEndorsedAction, Endorsement, Envelope, Header, Payload,
        ProposalResponse, Transaction, TransactionAction,
    },
    limits::{ENDORSEMENTS_MAX, ENVELOPE_BYTES_MAX},
};

use crate::{endorse::is_success, hash::stored_proposal_payload, proposal::ParsedProposal};

/// Why answers make no transaction.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssembleRejection {
    /// Nobody answered.
    #[error("there is no endorsement to put into a transaction")]
    NoResponses,
    /// An answer is no endorsement.
    #[error("answer {place} carries no endorsement (chaincode status {status})")]
    NotEndorsed {
        /// Its place among the answers, from 0.
        place: usize,
        /// The chaincode's status in it, 0 where there is none.
        status: i32,
    },
    /// Two answers differ.
    #[error("answer {place} differs from the first; compare the answers for the reason")]
    Different {
        /// Its place among the answers, from 0.
        place: usize,
    },
    /// There are more endorsements than a transaction may hold.
    #[error("{found} endorsements; a transaction holds at most {limit}")]
    TooMany {
        /// How many.
        found: usize,
        /// How many are allowed.
        limit: usize,
    },
    /// The envelope is too large to be ordered.
    #[error("the transaction has {bytes} bytes; the limit is {limit}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The greatest size.
        limit: usize,
    },
}

/// Joins a proposal and its equal answers into an envelope without signature. An endorser counts once.
///
/// # Errors
/// [`AssembleRejection`].
pub fn assemble(
    proposal: &ParsedProposal,
    responses: &[ProposalResponse],
) -> Result<Envelope, AssembleRejection> {
    let first = responses.first().ok_or(AssembleRejection::NoResponses)?;
    let mut endorsements: Vec<Endorsement> = Vec::with_capacity(responses.len());
    for (place, response) in responses.iter().enumerate() {
        let status = response.response.as_ref().map_or(0, |response| response.status);
        let endorsement =
            response.endorsement.as_ref().filter(|_| is_success(status) && !response.payload.is_empty());
        let endorsement = endorsement.ok_or(AssembleRejection::NotEndorsed { place, status })?;
        if response.payload != first.payload {
            return Err(AssembleRejection::Different { place });
        }
        if endorsements.iter().all(|known| known.endorser != endorsement.endorser) {
            endorsements.push(endorsement.clone());
        }
    }
    if endorsements.len() > ENDORSEMENTS_MAX {
        return Err(AssembleRejection::TooMany { found: endorsements.len(), limit: ENDORSEMENTS_MAX });
    }
    let action = ChaincodeActionPayload {
        chaincode_proposal_payload: stored_proposal_payload(&proposal.input),
        action: Some(ChaincodeEndorsedAction {
            proposal_response_payload: first.payload.clone(),
            endorsements,
        }),
    };
    let action = TransactionAction {
        header: proposal.signature_header.clone(),
        payload: action.encode_to_vec().into(),
    };
    let header = Header {
        channel_header: proposal.channel_header.clone(),
        signature_header: proposal.signature_header.clone(),
    };
    let data = Transaction { actions: vec![action] }.encode_to_vec().into();
    let payload = Payload { header: Some(header), data }.encode_to_vec();
    if payload.len() > ENVELOPE_BYTES_MAX {
        return Err(AssembleRejection::TooLarge { bytes: payload.len(), limit: ENVELOPE_BYTES_MAX });
    }
    Ok(Envelope { payload: payload.into(), signature: Bytes::new() })
}

/// Signs an envelope's payload with its creator's key.
///
/// # Errors
/// [`SigningError`] when the key's holder cannot sign.
pub fn sign_envelope(envelope: Envelope, signer: &dyn Signer) -> Result<Envelope, SigningError> {
    let signature = signer.sign(&envelope.payload)?.into();
    Ok(Envelope { signature, ..envelope })
}
