//! Lists the ways to satisfy a policy, for somebody who plans whom to ask for endorsements.
//!
//! The lists are bounded: of a policy with more ways than the bound only the first, in the order of its text, are
//! listed. Every one listed satisfies the policy.

use std::collections::BTreeMap;

use crate::{principal::Principal, signature_policy::Rule};

/// Ways that are looked at.
const WAYS_MAX: usize = 1_024;

/// How many distinct signers are needed by principal.
pub(crate) type Counts = BTreeMap<Principal, usize>;

/// Ways to meet a rule; signers of different parts are distinct, so counts add up.
pub(crate) fn of_rule(rule: &Rule) -> Vec<Counts> {
    match rule {
        Rule::SignedBy(principal) => vec![Counts::from([(principal.clone(), 1)])],
        Rule::OutOf { needed, rules } => {
            choose(*needed, rules.iter().map(of_rule).collect(), |total, count| total + count)
        }
    }
}

/// Ways to meet `needed` of independent policies; one signer may serve several, so the greatest count is enough.
pub(crate) fn of_independent(needed: usize, each: Vec<Vec<Counts>>) -> Vec<Counts> {
    choose(needed, each, usize::max)
}

/// Sorted by size, without those that contain another.
pub(crate) fn minimal(mut ways: Vec<Counts>) -> Vec<Counts> {
    ways.sort_by_key(|counts| counts.values().sum::<usize>());
    let mut kept: Vec<Counts> = Vec::new();
    for counts in ways {
        let contains =
            |other: &Counts| other.iter().all(|(key, count)| counts.get(key).is_some_and(|c| c >= count));
        if !kept.iter().any(contains) {
            kept.push(counts);
        }
    }
    kept
}

/// Every choice of `needed` among `each`, joined by `join`; earlier ones first.
fn choose(needed: usize, each: Vec<Vec<Counts>>, join: fn(usize, usize) -> usize) -> Vec<Counts> {
    let mut out = Vec::new();
    extend(&mut out, needed, &each, &Counts::new(), join);
    out
}

fn extend(
    out: &mut Vec<Counts>,
    needed: usize,
    each: &[Vec<Counts>],
    so_far: &Counts,
    join: fn(usize, usize) -> usize,
) {
    if needed == 0 {
        out.push(so_far.clone());
        return;
    }
    let Some((first, rest)) = each.split_first() else { return };
    if rest.len() + 1 < needed {
        return;
    }
    for way in first {
        if out.len() >= WAYS_MAX {
            return;
        }
        let mut joined = so_far.clone();
        for (principal, count) in way {
            let total = joined.entry(principal.clone()).or_insert(0);
            *total = join(*total, *count);
        }
        extend(out, needed - 1, rest, &joined, join);
    }
    if out.len() < WAYS_MAX {
        extend(out, needed, rest, so_far, join);
    }
}
