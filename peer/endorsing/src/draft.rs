//! A client's proposal, built as Fabric's client libraries build it.
//!
//! Nonce and time are the caller's, so that equal drafts give equal bytes. Shape: facts of `proposalbuilder.ts` of the
//! stock client: header version 0, empty TLS hash, chaincode type NODE (2).

use bytes::Bytes;
use msp::{Signer, SigningError};
use prost::Message;
use protocol::{
    ChaincodeName, ChannelId, TxId,
    fabric::{
        ChaincodeHeaderExtension, ChaincodeId, ChaincodeInput, ChaincodeInvocationSpec,
        ChaincodeProposalPayload, ChaincodeSpec, ChannelHeader, Header, HeaderType, Proposal,
        SignatureHeader, SignedProposal, Timestamp,
    },
};

use crate::transient::TransientMap;

/// The stock clients always send NODE, whatever the chaincode is written in.
const CHAINCODE_TYPE_NODE: i32 = 2;

/// What a client proposes.
#[derive(Clone)]
pub struct ProposalDraft {
    /// The channel.
    pub channel: ChannelId,
    /// The chaincode.
    pub chaincode: ChaincodeName,
    /// Function name, then its arguments.
    pub args: Vec<Bytes>,
    /// Data for the endorsers only.
    pub transient: TransientMap,
    /// The client's serialised identity.
    pub creator: Bytes,
    /// 1 to 64 bytes that this client never used before; 24 random ones by custom.
    pub nonce: Bytes,
    /// The client's clock, milliseconds since 1970.
    pub timestamp_ms: u64,
}

impl std::fmt::Debug for ProposalDraft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProposalDraft")
            .field("channel", &self.channel)
            .field("chaincode", &self.chaincode)
            .field("timestamp_ms", &self.timestamp_ms)
            .finish_non_exhaustive()
    }
}

impl ProposalDraft {
    /// The transaction id that the proposal will have.
    #[must_use]
    pub fn tx_id(&self) -> TxId {
        TxId::of(&self.nonce, &self.creator)
    }

    /// The proposal's bytes, to be signed.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        let chaincode_id = ChaincodeId { name: self.chaincode.as_str().to_owned(), ..ChaincodeId::default() };
        let extension = ChaincodeHeaderExtension { chaincode_id: Some(chaincode_id.clone()) };
        let channel_header = ChannelHeader {
            r#type: HeaderType::EndorserTransaction.into(),
            timestamp: Some(timestamp(self.timestamp_ms)),
            channel_id: self.channel.as_str().to_owned(),
            tx_id: self.tx_id().as_str().to_owned(),
            extension: extension.encode_to_vec().into(),
            ..ChannelHeader::default()
        };
        let spec = ChaincodeSpec {
            r#type: CHAINCODE_TYPE_NODE,
            chaincode_id: Some(chaincode_id),
            input: Some(ChaincodeInput { args: self.args, ..ChaincodeInput::default() }),
            timeout: 0,
        };
        let input = ChaincodeInvocationSpec { chaincode_spec: Some(spec) }.encode_to_vec();
        let transient_map = (*self.transient).clone();
        let mut payload = ChaincodeProposalPayload { input: input.into(), transient_map };
        let payload_bytes = payload.encode_to_vec();
        // The copy that the message needed is wiped like the original.
        drop(TransientMap::new(std::mem::take(&mut payload.transient_map)));
        let signature_header = SignatureHeader { creator: self.creator, nonce: self.nonce };
        let header = Header {
            channel_header: channel_header.encode_to_vec().into(),
            signature_header: signature_header.encode_to_vec().into(),
        };
        let proposal = Proposal {
            header: header.encode_to_vec().into(),
            payload: payload_bytes.into(),
            extension: Bytes::new(),
        };
        proposal.encode_to_vec().into()
    }
}

/// Signs a draft with its creator's key.
///
/// # Errors
/// [`SigningError`] when the key's holder cannot sign.
pub fn sign_proposal(draft: ProposalDraft, signer: &dyn Signer) -> Result<SignedProposal, SigningError> {
    let proposal_bytes = draft.into_bytes();
    let signature = signer.sign(&proposal_bytes)?.into();
    Ok(SignedProposal { proposal_bytes, signature })
}

/// Google's timestamp of milliseconds since 1970.
pub(crate) fn timestamp(ms: u64) -> Timestamp {
    let seconds = i64::try_from(ms / 1_000).unwrap_or(i64::MAX);
    let nanos = i32::try_from(ms % 1_000 * 1_000_000).unwrap_or_default();
    Timestamp { seconds, nanos }
}
