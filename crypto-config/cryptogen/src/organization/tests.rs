//! Which templates are accepted, what they come to, and how the others are refused.

use super::*;
use crate::template::{EXAMPLE, parse};

/// Every problem of a template, whether the parser or the passage to the actual view found it.
fn problems(text: &str) -> String {
    match parse(text) {
        Err(problem) => problem,
        Ok(template) => match organizations(&template) {
            Err(problems) => problems.join("\n"),
            Ok(_) => "accepted".to_owned(),
        },
    }
}

fn accepted(text: &str) -> Vec<Organization> {
    organizations(&parse(text).unwrap()).unwrap()
}

fn names(organization: &Organization) -> (Vec<&str>, Vec<&str>) {
    (
        organization.nodes.iter().map(|node| node.common_name.as_str()).collect(),
        organization.users.iter().map(|user| user.common_name.as_str()).collect(),
    )
}

#[test]
fn the_example_is_accepted_and_comes_to_what_its_comments_say() {
    let all = accepted(EXAMPLE);
    let domains: Vec<_> = all.iter().map(|o| (o.kind, o.domain.as_str(), o.node_ous)).collect();
    assert_eq!(
        domains,
        [
            (Kind::Orderer, "example.com", true),
            (Kind::Peer, "hospital1.example.com", true),
            (Kind::Peer, "hospital2.example.com", true)
        ]
    );
    assert_eq!(names(&all[0]), (vec!["orderer0.example.com"], vec!["Admin@example.com"]));
    assert_eq!(
        names(&all[1]),
        (
            vec!["peer0.hospital1.example.com", "peer1.hospital1.example.com"],
            vec![
                "Admin@hospital1.example.com",
                "User1@hospital1.example.com",
                "radiology-console@hospital1.example.com"
            ]
        )
    );
    assert_eq!(all[1].subject.locality, "Patna");
    assert_eq!(all[2].ca_name, "ca.hospital2.example.com");
    let sans: Vec<_> = ["peer0.hospital2.example.com", "peer0", "peer0.internal", "localhost", "127.0.0.1"]
        .iter()
        .map(|san| SubjectAltName::parse(san).unwrap())
        .collect();
    assert_eq!(all[2].nodes[0].sans, sans);
    let roles: Vec<_> = all[2].users.iter().map(|user| user.role).collect();
    assert_eq!(roles, ["admin", "client"]);
}

#[test]
fn names_are_filled_in_as_by_fabric() {
    let table: [(&str, &[&str]); 7] = [
        ("Specs: [{Hostname: foo}]", &["foo.o.com"]),
        ("Specs: [{Hostname: foo, CommonName: foo27.org5.example.com}]", &["foo27.org5.example.com"]),
        (r#"Specs: [{Hostname: bar, CommonName: "{{.Hostname}}-x.{{.Domain}}"}]"#, &["bar-x.o.com"]),
        ("Template: {Count: 2}", &["peer0.o.com", "peer1.o.com"]),
        ("Template: {Count: 2, Start: 5}", &["peer5.o.com", "peer6.o.com"]),
        (r#"Template: {Count: 1, Hostname: "{{.Prefix}}-{{.Index}}"}"#, &["peer-0.o.com"]),
        ("Template: {Count: 1}\n    Specs: [{Hostname: foo}]", &["peer0.o.com", "foo.o.com"]),
    ];
    for (nodes, verdict) in table {
        let text = format!("PeerOrgs:\n  - Name: O\n    Domain: o.com\n    {nodes}\n");
        assert_eq!(names(&accepted(&text)[0]).0, verdict, "{nodes}");
    }
}

#[test]
fn the_kind_of_a_key_is_that_of_its_part_or_else_the_organisations() {
    use KeyAlgorithm::{Ecdsa, Ed25519};
    let rest = "Template: {Count: 1, PublicKeyAlgorithm: T}\n    Specs: [{Hostname: a, PublicKeyAlgorithm: S}]\n    \
                Users: {Count: 1, PublicKeyAlgorithm: U}\n    CA: {PublicKeyAlgorithm: C}\n    PublicKeyAlgorithm: O";
    let rows = [
        // organisation, authority, counted node, listed node, users; then what they come to, without the organisation
        (["", "", "", "", ""], [Ecdsa, Ecdsa, Ecdsa, Ecdsa]),
        (["ecdsa", "", "", "", ""], [Ecdsa, Ecdsa, Ecdsa, Ecdsa]),
        (["ed25519", "", "", "", ""], [Ed25519, Ed25519, Ed25519, Ed25519]),
        (["ed25519", "ecdsa", "", "", ""], [Ecdsa, Ed25519, Ed25519, Ed25519]),
        (["ed25519", "", "ecdsa", "", ""], [Ed25519, Ecdsa, Ed25519, Ed25519]),
        (["ed25519", "", "", "ecdsa", ""], [Ed25519, Ed25519, Ecdsa, Ed25519]),
        (["ed25519", "", "", "", "ecdsa"], [Ed25519, Ed25519, Ed25519, Ecdsa]),
        (["", "", "ed25519", "", "ed25519"], [Ecdsa, Ed25519, Ecdsa, Ed25519]),
    ];
    for (written, verdict) in rows {
        let mut text = rest.to_owned();
        for (letter, value) in ["O", "C", "T", "S", "U"].iter().zip(written) {
            text = text.replace(&format!("Algorithm: {letter}"), &format!("Algorithm: '{value}'"));
        }
        let all = accepted(&format!("PeerOrgs:\n  - Name: O\n    Domain: o.com\n    {text}\n"));
        let organization = &all[0];
        let (nodes, users) = (&organization.nodes, &organization.users);
        let found = [organization.ca_algorithm, nodes[0].algorithm, nodes[1].algorithm, users[0].algorithm];
        assert_eq!(found, verdict, "{written:?}");
        assert!(users.iter().all(|user| user.algorithm == verdict[3]));
    }
}

#[test]
fn a_template_that_cannot_be_made_is_refused_with_its_place_and_reason() {
    let long = "x".repeat(64);
    let long_host = format!("Specs: [{{Hostname: {long}}}]");
    let table: [(&str, &[&str]); 25] = [
        ("Domian: x", &["unknown field `Domian`", "line 4", "PeerOrgs[0]"]),
        ("EnableNodeOus: true", &["unknown field `EnableNodeOus`", "EnableNodeOUs"]),
        ("Specs: [{Hostname: a, Sans: [b]}]", &["unknown field `Sans`", "line 4"]),
        ("Template: {Count: -1}", &["Count", "line 4"]),
        ("Template: {Count: 10001}", &["PeerOrgs[0] (O): Template.Count: 10001 is more than 10000"]),
        ("Users: {Count: 10001}", &["Users.Count: 10001 is more than 10000"]),
        ("Specs: [{CommonName: a.b}]", &["Specs[0]: Hostname is missing"]),
        ("Specs: [{Hostname: ../../etc}]", &["Specs[0].Hostname: `../../etc` may hold only letters"]),
        ("Specs: [{Hostname: ..}]", &["Specs[0].Hostname: `..` has an empty part"]),
        ("Specs: [{Hostname: a, CommonName: a/b}]", &["Specs[0].CommonName: `a/b` may hold only"]),
        ("Specs: [{Hostname: -rf}]", &["begins with `-`"]),
        (&long_host, &["is longer than 63 characters"]),
        ("Specs: [{Hostname: a, SANS: ['b c']}]", &["Specs[0].SANS: the name `b c` cannot stand"]),
        ("Specs: [{Hostname: a}, {Hostname: a}]", &["Specs[1]: two nodes are named `a.o.com`"]),
        ("Template: {Count: 2, Hostname: same}", &["two nodes are named `same.o.com`"]),
        ("Template: {Count: 1, Hostname: '{{.Foo}}'}", &["uses a placeholder that is not known here"]),
        ("Users: {Specs: [{Name: 'a@b'}]}", &["Users.Specs[0].Name: `a@b` may hold only"]),
        ("Users: {Count: 1, Specs: [{Name: User1}]}", &["two users are named `User1`"]),
        ("Users: {Specs: [{Name: Admin}]}", &["two users are named `Admin`"]),
        ("CA: {CommonName: 'ca/..'}", &["CA.CommonName: `ca/..` may hold only"]),
        ("PublicKeyAlgorithm: rsa", &["(O): PublicKeyAlgorithm: `rsa` is unknown; use `ecdsa` or `ed25519`"]),
        ("CA: {PublicKeyAlgorithm: ED25519}", &["(O): CA.PublicKeyAlgorithm: `ED25519` is unknown"]),
        ("Template: {PublicKeyAlgorithm: x}", &["(O): Template.PublicKeyAlgorithm: `x` is unknown"]),
        ("Users: {PublicKeyAlgorithm: x}", &["(O): Users.PublicKeyAlgorithm: `x` is unknown"]),
        (
            "Specs: [{Hostname: a, PublicKeyAlgorithm: x}]",
            &["(O): Specs[0].PublicKeyAlgorithm: `x` is unknown"],
        ),
    ];
    for (line, verdict) in table {
        let found = problems(&format!("PeerOrgs:\n  - Name: O\n    Domain: o.com\n    {line}\n"));
        for part in verdict {
            assert!(found.contains(part), "{line}: {found}");
        }
    }
}

#[test]
fn a_whole_template_is_judged_too() {
    let table: [(&str, &str); 8] = [
        ("", "the template is empty; `cryptogen showtemplate` prints one"),
        ("PeerOrgs: []", "names no organisation"),
        ("PeerOrgs: 7", "invalid type"),
        ("PeerOrgs: [{Name: A}]", "missing field `Domain`"),
        ("PeerOrgs: [{Name: A, Domain: ..}]", "PeerOrgs[0] (A): Domain: `..`"),
        ("Peers: []", "unknown field `Peers`"),
        (
            "PeerOrgs: [{Name: A, Domain: a.b}, {Name: B, Domain: a.b}]",
            "PeerOrgs[1]: Domain `a.b` is used twice",
        ),
        ("OrdererOrgs: [{Name: A, Domain: a.b}]\nPeerOrgs: [{Name: B, Domain: a.b}]", "accepted"),
    ];
    for (text, verdict) in table {
        let found = problems(text);
        assert!(found.contains(verdict), "{text}: {found}");
    }
    assert!(problems(&"#".repeat(crate::template::TEMPLATE_LENGTH_MAX + 1)).contains("longer than"));
}

#[test]
fn all_problems_are_told_at_once() {
    let text =
        "PeerOrgs:\n  - {Name: A, Domain: a/b, Specs: [{Hostname: 'x y'}]}\n  - {Name: B, Domain: ''}\n";
    let found = problems(text);
    for part in ["(A): Domain: `a/b`", "(A): Specs[0].Hostname: `x y`", "(B): Domain: `` is empty"] {
        assert!(found.contains(part), "{found}");
    }
}
