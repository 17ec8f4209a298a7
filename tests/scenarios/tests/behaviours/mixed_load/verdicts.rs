//! What stands in the ledger of a stopped peer.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use ledger::Ledger;
use protocol::{BlockNumber, CommitHash, TxId, TxValidationCode};
use testnet::{Hospital, Network};
use validation::parse_transaction;

use super::disturbances::Revoked;

/// The commit hash after each block, from a ledger in which every acknowledged transaction is valid once, no transaction is
/// valid twice, and nothing of the revoked is valid after their revocation.
pub(super) fn of_ledger(
    network: &Network,
    hospital: Hospital,
    acknowledged: &[TxId],
    revoked: &[Revoked],
) -> Result<Vec<CommitHash>> {
    let ledger = Ledger::open(&network.peer_data(hospital).join("ledgers").join(&network.options().channel))?;
    let mut valid: BTreeMap<TxId, usize> = BTreeMap::new();
    let mut forced_seen = BTreeSet::new();
    let mut hashes = Vec::new();
    for number in 0..ledger.info().height {
        let block_number = BlockNumber(number);
        let missing = || format!("block {number} of {hospital:?} is missing");
        hashes.push(ledger.commit_hash(block_number)?.with_context(missing)?);
        let block = ledger.block_checked(block_number)?.with_context(missing)?;
        let codes = ledger.codes(block_number)?.with_context(missing)?;
        ensure!(codes.len() == block.envelopes.len(), "block {number}: {} codes", codes.len());
        for (envelope, code) in block.envelopes.iter().zip(codes) {
            // A configuration is no endorsed transaction.
            let Ok(transaction) = parse_transaction(envelope) else { continue };
            let is_valid = code == TxValidationCode::Valid;
            for one in revoked.iter().filter(|one| one.creator == transaction.creator) {
                let is_late = number >= one.from_block;
                ensure!(
                    !(is_valid && is_late),
                    "{} of a revoked identity is VALID in block {number}; revoked before {}",
                    transaction.tx_id,
                    one.from_block
                );
                if one.forced == transaction.tx_id {
                    forced_seen.insert(transaction.tx_id.clone());
                }
            }
            if is_valid {
                *valid.entry(transaction.tx_id).or_default() += 1;
            }
        }
    }
    ensure!(
        forced_seen.len() == revoked.len(),
        "{} of {} forced ones are there",
        forced_seen.len(),
        revoked.len()
    );
    for (tx_id, times) in &valid {
        ensure!(*times == 1, "{tx_id} is VALID {times} times on {hospital:?}");
    }
    for tx_id in acknowledged {
        ensure!(valid.contains_key(tx_id), "{tx_id} was acknowledged and is not VALID on {hospital:?}");
    }
    Ok(hashes)
}
