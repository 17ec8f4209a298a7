//! What an orderer decides, without the network around it.
//!
//! In the order in which a transaction meets it: [`admit`] judges an envelope that a client broadcasts,
//! [`RecentTransactions`] knows what is already on its way, [`FairQueues`] let organisations take turns, [`BlockCutter`]
//! says when a block is cut, [`Pipeline`] keeps the blocks that are in consensus at a time, [`assemble`] makes the header,
//! [`Seal`] finds the proof of work, [`check_applied`] judges a block that consensus hands back before it is signed, and
//! [`SignatureCollector`] says when a majority of the consenters has signed. [`View`] says whose logs count.
//!
//! Nothing here knows consensus, disk, sockets or a clock. Whether a transaction is *valid* is not decided by orderers
//! at all: peers judge endorsements, versions and identities.

mod applied;
mod assembly;
mod cutter;
mod fair;
mod filter;
#[cfg(test)]
#[path = "../../../network/configtx/tests/fixture/malleable.rs"]
mod malleable;
mod membership;
mod pipeline;
mod recent;
mod seal;
mod signatures;
#[cfg(test)]
mod world;

pub use applied::{AppliedRefusal, CLOCK_AHEAD_MS_MAX, check_applied};
pub use assembly::{Assembly, assemble, block_timestamp, median_clock};
pub use cutter::{Batch, BlockCutter};
pub use fair::{FairQueues, QueueLimits};
pub use filter::{Admitted, BroadcastRejection, Inspected, admit, channel_of, inspect};
pub use membership::{Led, Member, Step, View};
pub use pipeline::{Group, Pipeline};
pub use recent::RecentTransactions;
pub use seal::Seal;
pub use signatures::{
    Collected, ConsenterKeys, ConsenterKeysError, ShareRefusal, SignatureCollector, majority,
};
