//! What goes wrong in each round, drawn from a seed alone: a deck of all kinds of faults is shuffled and dealt out, so that
//! no kind is left out of ten rounds.

use std::time::Duration;

use testnet::{Hospital, Node};

/// Rounds that get a second fault besides the first: every third.
const SECOND_EVERY: usize = 3;
/// A fault lasts between these.
const LASTS_MS: std::ops::Range<u64> = 1_500..4_500;
/// How far a clock jumps, seconds. Back by less than certificates are dated back (five minutes); ahead by more than a
/// consenter lets a block be ahead (one minute).
const JUMPS_S: [i64; 6] = [-240, -100, -20, 20, 100, 900];

/// How far all clocks jump ahead in a round in which nodes are killed or stand still.
const JUMP_WITH_ABSENCE_S_MAX: i64 = 20;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// One orderer is killed.
    KillOrderer,
    /// The orderer that leads is killed.
    KillLeader,
    /// One peer is killed, or both.
    KillPeers,
    /// Every node is killed, as when the power fails.
    KillAll,
    /// A node stands still.
    Pause,
    /// One orderer hears and is heard by no other node.
    PartMinority,
    /// The leader is alone, and the two others are a majority without it.
    PartLeader,
    /// Nobody hears anybody.
    PartAll,
    /// One peer stays with one orderer, the other peer with two.
    PartHalves,
    /// A node is heard by others, and hears none of them.
    OneWay,
    /// A node's packets come 200 ms later.
    Delay,
    /// A node loses ten of a hundred packets.
    Loss,
    /// The clock of one node jumps, and back again.
    ClockOfOne,
    /// The clocks of all nodes jump together, and back again.
    ClockOfAll,
}

/// All kinds.
pub(super) const KINDS: [Kind; 14] = [
    Kind::KillOrderer,
    Kind::KillLeader,
    Kind::KillPeers,
    Kind::KillAll,
    Kind::Pause,
    Kind::PartMinority,
    Kind::PartLeader,
    Kind::PartAll,
    Kind::PartHalves,
    Kind::OneWay,
    Kind::Delay,
    Kind::Loss,
    Kind::ClockOfOne,
    Kind::ClockOfAll,
];

/// What can be said of a fault only once it happens is left open here: which orderer leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) kind: Kind,
    /// The node that suffers, where one does.
    pub(super) node: Node,
    /// Whether both peers are meant, where peers are.
    pub(super) both: bool,
    /// How far clocks jump.
    pub(super) jump_s: i64,
}

/// One round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Round {
    pub(super) faults: Vec<Fault>,
    pub(super) lasts: Duration,
}

/// The rounds of a seed.
pub(super) fn rounds(seed: u64, count: usize) -> Vec<Round> {
    let (mut drawn, mut deck) = (Drawn(seed), Vec::new());
    let round = |number: usize| {
        let first = deal(&mut deck, &mut drawn, |_| true);
        let mut faults = vec![fault(first, &mut drawn)];
        if number % SECOND_EVERY == 1 {
            // A process that was killed cannot stand still, and two partitions are one.
            let second = deal(&mut deck, &mut drawn, |kind| group(kind) != group(first));
            faults.push(fault(second, &mut drawn));
        }
        limit_jumps(&mut faults);
        let lasts_ms = LASTS_MS.start + drawn.below(LASTS_MS.end - LASTS_MS.start);
        Round { faults, lasts: Duration::from_millis(lasts_ms) }
    };
    (0..count).map(round).collect()
}

/// A consenter that is down or stands still while all clocks are over a minute ahead cannot tell their blocks from a thief's
/// until its own clock is there: such a round asks for less.
fn limit_jumps(faults: &mut [Fault]) {
    if faults.iter().any(|fault| group(fault.kind) == 0) {
        for fault in faults.iter_mut().filter(|fault| fault.kind == Kind::ClockOfAll) {
            fault.jump_s = fault.jump_s.min(JUMP_WITH_ABSENCE_S_MAX);
        }
    }
}

/// What a fault concerns; two of one group exclude each other in a round.
fn group(kind: Kind) -> u8 {
    match kind {
        Kind::KillOrderer | Kind::KillLeader | Kind::KillPeers | Kind::KillAll | Kind::Pause => 0,
        Kind::PartMinority | Kind::PartLeader | Kind::PartAll | Kind::PartHalves | Kind::OneWay => 1,
        Kind::Delay | Kind::Loss => 2,
        Kind::ClockOfOne | Kind::ClockOfAll => 3,
    }
}

/// The topmost card that is allowed; an empty deck is filled and shuffled.
fn deal(deck: &mut Vec<Kind>, drawn: &mut Drawn, is_allowed: impl Fn(Kind) -> bool) -> Kind {
    loop {
        if let Some(place) = deck.iter().position(|kind| is_allowed(*kind)) {
            return deck.remove(place);
        }
        let mut fresh = KINDS.to_vec();
        while !fresh.is_empty() {
            let place = usize::try_from(drawn.below(fresh.len() as u64)).unwrap_or_default();
            deck.push(fresh.swap_remove(place));
        }
    }
}

fn fault(kind: Kind, drawn: &mut Drawn) -> Fault {
    let orderers = Hospital::ALL.map(Node::Orderer);
    let peers = [Node::Peer(Hospital::A), Node::Peer(Hospital::B)];
    let all = [&orderers[..], &peers].concat();
    let from: &[Node] = match kind {
        Kind::KillOrderer | Kind::PartMinority => &orderers,
        Kind::KillPeers => &peers,
        _ => &all,
    };
    let node = drawn.one_of(from);
    Fault { kind, node, both: drawn.below(2) == 0, jump_s: drawn.one_of(&JUMPS_S) }
}

/// SplitMix64.
struct Drawn(u64);

impl Drawn {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    fn one_of<T: Copy>(&mut self, choice: &[T]) -> T {
        let place = usize::try_from(self.below(choice.len() as u64)).unwrap_or_default();
        choice[place]
    }
}

#[test]
fn a_seed_names_its_rounds_and_twelve_rounds_hold_every_kind() {
    assert_eq!(rounds(7, 40), rounds(7, 40));
    assert_ne!(rounds(7, 40), rounds(8, 40));
    assert_eq!(rounds(7, 40)[..10], rounds(7, 10), "more rounds begin with the same");
    for seed in 0..50 {
        let first: Vec<Round> = rounds(seed, 12);
        let dealt: std::collections::BTreeSet<Kind> =
            first.iter().flat_map(|round| &round.faults).map(|fault| fault.kind).collect();
        assert_eq!(dealt.len(), KINDS.len(), "seed {seed} leaves out some of {KINDS:?}: {dealt:?}");
        for round in &first {
            let groups: std::collections::BTreeSet<u8> =
                round.faults.iter().map(|fault| group(fault.kind)).collect();
            assert_eq!(groups.len(), round.faults.len(), "seed {seed}: {round:?}");
            assert!((1_500..4_500).contains(&round.lasts.as_millis()), "{round:?}");
        }
    }
}
