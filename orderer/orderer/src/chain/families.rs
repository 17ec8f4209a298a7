//! What the chain keeps beside its blocks.
//!
//! ```text
//! signatures   number(8) ‖ consenter(4)   -> signature (DER)
//! signatures   "deliverable"              -> number(8)        a hint: what a crash takes is found again
//! ```

use bytes::Bytes;
use protocol::{BlockNumber, BlockSignature};
use store::{BLOCK_FAMILIES, Batch, Durability, FamilyKind, FamilySpec, Read, Store};

use super::fault::ChainFault;
use super::scan_prefix;

/// Signatures of blocks.
pub const SIGNATURES: &str = "signatures";
/// Longer than a signature's key, so that no number collides with it.
const DELIVERABLE: &[u8] = b"\xff\xff\xff\xff\xff\xff\xff\xffdeliverable";
/// Far above the consenters of any channel.
const SIGNATURES_MAX: usize = 1024;

/// The families that a chain needs in a store.
pub fn chain_families() -> Vec<FamilySpec> {
    let mut families = BLOCK_FAMILIES.to_vec();
    families.push(FamilySpec { name: SIGNATURES, kind: FamilyKind::Small });
    families
}

/// The key of a consenter's signature.
pub fn signature_key(number: BlockNumber, consenter: u32) -> Vec<u8> {
    [&number.0.to_be_bytes()[..], &consenter.to_be_bytes()].concat()
}

/// All stored signatures of a block, by consenter.
pub fn signatures_of(store: &Store, number: BlockNumber) -> Result<Vec<BlockSignature>, ChainFault> {
    let entries = scan_prefix(store, SIGNATURES, number.0.to_be_bytes().to_vec(), SIGNATURES_MAX)?;
    let read = |(key, signature): (Bytes, Bytes)| {
        let consenter = u32::from_be_bytes(key.get(8..)?.try_into().ok()?);
        Some(BlockSignature { consenter, signature })
    };
    Ok(entries.into_iter().filter_map(read).collect())
}

/// The last block known to be deliverable.
pub fn deliverable(store: &Store) -> Result<BlockNumber, ChainFault> {
    let bytes = store.get(SIGNATURES, DELIVERABLE)?;
    let number = bytes.and_then(|bytes| Some(u64::from_be_bytes(bytes.as_ref().try_into().ok()?)));
    Ok(BlockNumber(number.unwrap_or_default()))
}

/// Keeps the last block known to be deliverable.
pub fn keep_deliverable(store: &Store, number: BlockNumber) -> Result<(), ChainFault> {
    let mut batch = Batch::new();
    batch.put(SIGNATURES, DELIVERABLE, number.0.to_be_bytes().to_vec());
    Ok(store.write(&batch, Durability::Unsynced)?)
}
