//! Whether an identity is registered and active, at the state before a transaction.
//!
//! Each identity is asked of the state once a block. What a valid transaction of the block changed counts from the next
//! transaction on.

use std::{cell::RefCell, collections::BTreeMap};

use msp::VerifiedIdentity;
use protocol::{IdentityRecord, IdentityRule, IdentityStatus, MspId, Poi};

use crate::state::{StateFault, StateReader};

/// Identities with the records that a block's transactions see.
pub(crate) struct Identities<'a> {
    rule: IdentityRule,
    state: &'a dyn StateReader,
    known: RefCell<BTreeMap<(MspId, Poi), Option<IdentityRecord>>>,
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
        let rule = self.rule;
        self.with(identity.msp_id(), &identity.poi(), |record| match (record, rule) {
            (Some(record), _) if record.status == IdentityStatus::Revoked => Standing::Revoked,
            (Some(_), _) | (None, IdentityRule::Open) => Standing::MayAct,
            (None, IdentityRule::Registered) => Standing::Unregistered,
        })
    }

    /// The record of an identity; `None` where it is not registered.
    pub(crate) fn record(&self, msp_id: &MspId, poi: &Poi) -> Result<Option<IdentityRecord>, StateFault> {
        self.with(msp_id, poi, |record| record.cloned())
    }

    /// Takes what a valid transaction wrote.
    pub(crate) fn put(&mut self, record: IdentityRecord) {
        self.known.get_mut().insert((record.msp_id.clone(), record.poi), Some(record));
    }

    fn with<T>(
        &self,
        msp_id: &MspId,
        poi: &Poi,
        look: impl FnOnce(Option<&IdentityRecord>) -> T,
    ) -> Result<T, StateFault> {
        let key = (msp_id.clone(), *poi);
        if let Some(known) = self.known.borrow().get(&key) {
            return Ok(look(known.as_ref()));
        }
        let found = self.state.identity(msp_id, poi)?;
        let answer = look(found.as_ref());
        self.known.borrow_mut().insert(key, found);
        Ok(answer)
    }
}
