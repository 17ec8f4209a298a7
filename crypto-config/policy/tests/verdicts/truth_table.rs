//! Every small policy over every set of signers, against the model that tries every way; and every implicit-meta rule
//! over up to three organisations, against counting.

use policy::{CompiledPolicy, Policy, Rule, SignaturePolicy};
use protocol::MspId;

use crate::{
    model::model,
    signers::{msp_id, signed_by},
};

const SIGNERS: [&str; 5] = ["A.peer1", "A.peer2", "A.client1", "A.both", "B.peer1"];

/// Every subset, each in the order of the list.
fn subsets<'a>(names: &'a [&'a str]) -> impl Iterator<Item = Vec<&'a str>> {
    (0..1_usize << names.len())
        .map(|mask| (0..names.len()).filter(|at| mask >> at & 1 == 1).map(|at| names[at]).collect())
}

fn leaves() -> Vec<Rule> {
    ["'A.peer'", "'A.member'", "'B.peer'"]
        .map(|text| SignaturePolicy::parse(text).unwrap().rule().clone())
        .to_vec()
}

fn every_threshold(rules: &[Rule]) -> impl Iterator<Item = Rule> {
    (1..=rules.len()).map(|needed| Rule::OutOf { needed, rules: rules.to_vec() })
}

/// One to three leaves, in the order of the list, repetitions allowed.
fn flat() -> Vec<Rule> {
    let leaves = leaves();
    let mut rules = Vec::new();
    for (at, first) in leaves.iter().enumerate() {
        rules.extend(every_threshold(std::slice::from_ref(first)));
        for (next, second) in leaves.iter().enumerate().skip(at) {
            rules.extend(every_threshold(&[first.clone(), second.clone()]));
            for third in &leaves[next..] {
                rules.extend(every_threshold(&[first.clone(), second.clone(), third.clone()]));
            }
        }
    }
    rules
}

/// A flat rule beside a leaf.
fn nested() -> Vec<Rule> {
    let pairs =
        flat().into_iter().flat_map(|rule| leaves().into_iter().map(move |leaf| [rule.clone(), leaf]));
    pairs.flat_map(|pair| every_threshold(&pair).collect::<Vec<_>>()).collect()
}

#[test]
fn every_small_policy_agrees_with_trying_every_way() {
    let (mut met, mut unmet) = (0, 0);
    for rule in leaves().into_iter().chain(flat()).chain(nested()) {
        let text = rule.to_string();
        let policy = CompiledPolicy::from_signature("/p", &SignaturePolicy::parse(&text).unwrap()).unwrap();
        for names in subsets(&SIGNERS) {
            let expected = model(&rule, &names, &mut Vec::new(), &mut Vec::new());
            assert_eq!(policy.evaluate(&signed_by(&names)).satisfied, expected, "{text} by {names:?}");
            if expected { met += 1 } else { unmet += 1 }
        }
    }
    assert!(met > 2_000 && unmet > 2_000, "{met} rows hold and {unmet} do not");
}

#[test]
fn every_implicit_meta_rule_counts_the_organisations_that_agree() {
    let own = |organization: &MspId, name: &str| {
        let text = format!("'{organization}.peer'");
        (name == "Endorsement").then(|| SignaturePolicy::parse(&text).unwrap())
    };
    let peers = ["A.peer1", "B.peer1", "C.peer1"];
    for organizations in subsets(&["A", "B", "C"]).filter(|names| !names.is_empty()) {
        let members: Vec<MspId> = organizations.iter().map(|name| msp_id(name)).collect();
        let count = members.len();
        let rules = [("ANY", 1), ("ALL", count), ("MAJORITY", count / 2 + 1)];
        for (word, needed) in rules {
            let policy = Policy::parse(&format!("{word} Endorsement")).unwrap();
            let policy = CompiledPolicy::compile("/p", &policy, &members, own).unwrap();
            for names in subsets(&peers) {
                let agree = names.iter().filter(|name| organizations.contains(&&name[..1])).count();
                let verdict = policy.evaluate(&signed_by(&names));
                assert_eq!(verdict.satisfied, agree >= needed, "{word} of {organizations:?} by {names:?}");
            }
        }
    }
}
