//! From a batch to the block that is proposed, under the configuration that is in force at that moment.
//!
//! Between admission and proposal a configuration may have come into force. What was admitted under another one is judged
//! again, so that one envelope does not have the whole block dropped. An update of the configuration is judged in any case:
//! at the time of its block, as every consenter will judge it.

use bytes::Bytes;
use configtx::{ConfigBundle, next_config};
use ordering::{Admitted, Assembly, BroadcastRejection, admit, assemble, block_timestamp};
use protocol::{Block, BlockHeader, BlockNumber, TxId};

use crate::chain::Chain;
use crate::clocks::Clocks;

/// An admitted envelope on its way into a block.
pub struct Item {
    /// What was found when it was admitted.
    pub admitted: Admitted,
    /// The envelope.
    pub envelope: Bytes,
    /// No block up to this one holds the transaction.
    pub not_up_to: BlockNumber,
}

impl Item {
    /// The transaction.
    pub fn tx_id(&self) -> &TxId {
        &self.admitted.tx_id
    }
}

/// A batch that was looked at once more.
pub struct Prepared {
    /// What the block holds.
    pub items: Vec<Item>,
    /// What it does not, and why.
    pub refused: Vec<(Item, BroadcastRejection)>,
    /// The block, unsealed; `None` where everything was refused.
    pub block: Option<Block>,
}

/// The block of these items that follows `previous`, which is in consensus or applied.
pub fn prepare(chain: &Chain, clocks: &Clocks, previous: &BlockHeader, mut items: Vec<Item>) -> Prepared {
    let bundle = chain.bundle();
    let clocks_ms = clocks.clocks_ms();
    if items.len() == 1
        && let Some(item) = items.pop_if(|item| item.admitted.is_config_update)
    {
        return prepare_update(&bundle, previous, &clocks_ms, item);
    }
    let (items, refused) = readmitted(&bundle, clocks.now_ms(), items);
    let facts = Assembly {
        previous,
        version: bundle.header_version(),
        last_config: chain.last_config(),
        difficulty_bits: bundle.config().orderer.difficulty_bits,
        clocks_ms: &clocks_ms,
    };
    let block = (!items.is_empty())
        .then(|| assemble(&facts, items.iter().map(|item| item.envelope.clone()).collect()));
    Prepared { items, refused, block }
}

/// The configuration block to which an update leads.
fn prepare_update(bundle: &ConfigBundle, previous: &BlockHeader, clocks_ms: &[u64], item: Item) -> Prepared {
    let at_ms = block_timestamp(previous.timestamp_ms, clocks_ms);
    match next_config(bundle, &item.envelope, at_ms) {
        Ok(next) => {
            // Its own configuration is in force from the next block on.
            let (version, last_config) = (bundle.header_version(), previous.number.next());
            let facts = Assembly { previous, version, last_config, difficulty_bits: 0, clocks_ms };
            let block = Some(assemble(&facts, vec![next.envelope().clone()]));
            Prepared { items: vec![item], refused: Vec::new(), block }
        }
        Err(rejection) => {
            let refused = vec![(item, BroadcastRejection::ConfigUpdate(Box::new(rejection)))];
            Prepared { items: Vec::new(), refused, block: None }
        }
    }
}

/// Those that the configuration in force admits, and the others.
fn readmitted(
    bundle: &ConfigBundle,
    now_ms: u64,
    items: Vec<Item>,
) -> (Vec<Item>, Vec<(Item, BroadcastRejection)>) {
    let sequence = bundle.config().sequence;
    let (mut kept, mut refused) = (Vec::with_capacity(items.len()), Vec::new());
    for mut item in items {
        if item.admitted.sequence == sequence {
            kept.push(item);
            continue;
        }
        match admit(&item.envelope, bundle, now_ms) {
            Ok(admitted) => {
                item.admitted = admitted;
                kept.push(item);
            }
            Err(rejection) => refused.push((item, rejection)),
        }
    }
    (kept, refused)
}
