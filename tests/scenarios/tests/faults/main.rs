//! Rounds of faults: three orderers and two peers as real processes, each in a network namespace, with a clock and a disk of
//! its own, while clients write throughout.
//!
//! In each round one or two faults happen for some seconds: nodes are killed or stand still, links are cut, late or lossy,
//! clocks jump. Then all is undone, and the network must come to rest by itself: every orderer and peer at one
//! height, peers with one commit hash. At the end every ledger is read: what was acknowledged as VALID is on every peer
//! exactly once. Only what was killed here is started again here.
//!
//! Ten rounds, or 200 with `CONSILIUM_LONG`; `CONSILIUM_FAULTS_SEED` and `CONSILIUM_FAULTS_ROUNDS` repeat what failed.

mod checking;
mod clients;
mod injecting;
mod journal;
mod schedule;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use testnet::{Hospital, Network, NetworkOptions, User, missing_for_faults};

use clients::Writing;
use injecting::Damage;
use journal::Journal;
use schedule::Round;

/// From the end of the faults until everything is as before.
const HEALED_WITHIN: Duration = Duration::from_secs(60);
/// Rounds that one network lives through; then its ledgers are read and another is started, with rounds of its own.
const ROUNDS_A_NETWORK: usize = 20;
/// Of a line of a node's log; a failed call of the consensus shows whole messages.
const LOG_CHARS_SHOWN: usize = 400;
/// Of the first network; the later ones take the numbers that follow.
const SEED: u64 = 1;
/// More than the reserve that a node keeps free, and far more than the ledger of one network takes.
const DISK_BYTES: u64 = 1 << 30;

#[test]
fn what_is_acknowledged_survives_rounds_of_faults_and_no_node_needs_a_hand() -> Result<()> {
    if let Some(reason) = missing_for_faults() {
        println!("SKIPPED: rounds of faults: {reason}");
        return Ok(());
    }
    let is_long = std::env::var_os("CONSILIUM_LONG").is_some();
    let first = number("CONSILIUM_FAULTS_SEED")?.unwrap_or(SEED);
    let asked = number("CONSILIUM_FAULTS_ROUNDS")?.unwrap_or(if is_long { 200 } else { 10 });
    let count = usize::try_from(asked)?;
    let mut journal = Journal::begin(first, count)?;
    let mut done = 0;
    for seed in first.. {
        let rounds = schedule::rounds(seed, ROUNDS_A_NETWORK.min(count - done));
        done += rounds.len();
        world(seed, &rounds, &mut journal)?;
        if done == count {
            break;
        }
    }
    journal.line(&format!("{done} rounds passed"))?;
    journal.end()
}

fn number(variable: &str) -> Result<Option<u64>> {
    let text = std::env::var(variable).ok();
    text.map(|text| text.parse().with_context(|| format!("{variable}={text}: a number is needed")))
        .transpose()
}

/// The rounds of one seed on a network of their own.
fn world(seed: u64, rounds: &[Round], journal: &mut Journal) -> Result<()> {
    let mut network = Network::start(NetworkOptions {
        hospitals: 2,
        asset_policy: Some("OR('HospitalAMSP.peer', 'HospitalBMSP.peer')".to_owned()),
        namespaces: true,
        clocks: true,
        disk_bytes: Some(DISK_BYTES),
        ..NetworkOptions::default()
    })?;
    journal.line(&format!("seed {seed}: a network; delay and loss by {}", network.link_tool()?))?;
    let users = [network.doctor(Hospital::A), network.doctor(Hospital::B)];
    let writing = Arc::new(Writing::default());
    let outcome = std::thread::scope(|scope| -> Result<()> {
        let clients = scope.spawn(|| clients::write(&users, &writing));
        let told = all_rounds(&mut network, rounds, (&users, &writing), journal);
        writing.end(told.is_err());
        let written = clients.join().map_err(|_| anyhow::anyhow!("the clients panicked"))?;
        // What a client met is the cause more often than what was seen from outside.
        written.and(told)
    });
    let outcome = outcome.and_then(|()| {
        let log = writing.so_far();
        let height = checking::every_ledger(&mut network, &log)?;
        let valid = log.valid.len();
        journal.line(&format!(
            "seed {seed}: {valid} acknowledged transactions are on every peer once, in {height} blocks"
        ))
    });
    outcome.map_err(|error| told_how_to_repeat(&mut network, seed, rounds.len(), error))
}

fn all_rounds(
    network: &mut Network,
    rounds: &[Round],
    (users, writing): (&[User], &Writing),
    journal: &mut Journal,
) -> Result<()> {
    writing.goes_on(users, HEALED_WITHIN)?;
    for (number, round) in rounds.iter().enumerate() {
        one_round(network, (number, round), (users, writing), journal)
            .with_context(|| format!("round {number}: {round:?}"))?;
    }
    Ok(())
}

fn one_round(
    network: &mut Network,
    (number, round): (usize, &Round),
    (users, writing): (&[User], &Writing),
    journal: &mut Journal,
) -> Result<()> {
    writing.begins(number);
    let before = writing.so_far().valid.len();
    let mut damage = Damage::default();
    let mut done = Vec::new();
    for fault in &round.faults {
        done.push(damage.inflict(network, fault)?);
    }
    // The length of the fault, not a wait for something.
    std::thread::sleep(round.lasts);
    let meanwhile = writing.so_far().valid.len() - before;
    let healed_at = Instant::now();
    damage.heal(network)?;
    writing.goes_on(users, HEALED_WITHIN)?;
    let going_on = healed_at.elapsed().as_secs_f64();
    let at = writing.pause(|| checking::equal_heights(network, HEALED_WITHIN))?;
    journal.line(&format!(
        "round {number}: {} for {:.1} s, {meanwhile} acknowledged meanwhile; writing went on {going_on:.1} s after it, all \
         at height {} with {} after {:.1} s; retried: {:?}",
        done.join("; "),
        round.lasts.as_secs_f64(),
        at.height,
        &at.commit_hash[..12.min(at.commit_hash.len())],
        healed_at.elapsed().as_secs_f64(),
        writing.so_far().met
    ))
}

/// What failed, the ends of all logs, and the command that does it again.
fn told_how_to_repeat(
    network: &mut Network,
    seed: u64,
    rounds: usize,
    error: anyhow::Error,
) -> anyhow::Error {
    for node in network.nodes() {
        if let Ok(process) = network.process(node) {
            println!("---- the end of {}'s log ----", node.label());
            for line in process.log_tail().lines() {
                println!("{}", line.chars().take(LOG_CHARS_SHOWN).collect::<String>());
            }
        }
    }
    network.keep_folder();
    error.context(format!(
        "seed {seed}; to repeat: CONSILIUM_FAULTS_SEED={seed} CONSILIUM_FAULTS_ROUNDS={rounds} cargo test -p scenarios \
         --test faults -- --nocapture"
    ))
}
