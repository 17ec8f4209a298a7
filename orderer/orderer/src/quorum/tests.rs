//! Who may come and go while who is reached: one row a rule. Consenters are letters; whoever is away is not among those that
//! are reached; an upper-case letter answers with another log than the one that votes.

use super::*;
use crate::world::World;

struct Case {
    before: &'static str,
    after: &'static str,
    voters: &'static str,
    reached: &'static str,
    /// Organisations that the update takes out too.
    expelled: &'static str,
}

fn case(before: &'static str, after: &'static str, voters: &'static str, reached: &'static str) -> Case {
    Case { before, after, voters, reached, expelled: "" }
}

fn place(letter: char) -> usize {
    usize::from(letter.to_ascii_lowercase() as u8 - b'a')
}

impl Case {
    fn verdict(&self, world: &World) -> Result<(), String> {
        let consenter = |letter: char| world.config.orderer.consenters[place(letter)].clone();
        let mut before = world.config.clone();
        before.orderer.consenters = self.before.chars().map(consenter).collect();
        let mut after = before.clone();
        after.orderer.consenters = self.after.chars().map(consenter).collect();
        let expelled: Vec<_> = self.expelled.chars().map(|letter| consenter(letter).msp_id).collect();
        after.organizations.retain(|org| !expelled.contains(&org.msp.msp_id));
        let log = |letter: char| place(letter) as u64 + if letter.is_uppercase() { 100 } else { 1 };
        let key = |letter: char| consenter(letter).tls_spki;
        let voters: Vec<_> = self.voters.chars().map(|letter| (log(letter), key(letter))).collect();
        let logs = self.reached.chars().map(|letter| (key(letter), log(letter))).collect();
        Seen { before: &before, after: &after, voters: &voters, logs: &logs }.judge()
    }
}

#[test]
fn an_update_is_taken_only_where_both_majorities_outlive_it() {
    let world = World::new(&[7050, 7051, 7052, 7053, 7054]);
    let taken = "";
    let rows = [
        // name, before, after, voters, reached; a part of the refusal
        ("one comes", case("abc", "abcd", "abc", "abcd"), taken),
        ("it is not there", case("abc", "abcd", "abc", "abc"), taken),
        ("it is not there, and another is away", case("abc", "abcd", "abc", "ab"), "3 of 4 consenters"),
        (
            "one of four leaves while two are away",
            case("abcd", "abc", "abcd", "ab"),
            "3 of 4 consenters have to sign the block of this update",
        ),
        ("one leaves", case("abc", "ab", "abc", "abc"), taken),
        ("one leaves who is away", case("abc", "ab", "abc", "ab"), taken),
        ("one for another who is away", case("abc", "abd", "abc", "abd"), taken),
        ("and the new one is not there", case("abc", "abd", "abc", "ab"), taken),
        (
            "one for another, and another one is away",
            case("abc", "bcd", "abc", "abd"),
            "2 of the 3 logs that vote now have to agree",
        ),
        (
            "one for another, and another one has lost its log",
            case("abc", "bcd", "abc", "abCd"),
            "Not reached, without its log, or on its way out: Org1MSP at",
        ),
        (
            "one of four leaves while another is away",
            case("abcd", "abc", "abcd", "abd"),
            "3 of the 4 logs that vote now have to agree",
        ),
        ("one of four leaves", case("abcd", "abc", "abcd", "abcd"), taken),
        ("one of two leaves and is there", case("ab", "a", "ab", "ab"), taken),
        ("one of two leaves and is away", case("ab", "a", "ab", "a"), "2 of 2 consenters have to sign"),
        (
            "one of two leaves with its organisation",
            Case { expelled: "b", ..case("ab", "a", "ab", "ab") },
            "an organisation stays until its consenter has left",
        ),
        (
            "one of three leaves with its organisation",
            Case { expelled: "c", ..case("abc", "ab", "abc", "abc") },
            taken,
        ),
        ("the only one for another", case("a", "b", "a", "ab"), taken),
        ("the only one for another that is not there", case("a", "b", "a", "a"), "1 of 1 consenters"),
        (
            "the one that came does not vote yet",
            case("abcd", "abcde", "abc", "abcde"),
            "this consenter does not vote yet: Org4MSP at",
        ),
        ("it is taken back", case("abcd", "abc", "abc", "abc"), taken),
        ("one for another is taken back", case("abd", "abc", "abc", "ab"), taken),
        ("one that left votes still", case("abc", "ab", "abcd", "abcd"), "whoever it took away votes still"),
    ];
    for (name, case, part) in rows {
        match case.verdict(&world) {
            Ok(()) => assert_eq!(part, taken, "{name}: taken"),
            Err(text) => assert!(part != taken && text.contains(part), "{name}: {text}"),
        }
    }
}

#[test]
fn an_organisation_stays_until_the_log_of_its_consenter_has_left() {
    let world = World::new(&[7050, 7051, 7052]);
    let mut after = world.config.clone();
    assert!(!is_narrowed(&world.config, &after));
    after.orderer.batch.max_message_count += 1;
    assert!(!is_narrowed(&world.config, &after), "another change");
    let gone = after.organizations.remove(1);
    assert!(is_narrowed(&world.config, &after), "an organisation less");
    after.organizations.push(gone);
    assert!(!is_narrowed(&world.config, &after), "another order");
    after.organizations[0].msp.tls_root_certs.clear();
    assert!(is_narrowed(&world.config, &after), "a CA less");
}

#[test]
fn a_key_that_cannot_be_changed_in_place_is_told_so() {
    let world = World::new(&[7050, 7051]);
    let mut after = world.config.clone();
    after.orderer.consenters[1].tls_spki = protocol::Digest([9; 32]);
    let [first, second] = [0, 1].map(|place| world.config.orderer.consenters[place].tls_spki);
    let (voters, logs) = ([(1, first), (2, second)], BTreeMap::from([(first, 1), (second, 2)]));
    let seen = Seen { before: &world.config, after: &after, voters: &voters, logs: &logs };
    let text = seen.judge().expect_err("refused");
    assert!(text.contains("renewed with the key that it has needs no update"), "{text}");
}
