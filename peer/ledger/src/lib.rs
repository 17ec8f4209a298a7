//! The ledger of one channel: its blocks, its world state, and the indexes between them, in one store.
//!
//! [`Ledger::commit`] applies a block that validation has judged: block, verdicts, state, history, indexes, commit hash
//! and configuration go to the disk in one synced batch, so that after any crash either all of a block is there or
//! nothing of it. There is one writer; readers use a [`StateSnapshot`], which shows the world state at one height however
//! many blocks are committed meanwhile. A block that does not follow the last one is refused: none is ever skipped.
//!
//! The ledger judges no transaction and checks no signature, and it is synchronous. The bytes of every key and value are
//! documented in the module `layout`.

mod block_commit;
mod committed;
mod fault;
mod history;
mod layout;
mod ledger;
mod modifications;
mod opening;
mod ports;
mod record;
mod snapshot;
mod staging;
mod tx_index;

#[cfg(test)]
mod tests;

pub use committed::CommittedBlock;
pub use fault::LedgerFault;
pub use history::HistoryEntry;
pub use ledger::{Ledger, LedgerInfo};
pub use opening::LedgerOptions;
pub use snapshot::StateSnapshot;
pub use tx_index::TransactionLocation;
