//! Decides exactly whether distinct signers can be given to the principals of a signature policy so that it holds.
//!
//! A rule's children fall into groups that name no organisation in common; groups never compete for signers and are
//! solved by themselves. Within a group: one child alone is solved as a policy of its own; children that are single
//! slots (a principal, or an `OR` of such) are matched in polynomial time; only nested rules over the same organisation
//! need a search, whose size is bounded when the policy is compiled. So every verdict is exact, the same on every
//! node, and cheap.

use std::collections::BTreeSet;

use protocol::MspId;

use crate::{
    matching::{Matching, Meets},
    principal::Principal,
    signature_policy::Rule,
};

/// Ways in which contested rules may be met; at most as many matchings are tried.
pub(crate) const WAYS_MAX: usize = 4_096;

/// A slot: places of principals, of which one must be met.
type Slot = Vec<usize>;

/// A rule prepared for solving.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    Slot(Slot),
    OutOf { needed: usize, groups: Vec<Group> },
}

/// Children that share organisations.
#[derive(Clone, Debug)]
pub(crate) enum Group {
    Alone(Node),
    Slots(Vec<Slot>),
    /// For each child the ways to meet it, each a list of slots; and whether all children are needed.
    Contested {
        children: Vec<Vec<Vec<Slot>>>,
        all_needed: bool,
    },
}

/// The rule can be met in more than [`WAYS_MAX`] contested ways.
pub(crate) struct TooManyWays;

/// A rule with the places of its principals and nested `AND`s joined.
enum Plain {
    Slot(Slot),
    OutOf { needed: usize, children: Vec<Plain> },
}

impl Node {
    /// Prepares `rule`; `principals` are its principals in the order of the text.
    pub(crate) fn compile(rule: &Rule, principals: &[Principal]) -> Result<Self, TooManyWays> {
        prepare(plain(rule, &mut 0), principals)
    }

    /// Whether the rule holds, with the pairs (principal's place, signer) of a best assignment added to `pairs`.
    pub(crate) fn solve(&self, meets: &Meets, pairs: &mut Vec<(usize, usize)>) -> bool {
        match self {
            Self::Slot(slot) => {
                let mut matching = Matching::new(meets.signers);
                let met = matching.add(slot, meets);
                pairs.extend(matching.pairs(meets));
                met
            }
            Self::OutOf { needed, groups } => {
                groups.iter().map(|group| group.solve(meets, pairs)).sum::<usize>() >= *needed
            }
        }
    }
}

impl Group {
    /// The greatest number of children that can hold together.
    fn solve(&self, meets: &Meets, pairs: &mut Vec<(usize, usize)>) -> usize {
        match self {
            Self::Alone(node) => usize::from(node.solve(meets, pairs)),
            Self::Slots(slots) => {
                let mut matching = Matching::new(meets.signers);
                let met = slots.iter().filter(|slot| matching.add(slot, meets)).count();
                pairs.extend(matching.pairs(meets));
                met
            }
            Self::Contested { children, all_needed } => {
                let start = Matching::new(meets.signers);
                let mut search =
                    Search { children, all_needed: *all_needed, meets, met: 0, best: start.clone() };
                search.run(0, 0, start);
                pairs.extend(search.best.pairs(meets));
                search.met
            }
        }
    }
}

/// Depth-first over children: one of its ways, or left out.
struct Search<'a> {
    children: &'a [Vec<Vec<Slot>>],
    all_needed: bool,
    meets: &'a Meets,
    met: usize,
    best: Matching<'a>,
}

impl<'a> Search<'a> {
    fn run(&mut self, child: usize, met: usize, matching: Matching<'a>) {
        if met > self.met {
            self.met = met;
            self.best = matching.clone();
        }
        let Some(ways) = self.children.get(child) else { return };
        for way in ways {
            if met + self.children.len() - child <= self.met {
                return;
            }
            let mut tried = matching.clone();
            if way.iter().all(|slot| tried.add(slot, self.meets)) {
                self.run(child + 1, met + 1, tried);
            }
        }
        if !self.all_needed {
            self.run(child + 1, met, matching);
        }
    }
}

fn plain(rule: &Rule, place: &mut usize) -> Plain {
    let (needed, rules) = match rule {
        Rule::SignedBy(_) => {
            *place += 1;
            return Plain::Slot(vec![*place - 1]);
        }
        Rule::OutOf { needed, rules } => (*needed, rules),
    };
    let children: Vec<Plain> = rules.iter().map(|rule| plain(rule, place)).collect();
    if needed == 1 && children.iter().all(|child| matches!(child, Plain::Slot(_))) {
        // One of several principals: a slot that any of them fills.
        let places = children.into_iter().flat_map(|child| match child {
            Plain::Slot(slot) => slot,
            Plain::OutOf { .. } => Vec::new(),
        });
        return Plain::Slot(places.collect());
    }
    if needed < children.len() {
        return Plain::OutOf { needed, children };
    }
    let mut joined = Vec::with_capacity(children.len());
    for child in children {
        match child {
            Plain::OutOf { needed, children } if needed == children.len() => joined.extend(children),
            other => joined.push(other),
        }
    }
    Plain::OutOf { needed: joined.len(), children: joined }
}

fn prepare(plain: Plain, principals: &[Principal]) -> Result<Node, TooManyWays> {
    let (needed, children) = match plain {
        Plain::Slot(slot) => return Ok(Node::Slot(slot)),
        Plain::OutOf { needed, children } => (needed, children),
    };
    let all_needed = needed == children.len();
    let mut groups = Vec::new();
    for mut members in by_organization(children, principals) {
        let alone = if members.len() == 1 { members.pop() } else { None };
        groups.push(match alone {
            Some(child) => Group::Alone(prepare(child, principals)?),
            None if members.iter().all(|child| matches!(child, Plain::Slot(_))) => {
                Group::Slots(members.iter().map(places).collect())
            }
            None => contested(&members, all_needed)?,
        });
    }
    Ok(Node::OutOf { needed, groups })
}

/// Groups of children such that no organisation is named in two groups.
fn by_organization(children: Vec<Plain>, principals: &[Principal]) -> Vec<Vec<Plain>> {
    let mut groups: Vec<(BTreeSet<&MspId>, Vec<Plain>)> = Vec::new();
    for child in children {
        let mut organizations: BTreeSet<&MspId> =
            places(&child).iter().map(|place| &principals[*place].msp_id).collect();
        let mut members = Vec::new();
        let (shared, apart): (Vec<_>, Vec<_>) =
            groups.into_iter().partition(|(others, _)| !others.is_disjoint(&organizations));
        for (others, joined) in shared {
            organizations.extend(others);
            members.extend(joined);
        }
        members.push(child);
        groups = apart;
        groups.push((organizations, members));
    }
    groups.into_iter().map(|(_, members)| members).collect()
}

fn places(plain: &Plain) -> Slot {
    match plain {
        Plain::Slot(slot) => slot.clone(),
        Plain::OutOf { children, .. } => children.iter().flat_map(places).collect(),
    }
}

fn contested(members: &[Plain], all_needed: bool) -> Result<Group, TooManyWays> {
    let left_out = usize::from(!all_needed);
    let total =
        members.iter().fold(1_usize, |total, child| total.saturating_mul(count_ways(child) + left_out));
    if total > WAYS_MAX {
        return Err(TooManyWays);
    }
    Ok(Group::Contested { children: members.iter().map(ways).collect(), all_needed })
}

/// How many ways there are to meet a rule: the elementary symmetric polynomial of its children's counts.
fn count_ways(plain: &Plain) -> usize {
    let (needed, children) = match plain {
        Plain::Slot(_) => return 1,
        Plain::OutOf { needed, children } => (*needed, children),
    };
    let mut counts = vec![0_usize; needed + 1];
    counts[0] = 1;
    for child in children {
        let of_child = count_ways(child);
        for chosen in (1..=needed).rev() {
            counts[chosen] = counts[chosen].saturating_add(counts[chosen - 1].saturating_mul(of_child));
        }
    }
    // Kept below the largest number, so that the caller may add one.
    counts[needed].min(usize::MAX >> 1)
}

fn ways(plain: &Plain) -> Vec<Vec<Slot>> {
    let (needed, children) = match plain {
        Plain::Slot(slot) => return vec![vec![slot.clone()]],
        Plain::OutOf { needed, children } => (*needed, children),
    };
    let mut partial: Vec<(usize, Vec<Slot>)> = vec![(0, Vec::new())];
    for (at, child) in children.iter().enumerate() {
        let after = children.len() - at - 1;
        let of_child = ways(child);
        let mut next = Vec::new();
        for (chosen, slots) in partial {
            if chosen < needed {
                next.extend(of_child.iter().map(|way| (chosen + 1, [&slots[..], &way[..]].concat())));
            }
            if chosen + after >= needed {
                next.push((chosen, slots));
            }
        }
        partial = next;
    }
    partial.into_iter().map(|(_, slots)| slots).collect()
}
