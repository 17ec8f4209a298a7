//! Compares a stored block with everything that the ledger knows of it: the paper's check on access.

use ledger::Ledger;
use protocol::{Block, BlockHash, BlockHeader, BlockNumber, data_hash};

use super::settings::with_causes;

/// What differs, in words for a person; empty where everything agrees.
pub fn of_block(ledger: &Ledger, number: BlockNumber) -> Vec<String> {
    let mut found = Vec::new();
    let block = match read(ledger, number) {
        Ok(block) => block,
        Err(difference) => return vec![difference],
    };
    let hash = block.header.hash();
    compare(&mut found, format!("number of block {number}"), block.header.number, number);
    compare(
        &mut found,
        format!("data_hash of block {number}"),
        block.header.data_hash,
        data_hash(&block.envelopes),
    );
    if !block.header.is_sealed() {
        found.push(format!("block {number} has not the proof of work that its header claims"));
    }
    match ledger.block_hash(number) {
        Ok(Some(indexed)) => compare(&mut found, format!("hash of block {number}"), hash, indexed),
        Ok(None) => found.push(format!("hash of block {number}: the ledger has none")),
        Err(error) => found.push(format!("hash of block {number}: {}", with_causes(&error))),
    }
    if let Some(before) = number.previous() {
        neighbour(&mut found, ledger, before, |header| {
            (format!("previous_hash of block {number}"), block.header.previous_hash, header.hash())
        });
    }
    if number.next().0 < ledger.info().height {
        neighbour(&mut found, ledger, number.next(), |header| {
            (format!("previous_hash of block {}", number.next()), header.previous_hash, hash)
        });
    }
    match ledger.commit_hash(number) {
        Ok(Some(_)) => {}
        Ok(None) => found.push(format!("commit hash of block {number}: the ledger has none")),
        Err(error) => found.push(format!("commit hash of block {number}: {}", with_causes(&error))),
    }
    found
}

fn read(ledger: &Ledger, number: BlockNumber) -> Result<Block, String> {
    match ledger.block(number) {
        Ok(Some(bytes)) => {
            Block::from_bytes(&bytes).map_err(|error| format!("bytes of block {number}: {error}"))
        }
        Ok(None) => Err(format!("block {number}: the ledger does not hold it")),
        Err(error) => Err(format!("block {number}: {}", with_causes(&error))),
    }
}

fn neighbour(
    found: &mut Vec<String>,
    ledger: &Ledger,
    number: BlockNumber,
    pair: impl FnOnce(&BlockHeader) -> (String, BlockHash, BlockHash),
) {
    match read(ledger, number) {
        Ok(block) => {
            let (subject, stated, computed) = pair(&block.header);
            compare(found, subject, stated, computed);
        }
        Err(difference) => found.push(difference),
    }
}

fn compare<T: PartialEq + std::fmt::Display>(
    found: &mut Vec<String>,
    subject: String,
    stated: T,
    computed: T,
) {
    if stated != computed {
        found.push(format!("{subject}: {stated} is recorded, {computed} is computed"));
    }
}
