//! What the leader does with its blocks: assemble, seal, propose, and take back what was dropped.
//!
//! A block is assembled on top of the one before it, which may still be in consensus. Its proof of work is found off the
//! reactor while blocks before it travel, and the search ends with leadership: it is dropped with the future that runs it.

use std::sync::Arc;

use futures_util::FutureExt as _;
use ordering::{Batch, Group, Seal};
use protocol::{Block, BlockHeader, BlockNumber};

use super::{Leader, Verdict};
use crate::backend::ProposeError;
use crate::blocking::blocking;
use crate::chain::Applied;
use crate::proposing::{Item, Prepared, prepare};

/// How often in a row blocks are proposed anew after one was dropped, before the senders of the next dropped one are told.
pub(super) const DROPS_MAX: u32 = 5;
/// Nonces tried before the search looks whether it is still wanted: some milliseconds.
const NONCES_A_STEP: u64 = 1 << 15;

impl Leader {
    /// Takes what the cutter has cut; [`Leader::assemble`] does the rest.
    pub(super) fn enqueue(&mut self, batches: Vec<Batch<Item>>) {
        for Batch { items, .. } in batches {
            let is_alone = items.iter().any(|item| item.admitted.is_config_update);
            self.pipeline.push(Group { items, is_alone });
        }
    }

    /// Assembles and proposes what may go now, and has the cutter cut as long as that leaves room.
    pub(super) async fn assemble(&mut self) {
        // Where leadership has ended, nothing is left of what was sealed.
        self.follow();
        if let Some(block) = self.sealed.take() {
            self.propose(block).await;
        }
        loop {
            self.fill();
            while self.sealing.is_none()
                && let Some(group) = self.pipeline.begin()
            {
                self.assemble_one(group).await;
            }
            self.cutter.hold(self.pipeline.is_busy());
            let batches = self.cutter.tick(self.clocks.now_ms());
            if batches.is_empty() {
                return;
            }
            self.enqueue(batches);
        }
    }

    async fn assemble_one(&mut self, Group { items, is_alone }: Group<Item>) {
        let previous = self.previous();
        let items = self.without_ordered(items);
        let Prepared { items, refused, block } = prepare(&self.chain, &self.clocks, &previous, items);
        for (item, rejection) in refused {
            self.refuse(vec![item], &Verdict::Refused(rejection.status(), rejection.to_string()));
        }
        match block {
            None => self.left(),
            Some(block) => {
                self.pipeline.seal(Group { items, is_alone });
                self.seal(block).await;
            }
        }
    }

    /// The header of the block before the next one. Where none is in consensus, the chain says it; what it got from
    /// elsewhere is noted.
    fn previous(&mut self) -> BlockHeader {
        if let Some(tip) = self.pipeline.tip() {
            return tip.clone();
        }
        let last = self.chain.last_header();
        if last.number > self.known {
            self.known = last.number;
            self.foreign = last.number;
        }
        last
    }

    /// Answers for those that a block from elsewhere holds: one that this consenter proposed when it led before, and whose
    /// senders have come again since.
    fn without_ordered(&mut self, items: Vec<Item>) -> Vec<Item> {
        let mut others = Vec::with_capacity(items.len());
        for mut item in items {
            if item.not_up_to < self.foreign {
                match self.chain.block_of(item.tx_id()) {
                    Ok(None) => item.not_up_to = self.foreign,
                    Ok(Some(number)) => {
                        self.commit(vec![item], number);
                        continue;
                    }
                    Err(error) => {
                        tracing::error!(%error, "index of transactions unreadable");
                        let text = "this orderer cannot read its ledger".to_owned();
                        self.refuse(vec![item], &Verdict::Failed(text));
                        continue;
                    }
                }
            }
            others.push(item);
        }
        others
    }

    async fn seal(&mut self, block: Block) {
        if block.header.proof.difficulty_bits == 0 {
            self.propose(block).await;
        } else {
            self.sealing = Some(sealed(block).boxed());
        }
    }

    /// The search for a proof of work has ended; [`Leader::assemble`] proposes the block.
    pub(super) fn sealed(&mut self, block: Option<Block>) {
        self.sealing = None;
        match block {
            Some(block) => self.sealed = Some(block),
            None => self.give_up(&Verdict::Failed("the proof of work was not found".to_owned())),
        }
    }

    async fn propose(&mut self, block: Block) {
        let outcome = self.backend.propose(block.to_bytes().into()).await;
        self.pipeline.propose(block.header);
        self.outcomes.push_back(outcome);
    }

    /// The oldest block has left consensus.
    pub(super) fn completed(&mut self, outcome: Result<Applied, ProposeError>) {
        self.outcomes.pop_front();
        self.adopt();
        let Some(group) = self.pipeline.leave() else { return };
        match outcome {
            Ok(Applied::Block(number)) => {
                self.drops = 0;
                self.known = number;
                self.commit(group.items, number);
                self.left();
            }
            Ok(Applied::Dropped(reason)) => self.dropped(group, &reason),
            // What becomes of those behind it is not known: their senders turn to whoever leads.
            Ok(Applied::Nothing) | Err(ProposeError::NotLeader) => {
                self.refuse(group.items, &Verdict::NotLeader);
                self.left();
                self.give_up(&Verdict::NotLeader);
            }
            Err(ProposeError::Stopped(reason)) => {
                tracing::error!(reason, "consensus has stopped on this node");
                let verdict = Verdict::Failed("consensus has stopped on this orderer".to_owned());
                self.refuse(group.items, &verdict);
                self.left();
            }
        }
        self.requeue();
    }

    /// A block was dropped. Those behind it follow; the first one counts.
    fn dropped(&mut self, group: Group<Item>, reason: &str) {
        // What is being sealed stands on the dropped one.
        (self.sealing, self.sealed) = (None, None);
        let is_first = !self.pipeline.is_draining();
        if is_first && self.drops >= DROPS_MAX {
            self.drops = 0;
            self.refuse(group.items, &Verdict::Failed("the block was dropped".to_owned()));
            self.pipeline.drain(None);
            self.left();
            return;
        }
        if is_first {
            self.drops += 1;
            tracing::warn!(
                reason,
                "proposed block dropped; its envelopes and those behind it are proposed again"
            );
        }
        self.pipeline.drain(Some(group));
    }

    /// Once all blocks behind a dropped one have left: their envelopes go back to the cutter, in order.
    fn requeue(&mut self) {
        let Some(groups) = self.pipeline.resume() else { return };
        let (count, now_ms) = (groups.len(), self.clocks.now_ms());
        for Group { items, is_alone } in groups.into_iter().rev() {
            let sized = items.into_iter().map(|item| {
                let bytes = item.envelope.len();
                (item, bytes)
            });
            self.cutter.requeue(sized.collect(), now_ms, is_alone);
        }
        for _ in 0..count {
            self.left();
        }
    }

    fn commit(&mut self, items: Vec<Item>, number: BlockNumber) {
        for item in items {
            self.recent.commit(item.tx_id(), number);
            self.answer(item.tx_id(), &Verdict::Ordered(number));
        }
    }

    /// A group has left, and makes room for another one.
    fn left(&mut self) {
        let batches = self.cutter.completed(self.clocks.now_ms());
        self.enqueue(batches);
    }
}

/// The block with its proof of work; `None` only where threads cannot run. Ends when it is dropped.
async fn sealed(mut block: Block) -> Option<Block> {
    let seal = Arc::new(Seal::new(&block.header));
    let mut first = 0_u64;
    loop {
        let (step, last) = (Arc::clone(&seal), first.checked_add(NONCES_A_STEP)?);
        let found = blocking(move || step.find(first..last)).await;
        if let Some(nonce) = found.ok()? {
            block.header.proof.nonce = nonce;
            return Some(block);
        }
        first = last;
    }
}
