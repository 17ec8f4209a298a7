//! Changes of identities against a sequential model: a map from key to status, and the rule of each change in a line.
#![allow(clippy::expect_used, reason = "tests")]

mod fixture;

use std::collections::BTreeMap;

use fixture::registry::{Person, call, claim, claim_after, honest, record, register, renew, revoke, writing};
use fixture::{Chain, Network, Tx};
use msp::SigningIdentity;
use proptest::prelude::*;
use protocol::{IdentityAction, IdentityStatus, Role, TxValidationCode};
use validation::StateReader as _;

/// Keys 0 to 2 are administrators, 0 registered from the beginning; 3 and 4 are users, registered by nobody.
const PEOPLE: usize = 5;
const ADMINISTRATORS: usize = 3;

#[derive(Clone, Copy, Debug)]
enum What {
    Register,
    Renew,
    Revoke,
    /// An ordinary transaction of that person.
    Act,
}

/// Somebody does something to somebody.
#[derive(Clone, Copy, Debug)]
struct Step {
    who: usize,
    what: What,
    whom: usize,
    /// Whether its endorser lies: it recorded no reads, and writes what was asked for whatever the rules say.
    lies: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let what = prop_oneof![Just(What::Register), Just(What::Renew), Just(What::Revoke), Just(What::Act)];
    (0..PEOPLE, what, 0..PEOPLE, any::<bool>()).prop_map(|(who, what, whom, lies)| Step {
        who,
        what,
        whom,
        lies,
    })
}

/// Whether the step is valid when it comes to be judged.
fn holds(step: Step, known: &BTreeMap<usize, IdentityStatus>) -> bool {
    let is_active = |who| known.get(&who) == Some(&IdentityStatus::Active);
    let may_change = is_active(step.who) && step.who < ADMINISTRATORS;
    match step.what {
        What::Act => is_active(step.who),
        What::Register => may_change && !known.contains_key(&step.whom),
        What::Renew => may_change && is_active(step.whom),
        What::Revoke => may_change && is_active(step.whom) && step.who != step.whom,
    }
}

struct Town {
    network: Network,
    people: Vec<SigningIdentity>,
}

fn town() -> &'static Town {
    static TOWN: std::sync::OnceLock<Town> = std::sync::OnceLock::new();
    TOWN.get_or_init(|| {
        let network = Network::new();
        let mut people = vec![];
        for number in 0..PEOPLE {
            let ou = if number < ADMINISTRATORS { "admin" } else { "client" };
            people.push(Person::new("HospitalA").identity(&network, ou));
        }
        Town { network, people }
    })
}

fn transaction<'a>(town: &'a Town, chain: &Chain, nonce: &str, step: Step) -> Tx<'a> {
    let (network, creator, whom) = (&town.network, &town.people[step.who], &town.people[step.whom]);
    let args = match step.what {
        What::Act => return Tx { creator, ..Tx::new(network, nonce, vec![]) },
        What::Register => register(&claim(IdentityAction::Register, whom, &[])),
        What::Renew => {
            // A proof is for the record as it stands.
            let record = chain.state.identity(whom.msp_id(), &whom.poi()).expect("readable");
            let changes = record.map_or(1, |record| record.changed_at.len() as u64);
            renew(&claim_after(IdentityAction::Renew, whom, &[], changes))
        }
        What::Revoke => revoke("HospitalA", &whom.poi()),
    };
    if !step.lies {
        return honest(network, chain, nonce, creator, args);
    }
    let role = if step.whom < ADMINISTRATORS { Role::Admin } else { Role::Client };
    let before = chain.state.identity(whom.msp_id(), &whom.poi()).expect("readable");
    let mut written = before.unwrap_or_else(|| record(whom, role, &[]));
    if matches!(step.what, What::Revoke) {
        written.status = IdentityStatus::Revoked;
    }
    call(network, nonce, creator, args, vec![writing(&written)])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn a_valid_change_is_one_that_the_model_allows(
        blocks in proptest::collection::vec(proptest::collection::vec(step(), 1..4), 1..6),
    ) {
        let town = town();
        let mut chain = Chain::new(&town.network);
        let first = &town.people[0];
        let admin = town.network.identity("HospitalA", "admin");
        let tx = honest(&town.network, &chain, "first", admin, register(&claim(IdentityAction::Register, first, &[])));
        let block = chain.validate(&town.network, vec![tx.envelope()]).expect("readable");
        prop_assert_eq!(block.codes(), &[TxValidationCode::Valid][..]);
        chain.commit(&block);
        let mut known = BTreeMap::from([(0, IdentityStatus::Active)]);
        for (number, steps) in blocks.iter().enumerate() {
            let mut envelopes = vec![];
            for (place, step) in steps.iter().enumerate() {
                envelopes.push(transaction(town, &chain, &format!("{number}/{place}"), *step).envelope());
            }
            let block = chain.validate(&town.network, envelopes).expect("readable");
            for (step, summary) in steps.iter().zip(block.transactions()) {
                let is_valid = summary.code.is_valid();
                // An honest endorser that saw an older state loses to the version check; it never wins against the rules.
                prop_assert!(!is_valid || holds(*step, &known), "{step:?} is VALID");
                if !is_valid {
                    continue;
                }
                match step.what {
                    What::Register => drop(known.insert(step.whom, IdentityStatus::Active)),
                    What::Revoke => drop(known.insert(step.whom, IdentityStatus::Revoked)),
                    What::Renew | What::Act => {}
                }
            }
            let alone = steps.len() == 1;
            let refused = block.transactions().iter().zip(steps).find(|(summary, _)| !summary.code.is_valid());
            if let (true, Some((summary, step))) = (alone, refused) {
                prop_assert!(!holds(*step, &known), "{step:?} is {}: {:?}", summary.code, summary.reason);
            }
            chain.commit(&block);
            for (who, person) in town.people.iter().enumerate() {
                let found = chain.state.identity(person.msp_id(), &person.poi()).expect("readable");
                prop_assert_eq!(found.map(|record| record.status), known.get(&who).copied());
            }
        }
    }
}
