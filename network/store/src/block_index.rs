//! The families of a block store and the bytes of their keys and values.
//!
//! ```text
//! blocks        number(8)                     -> the block's bytes
//! block_index   0x00                          -> number(8) ‖ block hash(32)            the tip
//! block_index   0x01 ‖ number(8)              -> block hash(32)
//! block_index   0x02 ‖ transaction id(32)     -> number(8) ‖ tx number(4) ‖ mark(1)
//! ```
//!
//! Numbers are big-endian, so that keys sort by number. A transaction id is stored as the 32 bytes that its hex digits
//! stand for. The mark is the caller's: a peer stores the validation code there.

use protocol::{BlockHash, BlockNumber, TxId, TxNumber};

use crate::family::{FamilyKind, FamilySpec};

/// The families to declare where a store holds blocks.
pub const BLOCK_FAMILIES: [FamilySpec; 2] = [
    FamilySpec { name: BLOCKS, kind: FamilyKind::Blocks },
    FamilySpec { name: BLOCK_INDEX, kind: FamilyKind::Small },
];

pub(crate) const BLOCKS: &str = "blocks";
pub(crate) const BLOCK_INDEX: &str = "block_index";
pub(crate) const TIP_KEY: [u8; 1] = [0];
const HASH_TAG: u8 = 1;
const TRANSACTION_TAG: u8 = 2;

/// The last block of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tip {
    /// Its number.
    pub number: BlockNumber,
    /// Its hash.
    pub hash: BlockHash,
}

/// A transaction's place in the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexedTransaction {
    /// Its id.
    pub tx_id: TxId,
    /// Its place in its block.
    pub tx_number: TxNumber,
    /// One byte of the caller's.
    pub mark: u8,
}

impl Tip {
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        [&self.number.0.to_be_bytes()[..], self.hash.as_bytes()].concat()
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (number, hash) = bytes.split_first_chunk::<8>()?;
        let hash = BlockHash(hash.try_into().ok()?);
        Some(Self { number: BlockNumber(u64::from_be_bytes(*number)), hash })
    }
}

pub(crate) const fn block_key(number: BlockNumber) -> [u8; 8] {
    number.0.to_be_bytes()
}

pub(crate) fn hash_key(number: BlockNumber) -> Vec<u8> {
    [&[HASH_TAG][..], &number.0.to_be_bytes()].concat()
}

pub(crate) fn transaction_key(tx_id: &TxId) -> Vec<u8> {
    let mut key = vec![TRANSACTION_TAG; 33];
    // A `TxId` holds 64 hex digits, so this fills the key; were it otherwise, the lookup would find nothing.
    let decoded = hex::decode_to_slice(tx_id.as_str(), &mut key[1..]);
    debug_assert!(decoded.is_ok(), "a transaction id holds 64 hex digits");
    key
}

pub(crate) fn place_to_bytes(number: BlockNumber, transaction: &IndexedTransaction) -> Vec<u8> {
    [&number.0.to_be_bytes()[..], &transaction.tx_number.0.to_be_bytes(), &[transaction.mark]].concat()
}

pub(crate) fn place_from_bytes(bytes: &[u8]) -> Option<(BlockNumber, TxNumber, u8)> {
    let (number, rest) = bytes.split_first_chunk::<8>()?;
    let (tx_number, rest) = rest.split_first_chunk::<4>()?;
    let [mark] = rest else { return None };
    Some((BlockNumber(u64::from_be_bytes(*number)), TxNumber(u32::from_be_bytes(*tx_number)), *mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values_have_the_documented_bytes() {
        let tx_id = TxId::of(b"nonce", b"creator");
        let key = transaction_key(&tx_id);
        assert_eq!((key[0], hex::encode(&key[1..])), (2, tx_id.as_str().to_owned()));
        assert_eq!(block_key(BlockNumber(258)), [0, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(hash_key(BlockNumber(1)), [1, 0, 0, 0, 0, 0, 0, 0, 1]);
        let place = IndexedTransaction { tx_id, tx_number: TxNumber(3), mark: 11 };
        let bytes = place_to_bytes(BlockNumber(2), &place);
        assert_eq!(bytes, [0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 3, 11]);
        assert_eq!(place_from_bytes(&bytes), Some((BlockNumber(2), TxNumber(3), 11)));
        let tip = Tip { number: BlockNumber(9), hash: BlockHash([7; 32]) };
        assert_eq!(tip.to_bytes().len(), 40);
        assert_eq!(Tip::from_bytes(&tip.to_bytes()), Some(tip));
        for cut in 0..40 {
            assert_eq!(Tip::from_bytes(&tip.to_bytes()[..cut]), None);
            assert_eq!(place_from_bytes(&bytes[..cut.min(12)]), None);
        }
    }
}
