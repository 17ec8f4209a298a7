//! What is a policy's text, what is not, and where the fault lies.

use policy::{ImplicitMeta, Policy, PolicyParseError as E, Principal, Rule, SignaturePolicy};
use proptest::prelude::*;
use protocol::{MspId, Role};

#[test]
fn accepted_texts_print_canonically() {
    let rows = [
        ("'A.peer'", "'A.peer'"),
        ("AND('A.peer', OR('B.member','C.admin'))", "AND('A.peer', OR('B.member', 'C.admin'))"),
        ("  and ( \"A.peer\" ,\n or('B.client') ) ", "AND('A.peer', OR('B.client'))"),
        ("OutOf(2, 'A.peer','B.peer','C.peer')", "OutOf(2, 'A.peer', 'B.peer', 'C.peer')"),
        ("OUTOF(1, 'A.peer','B.peer')", "OR('A.peer', 'B.peer')"),
        ("outof(02, 'A.peer','B.peer')", "AND('A.peer', 'B.peer')"),
        ("AND('A.peer')", "OR('A.peer')"),
        ("'hospital.a.example-1_x.orderer'", "'hospital.a.example-1_x.orderer'"),
        ("'A.PEER'", "'A.peer'"),
        ("MAJORITY Endorsement", "MAJORITY Endorsement"),
        ("  any\tReaders ", "ANY Readers"),
        ("All Admins", "ALL Admins"),
    ];
    for (text, canonical) in rows {
        let policy = Policy::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(policy.to_string(), canonical, "{text}");
        assert_eq!(Policy::parse(canonical), Ok(policy), "{text}");
    }
}

fn syntax(position: usize, found: &str) -> (usize, String) {
    (position, found.to_owned())
}

#[test]
fn each_syntax_error_carries_its_place_and_what_was_found() {
    let end = "the end of the text";
    let rows = [
        ("", syntax(1, end)),
        ("AND", syntax(4, end)),
        ("AND(", syntax(5, end)),
        ("AND()", syntax(5, "')'")),
        ("AND('A.peer'", syntax(13, end)),
        ("AND('A.peer' 'B.peer')", syntax(14, "'''")),
        ("AND('A.peer',)", syntax(14, "')'")),
        ("AND('A.peer'))", syntax(14, "')'")),
        ("XOR('A.peer')", syntax(1, "'XOR'")),
        ("A.peer", syntax(1, "'A'")),
        ("'A.peer", syntax(8, end)),
        ("OR('peer')", syntax(4, "'peer'")),
        ("OutOf('A.peer')", syntax(7, "'''")),
        ("OutOf(1 'A.peer')", syntax(9, "'''")),
        ("OutOf(-1, 'A.peer')", syntax(7, "'-'")),
        ("OutOf(99999999999999999999999, 'A.peer')", syntax(7, "'99999999999999999999'")),
        ("é('A.peer')", syntax(1, "'é'")),
        ("ANY", syntax(4, end)),
        ("MAJORITY End orsement", syntax(14, "'orsement'")),
        ("ALL 'x'", syntax(5, "''x''")),
    ];
    for (text, expected) in rows {
        match Policy::parse(text) {
            Err(E::Syntax { position, found, .. }) => assert_eq!((position, found), expected, "{text}"),
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn each_meaningless_text_is_named() {
    let deep = |depth: usize| format!("{}'A.peer'{}", "AND(".repeat(depth - 1), ")".repeat(depth - 1));
    let wide = |count: usize| format!("OR({})", vec!["'A.peer'"; count].join(","));
    let rows = [
        ("OutOf(0, 'A.peer')".to_owned(), Some(E::Threshold { position: 7, needed: 0, count: 1 })),
        ("OutOf(3, 'A.peer', 'B.peer')".to_owned(), Some(E::Threshold { position: 7, needed: 3, count: 2 })),
        ("OR('A.nurse')".to_owned(), Some(E::UnknownRole { position: 4, role: "nurse".to_owned() })),
        ("OR('A.')".to_owned(), Some(E::UnknownRole { position: 4, role: String::new() })),
        (deep(SignaturePolicy::DEPTH_MAX), None),
        (deep(SignaturePolicy::DEPTH_MAX + 1), Some(E::TooDeep { position: 65, limit: 16 })),
        (wide(SignaturePolicy::PRINCIPALS_MAX), None),
        (
            wide(SignaturePolicy::PRINCIPALS_MAX + 1),
            Some(E::TooManyPrincipals { position: 2308, limit: 256 }),
        ),
        (" ".repeat(16_385), Some(E::TooLong { bytes: 16_385, limit: 16_384 })),
    ];
    for (text, expected) in rows {
        assert_eq!(SignaturePolicy::parse(&text).err(), expected, "{text}");
    }
    assert!(matches!(SignaturePolicy::parse("OR('.peer')"), Err(E::MspId { position: 4, .. })));
    assert!(matches!(SignaturePolicy::parse("OR('A B.peer')"), Err(E::MspId { position: 4, .. })));
}

#[test]
fn an_error_reads_as_a_sentence() {
    let error = SignaturePolicy::parse("AND('A.peer' 'B.peer')").unwrap_err().to_string();
    assert_eq!(error, "policy text, character 14: found ''', expected ',' or ')'");
    let error = ImplicitMeta::parse("MOST Endorsement").unwrap_err().to_string();
    let expected = "policy text, character 1: found 'MOST', expected ANY, ALL or MAJORITY and the name of a policy, \
                    such as 'MAJORITY Endorsement'";
    assert_eq!(error, expected);
}

#[test]
fn under_serde_a_policy_is_its_text() {
    let policy: Policy = serde_json::from_str("\"and('A.peer','B.peer')\"").unwrap();
    assert_eq!(serde_json::to_string(&policy).unwrap(), "\"AND('A.peer', 'B.peer')\"");
    assert!(serde_json::from_str::<Policy>("\"nonsense\"").is_err());
}

/// Any rule within the limits.
pub(crate) fn rules(organizations: &'static [&'static str]) -> impl Strategy<Value = Rule> {
    let roles = [Role::Member, Role::Admin, Role::Client, Role::Peer, Role::Orderer];
    let principal = (proptest::sample::select(organizations), proptest::sample::select(roles.to_vec()))
        .prop_map(|(name, role)| Rule::SignedBy(Principal::new(MspId::new(name).unwrap(), role)));
    principal.prop_recursive(3, 6, 3, |inner| {
        (proptest::collection::vec(inner, 1..4), any::<proptest::sample::Index>())
            .prop_map(|(rules, needed)| Rule::OutOf { needed: needed.index(rules.len()) + 1, rules })
    })
}

proptest! {
    #[test]
    fn what_is_printed_reads_back_to_the_same(rule in rules(&["A", "B.x", "C-1"])) {
        let text = rule.to_string();
        let policy = SignaturePolicy::parse(&text).unwrap();
        prop_assert_eq!(policy.rule(), &rule);
        prop_assert_eq!(policy.to_string(), text);
    }

    #[test]
    fn no_text_panics(text in "(AND\\(|OR\\(|OutOf\\([0-9],|'A.peer'|\\)|,|ANY |\\PC){0,12}") {
        let _ = Policy::parse(&text);
    }
}
