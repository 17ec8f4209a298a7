//! Blocks on their way: several are in consensus at a time, each assembled on top of the one proposed before it.
//!
//! Decides which group of envelopes is assembled next, and what becomes of all of them when one block is dropped: the
//! blocks behind it name it as their predecessor, so consensus drops them too; nothing is proposed until they are all
//! back, and then their envelopes are cut again in their order. A group that stands alone, an update of the configuration,
//! is assembled when all before it are applied, and the next one when it is, since it is judged by what came before and
//! what comes after it by what it changes. One block is sealed at a time, in order: the next one needs its hash.
//!
//! It knows no consensus and no clock, and holds as many groups as the cutter lets out at a time.

use std::collections::VecDeque;

use protocol::BlockHeader;

/// Envelopes of one block, in order, with whatever their owner attached to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group<T> {
    /// The envelopes.
    pub items: Vec<T>,
    /// Whether the block shares consensus with no other one.
    pub is_alone: bool,
}

struct Proposed<T> {
    header: BlockHeader,
    group: Group<T>,
}

/// The groups that were cut and are not yet applied. `T` is the envelope with what its owner attached to it.
pub struct Pipeline<T> {
    cut: VecDeque<Group<T>>,
    sealing: Option<Group<T>>,
    proposed: VecDeque<Proposed<T>>,
    /// Of blocks that were dropped. Filled and emptied while nothing is proposed.
    returned: Vec<Group<T>>,
    is_draining: bool,
}

impl<T> Default for Pipeline<T> {
    fn default() -> Self {
        let (cut, proposed) = (VecDeque::new(), VecDeque::new());
        Self { cut, sealing: None, proposed, returned: Vec::new(), is_draining: false }
    }
}

impl<T> Pipeline<T> {
    /// Takes what the cutter has cut.
    pub fn push(&mut self, group: Group<T>) {
        self.cut.push_back(group);
    }

    /// The group to be assembled now, on top of [`Pipeline::tip`]; `None` where it must wait, or there is none. Whoever
    /// takes it hands it to [`Pipeline::seal`] next, or gives it up.
    pub fn begin(&mut self) -> Option<Group<T>> {
        if self.is_draining || self.sealing.is_some() {
            return None;
        }
        let has_room = self.proposed.is_empty();
        let in_consensus = &self.proposed;
        self.cut.pop_front_if(|next| {
            has_room || (!next.is_alone && in_consensus.iter().all(|before| !before.group.is_alone))
        })
    }

    /// The header on top of which the next block is assembled; `None` where that is the last one applied.
    #[must_use]
    pub fn tip(&self) -> Option<&BlockHeader> {
        self.proposed.back().map(|proposed| &proposed.header)
    }

    /// Keeps a group while its block is sealed.
    pub fn seal(&mut self, group: Group<T>) {
        assert!(self.sealing.is_none(), "one block is sealed at a time");
        self.sealing = Some(group);
    }

    /// The block that is being sealed has this header now, and goes to consensus.
    pub fn propose(&mut self, header: BlockHeader) {
        if let Some(group) = self.sealing.take() {
            self.proposed.push_back(Proposed { header, group });
        }
    }

    /// The oldest block has left consensus, whatever became of it.
    pub fn leave(&mut self) -> Option<Group<T>> {
        self.proposed.pop_front().map(|proposed| proposed.group)
    }

    /// A block was dropped, and with it those behind it: nothing is proposed until they have left. `returned` is cut again
    /// where it is given.
    pub fn drain(&mut self, returned: Option<Group<T>>) {
        self.is_draining = true;
        self.returned.extend(returned);
    }

    /// Whether a block was dropped, and others that stood on it are still in consensus.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.is_draining
    }

    /// Once all blocks behind a dropped one have left: all groups to be cut again, in order. What is being sealed is among
    /// them: its search is in vain.
    pub fn resume(&mut self) -> Option<Vec<Group<T>>> {
        if !self.is_draining || !self.proposed.is_empty() {
            return None;
        }
        self.is_draining = false;
        let mut groups = std::mem::take(&mut self.returned);
        groups.extend(self.sealing.take());
        groups.extend(self.cut.drain(..));
        Some(groups)
    }

    /// Gives up: all groups in order, those in consensus first. What becomes of those is not known.
    pub fn abandon(&mut self) -> Vec<Group<T>> {
        let mut groups = std::mem::take(&mut self.returned);
        groups.extend(self.proposed.drain(..).map(|proposed| proposed.group));
        groups.extend(self.sealing.take());
        groups.extend(self.cut.drain(..));
        self.is_draining = false;
        groups
    }

    /// Whether a group that was cut is not in consensus yet.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.sealing.is_some() || !self.cut.is_empty()
    }

    /// Blocks in consensus.
    #[must_use]
    pub fn in_consensus(&self) -> usize {
        self.proposed.len()
    }
}

impl<T> std::fmt::Debug for Pipeline<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pipeline")
            .field("cut", &self.cut.len())
            .field("is_sealing", &self.sealing.is_some())
            .field("in_consensus", &self.proposed.len())
            .field("is_draining", &self.is_draining)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
