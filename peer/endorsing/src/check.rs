//! Whether a proposal may be executed: its time, its transaction id, its creator and the channel's writers.
//!
//! It runs at each endorser before anything is executed, and costs one signature. Whether the creator is registered and
//! active is asked of the ledger by the caller, with the identity that stands in the result.

use configtx::{ConfigBundle, paths};
use msp::VerifiedIdentity;
use protocol::{TxId, fabric::SignedProposal};

use crate::{proposal::ParsedProposal, rejection::ProposalRejection};

/// Fabric's window, in both directions.
const CLOCK_DIFFERENCE_MS_MAX: u64 = 15 * 60 * 1_000;

/// Proof that a proposal was signed by its creator, who may write to the channel.
#[derive(Clone, Debug)]
pub struct VerifiedProposal {
    proposal: ParsedProposal,
    creator: VerifiedIdentity,
}

impl VerifiedProposal {
    /// The proposal.
    #[must_use]
    pub const fn proposal(&self) -> &ParsedProposal {
        &self.proposal
    }

    /// Who signed it.
    #[must_use]
    pub const fn creator(&self) -> &VerifiedIdentity {
        &self.creator
    }
}

/// Judges what needs no channel: the transaction id is that of nonce and creator, and the time is about now.
///
/// # Errors
/// [`ProposalRejection::TxId`] and [`ProposalRejection::Time`].
pub fn check_fresh(proposal: &ParsedProposal, now_ms: u64) -> Result<(), ProposalRejection> {
    let expected = TxId::of(&proposal.nonce, &proposal.creator);
    if proposal.tx_id != expected {
        return Err(ProposalRejection::TxId { found: proposal.tx_id.clone(), expected });
    }
    if proposal.timestamp_ms.abs_diff(now_ms) > CLOCK_DIFFERENCE_MS_MAX {
        return Err(ProposalRejection::Time { timestamp_ms: proposal.timestamp_ms, now_ms });
    }
    Ok(())
}

/// Judges a parsed proposal against the channel's configuration at `now_ms`; `signed` is what it was parsed from.
///
/// # Errors
/// [`ProposalRejection`], the cheap rules first: channel, chaincode, tx id, time, creator, signature, writers.
pub fn check_proposal(
    proposal: ParsedProposal,
    signed: &SignedProposal,
    bundle: &ConfigBundle,
    now_ms: u64,
) -> Result<VerifiedProposal, ProposalRejection> {
    let config = bundle.config();
    if proposal.channel != config.channel {
        return Err(ProposalRejection::OtherChannel {
            found: proposal.channel,
            expected: config.channel.clone(),
        });
    }
    if bundle.definition(proposal.chaincode.as_str()).is_none() {
        return Err(ProposalRejection::UnknownChaincode {
            channel: config.channel.clone(),
            chaincode: proposal.chaincode.as_str().to_owned(),
            known: config.chaincodes.iter().map(|definition| definition.name.as_str().to_owned()).collect(),
        });
    }
    check_fresh(&proposal, now_ms)?;
    let creator = bundle.identify(&proposal.creator, now_ms).map_err(ProposalRejection::Creator)?;
    let signature = bundle
        .verify(&creator, &signed.proposal_bytes, &signed.signature)
        .map_err(ProposalRejection::Signature)?;
    let writers = bundle
        .policy(paths::APPLICATION_WRITERS)
        .ok_or_else(|| ProposalRejection::NoWriters { channel: config.channel.clone() })?;
    let verdict = writers.evaluate(&[signature]);
    if !verdict.satisfied {
        return Err(ProposalRejection::NotAWriter(Box::new(verdict.explanation)));
    }
    Ok(VerifiedProposal { proposal, creator })
}
