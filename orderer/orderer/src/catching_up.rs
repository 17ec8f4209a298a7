//! Takes the blocks that this consenter lacks from the others, where the log does not bring them.

use std::sync::Arc;
use std::time::Duration;

use ordering::CLOCK_AHEAD_MS_MAX;
use protocol::{BlockNumber, ConsensusReply, ConsensusRequest};
use tokio::sync::watch;

use crate::blocking::blocking;
use crate::chain::{Chain, TakeRefusal, Trusting};
use crate::clocks::Clocks;
use crate::consenters::{ConsenterKey, ConsenterNetwork};

/// A call for blocks: some megabytes on a slow link.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);
/// Before the others are asked again where none of them had more.
const PAUSE: Duration = Duration::from_millis(300);
/// Rounds in which nobody gave a block, after which it is left to whoever wants them to say so again.
const ROUNDS_MAX: u32 = 20;
/// After how many blocks it is said how far it came.
const PROGRESS_BLOCKS: u64 = 10_000;

/// Up to which block is taken, and from whom it is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// The last block wanted.
    pub number: BlockNumber,
    /// What is believed.
    pub trusting: Trusting,
}

/// What is needed to take blocks.
pub struct CatchingUp {
    /// The chain.
    pub chain: Arc<Chain>,
    /// The way to the others.
    pub consenters: Arc<dyn ConsenterNetwork>,
    /// The own clock, by which blocks that no majority vouches for are judged.
    pub clocks: Arc<Clocks>,
}

/// Takes blocks whenever the target is above the chain, until `shutdown` turns true.
pub async fn catch_up(
    parts: CatchingUp,
    targets: watch::Receiver<Target>,
    mut shutdown: watch::Receiver<bool>,
) {
    tokio::select! {
        _ = shutdown.wait_for(|ends| *ends) => {}
        () = parts.follow(targets) => {}
    }
}

impl CatchingUp {
    async fn follow(&self, mut targets: watch::Receiver<Target>) {
        let (mut said, mut fruitless, mut giver) = (None, 0, None);
        loop {
            let target = *targets.borrow_and_update();
            let last = self.chain.last_header().number;
            if last >= target.number || fruitless >= ROUNDS_MAX {
                fruitless = 0;
                if targets.changed().await.is_err() {
                    return;
                }
                continue;
            }
            if said.is_none_or(|said: BlockNumber| last.0 >= said.0 + PROGRESS_BLOCKS) {
                said = Some(last);
                let channel = self.chain.channel();
                tracing::info!(%channel, at = %last, of = %target.number, "taking blocks from other consenters");
            }
            giver = self.take_from_any(target.trusting, giver).await;
            if giver.is_none() {
                fruitless += 1;
                tokio::time::sleep(PAUSE).await;
            } else {
                fruitless = 0;
            }
        }
    }

    /// Asks one after the other until one gives a block, first the one that gave the last; returns who did.
    async fn take_from_any(&self, trusting: Trusting, giver: Option<ConsenterKey>) -> Option<ConsenterKey> {
        let mut others = self.consenters.others();
        others.sort_by_key(|other| Some(*other) != giver);
        for other in others {
            if self.take_from(other, trusting).await > 0 {
                return Some(other);
            }
        }
        None
    }

    /// Takes what one consenter gives; returns how many blocks were new.
    async fn take_from(&self, consenter: ConsenterKey, trusting: Trusting) -> u64 {
        let from = self.chain.last_header().number.next();
        let request = ConsensusRequest::Blocks { channel: self.chain.channel().clone(), from };
        let blocks = match self.consenters.call(consenter, request, CALL_TIMEOUT).await {
            Ok(ConsensusReply::Blocks(blocks)) => blocks,
            Ok(_) => return 0,
            Err(error) => {
                tracing::debug!(%consenter, %error, "no blocks");
                return 0;
            }
        };
        let chain = Arc::clone(&self.chain);
        let stamped_max_ms = self.clocks.furthest_ms().saturating_add(CLOCK_AHEAD_MS_MAX);
        let taking = blocking(move || {
            match chain.take(&blocks, trusting, stamped_max_ms) {
                // The signatures are on their way.
                Ok(_) | Err(TakeRefusal::Unsigned { .. }) => {}
                Err(refusal) => {
                    tracing::warn!(channel = %chain.channel(), %consenter, %refusal, "block of another consenter refused");
                }
            }
            // Those before the refused one stay.
            chain.last_header().number.next().0.saturating_sub(from.0)
        });
        taking.await.unwrap_or_default()
    }
}
