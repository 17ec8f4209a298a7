//! Whether an identity is registered and active, at the state before the block.
//!
//! Nothing in this release writes identities after block 0, so one answer serves a whole block.

use std::{cell::RefCell, collections::BTreeMap};

use msp::VerifiedIdentity;
use protocol::{IdentityRule, IdentityStatus, MspId, Poi};

use crate::state::{StateFault, StateReader};

/// Standing of identities, each asked of the state once a block.
pub(crate) struct Identities<'a> {
    rule: IdentityRule,
    state: &'a dyn StateReader,
    known: RefCell<BTreeMap<(MspId, Poi), Standing>>,
}

/// What the ledger says of an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    MayAct,
    Unregistered,
    Revoked,
}

impl<'a> Identities<'a> {
    pub(crate) fn new(rule: IdentityRule, state: &'a dyn StateReader) -> Self {
        Self { rule, state, known: RefCell::default() }
    }

    /// On a channel that is open everybody whose certificate chains may act, unless it was revoked.
    pub(crate) fn standing(&self, identity: &VerifiedIdentity) -> Result<Standing, StateFault> {
        let key = (identity.msp_id().clone(), identity.poi());
        if let Some(standing) = self.known.borrow().get(&key) {
            return Ok(*standing);
        }
        let standing = match (self.state.identity(&key.0, &key.1)?, self.rule) {
            (Some(record), _) if record.status == IdentityStatus::Revoked => Standing::Revoked,
            (Some(_), _) | (None, IdentityRule::Open) => Standing::MayAct,
            (None, IdentityRule::Registered) => Standing::Unregistered,
        };
        self.known.borrow_mut().insert(key, standing);
        Ok(standing)
    }
}
