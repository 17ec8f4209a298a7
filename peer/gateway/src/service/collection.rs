//! Which organisations to ask next while endorsements are collected: a pure state machine over the plan's sets.
//!
//! The first set that can still be met is pursued. An organisation that failed rules out the sets that need more of it;
//! one that is slow or was silent a moment ago puts them last. Answers that are there count for every set. The driver
//! (`collect`) asks, waits and reports; nothing here calls anybody.

use std::collections::{BTreeMap, BTreeSet};

use endorsing::EndorsementPlan;
use protocol::MspId;

/// What the driver does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Ask each for that many more endorsements, all at a time.
    Ask(Vec<(MspId, usize)>),
    /// Wait for an answer of those that were asked.
    Wait,
    /// These are enough.
    Complete(Vec<(MspId, usize)>),
    /// No set can be met any more.
    Exhausted,
}

/// How far the plan is met. `A` is an answer.
#[derive(Debug)]
pub(super) struct Collection<A> {
    sets: Vec<BTreeMap<MspId, usize>>,
    /// Who is asked alone before the others.
    leader: Option<MspId>,
    answers: BTreeMap<MspId, Vec<A>>,
    under_way: BTreeSet<MspId>,
    failed: BTreeSet<MspId>,
    slow: BTreeSet<MspId>,
}

impl<A> Collection<A> {
    /// Begins with no answer. Where `leader` is in the set that is pursued, it answers before the others are asked.
    pub(super) fn new(plan: &EndorsementPlan, leader: Option<MspId>) -> Self {
        let counts = |set: &[MspId]| {
            let mut counts = BTreeMap::new();
            for msp_id in set {
                *counts.entry(msp_id.clone()).or_insert(0) += 1;
            }
            counts
        };
        Self {
            sets: plan.sets().map(counts).collect(),
            leader,
            answers: BTreeMap::new(),
            under_way: BTreeSet::new(),
            failed: BTreeSet::new(),
            slow: BTreeSet::new(),
        }
    }

    /// Every organisation of the plan, sorted.
    pub(super) fn organizations(&self) -> BTreeSet<MspId> {
        self.sets.iter().flat_map(BTreeMap::keys).cloned().collect()
    }

    /// The answers of an organisation so far.
    pub(super) fn answers(&self, msp_id: &MspId) -> &[A] {
        self.answers.get(msp_id).map_or(&[], Vec::as_slice)
    }

    /// Who was asked and has not answered.
    pub(super) fn is_anybody_under_way(&self) -> bool {
        !self.under_way.is_empty()
    }

    /// Notes answers.
    pub(super) fn answered(&mut self, msp_id: &MspId, answers: Vec<A>) {
        self.under_way.remove(msp_id);
        self.slow.remove(msp_id);
        self.answers.entry(msp_id.clone()).or_default().extend(answers);
    }

    /// Notes that the organisation gives no more answers.
    pub(super) fn failed(&mut self, msp_id: &MspId) {
        self.under_way.remove(msp_id);
        self.failed.insert(msp_id.clone());
    }

    /// Throws an organisation's answers away and asks it no more.
    pub(super) fn reject(&mut self, msp_id: &MspId) {
        self.answers.remove(msp_id);
        self.failed(msp_id);
    }

    /// Puts an organisation last.
    pub(super) fn suspect(&mut self, msp_id: MspId) {
        self.slow.insert(msp_id);
    }

    /// Puts everybody last who was asked and has not answered yet.
    pub(super) fn suspect_those_under_way(&mut self) {
        self.slow.extend(self.under_way.iter().cloned());
    }

    /// What to do now. Whoever stands in [`Next::Ask`] counts as asked from here on.
    pub(super) fn next(&mut self) -> Next {
        let missing = |set: &BTreeMap<MspId, usize>| -> Vec<(MspId, usize)> {
            let lacks = |(msp_id, count): (&MspId, &usize)| {
                let lack = count.saturating_sub(self.answers(msp_id).len());
                (lack > 0).then(|| (msp_id.clone(), lack))
            };
            set.iter().filter_map(lacks).collect()
        };
        let met = |set: &&BTreeMap<MspId, usize>| missing(set).is_empty();
        if let Some(set) = self.sets.iter().find(met) {
            return Next::Complete(set.iter().map(|(msp_id, count)| (msp_id.clone(), *count)).collect());
        }
        let viable =
            |lacks: &Vec<(MspId, usize)>| lacks.iter().all(|(msp_id, _)| !self.failed.contains(msp_id));
        let prompt =
            |lacks: &&Vec<(MspId, usize)>| lacks.iter().all(|(msp_id, _)| !self.slow.contains(msp_id));
        let options: Vec<_> = self.sets.iter().map(missing).filter(viable).collect();
        let Some(lacks) = options.iter().find(prompt).or_else(|| options.first()) else {
            return Next::Exhausted;
        };
        let leads = |msp_id: &MspId| self.leader.as_ref() == Some(msp_id);
        let has_leader = lacks.iter().any(|(msp_id, _)| leads(msp_id));
        let asks: Vec<_> = lacks
            .iter()
            .filter(|(msp_id, _)| !self.under_way.contains(msp_id) && (!has_leader || leads(msp_id)))
            .cloned()
            .collect();
        if asks.is_empty() {
            return Next::Wait;
        }
        self.under_way.extend(asks.iter().map(|(msp_id, _)| msp_id.clone()));
        Next::Ask(asks)
    }
}

#[cfg(test)]
mod tests;
