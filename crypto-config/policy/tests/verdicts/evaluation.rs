//! Which signatures satisfy which policy.

use policy::{CompiledPolicy, ImplicitMeta, Policy, PolicyError, SignaturePolicy};
use protocol::MspId;

use crate::signers::{msp_id, signed_by};

pub(crate) fn signature(text: &str) -> CompiledPolicy {
    CompiledPolicy::from_signature("/Channel/Test", &SignaturePolicy::parse(text).unwrap()).unwrap()
}

/// Three organisations, whose Endorsement policies are a peer's (A, B) and none (C).
pub(crate) fn implicit(text: &str, organizations: &[&str]) -> CompiledPolicy {
    let organizations: Vec<MspId> = organizations.iter().map(|name| msp_id(name)).collect();
    CompiledPolicy::compile(
        "/Channel/Application/Endorsement",
        &Policy::parse(text).unwrap(),
        &organizations,
        own,
    )
    .unwrap()
}

fn own(organization: &MspId, name: &str) -> Option<SignaturePolicy> {
    match (organization.as_str(), name) {
        ("A" | "B", "Endorsement") => SignaturePolicy::parse(&format!("'{organization}.peer'")).ok(),
        ("C", "Endorsement") => None,
        // Each organisation lets A's admin act for it.
        (_, "Admins") => SignaturePolicy::parse(&format!("OR('{organization}.admin', 'A.admin')")).ok(),
        _ => None,
    }
}

#[test]
fn signature_policies() {
    let rows: [(&str, &[&str], bool); 32] = [
        ("'A.peer'", &["A.peer1"], true),
        ("'A.peer'", &[], false),
        ("'A.peer'", &["B.peer1"], false),
        ("'A.peer'", &["A.client1", "A.admin1", "A.orderer1"], false),
        ("'A.member'", &["A.orderer2"], true),
        ("'A.admin'", &["A.admin1"], true),
        ("OR('A.peer','B.peer')", &["B.peer2"], true),
        ("AND('A.peer','B.peer')", &["A.peer1"], false),
        ("AND('A.peer','B.peer')", &["B.peer1", "A.peer1"], true),
        ("AND('A.peer','A.peer')", &["A.peer1"], false),
        ("AND('A.peer','A.peer')", &["A.peer1", "A.peer1"], false),
        ("AND('A.peer','A.peer')", &["A.peer1", "A.peer2"], true),
        ("OutOf(2,'A.peer','B.peer','C.peer')", &["C.peer1"], false),
        ("OutOf(2,'A.peer','B.peer','C.peer')", &["C.peer1", "C.peer2"], false),
        ("OutOf(2,'A.peer','B.peer','C.peer')", &["C.peer1", "A.peer1"], true),
        // One signature fills one place; Fabric's greedy order would refuse one of the next two.
        ("AND('A.member','A.admin')", &["A.admin1"], false),
        ("AND('A.member','A.admin')", &["A.admin1", "A.client1"], true),
        ("AND('A.member','A.admin')", &["A.client1", "A.admin1"], true),
        ("AND('A.admin','A.member')", &["A.client1", "A.admin1"], true),
        ("AND('A.member','A.member','A.admin')", &["A.admin1", "A.client1", "A.peer1"], true),
        ("AND('A.member','A.member','A.admin')", &["A.admin1", "A.client1"], false),
        ("AND(OR('A.peer','B.peer'),OR('A.peer','C.peer'))", &["A.peer1"], false),
        ("AND(OR('A.peer','B.peer'),OR('A.peer','C.peer'))", &["A.peer1", "B.peer1"], true),
        ("OR(AND('A.peer','B.peer'),AND('A.peer','C.peer'))", &["C.peer1", "A.peer1"], true),
        ("OR(AND('A.peer','B.peer'),AND('A.peer','C.peer'))", &["C.peer1", "B.peer1"], false),
        ("AND(OutOf(2,'A.peer','A.admin','B.peer'),'A.peer')", &["A.peer1", "A.admin1"], false),
        ("AND(OutOf(2,'A.peer','A.admin','B.peer'),'A.peer')", &["A.peer1", "A.admin1", "B.peer1"], true),
        ("AND(OutOf(2,'A.peer','A.admin','B.peer'),'A.peer')", &["A.peer1", "A.admin1", "A.peer2"], true),
        // One key with two certificates is one signer with both roles.
        ("'A.admin'", &["A.both"], true),
        ("OR('A.peer')", &["A.both"], true),
        ("AND('A.peer','A.admin')", &["A.both"], false),
        ("AND('A.peer','A.admin')", &["A.both", "A.peer1"], true),
    ];
    for (text, names, expected) in rows {
        let policy = signature(text);
        let mut signatures = signed_by(names);
        assert_eq!(policy.evaluate(&signatures).satisfied, expected, "{text} by {names:?}");
        signatures.reverse();
        assert_eq!(policy.evaluate(&signatures).satisfied, expected, "{text} by {names:?} reversed");
    }
}

#[test]
fn implicit_meta_policies() {
    let (two, three) = (&["A", "B"][..], &["C", "B", "A"][..]);
    let rows: [(&str, &[&str], &[&str], bool); 16] = [
        ("ANY Endorsement", two, &["B.peer1"], true),
        ("ANY Endorsement", two, &["B.client1"], false),
        ("ANY Endorsement", two, &[], false),
        ("ALL Endorsement", two, &["B.peer1"], false),
        ("ALL Endorsement", two, &["B.peer1", "A.peer1"], true),
        ("MAJORITY Endorsement", two, &["B.peer1"], false),
        ("MAJORITY Endorsement", two, &["B.peer1", "A.peer1"], true),
        ("MAJORITY Endorsement", three, &["B.peer1", "A.peer1"], true),
        ("MAJORITY Endorsement", three, &["B.peer1", "C.peer1"], false),
        ("ALL Endorsement", three, &["B.peer1", "C.peer1", "A.peer1"], false),
        ("MAJORITY Endorsement", &["A"], &["A.peer1"], true),
        ("MAJORITY Endorsement", &["A", "A", "B"], &["A.peer1"], false),
        // Organisations judge by themselves: one signature may serve several.
        ("ALL Admins", three, &["A.admin1"], true),
        ("ALL Admins", three, &["B.admin1", "C.admin1"], false),
        ("MAJORITY Admins", three, &["B.admin1", "C.admin1"], true),
        ("ANY Unknown", three, &["A.admin1", "A.peer1"], false),
    ];
    for (text, organizations, names, expected) in rows {
        let verdict = implicit(text, organizations).evaluate(&signed_by(names));
        assert_eq!(verdict.satisfied, expected, "{text} of {organizations:?} by {names:?}");
    }
}

#[test]
fn a_policy_over_no_organisation_is_refused_when_it_is_compiled() {
    let policy = Policy::from(ImplicitMeta::parse("ANY Readers").unwrap());
    let found = CompiledPolicy::compile("/Channel/Readers", &policy, &[], own);
    let (path, policy) = ("/Channel/Readers".to_owned(), "ANY Readers".to_owned());
    assert_eq!(found.err(), Some(PolicyError::NoOrganizations { path, policy }));
}

#[test]
fn entangled_rules_are_refused_when_compiled_and_plain_large_ones_are_not() {
    let compile =
        |text: &str| CompiledPolicy::from_signature("/p", &SignaturePolicy::parse(text).unwrap()).map(|_| ());
    let peers = |count: usize| (0..count).map(|n| format!("'O{n}.peer'")).collect::<Vec<_>>().join(",");
    let either = |count: usize| {
        (0..count)
            .map(|n| format!("OutOf(2,'O{n}.peer','O{n}.admin','O{n}.client')"))
            .collect::<Vec<_>>()
            .join(",")
    };
    let entangled = ["OutOf(2,'A.peer','A.admin','A.client')"; 12].join(",");
    let rows = [
        (format!("OutOf(51,{})", peers(100)), Ok(())),
        (format!("OutOf(10,{})", either(20)), Ok(())),
        (format!("AND('A.peer',{})", vec!["'A.member'"; 200].join(",")), Ok(())),
        (
            format!("OutOf(6,{entangled})"),
            Err(PolicyError::TooManyWays { path: "/p".to_owned(), limit: 4_096 }),
        ),
    ];
    for (text, expected) in rows {
        assert_eq!(compile(&text), expected, "{text}");
    }
}
