//! The verdict on every block and every transaction in it.
//!
//! A block passes three steps. [`check_link`] proves that the orderers made it and that it follows the block before:
//! [`OrderedBlock`]. [`examine`] judges each envelope by itself (form, signatures), which callers do in parallel.
//! [`validate_block`] then goes through the transactions in order, at the state before each, and gives every one its
//! code: [`ValidatedBlock`], the only thing that a ledger commits. The genesis block has a step of its own,
//! [`validate_genesis`]. A configuration block is judged as a whole by [`check_link`].
//!
//! What the peers of other organisations attest of the same blocks is judged by [`concord`].
//!
//! An invalid transaction is data here, never an error. Every honest peer reaches the same codes and the same commit
//! hash: nothing depends on a clock, on the order of examination or on what a state reader returns beside its contract.

mod commitment;
mod concord;
mod configuration;
mod examine;
mod genesis;
mod identities;
mod identity_change;
mod identity_refusal;
mod identity_write;
mod link;
mod mvcc;
mod overlay;
mod parse;
mod rules;
mod state;
mod validate;
mod validated;

pub use commitment::{code_leaf, codes_root, commit_hash, write_leaf, writes_root};
pub use concord::{Comparison, Concord, concord};
pub use examine::{ExaminedTransaction, examine};
pub use genesis::{
    CONFIG_KEY, CONFIG_NAMESPACE, GenesisRejection, validate_genesis, validate_genesis_known_to,
};
pub use identity_change::{
    IdentityActor, IdentityChange, REGISTER_IDENTITY, RENEW_IDENTITY, REVOKE_IDENTITY, identity_entry,
    stamped,
};
pub use identity_refusal::IdentityRefusal;
pub use link::{BlockRejection, OrderedBlock, check_link};
pub use parse::{Flaw, ParsedTransaction, parse_transaction};
pub use state::{StateFault, StateReader};
pub use validate::validate_block;
pub use validated::{CreatorName, HistoryWrite, StateWrite, TransactionSummary, ValidatedBlock};
