//! A stolen key forges a block: it leads, and proposes blocks that are none; it signs headers that nobody applied.
//!
//! Consensus orders what a leader proposes, and every consenter judges it when it is applied: the same ones are dropped
//! everywhere, and are in no chain. One signature makes no block: what the thief signs alone leaves no node. Whether a
//! creator signed an envelope is judged by every peer, and by a consenter only when it admits it: a leader may order one
//! that nobody signed, and no peer takes it for valid. More the thief does not gain.

use anyhow::{Context as _, ensure};
use orderer::simulated::Applied;
use protocol::{Block, BlockHash, Digest};

use super::Thief;
use crate::scenes::{BEGIN_MS_MAX, WHOLE_MS_MAX};
use crate::theatre::Theatre;

/// A change that makes a block none, and what is said of it.
type Forgery = (&'static str, fn(&mut Block), &'static str);

const FORGERIES: [Forgery; 5] = [
    ("an envelope that is none", spoil_envelope, "envelope"),
    ("a header over other envelopes", |block| block.header.data_hash = Digest([7; 32]), "data"),
    ("a block on another chain", |block| block.header.previous_hash = BlockHash([7; 32]), "hash before"),
    ("a block of a number to come", |block| block.header.number = block.header.number.next(), "due"),
    ("a proof that was not asked for", |block| block.header.proof.difficulty_bits = 9, "sealed"),
];

fn spoil_envelope(block: &mut Block) {
    block.envelopes[0] = block.envelopes[0].slice(1..);
    block.header.data_hash = protocol::data_hash(&block.envelopes);
}

/// Plays it.
///
/// # Errors
/// What does not hold.
pub fn play(theatre: &mut Theatre, _seed: u64) -> anyhow::Result<()> {
    for (place, (what, spoil, said)) in FORGERIES.into_iter().enumerate() {
        theatre.until("a quiet cluster", WHOLE_MS_MAX, Theatre::is_quiet)?;
        let stolen = theatre.leader().context("somebody leads")?;
        let thief = Thief::new(theatre.stage.clone(), stolen, theatre.channel(stolen)?);
        let (before, clock_ms) = (theatre.checks.last(), theatre.stage.true_ms());
        // No client sends it: a chain that holds it fails the checks.
        let envelope = theatre.stage.world.envelope(0, 10_000);
        let mut block = thief.block(vec![envelope], clock_ms);
        spoil(&mut block);
        let (outcome, given) = theatre.part(what, BEGIN_MS_MAX, async move {
            let outcome = thief.propose(&block).await;
            thief.give(&thief.share(&block.header)?).await?;
            let mut given = Vec::new();
            for other in thief.others() {
                given.extend(thief.blocks_of(other, before.next()).await?);
            }
            Ok((outcome, given))
        })?;
        let text = format!("{outcome:?}");
        ensure!(matches!(outcome, Some(Applied::Dropped(_))), "forgery {place}, {what}, became {text}");
        ensure!(text.contains(said), "forgery {place}, {what}, is refused otherwise: {text}");
        ensure!(given.is_empty() && theatre.checks.last() == before, "{what} is in a chain");
    }
    theatre.mend();
    theatre.until("a whole cluster", WHOLE_MS_MAX, Theatre::is_whole)
}
