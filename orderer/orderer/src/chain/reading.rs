//! What others read of a chain: blocks that may leave, own signatures, places of transactions.
//!
//! A block leaves only up to the deliverable height; nothing here changes the chain.

use std::collections::BTreeSet;

use bytes::Bytes;
use protocol::{BlockHash, BlockNumber, BlockSignature, Consenter, SignatureShare, TxId, codec};
use store::Read;

use super::families::{SIGNATURES, signature_key, signatures_of};
use super::{Chain, ChainFault};
use crate::consenters::ConsenterKey;

/// Configurations that are looked back at for a consenter that left. Consenters do not change again before it has.
const CONFIGURATIONS_MAX: usize = 256;

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

    /// Own signatures of `limit` blocks from one on; those that were not signed here are left out.
    ///
    /// # Errors
    /// A fault of the store.
    pub fn own_shares(&self, from: BlockNumber, limit: usize) -> Result<Vec<SignatureShare>, ChainFault> {
        let first = from.0.max(1);
        let end = first.saturating_add(limit as u64).min(self.applied.borrow().next().0);
        let mut shares = Vec::new();
        for number in first..end {
            shares.extend(self.own_share(BlockNumber(number))?);
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

    /// Consenters with these TLS keys as the configurations before the one in force named them, the last one of each.
    ///
    /// # Errors
    /// A fault of the store.
    pub fn named_before(&self, keys: &BTreeSet<ConsenterKey>) -> Result<Vec<Consenter>, ChainFault> {
        let mut found: Vec<Consenter> = Vec::new();
        let mut number = self.last_config();
        for _ in 0..CONFIGURATIONS_MAX {
            if found.len() == keys.len() || number == BlockNumber(0) {
                break;
            }
            let block = self.blocks.block_checked(number)?.ok_or(ChainFault::NoTip { number })?;
            let before = self.in_force_before(&block.header)?;
            for consenter in &before.bundle.config().orderer.consenters {
                let is_known = found.iter().any(|it| it.tls_spki == consenter.tls_spki);
                if keys.contains(&consenter.tls_spki) && !is_known {
                    found.push(consenter.clone());
                }
            }
            number = before.number;
        }
        Ok(found)
    }

    /// How many blocks lack the signatures of a majority.
    pub fn unsigned(&self) -> u64 {
        let deliverable = *self.deliverable.borrow();
        self.applied.borrow().0.saturating_sub(deliverable.0)
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
