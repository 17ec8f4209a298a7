//! Every rule by a row: consenters are letters, logs are numbers.

use protocol::BlockHash;

use super::*;

fn key(letter: char) -> Digest {
    Digest([letter as u8; 32])
}

/// A consenter's answer: its letter, its log, the state of the log, its last block, who votes by it.
fn standing(instance: u64, log: LogState, applied: u64, voters: &[(u64, char)]) -> Standing {
    let voters = voters.iter().map(|(instance, letter)| (*instance, key(*letter))).collect();
    let (applied, tip) = (BlockNumber(applied), BlockHash([7; 32]));
    Standing { instance, log, applied, tip, deliverable: applied, voters }
}

use LogState::{Beginning, Begun, Empty};

const ABC: &[(u64, char)] = &[(1, 'a'), (2, 'b'), (3, 'c')];

struct Case {
    own: Standing,
    others: Vec<(char, Standing)>,
    consenters: &'static str,
    led: Option<Led>,
}

impl Case {
    fn view<T>(&self, look: impl FnOnce(&View<'_>) -> T) -> T {
        let consenters: Vec<Digest> = self.consenters.chars().map(key).collect();
        let answers = self.others.iter().map(|(letter, standing)| (key(*letter), standing.clone())).collect();
        look(&View {
            own: key('a'),
            standing: &self.own,
            consenters: &consenters,
            answers: &answers,
            led: self.led.as_ref(),
        })
    }

    fn step(&self) -> Step {
        self.view(|view| view.step())
    }
}

/// What consenter a sees of these others.
fn seen(own: Standing, others: Vec<(char, Standing)>, consenters: &'static str) -> Case {
    Case { own, others, consenters, led: None }
}

#[test]
fn a_channel_begins_when_all_its_consenters_are_told_to() {
    let new = |instance| standing(instance, Beginning, 0, &[]);
    let all = BTreeMap::from([(1, key('a')), (2, key('b')), (3, key('c'))]);
    let rows = [
        ("alone", seen(new(1), vec![], "a"), Step::Begin(BTreeMap::from([(1, key('a'))]))),
        ("all are told", seen(new(1), vec![('b', new(2)), ('c', new(3))], "abc"), Step::Begin(all)),
        ("another is the first", seen(new(1), vec![('b', new(2)), ('c', new(3))], "bac"), Step::Nothing),
        ("one is away", seen(new(1), vec![('b', new(2))], "abc"), Step::Await(vec![key('c')])),
        (
            "one was not told",
            seen(new(1), vec![('b', new(2)), ('c', standing(3, Empty, 0, &[]))], "abc"),
            Step::Await(vec![key('c')]),
        ),
        (
            "one has a log: the channel has begun",
            seen(new(1), vec![('b', standing(2, Begun, 0, &[(2, 'b'), (3, 'c')])), ('c', new(3))], "abc"),
            Step::Late(vec![key('b')]),
        ),
        (
            "one stands at another block",
            seen(new(1), vec![('b', standing(2, Beginning, 5, &[])), ('c', new(3))], "abc"),
            Step::Await(vec![key('b')]),
        ),
        (
            "one stands at another block of the same number",
            seen(new(1), vec![('b', Standing { tip: BlockHash([8; 32]), ..new(2) }), ('c', new(3))], "abc"),
            Step::Differ(vec![key('b')]),
        ),
        ("two logs have one id", seen(new(1), vec![('b', new(1)), ('c', new(3))], "abc"), Step::Nothing),
    ];
    for (name, case, verdict) in rows {
        assert_eq!(case.step(), verdict, "{name}");
    }
}

#[test]
fn nobody_goes_on_where_a_majority_of_the_logs_is_gone() {
    let (log, new) =
        (|instance| standing(instance, Begun, 9, ABC), |instance| standing(instance, Empty, 0, &[]));
    let lost = |letters: &str| Step::Stop(letters.chars().map(key).collect());
    let rows = [
        ("all have theirs", seen(log(1), vec![('b', log(2)), ('c', log(3))], "abc"), Step::Nothing),
        ("one is away", seen(log(1), vec![('b', log(2))], "abc"), Step::Nothing),
        ("two are away, nobody knows why", seen(log(1), vec![], "abc"), Step::Nothing),
        ("one is gone", seen(log(1), vec![('b', log(2)), ('c', new(9))], "abc"), Step::Nothing),
        ("two are gone", seen(log(1), vec![('b', new(8)), ('c', new(9))], "abc"), lost("bc")),
        (
            "told to begin, with a survivor",
            seen(log(1), vec![('b', standing(8, Beginning, 0, &[])), ('c', new(9))], "abc"),
            lost("bc"),
        ),
        ("the own is gone and another", seen(new(8), vec![('b', new(9)), ('c', log(3))], "abc"), lost("ab")),
        ("only the own is gone", seen(new(8), vec![('b', log(2)), ('c', log(3))], "abc"), Step::Nothing),
        ("nobody has one", seen(new(7), vec![('b', new(8)), ('c', new(9))], "abc"), lost("abc")),
        ("nobody reached has one", seen(new(7), vec![('b', new(8))], "abc"), Step::Nothing),
        ("alone without one", seen(new(7), vec![], "a"), lost("a")),
        ("no consenter yet", seen(new(7), vec![('b', new(8)), ('c', new(9))], "bc"), Step::Nothing),
        (
            "a log of long ago: the others were replaced one by one, and theirs vote",
            seen(
                log(1),
                vec![
                    ('b', standing(8, Begun, 20, &[(8, 'b'), (9, 'c')])),
                    ('c', standing(9, Begun, 20, &[(8, 'b'), (9, 'c')])),
                ],
                "abc",
            ),
            Step::Nothing,
        ),
        (
            "one says of itself that it has lost the only log that votes",
            seen(log(1), vec![('b', log(2)), ('c', standing(5, Begun, 9, &[(1, 'c')]))], "abc"),
            Step::Nothing,
        ),
        (
            "the own is gone, and one who knows better says that another is not",
            seen(
                new(8),
                vec![('b', log(2)), ('c', standing(3, Begun, 9, &[(1, 'a'), (7, 'b'), (3, 'c')]))],
                "abc",
            ),
            Step::Nothing,
        ),
        (
            "two are gone, one of which learns already and does not vote",
            seen(log(1), vec![('b', standing(8, Begun, 3, ABC)), ('c', new(9))], "abc"),
            lost("bc"),
        ),
    ];
    for (name, case, verdict) in rows {
        assert_eq!(case.step(), verdict, "{name}");
    }
}

/// Logs that vote, and others that learn: (log, consenter, whether it is level).
fn led(voters: &[(u64, char)], learners: &[(u64, char, bool)]) -> Option<Led> {
    let member = |instance, letter, is_voter, is_level| Member {
        instance,
        consenter: key(letter),
        is_voter,
        is_level,
    };
    let mut members: Vec<Member> =
        voters.iter().map(|(instance, letter)| member(*instance, *letter, true, true)).collect();
    members
        .extend(learners.iter().map(|(instance, letter, level)| member(*instance, *letter, false, *level)));
    Some(Led { members, changing_to: None })
}

#[test]
fn a_leader_brings_logs_in_step_with_the_configuration_one_by_one() {
    let log = |instance| standing(instance, Begun, 9, ABC);
    let new = |instance| standing(instance, Empty, 0, &[]);
    let vote = |logs: &[u64]| Step::Vote(logs.iter().copied().collect());
    let learn = |instance, letter| Step::Learn { instance, consenter: key(letter) };
    let case = |others: Vec<(char, Standing)>, consenters, led| Case { own: log(1), others, consenters, led };
    let both = || vec![('b', log(2)), ('c', log(3))];
    let with = |more: (char, Standing)| [both(), vec![more]].concat();
    let rows = [
        ("all is well", case(both(), "abc", led(ABC, &[])), Step::Nothing),
        ("one more consenter", case(with(('d', new(4))), "abcd", led(ABC, &[])), learn(4, 'd')),
        ("it is not reached", case(both(), "abcd", led(ABC, &[])), Step::Nothing),
        ("it learns", case(with(('d', log(4))), "abcd", led(ABC, &[(4, 'd', false)])), Step::Nothing),
        ("it is level", case(with(('d', log(4))), "abcd", led(ABC, &[(4, 'd', true)])), vote(&[1, 2, 3, 4])),
        ("one less", case(both(), "ab", led(ABC, &[])), vote(&[1, 2])),
        ("this one less", case(both(), "bc", led(ABC, &[])), vote(&[2, 3])),
        (
            "one less, and then there is no majority",
            case(vec![('c', log(3))], "ab", led(ABC, &[])),
            Step::Nothing,
        ),
        ("a lost log", case(vec![('b', log(2)), ('c', new(9))], "abc", led(ABC, &[])), learn(9, 'c')),
        ("a lost log, and one is away", case(vec![('c', new(9))], "abc", led(ABC, &[])), Step::Nothing),
        (
            "the new log is level and takes the place of the lost one",
            case(vec![('b', log(2)), ('c', log(9))], "abc", led(ABC, &[(9, 'c', true)])),
            vote(&[1, 2, 9]),
        ),
        (
            "one for another: the new one first",
            case(with(('d', new(4))), "abd", led(ABC, &[])),
            learn(4, 'd'),
        ),
        (
            "and then it takes the place of the old one",
            case(with(('d', log(4))), "abd", led(ABC, &[(4, 'd', true)])),
            vote(&[1, 2, 4]),
        ),
        (
            "whether the old one is reached or not",
            case(vec![('b', log(2)), ('d', log(4))], "abd", led(ABC, &[(4, 'd', true)])),
            vote(&[1, 2, 4]),
        ),
        (
            "the last of two leaves while it is reached",
            case(vec![('b', log(2))], "a", led(&[(1, 'a'), (2, 'b')], &[])),
            vote(&[1]),
        ),
        (
            "the last of two leaves and is away",
            case(vec![], "a", led(&[(1, 'a'), (2, 'b')], &[])),
            Step::Nothing,
        ),
        (
            "a consenter claims the log of another",
            case(vec![('b', log(2)), ('c', log(3)), ('d', log(3))], "abcd", led(ABC, &[])),
            Step::Nothing,
        ),
        (
            "a consenter has the log of a key that left",
            case(vec![('b', log(2)), ('d', log(3))], "abd", led(ABC, &[])),
            Step::Reach { instance: 3, consenter: key('d') },
        ),
        (
            "a consenter claims the log of one that leaves",
            case(
                vec![('b', log(4)), ('c', log(3)), ('d', log(4))],
                "abc",
                led(&[(1, 'a'), (2, 'b'), (3, 'c'), (4, 'd')], &[]),
            ),
            vote(&[1, 2, 3]),
        ),
        (
            "a consenter that changes its log learns with one at a time",
            case(with(('d', new(5))), "abcd", led(ABC, &[(4, 'd', false)])),
            Step::Forget(4),
        ),
        (
            "what left is forgotten",
            case(both(), "ab", led(&[(1, 'a'), (2, 'b')], &[(3, 'c', true)])),
            Step::Forget(3),
        ),
        (
            "a log that learned and was lost again is forgotten",
            case(
                vec![('b', log(2)), ('c', log(3)), ('d', new(5))],
                "abcd",
                led(ABC, &[(4, 'd', false), (5, 'd', false)]),
            ),
            Step::Forget(4),
        ),
    ];
    for (name, case, verdict) in rows {
        assert_eq!(case.step(), verdict, "{name}");
    }
}

#[test]
fn a_change_that_was_begun_is_ended_first() {
    let log = |instance| standing(instance, Begun, 9, ABC);
    let mut led = led(ABC, &[]);
    let target = BTreeSet::from([1, 2]);
    led.as_mut().expect("led").changing_to = Some(target.clone());
    let case = Case { own: log(1), others: vec![('b', log(2)), ('c', log(3))], consenters: "abc", led };
    assert_eq!(case.step(), Step::Vote(target));
}

#[test]
fn blocks_are_taken_from_others_only_where_no_log_brings_them() {
    let others = || {
        let ahead = Standing { deliverable: BlockNumber(7), ..standing(2, Begun, 9, ABC) };
        vec![('b', ahead), ('c', standing(3, Begun, 4, ABC))]
    };
    let left = || vec![('b', standing(2, Beginning, 9, &[])), ('c', standing(3, Empty, 4, &[]))];
    let rows = [
        // name, where it stands, what the others say, up to which block, whether any block is believed
        ("without a log, what a majority signed", standing(1, Empty, 2, &[]), others(), Some(7), false),
        ("all is here", standing(1, Empty, 7, &[]), others(), None, false),
        ("told to begin, whatever is left", standing(1, Beginning, 2, &[]), left(), Some(9), true),
        ("told to begin what has begun", standing(1, Beginning, 2, &[]), others(), Some(7), false),
        ("with a log", standing(1, Begun, 2, ABC), others(), None, false),
    ];
    for (name, own, answers, verdict, is_any) in rows {
        let case = seen(own, answers, "abc");
        let found = case.view(|view| (view.behind(), view.is_beginning()));
        assert_eq!(found, (verdict.map(BlockNumber), is_any), "{name}");
    }
}

#[test]
fn whatever_is_lost_in_whatever_order_the_logs_that_vote_always_share_a_majority_with_those_before() {
    // A small model: three or four consenters lose their logs, come and go; a leader takes each step that it names.
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut draw = |bound: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % bound
    };
    for _ in 0..2_000 {
        let (mut voters, mut learner): (Vec<(u64, char)>, Option<(u64, char)>) = (ABC.to_vec(), None);
        let mut logs = BTreeMap::from([('a', 1), ('b', 2), ('c', 3), ('d', 4)]);
        let mut consenters = "abc";
        let mut next_log = 10;
        for _ in 0..30 {
            let letter = ['b', 'c', 'd'][usize::try_from(draw(3)).expect("small")];
            match draw(4) {
                0 => {
                    logs.insert(letter, next_log);
                    next_log += 1;
                }
                1 => consenters = ["abc", "abcd", "abd", "acd"][usize::try_from(draw(4)).expect("small")],
                _ => {}
            }
            let away = draw(6);
            let has_log = |instance: u64| voters.iter().any(|(voter, _)| *voter == instance);
            let state = |instance| if has_log(instance) { Begun } else { Empty };
            let others =
                logs.iter().filter(|(letter, _)| **letter != 'a' && away != u64::from(**letter as u8 - b'a'));
            let others: Vec<_> =
                others.map(|(letter, log)| (*letter, standing(*log, state(*log), 5, &voters))).collect();
            let learners: Vec<_> = learner.iter().map(|(log, letter)| (*log, *letter, true)).collect();
            let case = Case {
                own: standing(1, Begun, 5, &voters),
                others,
                consenters,
                led: led(&voters, &learners),
            };
            match case.step() {
                Step::Vote(next) => {
                    let kept = voters
                        .iter()
                        .filter(|(log, _)| next.contains(log) && logs.values().any(|it| it == log));
                    // Where one leaves for good, Raft's joint change carries what the majority of before holds.
                    let mut leaving = voters.iter().filter(|(log, _)| !next.contains(log));
                    let is_dismissed = leaving.any(|(_, letter)| !consenters.contains(*letter));
                    assert!(kept.count() >= majority(voters.len()) || is_dismissed, "{voters:?} {next:?}");
                    let known = voters.iter().chain(learner.iter()).copied();
                    voters = known.filter(|(log, _)| next.contains(log)).collect();
                    learner = learner.filter(|(log, _)| !next.contains(log));
                    assert_eq!(voters.len(), next.len(), "only known logs vote");
                }
                Step::Learn { instance, consenter } => {
                    let letter = *logs.keys().find(|letter| key(**letter) == consenter).expect("one of them");
                    learner = Some((instance, letter));
                }
                Step::Forget(log) => {
                    assert!(
                        !voters.iter().any(|(voter, _)| *voter == log),
                        "a log that votes is not forgotten"
                    );
                    learner = None;
                }
                Step::Nothing => {}
                Step::Stop(_) => break,
                other => panic!("{other:?}"),
            }
        }
    }
}
