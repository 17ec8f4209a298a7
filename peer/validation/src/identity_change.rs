//! The rules by which registered identities change: one pure function of arguments, creator and records.
//!
//! The system chaincode runs it on endorsers, and validation runs it again on what was ordered, so that an endorser that
//! lies is found out. An organisation's administrators change its own identities and no others. A key that is registered or
//! renewed proves that its holder agrees. A renewal with the same key needs no transaction for the key to act (the key is
//! the identity); `RenewIdentity` keeps the record true: the certificate, and the TLS keys that a revocation closes.
//! A revocation is for good, since a key that was lost once is lost: its holder registers another. No administrator
//! revokes itself, so whoever revokes remains, and an organisation never loses its last one that way.

use std::sync::Arc;

use bytes::Bytes;
use msp::{Certified, Msp};
use protocol::{
    BlockNumber, ChannelId, IdentityAction, IdentityClaim, IdentityRecord, IdentityStatus, MspId, Poi, Role,
    codec,
};

use crate::identity_refusal::IdentityRefusal as Refusal;

/// Registers a key: one argument, an [`IdentityClaim`].
pub const REGISTER_IDENTITY: &str = "RegisterIdentity";
/// Replaces certificate and TLS keys of a registered key: one argument, an [`IdentityClaim`].
pub const RENEW_IDENTITY: &str = "RenewIdentity";
/// Ends a key's right to act: two arguments, MSP id and PoI in hex.
pub const REVOKE_IDENTITY: &str = "RevokeIdentity";

/// Changes of one record, so that it stays far below the limit of its reader.
const CHANGES_MAX: usize = 1_024;
/// First bytes of a PEM certificate.
const PEM_BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// Who asks for a change, where and when.
#[derive(Clone, Copy, Debug)]
pub struct IdentityActor<'a> {
    /// The channel.
    pub channel: &'a ChannelId,
    /// The verifier of the creator's organisation.
    pub msp: &'a Msp,
    /// The creator.
    pub poi: Poi,
    /// The roles that the creator's certificate gives.
    pub roles: &'a [Role],
    /// Unix milliseconds: the proposal's time at an endorser, the block's at validation.
    pub at_ms: u64,
}

/// A change that its arguments, creator and certificate allow. What the ledger says comes last: [`IdentityChange::apply`].
#[derive(Clone, Debug)]
pub struct IdentityChange {
    msp_id: MspId,
    creator: Poi,
    act: Act,
}

#[derive(Clone, Debug)]
enum Act {
    Claim(IdentityAction, IdentityClaim, Arc<Certified>),
    Revoke(Poi),
}

impl IdentityChange {
    /// Whether the function of a call changes identities; others of the system chaincode only read.
    #[must_use]
    pub fn is_named_by(args: &[Bytes]) -> bool {
        let function = args.first().map(AsRef::as_ref);
        [REGISTER_IDENTITY, RENEW_IDENTITY, REVOKE_IDENTITY]
            .iter()
            .any(|name| function == Some(name.as_bytes()))
    }

    /// The identity that a call revokes, by its form alone; `None` for every other call.
    #[must_use]
    pub fn revoked_by(args: &[Bytes]) -> Option<Poi> {
        match args {
            [function, _, poi] if function.as_ref() == REVOKE_IDENTITY.as_bytes() => {
                name(poi, "the PoI").ok()
            }
            _ => None,
        }
    }

    /// Reads a call (function name first) and judges everything but the ledger's records.
    ///
    /// # Errors
    /// [`IdentityRefusal`](crate::IdentityRefusal): form, organisation, administrator, certificate, proof, in that order.
    pub fn read(args: &[Bytes], actor: &IdentityActor<'_>) -> Result<Self, Refusal> {
        let own = actor.msp.msp_id();
        let [function, args @ ..] = args else { return Err(malformed("the call names no function")) };
        let call = match (std::str::from_utf8(function).unwrap_or_default(), args) {
            (REGISTER_IDENTITY, [claim]) => Call::Claim(IdentityAction::Register, read_claim(claim)?),
            (RENEW_IDENTITY, [claim]) => Call::Claim(IdentityAction::Renew, read_claim(claim)?),
            (REVOKE_IDENTITY, [msp_id, poi]) => {
                Call::Revoke(name(msp_id, "the MSP id")?, name(poi, "the PoI")?)
            }
            (function, args) => {
                let function: String = function.chars().take(64).collect();
                return Err(malformed(format!("no function {function:?} with {} arguments", args.len())));
            }
        };
        let named = match &call {
            Call::Claim(_, claim) => &claim.msp_id,
            Call::Revoke(msp_id, _) => msp_id,
        };
        if named != own {
            return Err(Refusal::OtherOrganization { own: own.clone(), named: named.clone() });
        }
        if !actor.roles.contains(&Role::Admin) {
            return Err(Refusal::NotAnAdministrator { msp_id: own.clone(), roles: actor.roles.to_vec() });
        }
        let act = match call {
            Call::Claim(action, claim) => {
                let certified = prove(action, &claim, actor)?;
                Act::Claim(action, claim, certified)
            }
            Call::Revoke(_, poi) => Act::Revoke(poi),
        };
        Ok(Self { msp_id: own.clone(), creator: actor.poi, act })
    }

    /// The identity that changes.
    #[must_use]
    pub fn target(&self) -> Poi {
        match &self.act {
            Act::Claim(_, _, certified) => certified.poi(),
            Act::Revoke(poi) => *poi,
        }
    }

    /// The record after the change, given the records of creator and target before it. Its list of changes still lacks this
    /// one: see [`stamped`].
    ///
    /// # Errors
    /// [`IdentityRefusal`](crate::IdentityRefusal) with the first rule that the records break.
    pub fn apply(
        self,
        creator: Option<&IdentityRecord>,
        target: Option<IdentityRecord>,
    ) -> Result<IdentityRecord, Refusal> {
        let (msp_id, poi) = (self.msp_id.clone(), self.target());
        let is_administrator = creator.is_some_and(|record| {
            record.status == IdentityStatus::Active && record.roles.contains(&Role::Admin)
        });
        if !is_administrator {
            return Err(Refusal::NotRegisteredAsAdministrator { msp_id, poi: self.creator });
        }
        match (self.act, target) {
            (_, Some(record)) if record.status == IdentityStatus::Revoked => {
                Err(Refusal::Revoked { msp_id, poi })
            }
            (Act::Claim(IdentityAction::Register, claim, certified), None) => {
                Ok(registered(claim, &certified))
            }
            (Act::Claim(IdentityAction::Register, ..), Some(_)) => {
                Err(Refusal::AlreadyRegistered { msp_id, poi })
            }
            (_, None) => Err(Refusal::Unknown { msp_id, poi }),
            (Act::Claim(IdentityAction::Renew, claim, certified), Some(record)) => {
                renewed(record, claim, &certified)
            }
            (Act::Revoke(poi), Some(_)) if poi == self.creator => Err(Refusal::LastAdministrator { msp_id }),
            (Act::Revoke(_), Some(record)) => {
                Ok(IdentityRecord { status: IdentityStatus::Revoked, ..record })
            }
        }
    }
}

/// A call before anything but its form was judged.
enum Call {
    Claim(IdentityAction, IdentityClaim),
    Revoke(MspId, Poi),
}

/// The record with the block in which its last change stands: what the world state holds.
#[must_use]
pub fn stamped(mut record: IdentityRecord, number: BlockNumber) -> IdentityRecord {
    record.changed_at.push(number);
    record
}

/// Key and value of a record in its namespace.
#[must_use]
pub fn identity_entry(record: &IdentityRecord) -> (String, Bytes) {
    (IdentityRecord::key(&record.msp_id, &record.poi), codec::encode(record).into())
}

fn malformed(reason: impl Into<String>) -> Refusal {
    Refusal::Malformed { reason: reason.into() }
}

fn name<T: std::str::FromStr<Err: std::fmt::Display>>(text: &[u8], what: &str) -> Result<T, Refusal> {
    let text = std::str::from_utf8(text).map_err(|_| malformed(format!("{what} is no text")))?;
    text.parse().map_err(|error: T::Err| malformed(error.to_string()))
}

fn read_claim(bytes: &[u8]) -> Result<IdentityClaim, Refusal> {
    let claim = IdentityClaim::from_bytes(bytes).map_err(|error| malformed(error.to_string()))?;
    let is_sorted = claim.tls_spki.windows(2).all(|pair| pair[0] < pair[1]);
    if claim.tls_spki.len() > IdentityClaim::TLS_KEYS_MAX || !is_sorted {
        return Err(Refusal::TlsKeys);
    }
    if !claim.certificate.starts_with(PEM_BEGIN) {
        return Err(malformed("the certificate is not exactly one PEM block (BEGIN CERTIFICATE)"));
    }
    Ok(claim)
}

/// The claim's certificate, if it speaks for the organisation now and its key signed the claim.
fn prove(
    action: IdentityAction,
    claim: &IdentityClaim,
    actor: &IdentityActor<'_>,
) -> Result<Arc<Certified>, Refusal> {
    let identity = actor.msp.identify(&claim.certificate, actor.at_ms).map_err(Refusal::Certificate)?;
    let message = claim.proven_bytes(action, actor.channel, &identity.poi());
    identity.verify(&message, &claim.proof).map_err(Refusal::Proof)?;
    Ok(Arc::clone(identity.certified()))
}

fn registered(claim: IdentityClaim, certified: &Certified) -> IdentityRecord {
    IdentityRecord {
        version: IdentityRecord::VERSION,
        msp_id: claim.msp_id,
        poi: certified.poi(),
        roles: certified.roles().to_vec(),
        certificate: claim.certificate,
        tls_spki: claim.tls_spki,
        status: IdentityStatus::Active,
        changed_at: Vec::new(),
    }
}

/// Roles stay with the key: a renewal neither raises nor lowers what an identity may do.
fn renewed(
    record: IdentityRecord,
    claim: IdentityClaim,
    certified: &Certified,
) -> Result<IdentityRecord, Refusal> {
    if !record.roles.iter().all(|role| certified.roles().contains(role)) {
        return Err(Refusal::OtherRoles { found: certified.roles().to_vec(), recorded: record.roles });
    }
    if record.changed_at.len() >= CHANGES_MAX {
        return Err(Refusal::TooManyChanges { poi: record.poi, changes: record.changed_at.len() });
    }
    Ok(IdentityRecord { certificate: claim.certificate, tls_spki: claim.tls_spki, ..record })
}
