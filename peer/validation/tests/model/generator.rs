//! Random blocks: what is in them, as plans that the model runs and the fixture signs.

use std::collections::{BTreeMap, BTreeSet};

use msp::SigningIdentity;
use proptest::prelude::*;

use crate::fixture::{HOSPITALS, Network};

/// One of the fixture's people and nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Person {
    pub hospital: usize,
    pub name: &'static str,
}

impl Person {
    pub fn of(self, network: &Network) -> &SigningIdentity {
        network.identity(HOSPITALS[self.hospital], self.name)
    }
}

/// What an envelope is worth by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Sound,
    /// No envelope at all.
    Junk,
    /// Signed by somebody else than the creator.
    Forged,
    /// Signed well, with a result that is no read-write set.
    BadRwset,
}

/// What a transaction does in one namespace, to keys `k0` to `k5`.
#[derive(Clone, Debug, Default)]
pub struct Touch {
    pub reads: BTreeSet<u8>,
    pub scan: Option<(u8, u8)>,
    /// Key and value; `None` deletes.
    pub writes: BTreeMap<u8, Option<u8>>,
}

/// One transaction.
#[derive(Clone, Debug)]
pub struct Step {
    pub form: Form,
    pub creator: Person,
    /// A nonce that other transactions may use too; `None` for one of its own.
    pub nonce: Option<u8>,
    pub chaincode: &'static str,
    pub is_current_version: bool,
    pub endorsers: Vec<Person>,
    /// In `basic` and in `either`.
    pub touches: [Touch; 2],
    /// How many blocks old the simulated state is.
    pub staleness: usize,
}

/// One block, and what happened before it.
#[derive(Clone, Debug)]
pub struct BlockPlan {
    /// Somebody who is revoked (`true`) or active again.
    pub status: Option<(Person, bool)>,
    pub steps: Vec<Step>,
}

fn key() -> std::ops::Range<u8> {
    0..6_u8
}

fn touch(writes: impl Strategy<Value = usize> + 'static) -> impl Strategy<Value = Touch> {
    let write = (key(), proptest::option::weighted(0.7, any::<u8>()));
    (
        proptest::collection::btree_set(key(), 0..3),
        proptest::option::weighted(0.5, (key(), 0..8_u8)),
        writes.prop_flat_map(move |count| proptest::collection::vec(write.clone(), count)),
    )
        .prop_map(|(reads, scan, writes)| Touch { reads, scan, writes: writes.into_iter().collect() })
}

fn person(names: &'static [&'static str]) -> impl Strategy<Value = Person> {
    (0..HOSPITALS.len(), proptest::sample::select(names))
        .prop_map(|(hospital, name)| Person { hospital, name })
}

fn creator() -> impl Strategy<Value = Person> {
    prop_oneof![12 => person(&["user"]), 1 => person(&["stranger"])]
}

/// Peers of two hospitals or more most of the time; now and then one, none, or somebody who is no peer.
fn endorsers() -> impl Strategy<Value = Vec<Person>> {
    let peer = |hospital| Person { hospital, name: "peer0" };
    prop_oneof![
        6 => Just(vec![peer(0), peer(1)]),
        2 => Just(vec![peer(2), peer(0), peer(1)]),
        2 => Just(vec![peer(1), peer(2)]),
        1 => Just(vec![peer(0), peer(0)]),
        1 => proptest::collection::vec(person(&["peer0", "user", "stranger"]), 0..3),
    ]
}

fn form() -> impl Strategy<Value = Form> {
    prop_oneof![20 => Just(Form::Sound), 1 => Just(Form::Junk), 1 => Just(Form::Forged), 1 => Just(Form::BadRwset)]
}

fn step() -> impl Strategy<Value = Step> {
    let chaincode = prop_oneof![12 => Just("basic"), 6 => Just("either"), 1 => Just("absent")];
    let own = || touch(0..3_usize);
    let foreign = || touch(prop_oneof![25 => Just(0_usize), 1 => Just(1)]);
    let nonce = proptest::option::weighted(0.12, 0..6_u8);
    let version = proptest::bool::weighted(0.96);
    (form(), creator(), nonce, chaincode, version, endorsers(), (own(), foreign(), any::<bool>()), 0..4_usize)
        .prop_map(
            |(
                form,
                creator,
                nonce,
                chaincode,
                is_current_version,
                endorsers,
                (own, foreign, reads_both),
                staleness,
            )| {
                let foreign = if reads_both { foreign } else { Touch::default() };
                let touches = if chaincode == "either" { [foreign, own] } else { [own, foreign] };
                Step { form, creator, nonce, chaincode, is_current_version, endorsers, touches, staleness }
            },
        )
}

/// A block of at most four transactions.
pub fn block() -> impl Strategy<Value = BlockPlan> {
    let status = (person(&["user", "peer0"]), proptest::bool::weighted(0.4));
    (proptest::option::weighted(0.2, status), proptest::collection::vec(step(), 0..5))
        .prop_map(|(status, steps)| BlockPlan { status, steps })
}
