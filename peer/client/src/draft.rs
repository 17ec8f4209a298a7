//! What a user wants to have run, and the signed proposal made from it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use endorsing::{ParsedProposal, ProposalDraft, TransientMap, parse_proposal, sign_proposal};
use msp::Signer;
use protocol::fabric::SignedProposal;
use protocol::limits::PROPOSAL_BYTES_MAX;
use protocol::{ChaincodeName, ChannelId, MspId, TxId};

use crate::error::Fault;

/// Bytes of a nonce, as Fabric's clients draw it.
const NONCE_BYTES: usize = 24;

/// A chaincode's function with its arguments. `Debug` shows neither arguments nor transient data.
#[derive(Clone)]
pub struct Draft {
    /// The chaincode.
    pub chaincode: ChaincodeName,
    /// Function name, then its arguments.
    pub args: Vec<Bytes>,
    /// Data for the endorsers only.
    pub transient: TransientMap,
    /// Who must endorse; empty lets the gateway choose by policy.
    pub endorsing_organizations: Vec<MspId>,
}

impl Draft {
    /// A function with text arguments.
    #[must_use]
    pub fn new(chaincode: ChaincodeName, function: &str, args: &[&str]) -> Self {
        let args = std::iter::once(function).chain(args.iter().copied());
        Self {
            chaincode,
            args: args.map(|arg| Bytes::copy_from_slice(arg.as_bytes())).collect(),
            transient: TransientMap::default(),
            endorsing_organizations: Vec::new(),
        }
    }

    /// Adds data for the endorsers only.
    #[must_use]
    pub fn with_transient(mut self, fields: BTreeMap<String, Vec<u8>>) -> Self {
        self.transient = TransientMap::new(fields);
        self
    }

    /// Names who must endorse.
    #[must_use]
    pub fn endorsed_by(mut self, organizations: Vec<MspId>) -> Self {
        self.endorsing_organizations = organizations;
        self
    }
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft")
            .field("chaincode", &self.chaincode)
            .field("endorsing_organizations", &self.endorsing_organizations)
            .finish_non_exhaustive()
    }
}

/// A signed proposal with its parts as this client made them, to be compared with what comes back.
#[derive(Debug)]
pub(crate) struct Proposed {
    pub(crate) signed: SignedProposal,
    pub(crate) parsed: ParsedProposal,
}

impl Proposed {
    pub(crate) fn tx_id(&self) -> &TxId {
        &self.parsed.tx_id
    }
}

/// Draws a nonce, reads the clock, signs.
pub(crate) fn propose(channel: &ChannelId, draft: &Draft, signer: &dyn Signer) -> Result<Proposed, Fault> {
    let fault = |reason: String| Fault::Proposal { reason };
    let nonce = draw_nonce()?;
    let proposal = ProposalDraft {
        channel: channel.clone(),
        chaincode: draft.chaincode.clone(),
        args: draft.args.clone(),
        transient: draft.transient.clone(),
        creator: signer.serialized_identity(),
        nonce: Bytes::copy_from_slice(&nonce),
        timestamp_ms: now_ms()?,
    };
    let signed = sign_proposal(proposal, signer).map_err(|error| fault(error.to_string()))?;
    if signed.proposal_bytes.len() > PROPOSAL_BYTES_MAX {
        let bytes = signed.proposal_bytes.len();
        return Err(fault(format!(
            "it has {bytes} bytes; the limit is {PROPOSAL_BYTES_MAX}: put large content off-chain"
        )));
    }
    let parsed = parse_proposal(&signed).map_err(|error| fault(error.to_string()))?;
    Ok(Proposed { signed, parsed })
}

/// Random bytes that no other transaction has.
pub(crate) fn draw_nonce() -> Result<[u8; NONCE_BYTES], Fault> {
    let mut nonce = [0_u8; NONCE_BYTES];
    getrandom::fill(&mut nonce).map_err(|error| Fault::Proposal {
        reason: format!("the system gives no random numbers: {error}"),
    })?;
    Ok(nonce)
}

/// Milliseconds since 1970 by this machine's clock.
pub(crate) fn now_ms() -> Result<u64, Fault> {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).ok();
    elapsed.and_then(|elapsed| u64::try_from(elapsed.as_millis()).ok()).ok_or_else(|| Fault::Proposal {
        reason: "this machine's clock shows a time before 1970: set it".to_owned(),
    })
}
