//! What goes wrong in a world, and when: drawn from its seed before it begins.
//!
//! What does not come back by itself strikes a minority: one disk at most is lost in all, and one clock is wrong. A clock
//! that is far behind keeps its node from following, since it takes every block for one of the future, so a world has that
//! or a lost disk. All else may strike every node at once, and ends.

use std::fmt;

use crate::chance::Chance;
use crate::stage::Weather;

/// One change for the worse or the better.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// The weather changes.
    Weather(Weather),
    /// These two hear nothing of each other.
    Part(usize, usize),
    /// The second hears nothing of the first, which hears it.
    Deafen(usize, usize),
    /// A node is separated from all others and from the clients.
    Isolate(usize),
    /// Whoever leads is separated from the others.
    IsolateLeader,
    /// All are separated from all.
    Scatter,
    /// All hear all again.
    Heal,
    /// A process ends, and of a thousand batches that are not on its disk so many are.
    Crash(usize, u64),
    /// A process ends, and its disk is gone.
    LoseDisk(usize),
    /// What does not run is started again.
    Restart,
    /// The one wrong clock is so many milliseconds off.
    Clock(i64),
    /// The process that leads ends.
    CrashLeader,
}

/// The faults of a world, with the milliseconds between them.
pub struct Plan {
    /// Which clock is wrong.
    pub wrong_clock: usize,
    /// Pause and fault, in order.
    pub faults: Vec<(u64, Fault)>,
}

impl Plan {
    /// The plan of a seed for so many nodes.
    #[must_use]
    pub fn of(seed: u64, nodes: usize) -> Self {
        let chance = Chance::of(seed, "faults");
        let may_lose = chance.happens(400);
        let mut drawn = Drawn { nodes, may_lose, may_lag: !may_lose, chance, faults: Vec::new() };
        let wrong_clock = drawn.chance.place(nodes);
        for _ in 0..drawn.chance.between(4, 12) {
            drawn.one();
        }
        Self { wrong_clock, faults: drawn.faults }
    }
}

struct Drawn {
    chance: Chance,
    nodes: usize,
    /// Whether a disk may still be lost.
    may_lose: bool,
    /// Whether the wrong clock may be far behind.
    may_lag: bool,
    faults: Vec<(u64, Fault)>,
}

impl Drawn {
    fn one(&mut self) {
        let chance = self.chance.clone();
        let (node, other) = self.two();
        let kept = [0, 500, 1000][chance.place(3)];
        match chance.between(0, 11) {
            0 | 1 => self.add(Fault::Weather(weather(&chance))),
            2 => self.healed(Fault::Part(node, other)),
            3 => self.healed(Fault::Deafen(node, other)),
            4 => self.healed(Fault::Isolate(node)),
            5 => self.healed(Fault::IsolateLeader),
            6 => self.healed(Fault::Scatter),
            7 => self.restarted(Fault::Crash(node, kept)),
            8 => self.restarted(Fault::CrashLeader),
            9 => {
                // All of them, one after the other at once: power is lost in the whole building.
                for node in 0..self.nodes {
                    self.faults.push((0, Fault::Crash(node, kept)));
                }
                self.add(Fault::Restart);
            }
            10 if self.may_lose => {
                self.may_lose = false;
                self.restarted(Fault::LoseDisk(node));
            }
            _ => self.add(Fault::Clock(clock(&chance, self.may_lag))),
        }
    }

    fn two(&self) -> (usize, usize) {
        let node = self.chance.place(self.nodes);
        (node, (node + 1 + self.chance.place(self.nodes - 1)) % self.nodes)
    }

    fn add(&mut self, fault: Fault) {
        let pause = self.chance.between(50, 2_000);
        self.faults.push((pause, fault));
    }

    /// A separation, and its end.
    fn healed(&mut self, fault: Fault) {
        self.add(fault);
        let lasts = if self.chance.happens(200) { 8_000 } else { 2_500 };
        let lasts = self.chance.between(100, lasts);
        // What ends with it may begin before: a crash behind a partition.
        if self.chance.happens(250) {
            let node = self.chance.place(self.nodes);
            self.faults.push((lasts / 2, Fault::Crash(node, 0)));
            self.faults.push((lasts / 4, Fault::Restart));
        }
        self.faults.push((lasts, Fault::Heal));
    }

    fn restarted(&mut self, fault: Fault) {
        self.add(fault);
        let lasts = self.chance.between(0, 3_000);
        self.faults.push((lasts, Fault::Restart));
    }
}

fn weather(chance: &Chance) -> Weather {
    let of = |often: u64, most: u64| if chance.happens(often) { chance.between(1, most) } else { 0 };
    Weather { lost: of(500, 200), doubled: of(500, 200), late: of(400, 150) }
}

/// How wrong a clock is: a little, or by an hour or a day.
fn clock(chance: &Chance, may_lag: bool) -> i64 {
    const FAR_MS: [i64; 3] = [90_000, 3_600_000, 86_400_000];
    if chance.happens(400) {
        return i64::try_from(chance.between(0, 4_000)).unwrap_or_default() - 2_000;
    }
    let far_ms = FAR_MS[chance.place(FAR_MS.len())];
    if may_lag && chance.happens(500) { -far_ms } else { far_ms }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Weather(Weather { lost, doubled, late }) => {
                write!(f, "weather: {lost} lost, {doubled} doubled, {late} late of a thousand")
            }
            Self::Part(one, other) => write!(f, "{one} and {other} are parted"),
            Self::Deafen(one, other) => write!(f, "{other} hears nothing of {one}"),
            Self::Isolate(node) => write!(f, "{node} is isolated"),
            Self::IsolateLeader => f.write_str("the leader is isolated"),
            Self::Scatter => f.write_str("all are isolated"),
            Self::Heal => f.write_str("all hear all"),
            Self::Crash(node, kept) => {
                write!(f, "{node} crashes, {kept} of a thousand unsynced writes are kept")
            }
            Self::LoseDisk(node) => write!(f, "{node} loses its disk"),
            Self::Restart => f.write_str("all are started"),
            Self::Clock(off_ms) => write!(f, "the wrong clock is {off_ms} ms off"),
            Self::CrashLeader => f.write_str("the leader crashes"),
        }
    }
}
