//! Whether a block that consensus handed back is the chain's next one, and which configuration is in force behind it.

use std::sync::Arc;

use bytes::Bytes;
use configtx::{ConfigBundle, NextConfig, config_of_block};
use ordering::{ConsenterKeys, check_applied};
use protocol::{Block, BlockHeader, BlockNumber};
use store::{BlockStore, Store};

use super::fault::ChainFault;

/// A configuration and the block that holds it.
#[derive(Clone, Debug)]
pub struct InForce {
    /// The configuration.
    pub bundle: Arc<ConfigBundle>,
    /// The block.
    pub number: BlockNumber,
    /// The signing keys of its consenters.
    pub keys: Arc<ConsenterKeys>,
    /// This node's number among them; `None` where it is none of them.
    pub own: Option<u32>,
}

impl InForce {
    /// A configuration as the consenter with that signing certificate (DER) sees it.
    ///
    /// # Errors
    /// [`ChainFault::Consenter`] for a consenter's certificate that its organisation does not vouch for.
    pub fn new(
        bundle: Arc<ConfigBundle>,
        number: BlockNumber,
        certificate: &[u8],
    ) -> Result<Self, ChainFault> {
        let keys = ConsenterKeys::new(&bundle.config().orderer.consenters, bundle.msps())?;
        let own = keys.number_of(certificate);
        Ok(Self { bundle, number, keys: Arc::new(keys), own })
    }
}

/// A block that consensus handed back.
pub enum Judged {
    /// The next one, with the configuration that it puts in force.
    Next(Block, Option<Box<NextConfig>>),
    /// Not applied, on any consenter; why.
    Refused(String),
}

/// Judges a block behind `last` under the configuration in force.
///
/// # Errors
/// [`ChainFault::Release`] for a configuration that needs a newer release.
pub fn judge(bytes: &[u8], last: &BlockHeader, in_force: &InForce) -> Result<Judged, ChainFault> {
    let block = match Block::from_bytes(bytes) {
        Ok(block) if block.signatures.is_empty() => block,
        Ok(_) => return Ok(Judged::Refused("a proposed block carries no signatures yet".to_owned())),
        Err(error) => return Ok(Judged::Refused(error.to_string())),
    };
    match check_applied(&block, last, &in_force.bundle, in_force.number) {
        Ok(next) => Ok(Judged::Next(block, next.map(Box::new))),
        Err(refusal) => match refusal.needed_release().cloned() {
            // Whoever knows the capability applies it: dropping it here would fork the chain.
            Some(needed) => Err(ChainFault::Release { number: block.header.number, needed }),
            None => Ok(Judged::Refused(refusal.to_string())),
        },
    }
}

/// The configuration in block `number`, as the consenter with that signing certificate sees it.
///
/// # Errors
/// A fault of the store; a configuration that this release cannot use.
pub fn config_in_force(
    blocks: &BlockStore<Store>,
    genesis: &ConfigBundle,
    number: BlockNumber,
    certificate: &Bytes,
) -> Result<InForce, ChainFault> {
    let block = blocks.block_checked(number)?.ok_or(ChainFault::NoTip { number })?;
    let unusable = |reason: String| ChainFault::Configuration { number, reason };
    let config = config_of_block(&block).map_err(|error| unusable(error.to_string()))?;
    let bundle =
        ConfigBundle::known_to(config, genesis.known()).map_err(|error| unusable(error.to_string()))?;
    InForce::new(Arc::new(bundle), number, certificate)
}
