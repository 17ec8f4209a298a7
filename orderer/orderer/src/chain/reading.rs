//! What others read of a chain: blocks that may leave, own signatures, places of transactions.
//!
//! A block leaves only up to the deliverable height; nothing here changes the chain.

use bytes::Bytes;
use protocol::{BlockHash, BlockNumber, BlockSignature, SignatureShare, TxId, codec};
use store::Read;

use super::families::{SIGNATURES, signature_key, signatures_of};
use super::{Chain, ChainFault};

impl Chain {
    /// The block that holds a transaction.
    ///
    /// # Errors
    /// A fault of the store.
    pub fn block_of(&self, tx_id: &TxId) -> Result<Option<BlockNumber>, ChainFault> {
        Ok(self.blocks.transaction(tx_id)?.map(|(number, _, _)| number))
    }

    /// The hash of a block; `None` above the last.
    ///
    /// # Errors
    /// A fault of the store.
    pub fn block_hash(&self, number: BlockNumber) -> Result<Option<BlockHash>, ChainFault> {
        Ok(self.blocks.block_hash(number)?)
    }

    /// Blocks from one on for another consenter, with the signatures that are here: at most `count`, and about as many
    /// bytes, but one at least where there is one.
    ///
    /// # Errors
    /// A fault of the store.
    pub fn blocks_from(
        &self,
        from: BlockNumber,
        count: usize,
        bytes: usize,
    ) -> Result<Vec<Bytes>, ChainFault> {
        let blocks = self.blocks.blocks(from.max(BlockNumber(1)), count, bytes)?;
        let mut number = from.max(BlockNumber(1));
        let mut signed = Vec::with_capacity(blocks.len());
        for block in blocks {
            signed.push(with_signatures(&block, &signatures_of(&self.store, number)?));
            number = number.next();
        }
        Ok(signed)
    }

    /// A block with the signatures of a majority; `None` while it may not be delivered.
    ///
    /// # Errors
    /// A fault of the store.
    pub fn delivered_block(&self, number: BlockNumber) -> Result<Option<Bytes>, ChainFault> {
        if number > *self.deliverable.borrow() {
            return Ok(None);
        }
        let Some(unsigned) = self.blocks.block(number)? else { return Ok(None) };
        if number == BlockNumber(0) {
            return Ok(Some(unsigned));
        }
        let signatures = signatures_of(&self.store, number)?;
        Ok(Some(with_signatures(&unsigned, &signatures)))
    }

    /// Own signatures from a block on, at most `limit`.
    ///
    /// # Errors
    /// A fault of the store.
    pub fn own_shares(&self, from: BlockNumber, limit: usize) -> Result<Vec<SignatureShare>, ChainFault> {
        let applied = *self.applied.borrow();
        let mut shares = Vec::new();
        let mut number = from.max(BlockNumber(1));
        while number <= applied && shares.len() < limit {
            shares.extend(self.own_share(number)?);
            number = number.next();
        }
        Ok(shares)
    }

    /// The own signature of a block, if this node is one of those who sign it.
    fn own_share(&self, number: BlockNumber) -> Result<Option<SignatureShare>, ChainFault> {
        let Some(block) = self.blocks.block_checked(number)? else { return Ok(None) };
        let Some(consenter) = self.in_force_before(&block.header)?.own else { return Ok(None) };
        let signature = self.store.get(SIGNATURES, &signature_key(number, consenter))?;
        Ok(signature.map(|signature| {
            let signature = BlockSignature { consenter, signature };
            SignatureShare { number, block_hash: block.header.hash(), signature }
        }))
    }

    /// The first block that still lacks signatures, if one does.
    pub fn first_unsigned(&self) -> Option<BlockNumber> {
        let deliverable = *self.deliverable.borrow();
        (deliverable < *self.applied.borrow()).then(|| deliverable.next())
    }
}

/// The bytes of a block with its signatures, from its bytes without any. The list of signatures stands last, and an empty
/// list is one byte: nothing before it is decoded or copied twice.
fn with_signatures(unsigned: &[u8], signatures: &[BlockSignature]) -> Bytes {
    const EMPTY_LIST: u8 = 0x90;
    assert_eq!(unsigned.last(), Some(&EMPTY_LIST), "a stored block ends with its empty list of signatures");
    let mut bytes = unsigned[..unsigned.len() - 1].to_vec();
    bytes.extend_from_slice(&codec::encode(&signatures));
    bytes.into()
}
