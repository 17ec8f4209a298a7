//! A refusal says who signed and why each signature did not do.

use policy::{CompiledPolicy, Explained, SignaturePolicy};

use crate::{
    evaluation::{implicit, signature},
    signers::{msp_id, signed_by},
};

/// The explanation with every PoI replaced by `#`, since keys are new in each run.
fn text(policy: &CompiledPolicy, names: &[&str]) -> String {
    let verdict = policy.evaluate(&signed_by(names));
    let mut text = verdict.explanation.to_string();
    for signer in &verdict.explanation.signers {
        text = text.replace(&signer.to_string(), &format!("{}/#", signer.msp_id));
    }
    text
}

#[test]
fn a_refused_signature_policy_prints_as_a_tree() {
    let policy = signature("AND('A.peer', OR('B.admin', 'C.admin'))");
    assert_eq!(
        text(&policy, &["A.peer1", "B.client1"]),
        "policy /Channel/Test is not satisfied: AND('A.peer', OR('B.admin', 'C.admin'))
  signed by A/#, B/#
  1 of 2 rules met, 2 needed
    A.peer: met by A/#
    0 of 2 rules met, 1 needed
      B.admin: not met
        A/#: wrong organisation
        B/#: wrong role: has member, client
      C.admin: not met
        A/#: wrong organisation
        B/#: wrong organisation"
    );
}

#[test]
fn a_signature_that_is_counted_already_says_so() {
    let policy = signature("AND('A.peer', 'A.member')");
    assert_eq!(
        text(&policy, &["A.peer1"]),
        "policy /Channel/Test is not satisfied: AND('A.peer', 'A.member')
  signed by A/#
  1 of 2 rules met, 2 needed
    A.peer: met by A/#
    A.member: not met
      A/#: already counted for another principal"
    );
}

#[test]
fn a_refused_implicit_meta_policy_names_each_organisation() {
    let policy = implicit("MAJORITY Endorsement", &["A", "B", "C"]);
    assert_eq!(
        text(&policy, &["A.peer1"]),
        "policy /Channel/Application/Endorsement is not satisfied: MAJORITY Endorsement
  signed by A/#
  MAJORITY Endorsement: 1 of 3 organisations, 2 needed
    A: met
      A.peer: met by A/#
    B: not met
      B.peer: not met
        A/#: wrong organisation
    C: not met: it has no policy named Endorsement"
    );
}

#[test]
fn nobody_signed() {
    let text = text(&signature("'A.peer'"), &[]);
    let expected = "policy /Channel/Test is not satisfied: 'A.peer'\n  signed by nobody\n  A.peer: not met";
    assert_eq!(text, expected);
}

#[test]
fn an_acceptance_makes_no_tree_until_it_is_asked_for() {
    let policy = signature("'A.peer'");
    let signatures = signed_by(&["A.peer1"]);
    let verdict = policy.evaluate(&signatures);
    assert_eq!(verdict.explanation.to_string(), "policy /Channel/Test is satisfied: 'A.peer'");
    assert!(verdict.explanation.root.is_none());
    assert!(policy.explain(&signatures).root.as_ref().is_some_and(Explained::is_met));
}

#[test]
fn a_compiled_policy_knows_its_path_and_principals() {
    let policy = implicit("ANY Admins", &["A", "B"]);
    assert_eq!(policy.path(), "/Channel/Application/Endorsement");
    let expected = SignaturePolicy::parse("OR('A.admin','B.admin')").unwrap().principals();
    assert_eq!(policy.principals(), expected);
    assert!(policy.principals().iter().all(|principal| principal.msp_id <= msp_id("B")));
}
