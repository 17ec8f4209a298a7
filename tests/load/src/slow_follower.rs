//! What clients notice of one orderer that follows and answers late: throughput of the healthy network, then with the delay,
//! then without it again, in one run over one network.
//!
//! Every node is in a network namespace of its own, which needs root; the delay is on all that the follower sends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use scenarios::leader;
use testnet::{Hospital, Node, missing_for_faults};

use crate::clients::{Crew, Outcome, Sample};
use crate::options::RunOptions;
use crate::percentiles::Percentiles;
use crate::stage::Stage;

/// Load before the first window and after each change of the network.
const WARM_UP: Duration = Duration::from_secs(3);
/// The aim: so much of the healthy network's throughput.
const AIM_PERCENT: f64 = 90.0;

/// Flags of `load slow-follower`.
#[derive(Clone, Debug, Args)]
pub struct SlowFollowerOptions {
    /// How late the follower answers, in milliseconds.
    #[arg(long, default_value_t = 200)]
    pub delay_ms: u32,
    /// Clients that each wait for their transaction's verdict before the next one.
    #[arg(long, default_value_t = 64)]
    pub clients: usize,
    /// How long each of the three windows is, in seconds.
    #[arg(long, default_value_t = 10)]
    pub seconds: u64,
}

/// Runs and prints.
///
/// # Errors
/// A missing right or tool; a network that does not start; a leader that changed, since then another orderer would be late.
pub fn run(options: &SlowFollowerOptions) -> Result<()> {
    if let Some(reason) = missing_for_faults() {
        bail!("network namespaces are needed: {reason}");
    }
    let run = RunOptions {
        clients: options.clients,
        seconds: options.seconds,
        orderers: 3,
        ..RunOptions::default()
    };
    run.check()?;
    let mut stage = Stage::start_in(&run, true)?;
    // Its threads are where this one is now.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let crew = Arc::new(runtime.block_on(Crew::connect(&stage.network, &run))?);
    let forever = Instant::now() + Duration::from_secs(24 * 3_600);
    let working = {
        let (crew, clients) = (Arc::clone(&crew), options.clients);
        runtime.spawn(async move { crew.closed(clients, forever, None).await })
    };
    let mut windows = Vec::new();
    let led_by = leader(&stage.network)?;
    let follower = Hospital::ALL.into_iter().find(|hospital| *hospital != led_by).context("two follow")?;
    for is_late in [false, true, false] {
        if is_late {
            stage.network.slow(Node::Orderer(follower), options.delay_ms)?;
        } else {
            stage.network.heal_links()?;
        }
        std::thread::sleep(WARM_UP);
        let from = Instant::now();
        std::thread::sleep(run.window());
        windows.push((from, Instant::now()));
        ensure!(leader(&stage.network)? == led_by, "the leader changed: run it again");
    }
    crew.end();
    let samples = runtime.block_on(working)??;
    println!(
        "{} clients; the orderer of hospital {follower:?} follows and is {} ms late, by {}",
        options.clients,
        options.delay_ms,
        stage.network.link_tool()?
    );
    print!("{}", text(&windows, &samples));
    Ok(())
}

fn text(windows: &[(Instant, Instant)], samples: &[Sample]) -> String {
    let mut rates = Vec::new();
    let mut text = String::new();
    for (name, (from, to)) in ["healthy", "one late", "healthy again"].iter().zip(windows) {
        let within: Vec<&Sample> =
            samples.iter().filter(|sample| (from..=to).contains(&&sample.ended_at)).collect();
        let done: Vec<&&Sample> = within.iter().filter(|sample| sample.outcome == Outcome::Done).collect();
        let (count, failed) = (done.len(), within.len() - done.len());
        let rate = count as f64 / (*to - *from).as_secs_f64();
        let times =
            |of: fn(&Sample) -> Duration| Percentiles::of(done.iter().map(|sample| of(sample)).collect());
        let (total, endorse) = (times(|sample| sample.total), times(|sample| sample.endorse));
        let (order, commit) = (times(|sample| sample.order), times(|sample| sample.commit));
        text += &format!(
            "{name:<14} {rate:6.0}/s, p50 {:.1} ms, p95 {:.1} ms (endorse {:.1}, order {:.1}, verdict {:.1}), {failed} not valid\n",
            total.p50_ms, total.p95_ms, endorse.p95_ms, order.p95_ms, commit.p95_ms
        );
        rates.push(rate);
    }
    if let [before, late, after] = rates[..] {
        let percent = 200.0 * late / (before + after).max(f64::MIN_POSITIVE);
        text += &format!(
            "throughput with the late follower: {percent:.1} % of the healthy one (aim {AIM_PERCENT:.0} %)\n"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_late_window_is_measured_by_the_healthy_ones_around_it() {
        let begin = Instant::now();
        let at = |seconds: u64| begin + Duration::from_secs(seconds);
        let windows = [(at(0), at(10)), (at(20), at(30)), (at(40), at(50))];
        let sample = |second: u64, outcome: Outcome| {
            let zero = Duration::ZERO;
            Sample { ended_at: at(second), endorse: zero, order: zero, commit: zero, total: zero, outcome }
        };
        let mut samples: Vec<Sample> =
            [1, 2, 3, 4, 15, 21, 22, 23, 41, 42].map(|second| sample(second, Outcome::Done)).to_vec();
        samples.push(sample(25, Outcome::Failed("gone".to_owned())));
        let text = text(&windows, &samples);
        assert!(text.contains("one late            0/s, p50 0.0 ms, p95 0.0 ms (endorse 0.0, order 0.0, verdict 0.0), 1 not valid"), "{text}");
        assert!(text.contains("100.0 % of the healthy one (aim 90 %)"), "{text}");
    }
}
