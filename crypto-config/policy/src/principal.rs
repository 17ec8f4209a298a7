//! A principal: a role in an organisation, written `'Org1MSP.peer'`.

use std::fmt;

use protocol::{MspId, Role};

/// Whoever has `role` in `msp_id`. `member` is every identity of the organisation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Principal {
    /// The organisation.
    pub msp_id: MspId,
    /// The role.
    pub role: Role,
}

impl Principal {
    /// Every role with its name in policies.
    pub(crate) const ROLES: [Role; 5] = [Role::Member, Role::Admin, Role::Client, Role::Peer, Role::Orderer];

    /// The principal of `role` in `msp_id`.
    #[must_use]
    pub const fn new(msp_id: MspId, role: Role) -> Self {
        Self { msp_id, role }
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.msp_id, self.role)
    }
}
