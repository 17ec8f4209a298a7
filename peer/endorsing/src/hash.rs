//! The proposal hash: what ties an endorsement to the proposal that asked for it.
//!
//! Fabric's rule: SHA-256 over channel header, signature header and the proposal's payload without transient data. The
//! last is encoded here, once, from the input alone, as Fabric does; the same bytes stand in the transaction.

use bytes::Bytes;
use prost::Message;
use protocol::{Digest, fabric::ChaincodeProposalPayload};
use sha2::{Digest as _, Sha256};

/// SHA-256(channel header ‖ signature header ‖ payload), where `payload` is [`stored_proposal_payload`].
#[must_use]
pub fn proposal_hash(channel_header: &[u8], signature_header: &[u8], payload: &[u8]) -> Digest {
    let hash =
        Sha256::new().chain_update(channel_header).chain_update(signature_header).chain_update(payload);
    Digest(hash.finalize().into())
}

/// The bytes of a `ChaincodeProposalPayload` with this input and no transient data, as they are hashed and stored.
#[must_use]
pub fn stored_proposal_payload(input: &Bytes) -> Bytes {
    let payload = ChaincodeProposalPayload { input: input.clone(), ..ChaincodeProposalPayload::default() };
    payload.encode_to_vec().into()
}
