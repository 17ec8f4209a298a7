//! The solver against a model that tries every way to give signers to principals.

use std::collections::BTreeMap;

use policy::{CompiledPolicy, Explained, Principal, Rule, SignaturePolicy};
use proptest::prelude::*;
use protocol::Role;

use crate::{signers::signed_by, texts::rules};

const NAMES: [&str; 8] =
    ["A.peer1", "A.peer2", "A.admin1", "A.client1", "A.both", "B.peer1", "B.admin1", "B.client1"];

/// Organisation and roles of a named signer.
fn roles(name: &str) -> (&str, Vec<Role>) {
    let (organization, person) = name.split_once('.').unwrap();
    let roles = match person.trim_end_matches(char::is_numeric) {
        "peer" => vec![Role::Member, Role::Peer],
        "admin" => vec![Role::Member, Role::Admin],
        "client" => vec![Role::Member, Role::Client],
        _ => vec![Role::Member, Role::Peer, Role::Admin],
    };
    (organization, roles)
}

fn principals(rule: &Rule) -> Vec<&Principal> {
    match rule {
        Rule::SignedBy(principal) => vec![principal],
        Rule::OutOf { rules, .. } => rules.iter().flat_map(principals).collect(),
    }
}

/// Whether the tree holds when exactly the marked principals, in the order of the text, are met.
fn holds(rule: &Rule, met: &mut impl Iterator<Item = bool>) -> bool {
    match rule {
        Rule::SignedBy(_) => met.next().unwrap(),
        Rule::OutOf { needed, rules } => rules.iter().filter(|rule| holds(rule, met)).count() >= *needed,
    }
}

/// Gives each principal in turn nobody or an unused signer, in every way.
pub(crate) fn model(rule: &Rule, names: &[&str], met: &mut Vec<bool>, used: &mut Vec<usize>) -> bool {
    let all = principals(rule);
    let Some(principal) = all.get(met.len()) else {
        return holds(rule, &mut met.clone().into_iter());
    };
    let mut choices = vec![None];
    choices.extend((0..names.len()).map(Some));
    for choice in choices {
        if let Some(signer) = choice {
            let (organization, roles) = roles(names[signer]);
            let fits = organization == principal.msp_id.as_str() && roles.contains(&principal.role);
            if used.contains(&signer) || !fits {
                continue;
            }
            used.push(signer);
        }
        met.push(choice.is_some());
        let found = model(rule, names, met, used);
        met.pop();
        if choice.is_some() {
            used.pop();
        }
        if found {
            return true;
        }
    }
    false
}

/// Fabric's evaluation: left to right, each principal takes the first unused signer; a failed branch gives them back.
fn greedy(rule: &Rule, names: &[&str], used: &mut Vec<usize>) -> bool {
    match rule {
        Rule::SignedBy(principal) => {
            let found = (0..names.len()).find(|signer| {
                let (organization, roles) = roles(names[*signer]);
                !used.contains(signer)
                    && organization == principal.msp_id.as_str()
                    && roles.contains(&principal.role)
            });
            used.extend(found);
            found.is_some()
        }
        Rule::OutOf { needed, rules } => {
            let mut met = 0;
            for rule in rules {
                let before = used.clone();
                if greedy(rule, names, used) {
                    met += 1;
                } else {
                    *used = before;
                }
            }
            met >= *needed
        }
    }
}

fn subset() -> impl Strategy<Value = Vec<&'static str>> {
    proptest::sample::subsequence(NAMES.to_vec(), 0..=4).prop_shuffle()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_verdict_is_that_of_trying_every_way(rule in rules(&["A", "B"]), names in subset()) {
        prop_assume!(principals(&rule).len() <= 6);
        let policy = CompiledPolicy::from_signature("/p", &SignaturePolicy::parse(&rule.to_string()).unwrap()).unwrap();
        let signatures = signed_by(&names);
        let verdict = policy.evaluate(&signatures);
        prop_assert_eq!(verdict.satisfied, model(&rule, &names, &mut Vec::new(), &mut Vec::new()));
        if greedy(&rule, &names, &mut Vec::new()) {
            prop_assert!(verdict.satisfied, "greedy evaluation accepts this");
        }
        let explanation = policy.explain(&signatures);
        prop_assert_eq!(explanation.root.as_ref().map(Explained::is_met), Some(verdict.satisfied));
    }

    #[test]
    fn a_planned_set_satisfies_and_nobody_does_not(rule in rules(&["A", "B"])) {
        let policy = CompiledPolicy::from_signature("/p", &SignaturePolicy::parse(&rule.to_string()).unwrap()).unwrap();
        for counts in policy.minimal_counts(4) {
            let Some(names) = people(&counts) else { continue };
            prop_assert!(policy.evaluate(&signed_by(&names)).satisfied, "{names:?}");
        }
        let nobody = policy.evaluate(&[]);
        prop_assert!(!nobody.satisfied);
    }
}

/// Named signers for the counts, where there are enough of them.
fn people(counts: &BTreeMap<Principal, usize>) -> Option<Vec<&'static str>> {
    let mut names: Vec<&'static str> = Vec::new();
    for (principal, count) in counts {
        for _ in 0..*count {
            let free = NAMES.into_iter().find(|name| {
                let (organization, roles) = roles(name);
                // The narrowest signer for each role, so that members do not take what others need.
                let narrow = roles.len() == 2 && roles.contains(&principal.role);
                organization == principal.msp_id.as_str() && narrow && !names.contains(name)
            });
            names.push(free?);
        }
    }
    Some(names)
}
