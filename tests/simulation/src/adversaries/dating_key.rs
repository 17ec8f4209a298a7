//! A stolen key dates blocks: the leader's key proposes a block of the next hour.
//!
//! Every consenter refuses it before it is appended, so no majority has it, and it is nobody's block: not while the thief
//! leads, nor under the next leader. The others hear nothing else of a leader that insists, and elect another one. What the
//! thief gains is an election; with its consenter off the network the others go on.

use anyhow::{Context as _, ensure};

use super::Thief;
use crate::faults::Fault;
use crate::scenes::{BEGIN_MS_MAX, WHOLE_MS_MAX};
use crate::theatre::Theatre;

const HOUR_MS: u64 = 3_600_000;

/// Plays it.
///
/// # Errors
/// What does not hold.
pub fn play(theatre: &mut Theatre, _seed: u64) -> anyhow::Result<()> {
    theatre.until("a quiet cluster", WHOLE_MS_MAX, Theatre::is_quiet)?;
    let stolen = theatre.leader().context("somebody leads")?;
    let thief = Thief::new(theatre.stage.clone(), stolen, theatre.channel(stolen)?);
    let before = theatre.checks.last();
    let envelope = theatre.expect(10_000);
    let clock_ms = theatre.stage.true_ms() + HOUR_MS;
    let outcome = theatre.part("a proposal of the next hour", BEGIN_MS_MAX, async move {
        Ok(thief.propose(&thief.block(vec![envelope], clock_ms)).await)
    })?;
    ensure!(outcome.is_none(), "the block of the next hour became {outcome:?}");
    theatre.pass(5_000)?;
    ensure!(theatre.checks.last() == before, "a block was applied");
    // Whoever runs the network takes the consenter off it.
    theatre.load.over();
    theatre.fault(Fault::Isolate(stolen));
    theatre.until("a cluster without the stolen key", WHOLE_MS_MAX, |it| it.serves_without(stolen))?;
    theatre.mend();
    theatre.until("a whole cluster", WHOLE_MS_MAX, Theatre::is_whole)
}
