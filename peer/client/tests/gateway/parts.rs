//! A prepared transaction taken apart, so that a test can change any one part of it.

use bytes::Bytes;
use prost::Message as _;
use protocol::fabric::{
    ChaincodeAction, ChaincodeActionPayload, ChaincodeEndorsedAction, ChaincodeInvocationSpec,
    ChaincodeProposalPayload, ChannelHeader, Endorsement, Envelope, Header, Payload, ProposalResponsePayload,
    SignatureHeader, Transaction, TransactionAction,
};

/// Every part that a client's signature covers.
#[derive(Clone)]
pub struct Parts {
    pub channel: ChannelHeader,
    pub signer: SignatureHeader,
    pub action_header: Bytes,
    pub proposal: ChaincodeProposalPayload,
    pub invocation: ChaincodeInvocationSpec,
    pub answer: ProposalResponsePayload,
    pub action: ChaincodeAction,
    pub endorsements: Vec<Endorsement>,
    pub copies: usize,
}

impl Parts {
    pub fn of(envelope: &Envelope) -> Self {
        let payload = Payload::decode(envelope.payload.clone()).unwrap();
        let header = payload.header.unwrap();
        let transaction = Transaction::decode(payload.data).unwrap();
        let action = transaction.actions[0].clone();
        let inner = ChaincodeActionPayload::decode(action.payload).unwrap();
        let proposal = ChaincodeProposalPayload::decode(inner.chaincode_proposal_payload).unwrap();
        let endorsed = inner.action.unwrap();
        let answer = ProposalResponsePayload::decode(endorsed.proposal_response_payload).unwrap();
        Self {
            channel: ChannelHeader::decode(header.channel_header).unwrap(),
            signer: SignatureHeader::decode(header.signature_header).unwrap(),
            action_header: action.header,
            invocation: ChaincodeInvocationSpec::decode(proposal.input.clone()).unwrap(),
            proposal,
            action: ChaincodeAction::decode(answer.extension.clone()).unwrap(),
            answer,
            endorsements: endorsed.endorsements,
            copies: 1,
        }
    }

    pub fn envelope(self) -> Envelope {
        let mut proposal = self.proposal;
        proposal.input = self.invocation.encode_to_vec().into();
        let mut answer = self.answer;
        answer.extension = self.action.encode_to_vec().into();
        let endorsed = ChaincodeEndorsedAction {
            proposal_response_payload: answer.encode_to_vec().into(),
            endorsements: self.endorsements,
        };
        let inner = ChaincodeActionPayload {
            chaincode_proposal_payload: proposal.encode_to_vec().into(),
            action: Some(endorsed),
        };
        let action = TransactionAction { header: self.action_header, payload: inner.encode_to_vec().into() };
        let header = Header {
            channel_header: self.channel.encode_to_vec().into(),
            signature_header: self.signer.encode_to_vec().into(),
        };
        let data = Transaction { actions: vec![action; self.copies] }.encode_to_vec().into();
        let payload = Payload { header: Some(header), data };
        Envelope { payload: payload.encode_to_vec().into(), signature: Bytes::new() }
    }
}
