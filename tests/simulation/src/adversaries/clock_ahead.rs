//! The leader's clock runs an hour ahead.
//!
//! Blocks are dated by the median of the consenters' clocks, so they go on to be dated right, whoever leads; envelopes are
//! ordered as before, and the node with the wrong clock takes part.

use anyhow::{Context as _, ensure};

use crate::faults::Fault;
use crate::scenes::{BEGIN_MS_MAX, WHOLE_MS_MAX};
use crate::theatre::Theatre;

const HOUR_MS: i64 = 3_600_000;
/// How far behind the true time the last block may be dated while clients send: what they pause, and an election.
const BEHIND_MS_MAX: u64 = 5_000;

/// Plays it.
///
/// # Errors
/// What does not hold.
pub fn play(theatre: &mut Theatre, _seed: u64) -> anyhow::Result<()> {
    theatre.until("the first block", BEGIN_MS_MAX, |it| it.checks.last().0 > 0)?;
    theatre.wrong_clock = theatre.leader().context("somebody leads")?;
    theatre.fault(Fault::Clock(HOUR_MS));
    for fault in
        [None, Some(Fault::CrashLeader), Some(Fault::Restart), Some(Fault::IsolateLeader), Some(Fault::Heal)]
    {
        if let Some(fault) = fault {
            theatre.fault(fault);
        }
        let before = theatre.checks.last();
        theatre.until("two more blocks", BEGIN_MS_MAX, |it| it.checks.last().0 > before.0 + 1)?;
        // That none is ahead is checked at every block.
        let behind_ms = theatre.stage.true_ms().saturating_sub(theatre.checks.last_ms());
        ensure!(behind_ms < BEHIND_MS_MAX, "the last block is dated {behind_ms} ms before the true time");
    }
    theatre.mend();
    theatre.until("a whole cluster with that clock", WHOLE_MS_MAX, Theatre::is_whole)
}
