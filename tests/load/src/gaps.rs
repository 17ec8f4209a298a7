//! The leader is killed again and again under load: the longest time without an acknowledged transaction after each kill, and
//! every error that a client was told.
//!
//! A client submits once and retries nothing: whatever it takes to find the next leader is up to the gateway. The killed
//! orderer is started again, and the next kill waits until it follows.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use scenarios::leader;
use testnet::{Hospital, Network};

use crate::clients::{Crew, Outcome, Sample};
use crate::options::RunOptions;
use crate::stage::Stage;

/// For a leader, for a node to be back: far above what is measured.
const DEADLINE: Duration = Duration::from_secs(60);
/// Undisturbed load before each kill.
const CALM: Duration = Duration::from_secs(2);
/// The aims: half of the gaps, and the worst.
const MEDIAN_AIM: Duration = Duration::from_millis(2_200);
const WORST_AIM: Duration = Duration::from_millis(4_500);

/// Flags of `load gaps`.
#[derive(Clone, Debug, Args)]
pub struct GapsOptions {
    /// How often the leader is killed.
    #[arg(long, default_value_t = 30)]
    pub kills: usize,
    /// Clients that each wait for their transaction's verdict before the next one.
    #[arg(long, default_value_t = 16)]
    pub clients: usize,
}

/// Runs and prints.
///
/// # Errors
/// A network that does not start or does not elect a leader. What clients are told is a figure, no error.
pub fn run(options: &GapsOptions) -> Result<()> {
    ensure!(options.kills > 0, "--kills 0: ask for at least one");
    let run = RunOptions { clients: options.clients, orderers: 3, ..RunOptions::default() };
    run.check()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut stage = Stage::start(&run)?;
    let crew = Arc::new(runtime.block_on(Crew::connect(&stage.network, &run))?);
    let forever = Instant::now() + Duration::from_secs(24 * 3_600);
    let working = {
        let (crew, clients) = (Arc::clone(&crew), options.clients);
        runtime.spawn(async move { crew.closed(clients, forever, None).await })
    };
    let mut kills = Vec::with_capacity(options.kills);
    for number in 0..options.kills {
        std::thread::sleep(CALM);
        kills.push(kill_leader(&mut stage.network)?);
        eprintln!("kill {} of {}", number + 1, options.kills);
    }
    std::thread::sleep(CALM);
    crew.end();
    let samples = runtime.block_on(working)??;
    print!("{}", text(&gaps(&samples, &kills), &samples));
    Ok(())
}

/// Kills the leader, and waits until another leads and the killed one follows again. Returns when it was killed.
fn kill_leader(network: &mut Network) -> Result<Instant> {
    let mut victim = Hospital::A;
    Network::wait_until("an orderer leads", DEADLINE, || {
        victim = leader(network)?;
        Ok(())
    })?;
    network.orderer_process(victim)?.kill()?;
    let killed_at = Instant::now();
    Network::wait_until("another orderer leads", DEADLINE, || leader(network).map(drop))?;
    network.start_orderer(victim)?;
    Network::wait_until("the killed orderer is level with the leader", DEADLINE, || {
        let heights = [height(network, victim)?, height(network, leader(network)?)?];
        ensure!(
            heights[0] + BLOCKS_BEHIND >= heights[1],
            "it is at {}, the leader at {}",
            heights[0],
            heights[1]
        );
        Ok(())
    })?;
    Ok(killed_at)
}

/// Under load a follower is never asked at the same moment as the leader.
const BLOCKS_BEHIND: u64 = 20;

fn height(network: &Network, hospital: Hospital) -> Result<u64> {
    let health = network.orderer_health(hospital)?;
    let channel = format!("channel {}", network.options().channel);
    health["components"][&channel]["facts"]["height"]
        .as_u64()
        .with_context(|| format!("no height in {health}"))
}

/// After each kill, until the next one: the longest time between two acknowledged transactions.
fn gaps(samples: &[Sample], kills: &[Instant]) -> Vec<Duration> {
    let mut acknowledged: Vec<Instant> = samples
        .iter()
        .filter(|sample| sample.outcome == Outcome::Done)
        .map(|sample| sample.ended_at)
        .collect();
    acknowledged.sort_unstable();
    let longest = |(number, killed_at): (usize, &Instant)| {
        let next_kill = kills.get(number + 1);
        let pairs = acknowledged.windows(2).filter(|pair| {
            // The pause may have begun just before the kill was seen.
            pair[1] > *killed_at && next_kill.is_none_or(|next| pair[0] < *next)
        });
        pairs.map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
    };
    kills.iter().enumerate().map(longest).collect()
}

fn text(gaps: &[Duration], samples: &[Sample]) -> String {
    let mut sorted = gaps.to_vec();
    sorted.sort_unstable();
    let rank = |percent: usize| {
        sorted.get((sorted.len() * percent).div_ceil(100).saturating_sub(1)).copied().unwrap_or_default()
    };
    let mut told: BTreeMap<&str, usize> = BTreeMap::new();
    for sample in samples {
        match &sample.outcome {
            Outcome::Done => {}
            Outcome::Invalid(code) => *told.entry(code).or_default() += 1,
            Outcome::Failed(cause) => *told.entry(cause).or_default() += 1,
        }
    }
    let done = samples.len() - told.values().sum::<usize>();
    let mut text = String::new();
    let mut line = |arguments: std::fmt::Arguments<'_>| {
        // A string takes whatever is written to it.
        let _ = text.write_fmt(arguments);
        text.push('\n');
    };
    line(format_args!("kills of the leader  {}; {done} transactions acknowledged", gaps.len()));
    line(format_args!(
        "longest gap          p10 {:.2} s, median {:.2} s (aim {:.1}), p90 {:.2} s, worst {:.2} s (aim {:.1})",
        rank(10).as_secs_f64(),
        rank(50).as_secs_f64(),
        MEDIAN_AIM.as_secs_f64(),
        rank(90).as_secs_f64(),
        rank(100).as_secs_f64(),
        WORST_AIM.as_secs_f64()
    ));
    let all: Vec<String> = sorted.iter().map(|gap| format!("{:.2}", gap.as_secs_f64())).collect();
    line(format_args!("all of them, s       {}", all.join(" ")));
    line(format_args!("client errors        {}", told.values().sum::<usize>()));
    for (cause, count) in &told {
        line(format_args!("  {count} {cause}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kill_has_the_longest_gap_until_the_next_and_errors_are_counted() {
        let begin = Instant::now();
        let at = |millis: u64| begin + Duration::from_millis(millis);
        let sample = |millis: u64, outcome: Outcome| {
            let zero = Duration::ZERO;
            Sample { ended_at: at(millis), endorse: zero, order: zero, commit: zero, total: zero, outcome }
        };
        let done =
            [0, 100, 1_900, 2_000, 2_100, 2_200, 5_000, 5_100].map(|millis| sample(millis, Outcome::Done));
        let failed = sample(1_000, Outcome::Failed("UNAVAILABLE".to_owned()));
        let samples = [&done[..], &[failed]].concat();
        // The last transaction was acknowledged just before the kill.
        let kills = [at(150), at(2_250)];
        let found = gaps(&samples, &kills);
        assert_eq!(found, [2_800, 2_800].map(Duration::from_millis), "a gap that both touch is of both");
        let found = gaps(&samples, &[at(150), at(2_150)]);
        assert_eq!(found, [1_800, 2_800].map(Duration::from_millis));
        let text = text(&found, &samples);
        for part in [
            "2; 8 transactions",
            "median 1.80 s (aim 2.2)",
            "worst 2.80 s",
            "client errors        1",
            "  1 UNAVAILABLE",
        ] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
    }
}
