//! One run: start, calibrate, warm up, measure, add up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use client::Draft;
use protocol::ChaincodeName;
use testnet::Hospital;

use crate::calibration::{Calibration, calibrate};
use crate::catch_up;
use crate::clients::{Crew, Outcome, Sample};
use crate::options::{Label, RunOptions, Workload};
use crate::percentiles::Percentiles;
use crate::results::{ProcessResult, RunResult};
use crate::stage::Stage;
use crate::usage::Usage;

/// Load before the window, so that connections, caches and compiled policies are there.
const WARM_UP: Duration = Duration::from_secs(2);

/// What was read before or after the window.
struct Reading {
    at: Instant,
    usage: BTreeMap<String, Usage>,
}

impl Reading {
    fn take(stage: &mut Stage) -> Result<Self> {
        Ok(Self { at: Instant::now(), usage: stage.usage()? })
    }
}

/// Samples of a run with the readings around its window.
struct Driven {
    samples: Vec<Sample>,
    missed: u64,
    before: Reading,
    after: Reading,
}

/// Runs and measures.
///
/// # Errors
/// Options that do not fit together, a network that does not start, a client that is not reached. Transactions that fail
/// under load are figures, not errors.
pub fn measure(options: &RunOptions) -> Result<RunResult> {
    options.check()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut stage = Stage::start(options)?;
    let crew = runtime.block_on(Crew::connect(&stage.network, options))?;
    let crew = Arc::new(crew);
    let first = Instant::now();
    runtime.block_on(first_transaction(&crew))?;
    let first_transaction_ms = (stage.started_in + first.elapsed()).as_secs_f64() * 1_000.0;
    let idle = stage.usage()?;
    let calibration = calibrate(&stage.network.doctor(Hospital::A), &stage.network.path("data"))?;
    runtime.block_on(crew.prepare())?;
    let disk_before = stage.peer_disk(Hospital::A)?;
    let height_before = runtime.block_on(height(&crew))?;
    let driven = runtime.block_on(drive(&mut stage, &crew, options))?;
    let blocks = runtime.block_on(height(&crew))? - height_before;
    let disk = stage.peer_disk(Hospital::A)?.saturating_sub(disk_before);
    let mut result = add_up(options, &driven, &idle, calibration);
    let transactions = driven.samples.iter().filter(|sample| is_transaction(options, sample)).count();
    result.blocks = blocks;
    result.transactions_a_block = ratio(transactions as f64, blocks as f64);
    result.disk_bytes = ratio(disk as f64, transactions as f64);
    result.first_transaction_ms = first_transaction_ms;
    if options.workload == Workload::CatchUp {
        let hospital = stage.last_hospital()?;
        result.catch_up = Some(catch_up::measure(&mut stage, hospital, transactions as u64)?);
    }
    Ok(result)
}

/// Whether a sample is a transaction with a verdict: it takes space in a block.
fn is_transaction(options: &RunOptions, sample: &Sample) -> bool {
    let is_ordered = options.workload == Workload::Upload || sample.order > Duration::ZERO;
    is_ordered && !matches!(sample.outcome, Outcome::Failed(_))
}

async fn first_transaction(crew: &Crew) -> Result<()> {
    let asset = ChaincodeName::new("asset-transfer")?;
    let draft = Draft::new(asset, "PutAsset", &["first", "blue", "5", "nobody", "300"]);
    crew.first()?.submit(crew.channel(), &draft).await.context("the first transaction")?;
    Ok(())
}

async fn height(crew: &Crew) -> Result<u64> {
    Ok(crew.first()?.chain_info(crew.channel()).await?.height)
}

/// Drives the network: a warm-up, then the window between two readings.
async fn drive(stage: &mut Stage, crew: &Arc<Crew>, options: &RunOptions) -> Result<Driven> {
    if let Some(count) = options.transactions {
        let before = Reading::take(stage)?;
        let forever = Instant::now() + Duration::from_secs(24 * 3_600);
        let samples = crew.closed(options.clients, forever, Some(count)).await?;
        return Ok(Driven { samples, missed: 0, before, after: Reading::take(stage)? });
    }
    let until = Instant::now() + WARM_UP + options.window();
    let working = {
        let (crew, rate, clients) = (Arc::clone(crew), options.rate, options.clients);
        tokio::spawn(async move {
            match rate {
                Some(rate) => crew.open_loop(rate, until).await,
                None => Ok((crew.closed(clients, until, None).await?, 0)),
            }
        })
    };
    tokio::time::sleep(WARM_UP).await;
    let before = Reading::take(stage)?;
    tokio::time::sleep_until(until.into()).await;
    let after = Reading::take(stage)?;
    let (samples, missed) = working.await??;
    Ok(Driven { samples, missed, before, after })
}

/// Figures of the window.
fn add_up(
    options: &RunOptions,
    driven: &Driven,
    idle: &BTreeMap<String, Usage>,
    calibration: Calibration,
) -> RunResult {
    let (from, to) = (driven.before.at, driven.after.at);
    let within: Vec<&Sample> =
        driven.samples.iter().filter(|sample| (from..=to).contains(&sample.ended_at)).collect();
    let done: Vec<&&Sample> = within.iter().filter(|sample| sample.outcome == Outcome::Done).collect();
    let (mut invalid, mut failed) = (BTreeMap::new(), BTreeMap::new());
    for sample in &within {
        match &sample.outcome {
            Outcome::Done => {}
            Outcome::Invalid(code) => *invalid.entry(code.clone()).or_insert(0) += 1,
            Outcome::Failed(cause) => *failed.entry(cause.clone()).or_insert(0) += 1,
        }
    }
    let seconds = (to - from).as_secs_f64();
    let steps = done.len() as f64 + invalid.values().sum::<u64>() as f64;
    let processes = processes(driven, idle, steps);
    let times = |of: fn(&Sample) -> Duration| {
        Percentiles::of(done.iter().map(|sample| of(sample)).filter(|time| !time.is_zero()).collect())
    };
    let is_read = options.workload == Workload::Evaluate;
    RunResult {
        label: Label::of(options),
        seconds,
        done: done.len() as u64,
        a_second: ratio(done.len() as f64, seconds),
        total: times(|sample| sample.total),
        endorse: times(|sample| sample.endorse),
        order: times(|sample| sample.order),
        commit: times(|sample| sample.commit),
        cpu_ms: processes.iter().map(|process| process.cpu_ms).sum(),
        signature_ms: if is_read { 0.0 } else { calibration.signature_ms(options.policy, options.hospitals) },
        invalid,
        failed,
        missed: driven.missed,
        blocks: 0,
        transactions_a_block: 0.0,
        processes,
        disk_bytes: 0.0,
        first_transaction_ms: 0.0,
        calibration,
        catch_up: None,
    }
}

fn processes(driven: &Driven, idle: &BTreeMap<String, Usage>, steps: f64) -> Vec<ProcessResult> {
    let a_step = |seconds: f64| ratio(seconds * 1_000.0, steps);
    let process = |(name, after): (&String, &Usage)| {
        let nothing = Usage::default();
        let used = after.since(driven.before.usage.get(name).unwrap_or(&nothing));
        ProcessResult {
            name: name.clone(),
            cpu_ms: a_step(used.cpu_s),
            threads_ms: used.threads_s.into_iter().map(|(name, seconds)| (name, a_step(seconds))).collect(),
            rss_idle: idle.get(name).map_or(0, |usage| usage.rss_bytes),
            rss_end: used.rss_bytes,
        }
    };
    driven.after.usage.iter().map(process).collect()
}

/// Zero where nothing was counted.
fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(ended_at: Instant, millis: u64, outcome: Outcome) -> Sample {
        let total = Duration::from_millis(millis);
        Sample { ended_at, endorse: total / 4, order: total / 4, commit: total / 2, total, outcome }
    }

    #[test]
    fn only_what_ended_in_the_window_counts_and_failures_are_no_steps() {
        let at = Instant::now() + Duration::from_secs(100);
        let second = |seconds: u64| at + Duration::from_secs(seconds);
        let usage = |cpu_s: f64| -> BTreeMap<String, Usage> {
            [("peer-a".to_owned(), Usage { cpu_s, rss_bytes: 7, ..Usage::default() })].into()
        };
        let driven = Driven {
            samples: vec![
                sample(second(0) - Duration::from_secs(1), 999, Outcome::Done),
                sample(second(1), 20, Outcome::Done),
                sample(second(2), 40, Outcome::Done),
                sample(second(3), 10, Outcome::Invalid("MVCC_READ_CONFLICT".to_owned())),
                sample(second(4), 10, Outcome::Failed("no orderer".to_owned())),
                sample(second(11), 999, Outcome::Done),
            ],
            missed: 3,
            before: Reading { at, usage: usage(1.0) },
            after: Reading { at: second(10), usage: usage(1.3) },
        };
        let calibration = Calibration { signs_a_s: 1e4, verifies_a_s: 1e4, fsync: Percentiles::default() };
        let result = add_up(&RunOptions::default(), &driven, &usage(0.5), calibration);
        assert_eq!((result.done, result.missed), (2, 3));
        assert_eq!(result.invalid, [("MVCC_READ_CONFLICT".to_owned(), 1)].into());
        assert_eq!(result.failed, [("no orderer".to_owned(), 1)].into());
        assert!((result.a_second - 0.2).abs() < 1e-9, "{}", result.a_second);
        // 0.3 CPU seconds over two valid and one invalid transaction.
        assert!((result.cpu_ms - 100.0).abs() < 1e-6, "{}", result.cpu_ms);
        assert_eq!((result.total.p50_ms, result.total.max_ms), (20.0, 40.0));
        assert!((result.signature_ms - 1.3).abs() < 1e-9);
    }
}
