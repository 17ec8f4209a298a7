//! What the nodes of a world share with whoever drives it: their disks, clocks and keys, the weather, the journal.
//!
//! A node's disk and clock lie here, so that they outlive its process.

use std::fmt::Arguments;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use configtx::ConfigBundle;
use orderer::simulated::{Channel, ConsenterKey};
use protocol::{Block, Digest};
use store::MemoryDisk;

use crate::chance::Chance;
use crate::journal::Journal;
use crate::world::{NOW_MS, World};

/// Simulated time begins here: certificates are valid by then.
pub const BEGIN_MS: u64 = NOW_MS + 60_000;
/// Where consenters listen.
pub const PORT: u16 = 7050;
/// A sync of a loaded disk takes up to so long, now and then.
const SYNC_MS_MAX: u64 = 12;

/// What the network does to messages, beyond what separates hosts: of a thousand messages, how many.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    /// Get lost, and the connection with them.
    pub lost: u64,
    /// Come twice.
    pub doubled: u64,
    /// Stay on their way for a second or so.
    pub late: u64,
}

/// A process of a node.
pub struct Process {
    /// Its channel.
    pub channel: Arc<Channel>,
    /// Why it gave up, if it did.
    pub lost: Option<String>,
}

/// One node.
pub struct Node {
    /// What the others know it by.
    pub key: ConsenterKey,
    /// How far its clock is from the true time, in milliseconds.
    pub clock_off_ms: AtomicI64,
    /// How often its process was started.
    pub starts: AtomicU64,
    disk: Mutex<MemoryDisk>,
    process: Mutex<Option<Process>>,
}

/// All of it.
pub struct Stage {
    /// Keys and certificates.
    pub world: World,
    /// The configuration with which the channel begins.
    pub bundle: Arc<ConfigBundle>,
    /// Its block.
    pub genesis: Block,
    /// The consenters, by number.
    pub nodes: Vec<Node>,
    /// What happened.
    pub journal: Journal,
    /// The network's chance.
    pub chance: Chance,
    weather: Mutex<Weather>,
    disks: Chance,
    elapsed_ms: AtomicU64,
    calls: AtomicU64,
}

impl Stage {
    /// A world of so many consenters, whose processes do not run yet.
    #[must_use]
    pub fn new(seed: u64, count: u16, is_printed: bool) -> Self {
        let ports: Vec<u16> = (0..count).map(|number| PORT + number).collect();
        let mut world = World::new(&ports);
        // In an order that does not depend on the keys that were drawn.
        for (place, consenter) in world.config.orderer.consenters.iter_mut().enumerate() {
            consenter.tls_spki = key_of(place);
        }
        let disks = Chance::of(seed, "disks");
        let node = |place| Node {
            key: key_of(place),
            clock_off_ms: AtomicI64::new(0),
            starts: AtomicU64::new(0),
            disk: Mutex::new(new_disk(&disks)),
            process: Mutex::new(None),
        };
        Self {
            bundle: Arc::new(world.bundle()),
            genesis: configtx::genesis_block(&world.config, NOW_MS),
            nodes: (0..usize::from(count)).map(node).collect(),
            world,
            journal: Journal::new(is_printed),
            chance: Chance::of(seed, "network"),
            weather: Mutex::default(),
            disks,
            elapsed_ms: AtomicU64::new(0),
            calls: AtomicU64::new(0),
        }
    }

    /// Milliseconds since the world began.
    pub fn now_ms(&self) -> u64 {
        let known = self.elapsed_ms.load(Ordering::Relaxed);
        turmoil::sim_elapsed().map_or(known, |now| u64::try_from(now.as_millis()).unwrap_or(known))
    }

    /// The time by a clock that is right, in milliseconds since 1970.
    pub fn true_ms(&self) -> u64 {
        BEGIN_MS + self.now_ms()
    }

    /// Says between two steps how far time has come.
    pub fn advance_to(&self, elapsed_ms: u64) {
        self.elapsed_ms.store(elapsed_ms, Ordering::Relaxed);
    }

    /// The time by a node's clock.
    pub fn clock_ms(&self, node: usize) -> u64 {
        self.true_ms().saturating_add_signed(self.nodes[node].clock_off_ms.load(Ordering::Relaxed))
    }

    /// Notes an event at this moment.
    pub fn note(&self, event: Arguments<'_>) {
        self.journal.note(self.now_ms(), event);
    }

    /// A number that no other call has.
    pub fn next_call(&self) -> u64 {
        self.calls.fetch_add(1, Ordering::Relaxed)
    }

    /// The weather now.
    pub fn weather(&self) -> Weather {
        *lock(&self.weather)
    }

    /// Changes the weather.
    pub fn set_weather(&self, weather: Weather) {
        *lock(&self.weather) = weather;
    }

    /// The node with that TLS key.
    pub fn place_of(&self, key: ConsenterKey) -> Option<usize> {
        self.nodes.iter().position(|node| node.key == key)
    }

    /// Puts an empty disk in place of a node's.
    pub fn lose_disk(&self, node: usize) {
        *lock(&self.nodes[node].disk) = new_disk(&self.disks);
    }
}

impl Node {
    /// Its disk.
    pub fn disk(&self) -> MemoryDisk {
        lock(&self.disk).clone()
    }

    /// Its process, if it runs.
    pub fn process(&self) -> MutexGuard<'_, Option<Process>> {
        lock(&self.process)
    }

    /// Its channel, if it runs.
    pub fn channel(&self) -> Option<Arc<Channel>> {
        self.process().as_ref().map(|process| Arc::clone(&process.channel))
    }
}

fn key_of(place: usize) -> Digest {
    Digest([u8::try_from(place + 1).unwrap_or(u8::MAX); 32])
}

fn new_disk(chance: &Chance) -> MemoryDisk {
    let chance = chance.clone();
    // Mostly idle, sometimes loaded.
    MemoryDisk::new(move || if chance.happens(150) { chance.wait(1, SYNC_MS_MAX) } else { chance.wait(0, 1) })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
