//! Whom to ask: the smallest sets of principals that satisfy a policy.

use crate::evaluation::{implicit, signature};

fn sets(policy: &policy::CompiledPolicy, limit: usize) -> Vec<String> {
    let join = |names: Vec<String>| names.join("+");
    policy.minimal_sets(limit).iter().map(|set| join(set.iter().map(ToString::to_string).collect())).collect()
}

#[test]
fn minimal_sets_are_small_and_contain_no_other() {
    let rows: [(&str, &[&str]); 8] = [
        ("'A.peer'", &["A.peer"]),
        ("OR('A.peer','B.peer')", &["A.peer", "B.peer"]),
        ("AND('A.peer','B.peer')", &["A.peer+B.peer"]),
        ("OutOf(2,'A.peer','B.peer','C.peer')", &["A.peer+B.peer", "A.peer+C.peer", "B.peer+C.peer"]),
        ("OR(AND('A.peer','B.peer'),'A.peer')", &["A.peer"]),
        ("AND(OR('A.peer','B.peer'),'C.admin')", &["A.peer+C.admin", "B.peer+C.admin"]),
        (
            "OR(AND('A.peer','B.peer','C.peer'),AND('A.admin','B.admin'))",
            &["A.admin+B.admin", "A.peer+B.peer+C.peer"],
        ),
        ("AND('A.peer','A.peer')", &["A.peer"]),
    ];
    for (text, expected) in rows {
        assert_eq!(sets(&signature(text), 10), expected, "{text}");
    }
}

#[test]
fn counts_say_how_many_distinct_signers_a_principal_needs() {
    let counts = signature("AND('A.peer','A.peer','B.peer')").minimal_counts(10);
    let found: Vec<Vec<(String, usize)>> = counts
        .iter()
        .map(|counts| counts.iter().map(|(key, count)| (key.to_string(), *count)).collect())
        .collect();
    assert_eq!(found, [[("A.peer".to_owned(), 2), ("B.peer".to_owned(), 1)]]);
}

#[test]
fn implicit_meta_policies_are_planned_over_organisations() {
    assert_eq!(sets(&implicit("MAJORITY Endorsement", &["A", "B", "C"]), 10), ["A.peer+B.peer"]);
    assert_eq!(sets(&implicit("ALL Endorsement", &["A", "B", "C"]), 10), Vec::<String>::new());
    assert_eq!(sets(&implicit("ALL Admins", &["A", "B"]), 10), ["A.admin"]);
}

#[test]
fn a_policy_can_be_met_where_the_able_principals_suffice() {
    let majority = implicit("MAJORITY Endorsement", &["A", "B", "C"]);
    let many = (0..200).map(|n| format!("'O{n}.peer'")).collect::<Vec<_>>().join(",");
    let rows = [
        // policy, able organisations, verdict
        (signature("'A.peer'"), "A", true),
        (signature("'A.peer'"), "B", false),
        (signature("AND('A.peer','B.peer')"), "A B", true),
        (signature("AND('A.peer','B.peer')"), "A", false),
        (signature("AND('A.peer','A.peer')"), "A", true),
        (signature("OR(AND('A.peer','B.peer'),'C.peer')"), "C", true),
        (signature("OutOf(2,'A.peer','B.peer',AND('C.peer','D.peer'))"), "A C", false),
        (signature("OutOf(2,'A.peer','B.peer',AND('C.peer','D.peer'))"), "A C D", true),
        (majority.clone(), "A B", true),
        (majority, "A", false),
        (signature(&format!("OutOf(2,{many})")), "O198 O199", true),
        (signature(&format!("OutOf(3,{many})")), "O198 O199", false),
    ];
    for (policy, able, verdict) in rows {
        let found = policy
            .can_be_met_by(|principal| able.split(' ').any(|msp_id| msp_id == principal.msp_id.as_str()));
        assert_eq!(found, verdict, "{} by {able}", policy.path());
    }
}

#[test]
fn the_number_of_sets_is_bounded() {
    let peers = (0..30).map(|n| format!("'O{n}.peer'")).collect::<Vec<_>>().join(",");
    let policy = signature(&format!("OutOf(15,{peers})"));
    assert_eq!(sets(&policy, 7).len(), 7);
    assert!(policy.minimal_counts(usize::MAX).len() <= 1_024);
}
