//! A stolen key signs two blocks of one height: it leads, proposes both, and gives its signature of the second to all.
//!
//! The log has one order: the first is the block of that height everywhere, the second is dropped everywhere, and a
//! signature of it counts nowhere, since nobody else signs what was not applied.

use anyhow::{Context as _, ensure};
use orderer::simulated::Applied;

use super::Thief;
use crate::scenes::{BEGIN_MS_MAX, WHOLE_MS_MAX};
use crate::theatre::Theatre;

/// Plays it.
///
/// # Errors
/// What does not hold.
pub fn play(theatre: &mut Theatre, _seed: u64) -> anyhow::Result<()> {
    theatre.until("a quiet cluster", WHOLE_MS_MAX, Theatre::is_quiet)?;
    let stolen = theatre.leader().context("somebody leads")?;
    let thief = Thief::new(theatre.stage.clone(), stolen, theatre.channel(stolen)?);
    let clock_ms = theatre.stage.true_ms();
    let first = thief.block(vec![theatre.expect(10_000)], clock_ms);
    // No client sends it: a chain that holds it fails the checks.
    let second = thief.block(vec![theatre.stage.world.envelope(1, 10_001)], clock_ms);
    let number = first.header.number;
    ensure!(
        second.header.number == number && second.header.hash() != first.header.hash(),
        "two of one height"
    );
    let (shown, refused) = (second.header.clone(), second.header.hash());
    let outcomes = theatre.part("two blocks of one height", BEGIN_MS_MAX, async move {
        let early = thief.share(&shown)?;
        thief.give(&early).await?;
        let first = thief.propose(&first).await;
        let second = thief.propose(&second).await;
        thief.give(&early).await?;
        Ok((first, second))
    })?;
    ensure!(outcomes.0 == Some(Applied::Block(number)), "the first became {:?}", outcomes.0);
    ensure!(matches!(outcomes.1, Some(Applied::Dropped(_))), "the second became {:?}", outcomes.1);
    theatre.until("the first on all nodes", WHOLE_MS_MAX, Theatre::is_quiet)?;
    for node in 0..theatre.stage.nodes.len() {
        let hash = theatre.channel(node)?.chain.block_hash(number)?;
        ensure!(hash.is_some() && hash != Some(refused), "node {node} has no block {number}, or the second");
    }
    theatre.mend();
    theatre.until("a whole cluster", WHOLE_MS_MAX, Theatre::is_whole)
}
