//! What a transaction of the system chaincode may write: exactly what its arguments give.
//!
//! It runs after endorsement and reads were judged, at the state before the transaction, earlier writes of its block
//! included. Endorsers' writes are compared, never believed.

use configtx::ConfigBundle;
use protocol::{IdentityRecord, KvWrite, TxValidationCode};

use crate::{
    examine::EndorsedTransaction,
    identities::Identities,
    identity_change::{IdentityActor, IdentityChange, identity_entry},
    parse::Flaw,
    state::StateFault,
};

/// The record that the transaction writes; `None` where it only reads.
pub(crate) fn derive(
    transaction: &EndorsedTransaction,
    bundle: &ConfigBundle,
    identities: &Identities<'_>,
    at_ms: u64,
) -> Result<Result<Option<IdentityRecord>, Flaw>, StateFault> {
    let EndorsedTransaction { parsed, creator, .. } = transaction;
    let writes: Vec<&KvWrite> = parsed.rwset.namespaces.iter().flat_map(|set| &set.writes).collect();
    if !IdentityChange::is_named_by(&parsed.args) {
        let flaw = || Flaw::new(TxValidationCode::InvalidWriteset, "its function only reads, and it writes");
        return Ok(if writes.is_empty() { Ok(None) } else { Err(flaw()) });
    }
    let Some(msp) = bundle.msps().msp(creator.msp_id()) else {
        let reason = format!("{} is no organisation of the channel", creator.msp_id());
        return Ok(Err(Flaw::new(TxValidationCode::InvalidOtherReason, reason)));
    };
    let actor = IdentityActor {
        channel: &bundle.config().channel,
        msp,
        poi: creator.poi(),
        roles: creator.roles(),
        at_ms,
        rules: bundle.identity_rules(),
    };
    let change = match IdentityChange::read(&parsed.args, &actor) {
        Ok(change) => change,
        Err(refusal) => return Ok(Err(Flaw::new(refusal.code(), refusal.to_string()))),
    };
    let before = identities.record(creator.msp_id(), &creator.poi())?;
    let target = identities.record(creator.msp_id(), &change.target())?;
    let record = match change.apply(before.as_ref(), target) {
        Ok(record) => record,
        Err(refusal) => return Ok(Err(Flaw::new(refusal.code(), refusal.to_string()))),
    };
    let (key, value) = identity_entry(&record);
    if writes != [&KvWrite { key, value: Some(value) }] {
        let reason = "its endorsers signed other writes than its arguments give";
        return Ok(Err(Flaw::new(TxValidationCode::InvalidWriteset, reason)));
    }
    Ok(Ok(Some(record)))
}
