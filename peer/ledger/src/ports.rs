//! The ports of the pure crates, answered by a snapshot.

use std::error::Error;

use bytes::Bytes;
use protocol::{IdentityRecord, MspId, Poi, TxId, Version};

use crate::fault::LedgerFault;
use crate::snapshot::StateSnapshot;

impl shim::StateReader for StateSnapshot {
    fn value(&self, namespace: &str, key: &str) -> Result<Option<(Bytes, Version)>, shim::StateFault> {
        self.get(namespace, key).map_err(|fault| for_shim(namespace, &fault))
    }

    fn values(
        &self,
        namespace: &str,
        start: &str,
        end: &str,
        limit: usize,
    ) -> Result<Vec<(String, Bytes, Version)>, shim::StateFault> {
        let make = |key, version, value: &[u8]| (key, Bytes::copy_from_slice(value), version);
        self.scan(namespace, (start, end), limit, make).map_err(|fault| for_shim(namespace, &fault))
    }

    fn history(
        &self,
        namespace: &str,
        key: &str,
        before: Option<Version>,
        limit: usize,
    ) -> Result<Vec<shim::KeyModification>, shim::StateFault> {
        self.modifications((namespace, key), before, limit).map_err(|fault| for_shim(namespace, &fault))
    }
}

impl validation::StateReader for StateSnapshot {
    fn version(&self, namespace: &str, key: &str) -> Result<Option<Version>, validation::StateFault> {
        self.version(namespace, key).map_err(|fault| for_validation(namespace, fault))
    }

    fn range(
        &self,
        namespace: &str,
        start: &str,
        end: &str,
        limit: usize,
    ) -> Result<Vec<(String, Version)>, validation::StateFault> {
        self.scan(namespace, (start, end), limit, |key, version, _| (key, version))
            .map_err(|fault| for_validation(namespace, fault))
    }

    fn has_transaction(&self, tx_id: &TxId) -> Result<bool, validation::StateFault> {
        self.has_transaction(tx_id)
            .map_err(|fault| validation::StateFault::new("the index of transactions", fault))
    }

    fn identity(&self, msp_id: &MspId, poi: &Poi) -> Result<Option<IdentityRecord>, validation::StateFault> {
        self.identity(msp_id, poi).map_err(|fault| for_validation(IdentityRecord::NAMESPACE, fault))
    }
}

fn for_validation(namespace: &str, fault: LedgerFault) -> validation::StateFault {
    validation::StateFault::new(format!("namespace {namespace}"), fault)
}

fn for_shim(namespace: &str, fault: &LedgerFault) -> shim::StateFault {
    shim::StateFault { namespace: namespace.to_owned(), cause: in_full(fault) }
}

/// A fault with all its causes in one line, for ports whose faults are text.
fn in_full(fault: &LedgerFault) -> String {
    let mut text = fault.to_string();
    let mut cause = fault.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
