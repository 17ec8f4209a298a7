//! Who may read a channel's verdicts and events: a member whom the policy `/Channel/Application/Readers` admits and
//! who, where the channel registers identities, is active on the ledger.

use configtx::{ConfigBundle, paths};
use msp::VerifiedIdentity;
use transport::Status;

use super::now_ms;
use super::opened::signed_by;
use crate::ports::ChannelLedger;
use crate::signed_request::require_active;

/// The reader who signed a request, given with its signature.
///
/// # Errors
/// `PERMISSION_DENIED` with the reason; for a policy that is not satisfied, its explanation.
pub(super) fn check_reader(
    ledger: &dyn ChannelLedger,
    bundle: &ConfigBundle,
    identity: &[u8],
    (request, signature): (&[u8], &[u8]),
) -> Result<VerifiedIdentity, Status> {
    let signature = signed_by(bundle, identity, request, signature, now_ms())?;
    let reader = signature.identity().clone();
    let policy = bundle.policy(paths::APPLICATION_READERS).ok_or_else(|| {
        let channel = ledger.channel();
        Status::permission_denied(format!("channel {channel} has no policy {}", paths::APPLICATION_READERS))
    })?;
    let verdict = policy.evaluate(&[signature]);
    if !verdict.satisfied {
        return Err(Status::permission_denied(verdict.explanation.to_string()));
    }
    require_active(ledger, &reader)?;
    Ok(reader)
}
