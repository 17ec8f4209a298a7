//! The commit hash: one chained digest of everything that a block changed (DESIGN, formats).
//!
//! ```text
//! code leaf  = MessagePack [tx_number, SHA-256(envelope), tx_id as the header states it or "", code]
//! write leaf = MessagePack [namespace, collection = "", key, [block_number, tx_number],
//!                           SHA-256(value) or nil for a deletion, SHA-256(metadata) = nil]
//! commit_hash = SHA-256(previous commit hash ‖ block hash ‖ codes root ‖ writes root)
//! ```
//!
//! Digests are MessagePack `bin` of 32 bytes, numbers minimal integers, texts `str`. Both roots are Merkle roots with RFC
//! 6962's prefixes: codes in the block's order, writes sorted by namespace, collection and key.

use protocol::{BlockHash, CommitHash, Digest, codec, merkle};

use crate::validated::{StateWrite, TransactionSummary};

/// The leaf's bytes of a transaction's verdict.
#[must_use]
pub fn code_leaf(summary: &TransactionSummary) -> Vec<u8> {
    let tx_id = summary.claimed_tx_id.as_ref().map_or("", |tx_id| tx_id.as_str());
    codec::encode(&(summary.number, summary.envelope_hash, tx_id, summary.code))
}

/// The leaf's bytes of a write.
#[must_use]
pub fn write_leaf(write: &StateWrite) -> Vec<u8> {
    let value = write.value.as_ref().map(|value| Digest::of(value));
    let metadata: Option<Digest> = None;
    codec::encode(&(write.namespace.as_str(), "", write.key.as_str(), write.version, value, metadata))
}

/// The root over the verdicts of a block, given in its order.
#[must_use]
pub fn codes_root(summaries: &[TransactionSummary]) -> Digest {
    let leaves: Vec<Digest> =
        summaries.iter().map(|summary| merkle::leaf_hash(&code_leaf(summary))).collect();
    merkle::root(&leaves)
}

/// The root over the writes of a block, given sorted and each key once.
#[must_use]
pub fn writes_root(writes: &[StateWrite]) -> Digest {
    let leaves: Vec<Digest> = writes.iter().map(|write| merkle::leaf_hash(&write_leaf(write))).collect();
    merkle::root(&leaves)
}

/// The commit hash after a block; before block 0 stand 32 zero bytes.
#[must_use]
pub fn commit_hash(
    previous: &CommitHash,
    block_hash: &BlockHash,
    codes_root: &Digest,
    writes_root: &Digest,
) -> CommitHash {
    let parts = [previous.as_bytes(), block_hash.as_bytes(), codes_root.as_bytes(), writes_root.as_bytes()];
    CommitHash::of(&parts.map(|part| &part[..]).concat())
}
