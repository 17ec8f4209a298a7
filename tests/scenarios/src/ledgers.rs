//! What stands in the ledger of a stopped peer.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use ledger::Ledger;
use protocol::{BlockNumber, CommitHash, TxId, TxValidationCode};
use testnet::{Hospital, Network};
use validation::parse_transaction;

/// An endorsed transaction as a ledger holds it.
#[derive(Clone, Debug)]
pub struct LedgerTransaction {
    /// Its id.
    pub tx_id: TxId,
    /// The serialised identity of its creator.
    pub creator: Bytes,
    /// Its block.
    pub block: u64,
    /// The verdict.
    pub code: TxValidationCode,
}

/// A whole ledger.
#[derive(Clone, Debug)]
pub struct LedgerContent {
    hospital: Hospital,
    /// The commit hash after each block.
    pub commit_hashes: Vec<CommitHash>,
    /// All transactions but configurations, in the ledger's order.
    pub transactions: Vec<LedgerTransaction>,
}

impl LedgerContent {
    /// Reads the ledger of a hospital's peer that does not run; every block is checked.
    ///
    /// # Errors
    /// Where a block is damaged or something of it is missing.
    pub fn read(network: &Network, hospital: Hospital) -> Result<Self> {
        let folder = network.peer_data(hospital).join("ledgers").join(&network.options().channel);
        let ledger = Ledger::open(&folder)?;
        let mut content = Self { hospital, commit_hashes: Vec::new(), transactions: Vec::new() };
        for block in 0..ledger.info().height {
            let number = BlockNumber(block);
            let missing = || format!("block {number} of {hospital:?} is missing");
            content.commit_hashes.push(ledger.commit_hash(number)?.with_context(missing)?);
            let envelopes = ledger.block_checked(number)?.with_context(missing)?.envelopes;
            let codes = ledger.codes(number)?.with_context(missing)?;
            ensure!(codes.len() == envelopes.len(), "block {number}: {} codes", codes.len());
            for (envelope, code) in envelopes.iter().zip(codes) {
                // A configuration is no endorsed transaction.
                let Ok(transaction) = parse_transaction(envelope) else { continue };
                let (tx_id, creator) = (transaction.tx_id, transaction.creator);
                content.transactions.push(LedgerTransaction { tx_id, creator, block, code });
            }
        }
        Ok(content)
    }

    /// Whether no transaction is valid twice, and these are valid.
    ///
    /// # Errors
    /// The first for which it does not hold.
    pub fn holds_once<'a>(&self, acknowledged: impl IntoIterator<Item = &'a TxId>) -> Result<()> {
        let mut valid: BTreeMap<&TxId, usize> = BTreeMap::new();
        for one in self.transactions.iter().filter(|one| one.code == TxValidationCode::Valid) {
            *valid.entry(&one.tx_id).or_default() += 1;
        }
        for (tx_id, times) in &valid {
            ensure!(*times == 1, "{tx_id} is VALID {times} times on {:?}", self.hospital);
        }
        for tx_id in acknowledged {
            let is_there = valid.contains_key(tx_id);
            ensure!(is_there, "{tx_id} was acknowledged and is not VALID on {:?}", self.hospital);
        }
        Ok(())
    }

    /// Whether another ledger is as high and was the same after each block.
    ///
    /// # Errors
    /// Where they part.
    pub fn equals(&self, other: &Self) -> Result<()> {
        let (first, second) = (&self.commit_hashes, &other.commit_hashes);
        for (number, (one, another)) in first.iter().zip(second).enumerate() {
            let (a, b) = (self.hospital, other.hospital);
            ensure!(one == another, "the commit hashes of {a:?} and {b:?} differ after block {number}");
        }
        ensure!(first.len() == second.len(), "{} blocks and {} blocks", first.len(), second.len());
        Ok(())
    }
}
