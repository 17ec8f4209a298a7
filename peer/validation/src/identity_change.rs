//! The rules by which registered identities change: one pure function of arguments, creator and records.
//!
//! The system chaincode runs it on endorsers, and validation runs it again on what was ordered, so that an endorser that
//! lies is found out. An organisation's administrators change its own identities and no others. A key that is registered or
//! renewed proves that its holder agrees. A renewal with the same key needs no transaction for the key to act (the key is
//! the identity); `RenewIdentity` keeps the record true: the certificate, and the TLS keys that a revocation closes. A
//! revocation is for good, since a key that was lost once is lost: its holder registers another. No administrator revokes
//! itself, so an organisation never loses its last one that way.
//!
//! Version 1.1 of the rules ([`IdentityRules`], switched on by a capability) differs in two points. A renewal's proof is for
//! the record as it stands, so none can be shown twice. A key that was never registered is barred by its certificate, since
//! on an open channel it acts all the same. Blocks of a channel without the capability are judged as ever: in what order
//! rules are met, too, since the first that is broken gives the code.

use std::sync::Arc;

use bytes::Bytes;
use configtx::{IdentityRules, V1_1};
use msp::{Certified, Msp, VerifiedIdentity};
use protocol::{
    BlockNumber, ChannelId, IdentityAction, IdentityClaim, IdentityRecord, IdentityStatus, MspId, Poi,
    ProofScope, Role, codec, limits::IDENTITY_BYTES_MAX,
};

use crate::identity_refusal::IdentityRefusal as Refusal;

/// Registers a key: one argument, an [`IdentityClaim`].
pub const REGISTER_IDENTITY: &str = "RegisterIdentity";
/// Replaces certificate and TLS keys of a registered key: one argument, an [`IdentityClaim`].
pub const RENEW_IDENTITY: &str = "RenewIdentity";
/// Ends a key's right to act: MSP id, PoI in hex, and for a key that may never have been registered its certificate (PEM).
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
    /// The rules in force on the channel.
    pub rules: IdentityRules,
}

/// A change that its arguments, creator and certificate allow. What the ledger says comes last: [`IdentityChange::apply`].
#[derive(Clone, Debug)]
pub struct IdentityChange {
    channel: ChannelId,
    rules: IdentityRules,
    msp_id: MspId,
    creator: Poi,
    act: Act,
}

#[derive(Clone, Debug)]
enum Act {
    Claim(IdentityAction, IdentityClaim, VerifiedIdentity),
    Revoke(Poi, Option<Barred>),
}

/// A key that is revoked whether or not it was registered.
#[derive(Clone, Debug)]
struct Barred {
    certificate: Bytes,
    certified: Arc<Certified>,
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
    pub fn revoked_by(args: &[Bytes], rules: IdentityRules) -> Option<Poi> {
        let (function, poi) = match args {
            [function, _, poi] => (function, poi),
            [function, _, poi, _] if rules == IdentityRules::V1_1 => (function, poi),
            _ => return None,
        };
        if function.as_ref() == REVOKE_IDENTITY.as_bytes() { name(poi, "the PoI").ok() } else { None }
    }

    /// Reads a call (function name first) and judges everything but the ledger's records.
    ///
    /// # Errors
    /// [`IdentityRefusal`](crate::IdentityRefusal): form, organisation, administrator, certificate, proof, in that order.
    pub fn read(args: &[Bytes], actor: &IdentityActor<'_>) -> Result<Self, Refusal> {
        let own = actor.msp.msp_id();
        let [function, args @ ..] = args else { return Err(malformed("the call names no function")) };
        let call = Call::read(std::str::from_utf8(function).unwrap_or_default(), args, actor.rules)?;
        let named = match &call {
            Call::Claim(_, claim) => &claim.msp_id,
            Call::Revoke(msp_id, ..) => msp_id,
        };
        if named != own {
            return Err(Refusal::OtherOrganization { own: own.clone(), named: named.clone() });
        }
        if !actor.roles.contains(&Role::Admin) {
            return Err(Refusal::NotAnAdministrator { msp_id: own.clone(), roles: actor.roles.to_vec() });
        }
        let act = match call {
            Call::Claim(action, claim) => {
                let identity =
                    actor.msp.identify(&claim.certificate, actor.at_ms).map_err(Refusal::Certificate)?;
                match (action, actor.rules) {
                    (IdentityAction::Register, _) => {
                        prove(ProofScope::Registration, &claim, &identity, actor.channel)?;
                    }
                    (IdentityAction::Renew, rules @ IdentityRules::V1_0) => {
                        prove(rules.renewal(0), &claim, &identity, actor.channel)?;
                    }
                    // What it proves depends on the record.
                    (IdentityAction::Renew, IdentityRules::V1_1) => {}
                }
                Act::Claim(action, claim, identity)
            }
            Call::Revoke(_, poi, None) => Act::Revoke(poi, None),
            Call::Revoke(_, poi, Some(certificate)) => {
                // It may have expired: what matters is whose it is.
                let certified = actor.msp.certify(&certificate).map_err(Refusal::Certificate)?;
                if certified.poi() != poi {
                    return Err(malformed(format!(
                        "the certificate is of PoI {}, not {poi}",
                        certified.poi()
                    )));
                }
                Act::Revoke(poi, Some(Barred { certificate, certified }))
            }
        };
        let (channel, rules) = (actor.channel.clone(), actor.rules);
        Ok(Self { channel, rules, msp_id: own.clone(), creator: actor.poi, act })
    }

    /// The identity that changes.
    #[must_use]
    pub fn target(&self) -> Poi {
        match &self.act {
            Act::Claim(_, _, identity) => identity.poi(),
            Act::Revoke(poi, _) => *poi,
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
            (Act::Claim(IdentityAction::Register, claim, identity), None) => {
                let status = IdentityStatus::Active;
                let record = first_record(msp_id, claim.certificate, identity.certified(), status);
                Ok(IdentityRecord { tls_spki: claim.tls_spki, ..record })
            }
            (Act::Claim(IdentityAction::Register, ..), Some(_)) => {
                Err(Refusal::AlreadyRegistered { msp_id, poi })
            }
            (Act::Revoke(_, Some(barred)), None) => {
                let status = IdentityStatus::Revoked;
                Ok(first_record(msp_id, barred.certificate, &barred.certified, status))
            }
            (_, None) => Err(Refusal::Unknown { msp_id, poi }),
            (Act::Claim(IdentityAction::Renew, claim, identity), Some(record)) => {
                let record = renewable(record, &identity)?;
                if self.rules == IdentityRules::V1_1 {
                    let scope = self.rules.renewal(record.changed_at.len() as u64);
                    prove(scope, &claim, &identity, &self.channel)?;
                }
                Ok(IdentityRecord { certificate: claim.certificate, tls_spki: claim.tls_spki, ..record })
            }
            (Act::Revoke(poi, _), Some(_)) if poi == self.creator => {
                Err(Refusal::LastAdministrator { msp_id })
            }
            (Act::Revoke(..), Some(record)) => {
                Ok(IdentityRecord { status: IdentityStatus::Revoked, ..record })
            }
        }
    }
}

/// A call before anything but its form was judged.
enum Call {
    Claim(IdentityAction, IdentityClaim),
    Revoke(MspId, Poi, Option<Bytes>),
}

impl Call {
    fn read(function: &str, args: &[Bytes], rules: IdentityRules) -> Result<Self, Refusal> {
        match (function, args) {
            (REGISTER_IDENTITY, [claim]) => {
                Ok(Self::Claim(IdentityAction::Register, read_claim(claim, rules)?))
            }
            (RENEW_IDENTITY, [claim]) => Ok(Self::Claim(IdentityAction::Renew, read_claim(claim, rules)?)),
            (REVOKE_IDENTITY, [msp_id, poi]) => {
                Ok(Self::Revoke(name(msp_id, "the MSP id")?, name(poi, "the PoI")?, None))
            }
            (REVOKE_IDENTITY, [_, _, _]) if rules == IdentityRules::V1_0 => Err(malformed(format!(
                "to bar a key by its certificate the channel needs capability {}: its administrators add it to the \
                 configuration",
                V1_1.name
            ))),
            (REVOKE_IDENTITY, [msp_id, poi, certificate]) => {
                let certificate = Some(read_certificate(certificate, rules)?);
                Ok(Self::Revoke(name(msp_id, "the MSP id")?, name(poi, "the PoI")?, certificate))
            }
            (function, args) => {
                let function: String = function.chars().take(64).collect();
                Err(malformed(format!("no function {function:?} with {} arguments", args.len())))
            }
        }
    }
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

fn read_claim(bytes: &[u8], rules: IdentityRules) -> Result<IdentityClaim, Refusal> {
    let claim = IdentityClaim::from_bytes(bytes).map_err(|error| malformed(error.to_string()))?;
    let is_sorted = claim.tls_spki.windows(2).all(|pair| pair[0] < pair[1]);
    if claim.tls_spki.len() > IdentityClaim::TLS_KEYS_MAX || !is_sorted {
        return Err(Refusal::TlsKeys);
    }
    read_certificate(&claim.certificate, rules)?;
    Ok(claim)
}

/// A certificate as records hold it. In version 1.0 only the length of the whole claim counts.
fn read_certificate(certificate: &Bytes, rules: IdentityRules) -> Result<Bytes, Refusal> {
    let is_long = certificate.len() > IDENTITY_BYTES_MAX && rules == IdentityRules::V1_1;
    if is_long || !certificate.starts_with(PEM_BEGIN) {
        return Err(malformed("the certificate is not exactly one PEM block (BEGIN CERTIFICATE)"));
    }
    Ok(certificate.clone())
}

/// Whether the claim's key signed it for that channel and scope.
fn prove(
    scope: ProofScope,
    claim: &IdentityClaim,
    identity: &VerifiedIdentity,
    channel: &ChannelId,
) -> Result<(), Refusal> {
    let message = claim.proven_bytes(scope, channel, &identity.poi());
    identity.verify(&message, &claim.proof).map(drop).map_err(Refusal::Proof)
}

fn first_record(
    msp_id: MspId,
    certificate: Bytes,
    certified: &Certified,
    status: IdentityStatus,
) -> IdentityRecord {
    IdentityRecord {
        version: IdentityRecord::VERSION,
        msp_id,
        poi: certified.poi(),
        roles: certified.roles().to_vec(),
        certificate,
        tls_spki: Vec::new(),
        status,
        changed_at: Vec::new(),
    }
}

/// The record, if that certificate may replace its own. Roles stay with the key: a renewal neither raises nor lowers what
/// an identity may do.
fn renewable(record: IdentityRecord, identity: &VerifiedIdentity) -> Result<IdentityRecord, Refusal> {
    if !record.roles.iter().all(|role| identity.roles().contains(role)) {
        return Err(Refusal::OtherRoles { found: identity.roles().to_vec(), recorded: record.roles });
    }
    if record.changed_at.len() >= CHANGES_MAX {
        return Err(Refusal::TooManyChanges { poi: record.poi, changes: record.changed_at.len() });
    }
    Ok(record)
}
