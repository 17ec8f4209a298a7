//! What stands in the ledger of a stopped peer.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use protocol::{TxId, TxValidationCode};
use scenarios::LedgerContent;
use testnet::{Hospital, Network};

use super::disturbances::Revoked;

/// A ledger in which every acknowledged transaction is valid once, no transaction is valid twice, and nothing of the revoked
/// is valid after their revocation.
pub(super) fn of_ledger(
    network: &Network,
    hospital: Hospital,
    acknowledged: &[TxId],
    revoked: &[Revoked],
) -> Result<LedgerContent> {
    let content = LedgerContent::read(network, hospital)?;
    let mut forced_seen = BTreeSet::new();
    for found in &content.transactions {
        for one in revoked.iter().filter(|one| one.creator == found.creator) {
            let is_late = found.block >= one.from_block;
            ensure!(
                !(found.code == TxValidationCode::Valid && is_late),
                "{} of a revoked identity is VALID in block {}; revoked before {}",
                found.tx_id,
                found.block,
                one.from_block
            );
            if one.forced == found.tx_id {
                forced_seen.insert(&found.tx_id);
            }
        }
    }
    ensure!(
        forced_seen.len() == revoked.len(),
        "{} of {} forced ones are there",
        forced_seen.len(),
        revoked.len()
    );
    content.holds_once(acknowledged)?;
    Ok(content)
}
