//! What clients send: envelopes, proposals, requests to deliver.

use bytes::Bytes;
use endorsing::{check_proposal, parse_proposal, proposal_hash, stored_proposal_payload};
use prost::Message as _;
use protocol::fabric::{Envelope, SignedProposal};
use protocol::{BlockNumber, TxId, TxNumber, TxValidationCode};
use validation::{examine, parse_transaction};

use crate::material::{NOW_MS, bundle};
use crate::sources::seek;

/// An envelope at an orderer and at a validating peer.
pub fn envelope(bytes: &[u8]) -> bool {
    let envelope = Bytes::copy_from_slice(bytes);
    let is_config = configtx::is_config_envelope(bytes);
    let inspected = ordering::inspect(bytes, bundle().config());
    let admitted = ordering::admit(&envelope, bundle(), NOW_MS);
    let parsed = parse_transaction(&envelope);
    let examined = examine(TxNumber(0), &envelope, bundle(), NOW_MS);
    // An update of the configuration is admitted, and stands in no block as it is.
    if let Some(admitted) = admitted.ok().filter(|admitted| !admitted.is_config_update) {
        let inspected = inspected.as_ref().expect("what is admitted passes the inspection of its form");
        assert_eq!(admitted.tx_id, inspected.tx_id);
        assert_eq!(ordering::channel_of(bytes).ok().as_deref(), Some(bundle().config().channel.as_str()));
    }
    if let Ok(parsed) = &parsed {
        assert!(!is_config, "a transaction is no configuration");
        assert_eq!(parsed.rwset.to_bytes().len(), encoded_rwset_len(&envelope));
        assert_eq!(examined.claimed_tx_id(), Some(&parsed.tx_id));
    }
    match examined.early_code() {
        Some(code) => {
            assert_ne!(code, TxValidationCode::Valid, "nothing is valid before the state is asked");
            false
        }
        None => {
            assert!(parsed.is_ok() || is_config, "what was examined to the end can be parsed");
            true
        }
    }
}

/// Length of the read-write set as it stands in the envelope.
fn encoded_rwset_len(envelope: &Bytes) -> usize {
    use protocol::fabric::{
        ChaincodeAction, ChaincodeActionPayload, Payload, ProposalResponsePayload, Transaction,
    };
    let envelope = Envelope::decode(envelope.clone()).expect("parsed before");
    let payload = Payload::decode(envelope.payload).expect("parsed before");
    let mut transaction = Transaction::decode(payload.data).expect("parsed before");
    let action = transaction.actions.pop().expect("parsed before");
    let action = ChaincodeActionPayload::decode(action.payload).expect("parsed before");
    let endorsed = action.action.expect("parsed before").proposal_response_payload;
    let response = ProposalResponsePayload::decode(endorsed).expect("parsed before");
    ChaincodeAction::decode(response.extension).expect("parsed before").results.len()
}

/// A signed proposal at an endorser.
pub fn proposal(bytes: &[u8]) -> bool {
    let Ok(signed) = SignedProposal::decode(bytes) else { return false };
    let Ok(parsed) = parse_proposal(&signed) else { return false };
    let stored = stored_proposal_payload(&parsed.input);
    let hash = proposal_hash(&parsed.channel_header, &parsed.signature_header, &stored);
    let again = parse_proposal(&signed).expect("parsing is a function of the bytes");
    assert_eq!(proposal_hash(&again.channel_header, &again.signature_header, &stored), hash);
    let expected = TxId::of(&parsed.nonce, &parsed.creator);
    match check_proposal(parsed, &signed, bundle(), NOW_MS) {
        Ok(verified) => {
            assert_eq!(verified.proposal().tx_id, expected, "a checked proposal bears its own id");
            true
        }
        Err(_) => false,
    }
}

/// A request to deliver, at an orderer.
pub fn seek(bytes: &[u8]) -> bool {
    const NEWEST: BlockNumber = BlockNumber(41);
    let Ok(envelope) = Envelope::decode(bytes) else { return false };
    let channel = seek::channel_name(&envelope);
    match seek::judge(&envelope, bundle(), NEWEST, NOW_MS) {
        Ok(seek) => {
            assert!(seek.start <= seek.stop, "a stream has a direction");
            assert!(channel.is_ok());
            true
        }
        Err(_) => false,
    }
}
