//! The rules that tie a transaction to the channel's chaincodes: definition, version, namespaces, endorsement policy.

use configtx::{ConfigBundle, is_system_chaincode};
use msp::VerifiedSignature;
use protocol::{IdentityRecord, NamespaceSet, TxValidationCode};

use crate::{
    examine::EndorsedTransaction,
    genesis::CONFIG_NAMESPACE,
    identities::{Identities, Standing},
    identity_change::IdentityChange,
    parse::Flaw,
    state::StateFault,
};

/// Checks that the chaincode is the channel's and that the transaction keeps to its namespace.
pub(crate) fn chaincode(transaction: &EndorsedTransaction, bundle: &ConfigBundle) -> Result<(), Flaw> {
    use TxValidationCode::{ChaincodeVersionConflict, ExpiredChaincode, IllegalWriteset, InvalidChaincode};

    let parsed = &transaction.parsed;
    let name = parsed.chaincode.as_str();
    let Some(definition) = bundle.definition(name) else {
        return Err(Flaw::new(InvalidChaincode, format!("the channel has no chaincode {}", shortened(name))));
    };
    if parsed.chaincode_version.is_empty() {
        return Err(Flaw::new(ChaincodeVersionConflict, "the result names no version of the chaincode"));
    }
    if parsed.chaincode_version != definition.version {
        let ran = shortened(&parsed.chaincode_version);
        let reason = format!("version {ran} of {name} was run; {} is in force", definition.version);
        return Err(Flaw::new(ExpiredChaincode, reason));
    }
    for set in &parsed.rwset.namespaces {
        if set.name != name && !set.writes.is_empty() {
            let reason = format!("chaincode {name} wrote to namespace {}", shortened(&set.name));
            return Err(Flaw::new(IllegalWriteset, reason));
        }
        if !exists(set, bundle) {
            let reason =
                format!("chaincode {name} read namespace {}, which is not there", shortened(&set.name));
            return Err(Flaw::new(InvalidChaincode, reason));
        }
    }
    Ok(())
}

fn exists(set: &NamespaceSet, bundle: &ConfigBundle) -> bool {
    let is_system = [CONFIG_NAMESPACE, IdentityRecord::NAMESPACE].contains(&set.name.as_str());
    is_system || bundle.config().chaincode(&set.name).is_some()
}

/// Judges the endorsements of those who may act by the chaincode's policy; an endorsement of anybody else is passed
/// over. Nobody endorses the own revocation: whoever endorses it remains, so that an organisation never revokes its last
/// peer, without which it could register no other.
pub(crate) fn endorsement(
    transaction: &EndorsedTransaction,
    bundle: &ConfigBundle,
    identities: &Identities<'_>,
) -> Result<Option<Flaw>, StateFault> {
    let code = TxValidationCode::EndorsementPolicyFailure;
    let mut passed_over = transaction.passed_over.clone();
    let mut counted: Vec<VerifiedSignature> = Vec::with_capacity(transaction.endorsements.len());
    let parsed = &transaction.parsed;
    let revokes = || IdentityChange::revoked_by(&parsed.args, bundle.identity_rules());
    let revoked = is_system_chaincode(&parsed.chaincode).then(revokes).flatten();
    for signature in &transaction.endorsements {
        let identity = signature.identity();
        match identities.standing(identity)? {
            Standing::MayAct if revoked == Some(identity.poi()) => {
                passed_over.push(format!("{}/{}: it would be revoked", identity.msp_id(), identity.poi()));
            }
            Standing::MayAct => counted.push(signature.clone()),
            standing => passed_over.push(format!("{}/{}: {standing:?}", identity.msp_id(), identity.poi())),
        }
    }
    let creator = transaction.creator.msp_id();
    let Some(policy) = bundle.endorsement_policy_for(&transaction.parsed.chaincode, creator) else {
        return Ok(Some(Flaw::new(code, "the chaincode has no endorsement policy, so nobody can meet it")));
    };
    let verdict = policy.evaluate(&counted);
    if verdict.satisfied {
        return Ok(None);
    }
    let others = if passed_over.is_empty() {
        String::new()
    } else {
        format!("\npassed over: {}", passed_over.join("; "))
    };
    Ok(Some(Flaw::new(code, format!("{}{others}", verdict.explanation))))
}

fn shortened(name: &str) -> String {
    name.chars().take(128).filter(|c| !c.is_control()).collect()
}
