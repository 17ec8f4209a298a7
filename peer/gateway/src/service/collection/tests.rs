//! Sequences of events, and what the collection wants after each.

use endorsing::EndorsementPlan;
use protocol::MspId;

use super::{Collection, Next};

fn msp_id(name: &str) -> MspId {
    MspId::new(name).expect("a valid name")
}

fn set(names: &str) -> Vec<MspId> {
    names.chars().map(|name| msp_id(&name.to_string())).collect()
}

/// An event of a row: `+B` answers once, `-B` fails, `!B` is rejected, `?B` is suspect, `~` everybody under way is slow.
fn apply(collection: &mut Collection<u8>, event: &str) {
    let (kind, name) = event.split_at(1);
    match kind {
        "+" => collection.answered(&msp_id(name), vec![0]),
        "-" => collection.failed(&msp_id(name)),
        "!" => collection.reject(&msp_id(name)),
        "?" => collection.suspect(msp_id(name)),
        _ => collection.suspect_those_under_way(),
    }
}

/// What is wanted, as text: `ask B C`, `wait`, `complete A B`, `exhausted`; two peers of one organisation as `B2`.
fn text(next: Next) -> String {
    let list = |verb: &str, entries: Vec<(MspId, usize)>| {
        let names = entries.iter().map(|(msp_id, count)| match count {
            1 => msp_id.to_string(),
            more => format!("{msp_id}{more}"),
        });
        std::iter::once(verb.to_owned()).chain(names).collect::<Vec<_>>().join(" ")
    };
    match next {
        Next::Ask(asks) => list("ask", asks),
        Next::Wait => "wait".to_owned(),
        Next::Complete(set) => list("complete", set),
        Next::Exhausted => "exhausted".to_owned(),
    }
}

#[test]
fn the_next_step_follows_from_what_happened() {
    // Sets, leader, events each with the step after it; the first step comes before any event.
    let rows: &[(&str, &[&str], Option<&str>, &str, &[(&str, &str)])] = &[
        ("alone", &["A"], Some("A"), "ask A", &[("+A", "complete A")]),
        ("leader first", &["AB", "AC"], Some("A"), "ask A", &[("+A", "ask B"), ("+B", "complete A B")]),
        (
            "all at a time",
            &["ABC"],
            None,
            "ask A B C",
            &[("+B", "wait"), ("+A", "wait"), ("+C", "complete A B C")],
        ),
        (
            "next set",
            &["AB", "AC"],
            Some("A"),
            "ask A",
            &[("+A", "ask B"), ("-B", "ask C"), ("+C", "complete A C")],
        ),
        ("no next set", &["AB"], Some("A"), "ask A", &[("+A", "ask B"), ("-B", "exhausted")]),
        ("all fail", &["AB", "AC"], None, "ask A B", &[("-B", "ask C"), ("-C", "exhausted")]),
        (
            "leader fails",
            &["AB", "BC"],
            Some("A"),
            "ask A",
            &[("-A", "ask B C"), ("+C", "wait"), ("+B", "complete B C")],
        ),
        (
            "hedge",
            &["AB", "AC"],
            Some("A"),
            "ask A",
            &[("+A", "ask B"), ("~", "ask C"), ("+C", "complete A C")],
        ),
        (
            "slow but first",
            &["AB", "AC"],
            None,
            "ask A B",
            &[("+A", "wait"), ("~", "ask C"), ("+B", "complete A B")],
        ),
        (
            "no hedge without another set",
            &["AB"],
            None,
            "ask A B",
            &[("~", "wait"), ("+A", "wait"), ("+B", "complete A B")],
        ),
        (
            "all slow",
            &["AB", "AC"],
            None,
            "ask A B",
            &[("+A", "wait"), ("~", "ask C"), ("~", "wait"), ("-C", "wait")],
        ),
        (
            "rejected",
            &["AB", "AC"],
            None,
            "ask A B",
            &[("+A", "wait"), ("+B", "complete A B"), ("!B", "ask C")],
        ),
        (
            "two peers",
            &["ABB"],
            Some("A"),
            "ask A",
            &[("+A", "ask B2"), ("+B", "ask B"), ("+B", "complete A B2")],
        ),
        (
            "more in another set",
            &["AB", "AA"],
            None,
            "ask A B",
            &[("+A", "wait"), ("-B", "ask A"), ("+A", "complete A2")],
        ),
    ];
    for (name, sets, leader, first, events) in rows {
        let mut sets = sets.iter().map(|names| set(names));
        let plan = EndorsementPlan { preferred: sets.next().unwrap(), alternatives: sets.collect() };
        let mut collection = Collection::new(&plan, leader.map(msp_id));
        assert_eq!(text(collection.next()), *first, "{name}");
        for (event, wanted) in *events {
            apply(&mut collection, event);
            assert_eq!(text(collection.next()), *wanted, "{name}: after {event}");
        }
    }
}

#[test]
fn an_organisation_that_failed_a_moment_ago_is_asked_last() {
    let plan = EndorsementPlan { preferred: set("AB"), alternatives: vec![set("AC")] };
    let mut collection: Collection<u8> = Collection::new(&plan, None);
    apply(&mut collection, "?B");
    assert_eq!(text(collection.next()), "ask A C");
    apply(&mut collection, "-C");
    assert_eq!(text(collection.next()), "ask B");
    assert!(collection.is_anybody_under_way());
}

#[test]
fn an_answer_is_counted_for_every_set() {
    let plan = EndorsementPlan { preferred: set("AB"), alternatives: vec![set("BC")] };
    let mut collection: Collection<u8> = Collection::new(&plan, None);
    assert_eq!(text(collection.next()), "ask A B");
    apply(&mut collection, "+B");
    apply(&mut collection, "-A");
    assert_eq!(text(collection.next()), "ask C");
    assert_eq!(collection.answers(&msp_id("B")).len(), 1);
    assert_eq!(collection.organizations().len(), 3);
}
