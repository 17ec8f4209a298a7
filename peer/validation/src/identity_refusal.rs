//! Why a change of identities is refused: a value that the client reads, and a code where it was ordered all the same.

use msp::{IdentityRejection, SignatureRejection};
use protocol::{IdentityClaim, MspId, Poi, Role, TxValidationCode};

/// The first rule that a change of identities breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityRefusal {
    /// The arguments are no call of the system chaincode.
    #[error(
        "{reason}; there are RegisterIdentity(claim), RenewIdentity(claim) and RevokeIdentity(MSP id, PoI, certificate)"
    )]
    Malformed {
        /// What is wrong.
        reason: String,
    },
    /// Another organisation's identity.
    #[error("{own} may not change identities of {named}; an administrator of {named} does")]
    OtherOrganization {
        /// The creator's organisation.
        own: MspId,
        /// Whose identity it is.
        named: MspId,
    },
    /// The creator's certificate is no administrator's.
    #[error(
        "changing identities needs an administrator of {msp_id}; the creator's certificate gives the roles {}",
        names(roles)
    )]
    NotAnAdministrator {
        /// The organisation.
        msp_id: MspId,
        /// What the certificate gives.
        roles: Vec<Role>,
    },
    /// The ledger does not hold the creator as an active administrator.
    #[error(
        "the ledger does not hold {poi} as an active administrator of {msp_id}; another administrator registers it first"
    )]
    NotRegisteredAsAdministrator {
        /// The organisation.
        msp_id: MspId,
        /// The creator.
        poi: Poi,
    },
    /// The certificate does not speak for the organisation.
    #[error("the certificate is refused: {0}")]
    Certificate(#[source] IdentityRejection),
    /// Nobody proved to hold the key.
    #[error(
        "the proof of possession is refused: {0}; have the holder of the key sign for this channel, certificate and TLS keys, \
         and where it renews for the record as it stands now"
    )]
    Proof(#[source] SignatureRejection),
    /// The list of TLS keys is not in its form.
    #[error("the TLS keys must be at most {}, sorted, each once", IdentityClaim::TLS_KEYS_MAX)]
    TlsKeys,
    /// The key is on the ledger.
    #[error(
        "identity {poi} of {msp_id} is registered already; renew it for another certificate or other TLS keys"
    )]
    AlreadyRegistered {
        /// The organisation.
        msp_id: MspId,
        /// The identity.
        poi: Poi,
    },
    /// The key was revoked; that is for good.
    #[error("identity {poi} of {msp_id} is revoked, for good: make a new key and register that")]
    Revoked {
        /// The organisation.
        msp_id: MspId,
        /// The identity.
        poi: Poi,
    },
    /// The key is not on the ledger.
    #[error(
        "identity {poi} of {msp_id} is not registered; to bar a key that never was, revoke it by its certificate (capability V1_1)"
    )]
    Unknown {
        /// The organisation.
        msp_id: MspId,
        /// The identity.
        poi: Poi,
    },
    /// The creator would revoke itself, and with it perhaps the last active administrator.
    #[error(
        "an administrator does not revoke itself: {msp_id} could lose its last active administrator and never change an \
         identity again; have another administrator of {msp_id} do it, and register one first if there is none"
    )]
    LastAdministrator {
        /// The organisation.
        msp_id: MspId,
    },
    /// The new certificate lacks a role that the ledger holds.
    #[error(
        "the certificate gives the roles {}, the ledger holds {}: another role needs a key of its own, to be registered",
        names(found),
        names(recorded)
    )]
    OtherRoles {
        /// What the certificate gives.
        found: Vec<Role>,
        /// What the ledger holds.
        recorded: Vec<Role>,
    },
    /// The record has no room for another change.
    #[error("identity {poi} was changed {changes} times, the limit; make a new key and register that")]
    TooManyChanges {
        /// The identity.
        poi: Poi,
        /// How often.
        changes: usize,
    },
}

impl IdentityRefusal {
    /// The chaincode's status: 400 malformed, 403 not allowed, 404 unknown, 409 in a state that forbids it.
    #[must_use]
    pub const fn status(&self) -> i32 {
        match self {
            Self::Malformed { .. } | Self::TlsKeys => 400,
            Self::OtherOrganization { .. }
            | Self::NotAnAdministrator { .. }
            | Self::NotRegisteredAsAdministrator { .. }
            | Self::Certificate(_)
            | Self::Proof(_) => 403,
            Self::Unknown { .. } => 404,
            Self::AlreadyRegistered { .. }
            | Self::Revoked { .. }
            | Self::LastAdministrator { .. }
            | Self::OtherRoles { .. }
            | Self::TooManyChanges { .. } => 409,
        }
    }

    /// The verdict on a transaction that was ordered in spite of it: `ILLEGAL_WRITESET` where the creator may not touch what
    /// it touched, `INVALID_WRITESET` where its arguments give no write.
    #[must_use]
    pub const fn code(&self) -> TxValidationCode {
        match self {
            Self::OtherOrganization { .. }
            | Self::NotAnAdministrator { .. }
            | Self::NotRegisteredAsAdministrator { .. }
            | Self::LastAdministrator { .. } => TxValidationCode::IllegalWriteset,
            _ => TxValidationCode::InvalidWriteset,
        }
    }
}

fn names(roles: &[Role]) -> String {
    roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(", ")
}
