//! When a block is signed by a majority of the consenters.
//!
//! A consenter signs the header's bytes of a block that it applied. Shares arrive in any order, repeated, from nodes
//! that may lie: each is checked against the certificate that the configuration names for its consenter, at the block's
//! own time. A block may be delivered when a majority of the consenters has signed it, each counted once.

use std::{collections::BTreeMap, sync::Arc};

use msp::{Certified, IdentityRejection, MspSet, SignatureRejection};
use prost::Message;
use protocol::fabric::SerializedIdentity;
use protocol::{BlockHash, BlockHeader, BlockSignature, Consenter, codec};

/// The consenters' signing keys, compiled from a configuration.
#[derive(Debug)]
pub struct ConsenterKeys {
    keys: Vec<Arc<Certified>>,
}

/// A consenter's certificate that its own organisation does not vouch for.
#[derive(Debug, thiserror::Error)]
#[error("the signing certificate of consenter {consenter} in the channel's configuration is refused")]
pub struct ConsenterKeysError {
    /// The consenter's number.
    pub consenter: usize,
    /// Why.
    #[source]
    pub source: IdentityRejection,
}

impl ConsenterKeys {
    /// Compiles the keys.
    ///
    /// # Errors
    /// [`ConsenterKeysError`] for the first certificate that does not chain to its organisation.
    pub fn new(consenters: &[Consenter], msps: &MspSet) -> Result<Self, ConsenterKeysError> {
        let certify = |(number, consenter): (usize, &Consenter)| {
            let mspid = consenter.msp_id.as_str().to_owned();
            let identity = SerializedIdentity { mspid, id_bytes: consenter.identity_cert.clone() };
            msps.certify(&identity.encode_to_vec())
                .map_err(|source| ConsenterKeysError { consenter: number, source })
        };
        let keys = consenters.iter().enumerate().map(certify).collect::<Result<_, _>>()?;
        Ok(Self { keys })
    }

    /// How many consenters there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none, which no configuration allows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The number of the consenter whose signing certificate this is (DER).
    #[must_use]
    pub fn number_of(&self, certificate_der: &[u8]) -> Option<u32> {
        let place = self.keys.iter().position(|key| key.certificate_der() == certificate_der)?;
        u32::try_from(place).ok()
    }

    /// Checks one signature over a header's bytes.
    ///
    /// # Errors
    /// [`ShareRefusal`] for an unknown consenter, a certificate that was not valid then, or a wrong signature.
    pub fn verify(
        &self,
        header_bytes: &[u8],
        at_ms: u64,
        signature: &BlockSignature,
    ) -> Result<(), ShareRefusal> {
        let consenter = signature.consenter;
        let unknown = || ShareRefusal::UnknownConsenter { consenter, count: self.keys.len() };
        let key = self.keys.get(consenter as usize).ok_or_else(unknown)?;
        let identity = key.at(at_ms).map_err(|source| ShareRefusal::Certificate { consenter, source })?;
        identity
            .verify(header_bytes, &signature.signature)
            .map_err(|source| ShareRefusal::Signature { consenter, source })?;
        Ok(())
    }
}

/// Why a share does not count.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShareRefusal {
    /// For another block than the one applied here.
    #[error("the share signs block hash {found}, and the block applied here has {expected}")]
    OtherBlock {
        /// The hash signed.
        found: BlockHash,
        /// The hash applied.
        expected: BlockHash,
    },
    /// The configuration has no such consenter.
    #[error("consenter {consenter} is unknown; the channel has {count}")]
    UnknownConsenter {
        /// The number in the share.
        consenter: u32,
        /// How many there are.
        count: usize,
    },
    /// The certificate was not valid at the block's time.
    #[error("consenter {consenter} could not sign then")]
    Certificate {
        /// The consenter.
        consenter: u32,
        /// Why.
        #[source]
        source: IdentityRejection,
    },
    /// The signature is not the consenter's.
    #[error("the signature of consenter {consenter} is refused")]
    Signature {
        /// The consenter.
        consenter: u32,
        /// Why.
        #[source]
        source: SignatureRejection,
    },
}

/// What a share did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Collected {
    /// It counts; more are needed.
    Counted,
    /// It counts and completes the majority.
    Majority,
    /// It counts; the majority was complete before.
    Further,
    /// This consenter was counted before.
    Repeated,
}

/// How many of `consenters` are a majority.
#[must_use]
pub const fn majority(consenters: usize) -> usize {
    consenters / 2 + 1
}

/// Collects the signatures of one block.
#[derive(Clone, Debug)]
pub struct SignatureCollector {
    header_bytes: Vec<u8>,
    block_hash: BlockHash,
    at_ms: u64,
    needed: usize,
    shares: BTreeMap<u32, BlockSignature>,
}

impl SignatureCollector {
    /// An empty collection for a block that was applied here.
    #[must_use]
    pub fn new(header: &BlockHeader, consenters: usize) -> Self {
        let header_bytes = codec::encode(header);
        let block_hash = BlockHash::of(&header_bytes);
        let (at_ms, needed) = (header.timestamp_ms, majority(consenters));
        Self { header_bytes, block_hash, at_ms, needed, shares: BTreeMap::new() }
    }

    /// Counts a share.
    ///
    /// # Errors
    /// [`ShareRefusal`]; a refused share changes nothing.
    pub fn add(
        &mut self,
        block_hash: BlockHash,
        share: BlockSignature,
        keys: &ConsenterKeys,
    ) -> Result<Collected, ShareRefusal> {
        if block_hash != self.block_hash {
            return Err(ShareRefusal::OtherBlock { found: block_hash, expected: self.block_hash });
        }
        if self.shares.contains_key(&share.consenter) {
            return Ok(Collected::Repeated);
        }
        keys.verify(&self.header_bytes, self.at_ms, &share)?;
        self.shares.insert(share.consenter, share);
        Ok(match self.shares.len() {
            count if count < self.needed => Collected::Counted,
            count if count == self.needed => Collected::Majority,
            _ => Collected::Further,
        })
    }

    /// Counts a share that this node checked before it stored it.
    pub fn restore(&mut self, share: BlockSignature) {
        self.shares.insert(share.consenter, share);
    }

    /// A collection of the same block without any signature.
    #[must_use]
    pub fn emptied(&self) -> Self {
        Self { shares: BTreeMap::new(), ..self.clone() }
    }

    /// How many consenters have signed.
    #[must_use]
    pub fn count(&self) -> usize {
        self.shares.len()
    }

    /// The signatures by consenter's number, once they are a majority.
    #[must_use]
    pub fn signatures(&self) -> Option<Vec<BlockSignature>> {
        (self.shares.len() >= self.needed).then(|| self.shares.values().cloned().collect())
    }

    /// Whether that consenter's share is here.
    #[must_use]
    pub fn has(&self, consenter: u32) -> bool {
        self.shares.contains_key(&consenter)
    }

    /// The bytes that are signed.
    #[must_use]
    pub fn header_bytes(&self) -> &[u8] {
        &self.header_bytes
    }

    /// The block's hash.
    #[must_use]
    pub fn block_hash(&self) -> BlockHash {
        self.block_hash
    }
}

#[cfg(test)]
mod tests;
