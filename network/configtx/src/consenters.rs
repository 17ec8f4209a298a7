//! Judges the consenters' signatures of a block.
//!
//! A block counts when strictly more than half of the consenters in force signed its header's bytes. Certificates are
//! judged at the block's own time. Signatures that do not hold are passed over, so that one broken consenter among many
//! stops nothing; numbers that are unknown, repeated or unsorted refuse the block, since a block has one form.

use std::sync::Arc;

use msp::{Certified, IdentityRejection, MspSet, SignatureRejection, VerifiedSignature};
use policy::{CompiledPolicy, Explanation};
use protocol::{
    BlockHeader, BlockSignature, ChannelConfig, Role,
    codec::{self, DecodeError},
    limits::NODE_MESSAGE_BYTES_MAX,
};

use crate::problem::Problems;

/// Why a block's signatures are not enough.
#[derive(Debug, thiserror::Error)]
pub enum BlockSignatureRejection {
    /// The signed bytes are no header.
    #[error("the signed bytes are no block header")]
    Header(#[source] DecodeError),
    /// A signature names a consenter that the configuration does not have.
    #[error("a signature names consenter {consenter}; the channel has {consenters}, numbered from 0")]
    UnknownConsenter {
        /// The number named.
        consenter: u32,
        /// How many consenters there are.
        consenters: usize,
    },
    /// The signatures are not sorted by consenter, or one stands there twice.
    #[error("the signature of consenter {consenter} does not follow that of a smaller number")]
    OutOfOrder {
        /// The number that stands in the wrong place.
        consenter: u32,
    },
    /// No majority signed.
    #[error(
        "{valid} of {consenters} consenters signed the block, {needed} are needed{}",
        passed_over(refused)
    )]
    NoMajority {
        /// Consenters whose signatures hold.
        valid: usize,
        /// How many are needed.
        needed: usize,
        /// How many consenters there are.
        consenters: usize,
        /// Signatures that were passed over: the consenter and why.
        refused: Vec<(u32, SignatureFlaw)>,
    },
    /// The channel's policy wants other signers.
    #[error("{0}")]
    Policy(Box<Explanation>),
}

/// Why one consenter's signature was passed over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFlaw {
    /// Its certificate was not valid at the block's time.
    #[error(transparent)]
    Identity(IdentityRejection),
    /// The signature does not hold.
    #[error(transparent)]
    Signature(SignatureRejection),
}

fn passed_over(refused: &[(u32, SignatureFlaw)]) -> String {
    refused.iter().map(|(consenter, flaw)| format!("; consenter {consenter}: {flaw}")).collect()
}

/// The consenters' identities, by number.
#[derive(Debug, Default)]
pub(crate) struct ConsenterSet {
    identities: Vec<Arc<Certified>>,
}

impl ConsenterSet {
    /// Checks and takes every consenter's certificate: it chains to its MSP, has role orderer, and its key is its own.
    pub(crate) fn new(config: &ChannelConfig, msps: &MspSet, problems: &mut Problems) -> Self {
        let mut identities: Vec<Arc<Certified>> = Vec::new();
        for (number, consenter) in config.orderer.consenters.iter().enumerate() {
            let path = format!("orderer.consenters[{number}].identity_cert");
            // An unknown organisation is a problem of the form, reported there.
            let Some(msp) = msps.msp(&consenter.msp_id) else { continue };
            match msp.certify(&consenter.identity_cert) {
                Err(rejection) => problems.add(path, &consenter.msp_id, rejection),
                Ok(certified) => {
                    let is_orderer = certified.roles().contains(&Role::Orderer);
                    let rule =
                        "the certificate has not the role orderer; name a node's certificate under orderers/";
                    problems.require(is_orderer, path.as_str(), &consenter.msp_id, rule);
                    let is_new = identities.iter().all(|other| other.poi() != certified.poi());
                    let rule =
                        "another consenter has the same key; a majority counts keys, so each needs its own";
                    problems.require(is_new, path.as_str(), certified.poi(), rule);
                    identities.push(certified);
                }
            }
        }
        Self { identities }
    }

    pub(crate) fn verify(
        &self,
        header_bytes: &[u8],
        signatures: &[BlockSignature],
        policy: Option<&CompiledPolicy>,
    ) -> Result<(), BlockSignatureRejection> {
        let header: BlockHeader = codec::decode_canonical(header_bytes, NODE_MESSAGE_BYTES_MAX)
            .map_err(BlockSignatureRejection::Header)?;
        self.check_numbers(signatures)?;
        let mut valid = Vec::new();
        let mut refused = Vec::new();
        for BlockSignature { consenter, signature } in signatures {
            let identity = usize::try_from(*consenter).ok().and_then(|number| self.identities.get(number));
            let Some(identity) = identity else { continue };
            match check_one(identity, &header, header_bytes, signature) {
                Ok(signature) => valid.push(signature),
                Err(flaw) => refused.push((*consenter, flaw)),
            }
        }
        let consenters = self.identities.len();
        let needed = consenters / 2 + 1;
        if valid.len() < needed {
            return Err(BlockSignatureRejection::NoMajority {
                valid: valid.len(),
                needed,
                consenters,
                refused,
            });
        }
        match policy.map(|policy| policy.evaluate(&valid)) {
            Some(verdict) if !verdict.satisfied => {
                Err(BlockSignatureRejection::Policy(Box::new(verdict.explanation)))
            }
            _ => Ok(()),
        }
    }

    fn check_numbers(&self, signatures: &[BlockSignature]) -> Result<(), BlockSignatureRejection> {
        let consenters = self.identities.len();
        let is_known = |number: u32| usize::try_from(number).is_ok_and(|number| number < consenters);
        if let Some(unknown) = signatures.iter().find(|signature| !is_known(signature.consenter)) {
            return Err(BlockSignatureRejection::UnknownConsenter {
                consenter: unknown.consenter,
                consenters,
            });
        }
        match signatures.windows(2).find(|pair| pair[0].consenter >= pair[1].consenter) {
            Some(pair) => Err(BlockSignatureRejection::OutOfOrder { consenter: pair[1].consenter }),
            None => Ok(()),
        }
    }
}

fn check_one(
    identity: &Arc<Certified>,
    header: &BlockHeader,
    header_bytes: &[u8],
    signature: &[u8],
) -> Result<VerifiedSignature, SignatureFlaw> {
    let identity = identity.at(header.timestamp_ms).map_err(SignatureFlaw::Identity)?;
    identity.verify(header_bytes, signature).map_err(SignatureFlaw::Signature)
}
