//! What can be played: the world of a seed, and the adversaries by name.

use std::sync::atomic::Ordering;

use crate::adversaries;
use crate::chance::Chance;
use crate::clients::Load;
use crate::faults::{Fault, Plan};
use crate::stage::Stage;
use crate::theatre::Theatre;

/// Transactions of a world, and how many of them are sent when its faults are over.
const TRANSACTIONS: u64 = 44;
const KEPT_BACK: u64 = 8;
/// Clocks that are right differ by so many milliseconds.
const RIGHT_MS: u64 = 40;
/// How long a channel may take to begin, and to be whole again after all faults.
pub const BEGIN_MS_MAX: u64 = 20_000;
/// A call that hangs at a separated host ends with the keepalive (15 s), a change of logs after 10 s, an envelope's attempt
/// after 10 s; each may come once behind the other.
pub const WHOLE_MS_MAX: u64 = 90_000;

/// A scene: what happens in a theatre, and what must come of it.
pub type Scene = fn(&mut Theatre, u64) -> anyhow::Result<()>;

/// The scenes by name.
pub const SCENES: [(&str, Scene); 5] = [
    ("seed", faults),
    ("the-clock-of-the-leader-runs-an-hour-ahead", adversaries::clock_ahead::play),
    ("a-stolen-key-dates-blocks", adversaries::dating_key::play),
    ("a-stolen-key-forges-a-block", adversaries::forging_key::play),
    ("a-stolen-key-signs-two-blocks-of-one-height", adversaries::equivocating_key::play),
];

/// Plays a scene; returns its last line.
///
/// # Errors
/// What does not hold, and when; a name that no scene has.
pub fn play(name: &str, seed: u64, is_printed: bool) -> anyhow::Result<String> {
    let scene = SCENES.iter().find(|(known, _)| *known == name).map(|(_, scene)| scene);
    let scene = scene.ok_or_else(|| {
        anyhow::anyhow!("no scene is called {name}; there are {:?}", SCENES.map(|(name, _)| name))
    })?;
    // Five consenters now and then, else three.
    let nodes = if name == "seed" && seed % 10 == 9 { 5 } else { 3 };
    let stage = Stage::new(seed, nodes, is_printed);
    let chance = Chance::of(seed, "clocks");
    for node in &stage.nodes {
        let off_ms = i64::try_from(chance.between(0, RIGHT_MS))? - 20;
        node.clock_off_ms.store(off_ms, Ordering::Relaxed);
    }
    let mut theatre = Theatre::new(stage, seed, Load::new(TRANSACTIONS, KEPT_BACK));
    scene(&mut theatre, seed)?;
    let (digest, events) = theatre.digest();
    let (blocks, now_ms) = (theatre.checks.last(), theatre.stage.now_ms());
    Ok(format!("{name} {seed}: {blocks} blocks, {events} events, {now_ms} ms, digest {digest}"))
}

/// All faults of a seed, and the end of them.
fn faults(theatre: &mut Theatre, seed: u64) -> anyhow::Result<()> {
    let plan = Plan::of(seed, theatre.stage.nodes.len());
    theatre.wrong_clock = plan.wrong_clock;
    theatre.until("the first block", BEGIN_MS_MAX, |it| it.checks.last().0 > 0)?;
    for (pause_ms, fault) in plan.faults {
        theatre.pass(pause_ms)?;
        theatre.fault(fault);
    }
    // One wrong clock harms nothing; its own node follows when it is set right.
    theatre.mend();
    theatre.until("a cluster that serves after all faults", WHOLE_MS_MAX, Theatre::serves)?;
    theatre.fault(Fault::Clock(0));
    theatre.until("a whole cluster", WHOLE_MS_MAX, Theatre::is_whole)
}
