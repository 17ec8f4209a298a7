//! Whose logs count in consensus, as the configuration asks and the consenters stand.
//!
//! A configuration names consenters by key; a vote belongs to one log of a consenter, which is gone with its disk. This is
//! the passage between the two: when a channel begins, which log joins or leaves next, and when nobody may go on. One
//! step at a time, decided anew from what is seen, so that a leader that fails between two steps leaves nothing behind
//! that the next one does not find.

use std::collections::{BTreeMap, BTreeSet};

use protocol::{BlockNumber, Digest, LogState, Standing};

use crate::signatures::majority;

/// A log that consensus knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its id.
    pub instance: u64,
    /// Whose it is.
    pub consenter: Digest,
    /// Whether it votes.
    pub is_voter: bool,
    /// Whether it holds nearly all that the leader holds.
    pub is_level: bool,
}

/// What a leader knows besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Led {
    /// All logs that consensus knows.
    pub members: Vec<Member>,
    /// Those that will vote, where a change has begun and not ended.
    pub changing_to: Option<BTreeSet<u64>>,
}

/// What a consenter sees.
#[derive(Clone, Debug)]
pub struct View<'a> {
    /// This consenter.
    pub own: Digest,
    /// Where it stands.
    pub standing: &'a Standing,
    /// The consenters of the configuration in force, in its order.
    pub consenters: &'a [Digest],
    /// Where those stand that answered.
    pub answers: &'a BTreeMap<Digest, Standing>,
    /// What it knows where it leads.
    pub led: Option<&'a Led>,
}

/// What is to be done now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing: all is as it should be, or it is for others to do.
    Nothing,
    /// Begin the channel with these logs.
    Begin(BTreeMap<u64, Digest>),
    /// Wait for these consenters, without whom the channel cannot begin.
    Await(Vec<Digest>),
    /// Wait: these consenters have logs, so there is nothing to begin; whoever leads lets the log of this one vote.
    Late(Vec<Digest>),
    /// Wait: these consenters stand at another block of the same number, so one of the chains is none of this channel.
    Differ(Vec<Digest>),
    /// Let this log learn.
    Learn {
        /// Its id.
        instance: u64,
        /// Whose it is.
        consenter: Digest,
    },
    /// Reach this log under a key that took the place of the one by which it is known.
    Reach {
        /// Its id.
        instance: u64,
        /// Whose it is now.
        consenter: Digest,
    },
    /// Let these logs vote and no others.
    Vote(BTreeSet<u64>),
    /// Forget a log that does not vote.
    Forget(u64),
    /// Stop: the logs of these consenters are gone, and the others are no majority.
    Stop(Vec<Digest>),
}

impl View<'_> {
    /// The next step.
    #[must_use]
    pub fn step(&self) -> Step {
        let lost = self.lost();
        if !lost.is_empty() {
            return Step::Stop(lost);
        }
        match (self.standing.log, self.led) {
            (LogState::Beginning, _) => self.begin(),
            (LogState::Begun, Some(led)) => self.lead(led),
            (LogState::Begun, None) | (LogState::Empty, _) => Step::Nothing,
        }
    }

    /// Whether the chains of the others are all that is left of the channel, so that blocks without a majority's signatures
    /// are taken from them: whoever runs this node said that the channel begins, and nobody says that it has begun.
    #[must_use]
    pub fn is_beginning(&self) -> bool {
        self.standing.log == LogState::Beginning
            && self.answers.values().all(|answer| answer.log != LogState::Begun)
    }

    /// The block up to which this consenter takes blocks from others before its log counts; `None` while it has all.
    #[must_use]
    pub fn behind(&self) -> Option<BlockNumber> {
        let highest = match self.standing.log {
            LogState::Begun => None,
            // Those who begin must stand at the same block.
            _ if self.is_beginning() => self.answers.values().map(|answer| answer.applied).max(),
            // What a majority has signed was ordered, whatever becomes of the log.
            _ => self.answers.values().map(|answer| answer.deliverable).max(),
        };
        highest.filter(|highest| *highest > self.standing.applied)
    }

    fn standing_of(&self, consenter: &Digest) -> Option<&Standing> {
        if *consenter == self.own { Some(self.standing) } else { self.answers.get(consenter) }
    }

    /// The consenters whose logs are gone for certain, where the rest is no majority; else nobody. Who votes is known by the
    /// own log; whoever has none asks those that have, and one of them who knows better is enough to go on.
    fn lost(&self) -> Vec<Digest> {
        let counts = |it: &&Standing| it.log == LogState::Begun && !it.voters.is_empty();
        let own = Some(self.standing).filter(counts);
        let judges: Vec<&Standing> =
            own.map_or_else(|| self.answers.values().filter(counts).collect(), |own| vec![own]);
        let is_lost = |consenter: &Digest, instance: u64| {
            // A log that was replaced in time is no loss: its consenter has one that votes.
            let has_another = |it: &Standing| it.voters.iter().any(|(voter, _)| *voter == it.instance);
            self.standing_of(consenter).is_some_and(|it| it.instance != instance && !has_another(it))
        };
        let lost_by = |log: &Standing| {
            let lost = log.voters.iter().filter(|(instance, consenter)| is_lost(consenter, *instance));
            let lost: Vec<Digest> = lost.map(|(_, consenter)| *consenter).collect();
            (log.voters.len() - lost.len() < majority(log.voters.len())).then_some(lost)
        };
        let verdicts: Option<Vec<_>> = judges.into_iter().map(lost_by).collect();
        if let Some(lost) = verdicts.and_then(|verdicts| verdicts.into_iter().next()) {
            return lost;
        }
        // Nobody has a log, and nobody was told to begin.
        let is_empty =
            |consenter: &Digest| self.standing_of(consenter).is_some_and(|it| it.log == LogState::Empty);
        if self.consenters.contains(&self.own) && self.consenters.iter().all(is_empty) {
            return self.consenters.to_vec();
        }
        Vec::new()
    }

    /// A channel begins when all its consenters are told to begin it and stand at the same block. One of them begins, the
    /// first by the configuration, so that it is not begun twice.
    fn begin(&self) -> Step {
        let (mut members, mut missing, mut differing) = (BTreeMap::new(), Vec::new(), Vec::new());
        let has_begun =
            |it: &&Digest| self.standing_of(it).is_some_and(|standing| standing.log == LogState::Begun);
        let begun: Vec<Digest> = self.consenters.iter().filter(has_begun).copied().collect();
        if !begun.is_empty() {
            return Step::Late(begun);
        }
        for consenter in self.consenters {
            match self.standing_of(consenter) {
                Some(standing)
                    if standing.log == LogState::Beginning && standing.applied == self.standing.applied =>
                {
                    members.insert(standing.instance, *consenter);
                    if standing.tip != self.standing.tip {
                        differing.push(*consenter);
                    }
                }
                _ => missing.push(*consenter),
            }
        }
        if !missing.is_empty() {
            return Step::Await(missing);
        }
        if !differing.is_empty() {
            return Step::Differ(differing);
        }
        // Two logs of one id would be taken for one.
        if members.len() < self.consenters.len() || self.consenters.first() != Some(&self.own) {
            return Step::Nothing;
        }
        Step::Begin(members)
    }

    fn lead(&self, led: &Led) -> Step {
        if let Some(target) = &led.changing_to {
            return Step::Vote(target.clone());
        }
        let voters: BTreeSet<u64> =
            led.members.iter().filter(|member| member.is_voter).map(|member| member.instance).collect();
        self.join(led, &voters).or_else(|| self.leave(led, &voters)).unwrap_or(Step::Nothing)
    }

    /// The next log that is to learn or to vote.
    fn join(&self, led: &Led, voters: &BTreeSet<u64>) -> Option<Step> {
        for consenter in self.consenters {
            let Some(instance) = self.standing_of(consenter).map(|standing| standing.instance) else {
                continue;
            };
            if let Some(known) = led.members.iter().find(|it| it.instance == instance)
                && known.consenter != *consenter
            {
                // Whoever claims the log of another has one key, not two. A key that is named no more and does not answer
                // has no log to lose.
                let answers = self.standing_of(&known.consenter).is_some_and(|it| it.instance == instance);
                if answers || self.consenters.contains(&known.consenter) {
                    continue;
                }
                return Some(Step::Reach { instance, consenter: *consenter });
            }
            let of_it = || led.members.iter().filter(|member| member.consenter == *consenter);
            let earlier: Vec<u64> =
                of_it().filter(|it| it.is_voter && it.instance != instance).map(|it| it.instance).collect();
            match of_it().find(|member| member.instance == instance) {
                Some(member) if member.is_voter => {}
                Some(member) if member.is_level => {
                    let mut next = voters.clone();
                    // Whoever leaves makes way in the same step: between two of them one more log would be needed.
                    next.retain(|voter| !earlier.contains(voter) && self.is_named(led, *voter));
                    next.insert(instance);
                    return self.is_safe(led, voters, &next).then_some(Step::Vote(next));
                }
                // It learns; others may go on meanwhile.
                Some(_) => {}
                // It learned with another log before: one at a time, however often a consenter changes it.
                None if of_it().any(|it| !it.is_voter) => {
                    return of_it().find(|it| !it.is_voter).map(|it| Step::Forget(it.instance));
                }
                // A lost log is replaced only while the others are a majority by themselves.
                None if earlier.is_empty() || self.healthy(led, voters) >= majority(voters.len()) => {
                    return Some(Step::Learn { instance, consenter: *consenter });
                }
                None => {}
            }
        }
        None
    }

    /// The next log that is to leave.
    fn leave(&self, led: &Led, voters: &BTreeSet<u64>) -> Option<Step> {
        let stays = |member: &&Member| {
            let standing = self.standing_of(&member.consenter);
            let is_its_log = standing.is_none_or(|standing| standing.instance == member.instance);
            self.consenters.contains(&member.consenter) && (member.is_voter || is_its_log)
        };
        let gone = led.members.iter().find(|member| !stays(member))?;
        if !gone.is_voter {
            return Some(Step::Forget(gone.instance));
        }
        let mut next = voters.clone();
        next.remove(&gone.instance);
        (!next.is_empty() && self.is_safe(led, voters, &next)).then_some(Step::Vote(next))
    }

    /// Whether the configuration names the consenter of this log.
    fn is_named(&self, led: &Led, log: u64) -> bool {
        led.members.iter().any(|it| it.instance == log && self.consenters.contains(&it.consenter))
    }

    /// How many of these logs are reached.
    fn healthy(&self, led: &Led, logs: &BTreeSet<u64>) -> usize {
        let is_reached = |member: &&Member| {
            logs.contains(&member.instance)
                && self.standing_of(&member.consenter).is_some_and(|it| it.instance == member.instance)
        };
        led.members.iter().filter(is_reached).count()
    }

    /// A change needs a majority before and after it.
    fn is_safe(&self, led: &Led, before: &BTreeSet<u64>, after: &BTreeSet<u64>) -> bool {
        [before, after].iter().all(|logs| self.healthy(led, logs) >= majority(logs.len()))
    }
}

#[cfg(test)]
mod tests;
