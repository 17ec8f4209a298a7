//! Chaincode that loops, panics, floods, returns 100 MB or changes what it iterates over costs its own calls: those of
//! another chaincode and of the same one go on, the peers live within their memory, and the ledgers stay equal.
//!
//! All peers run the released program with one chaincode more.

mod honest;
mod watching;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use client::{ClientError, Deadlines, Draft, Rejection};
use protocol::{ChaincodeName, TxValidationCode};
use scenarios::{Doctor, Stage, wait_for_same_heights};
use serde_json::json;
use testnet::{CliOutput, Hospital, Network, NetworkOptions, User};

use honest::Callers;
use watching::{Peaks, sample};

const NAME: &str = "misbehaving";
const PATIENCE: Duration = Duration::from_secs(60);
/// Of one run: short, since this test waits it out several times.
const EXECUTE_TIMEOUT_S: u32 = 3;
/// Threads of one chaincode, those in place of stuck ones included.
const THREADS_MAX: u64 = 4;
/// What clients keep from the ledger, and a flawed chaincode panics with.
const SECRET: &str = "only-the-endorsers-may-know-it";
/// The same as the command line takes it.
const SECRET_BASE64: &str = "b25seS10aGUtZW5kb3JzZXJzLW1heS1rbm93LWl0";

#[test]
fn whatever_a_chaincode_does_costs_its_own_calls_and_no_others() -> Result<()> {
    let mut network = Stage::start(NetworkOptions {
        peer_binary: "peer_with_misbehaving_chaincode",
        chaincodes: vec![(NAME, "1.0")],
        execute_timeout_s: EXECUTE_TIMEOUT_S,
        ..NetworkOptions::default()
    })?;
    has_the_chaincode(&network)?;
    for item in 0..40 {
        submit(&network.doctor(Hospital::A), "Put", &format!("item-{item:02}"))?;
    }
    let peaks = Peaks::of(&mut network)?;
    let others = Callers::of("asset-transfer", &network.doctor(Hospital::B));
    let same = Callers::of(NAME, &network.doctor(Hospital::C));
    std::thread::scope(|scope| -> Result<()> {
        let _calling = others.start(scope);
        {
            let _calling_the_same = same.start(scope);
            excess_is_refused_by_the_limits_name(&network)?;
            a_mutation_while_iterating_is_judged_as_of_the_iteration(&network)?;
            callers_of_what_hangs_are_turned_away(&network)?;
            // One thread is left for the others after three loops.
            for function in ["Loop", "Wait", "Wait"] {
                is_late(&invoke(&network, function, &[])?, function)?;
            }
            same.have_gone_on()?;
        }
        same.had_no_failure()?;
        is_late(&invoke(&network, "Wait", &[])?, "the last thread")?;
        the_stuck_chaincode_is_refused_alone(&network)?;
        others.have_gone_on()?;
        others.had_no_failure()
    })?;
    peaks.are_within_bounds()?;
    failures_are_counted_by_their_cause(&network)?;
    no_log_tells_what_a_panic_was_about(&network)?;
    let reached = wait_for_same_heights(&network, PATIENCE)?;
    println!("all peers are at {reached:?}");
    a_restart_gets_the_threads_back(&mut network)?;
    Ok(())
}

/// The program says which chaincodes it has, beside those of the release.
fn has_the_chaincode(network: &Network) -> Result<()> {
    let program = testnet::binary(network.options().peer_binary)?;
    let output = std::process::Command::new(program).args(["version", "--output", "json"]).output()?;
    let version: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let has = |name: &str| version["chaincodes"][name].is_string();
    ensure!(has(NAME) && has("reports") && has("asset-transfer"), "{version}");
    let released = network.admin(Hospital::A).peer(&["version"])?.expect_code(0)?.stdout;
    ensure!(released.contains("asset-transfer") && !released.contains(NAME), "{released}");
    Ok(())
}

fn excess_is_refused_by_the_limits_name(network: &Network) -> Result<()> {
    let transient = json!({ "secret": SECRET_BASE64 }).to_string();
    let rows: [(&str, &[&str], &str); 10] = [
        ("Panic", &["--transient", &transient], "chaincode misbehaving panicked"),
        ("FloodOfWrites", &[], "the limit of 50000 writes"),
        ("FloodOfWritesAllTheSame", &[], "the limit of 50000 writes"),
        ("FloodOfBytes", &[], "the limit of 8388608 bytes written"),
        ("FloodOfReads", &[], "the limit of 50000 reads"),
        ("LargeValue", &[], "the limit of 8388608 bytes of a value"),
        ("LargeEvent", &[], "the limit of 8388608 bytes of an event"),
        ("LargeResult", &[], "has 104857600 bytes, over the limit of 8388608"),
        ("LoopOverTheStub", &[], "chaincode misbehaving did not answer within 3000 ms"),
        ("NoSuchFunction", &[], "there is no function"),
    ];
    for (function, flags, words) in rows {
        let output = invoke(network, function, flags)?;
        println!("{function}: {}", output.stderr.trim());
        ensure!(output.code != 0 && output.stdout.is_empty(), "{function}: {output:?}");
        ensure!(output.stderr.contains(words), "{function} without {words:?}: {output:?}");
        ensure!(!output.stderr.contains(SECRET), "{function}: {output:?}");
    }
    Ok(())
}

/// A range shows what was committed, so the deleted and the added are not seen; and what was seen must still stand at the
/// transaction's place in the block.
fn a_mutation_while_iterating_is_judged_as_of_the_iteration(network: &Network) -> Result<()> {
    let output = invoke(network, "MutateWhileIterating", &[])?.expect_code(0)?;
    ensure!(output.stdout.contains("40 40"), "{output:?}");
    let doctor = Doctor::connect(&network.doctor(Hospital::A), Deadlines::default())?;
    let (mutate, put) = (draft("MutateWhileIterating", "key")?, draft("Put", "item-new")?);
    let outcome = doctor.run(|peer, channel| async move {
        let endorsed = peer.endorse(channel, &mutate).await?;
        peer.submit(channel, &put).await?;
        peer.order(channel, &endorsed).await?;
        peer.committed(channel, endorsed).await
    });
    let error = outcome.err().context("an item that came between was not noticed")?;
    let ClientError::Rejected(rejection) = error else { return Err(error.into()) };
    let is_phantom =
        matches!(*rejection, Rejection::Invalid { code: TxValidationCode::PhantomReadConflict, .. });
    ensure!(is_phantom, "{rejection}");
    Ok(())
}

/// A hundred callers at once of what never ends: most are told at once, so that they hold nobody's place.
fn callers_of_what_hangs_are_turned_away(network: &Network) -> Result<()> {
    let doctor = Doctor::connect(&network.doctor(Hospital::A), Deadlines::default())?;
    let call = draft("LoopOverTheStub", "key")?;
    let told: Vec<String> = doctor.run(|peer, channel| async {
        let calls = (0..100).map(|_| peer.evaluate(channel, &call, &[]));
        let answers = futures_util::future::join_all(calls).await;
        answers
            .into_iter()
            .map(|answer| answer.map_or_else(|error| error.to_string(), |_| String::new()))
            .collect()
    });
    let with = |words: &str| told.iter().filter(|text| text.contains(words)).count();
    let (slow, late) = (with("chaincode misbehaving is slow"), with("did not answer within 3000 ms"));
    println!("of 100 callers {slow} were turned away, {late} heard of the deadline");
    ensure!(slow >= 60 && slow + late == 100, "{slow} slow and {late} late: {told:?}");
    Ok(())
}

fn the_stuck_chaincode_is_refused_alone(network: &Network) -> Result<()> {
    for function in ["Put", "Get", "Loop"] {
        let output = invoke(network, function, &[])?;
        println!("{function}: {}", output.stderr.trim());
        ensure!(output.code != 0, "{output:?}");
        let words = "all 4 threads of chaincode misbehaving are stuck in runs that do not end";
        ensure!(output.stderr.contains(words), "{function}: {output:?}");
    }
    Ok(())
}

fn failures_are_counted_by_their_cause(network: &Network) -> Result<()> {
    let metrics = network.peer_metrics(Hospital::A)?;
    let failed = |cause: &str| {
        let labels = format!("{{cause=\"{cause}\",chaincode=\"{NAME}\"}}");
        sample(&metrics, &format!("consilium_chaincode_runs_failed{labels}"))
    };
    for (cause, least) in
        [("limit", 7), ("panic", 1), ("refused", 1), ("late", 6), ("slow", 60), ("stuck", 3)]
    {
        let count = failed(cause)?;
        println!("{cause}: {count}");
        ensure!(count >= least, "{cause} was counted {count} times, and it happened {least} times");
    }
    for cause in ["busy", "state"] {
        ensure!(failed(cause)? == 0, "{cause} was counted, and never happened");
    }
    let stuck = sample(&metrics, &format!("consilium_chaincode_stuck_threads{{chaincode=\"{NAME}\"}}"))?;
    ensure!(stuck == THREADS_MAX, "{stuck} threads are stuck");
    ensure!(sample(&metrics, "consilium_chaincode_stuck_threads{chaincode=\"asset-transfer\"}")? == 0);
    let late = sample(&metrics, &format!("chaincode_execute_timeouts{{chaincode=\"{NAME}\"}}"))?;
    ensure!(late >= 6, "{late} timeouts");
    Ok(())
}

fn no_log_tells_what_a_panic_was_about(network: &Network) -> Result<()> {
    for hospital in Hospital::ALL {
        let log = std::fs::read_to_string(network.path(&format!("{}.log", hospital.peer_name())))?;
        ensure!(!log.contains(SECRET), "hospital {hospital:?} logs what a client kept from the ledger");
    }
    let log = network.path(&format!("{}.log", Hospital::A.peer_name()));
    let log = std::fs::read_to_string(log)?;
    let line =
        log.lines().find(|line| line.contains("the chaincode panicked")).context("no word of a panic")?;
    ensure!(line.contains("peer_with_misbehaving_chaincode.rs:"), "the place is missing: {line}");
    Ok(())
}

/// Each ends when it is told to, though its threads do not, and has them all after its start.
fn a_restart_gets_the_threads_back(network: &mut Stage) -> Result<()> {
    for hospital in Hospital::ALL {
        network.peer_process(hospital)?.stop()?;
        network.start_peer(hospital)?;
    }
    submit(&network.doctor(Hospital::A), "Put", "after")?;
    let reached = wait_for_same_heights(network, PATIENCE)?;
    println!("after a restart all peers are at {reached:?}");
    Ok(())
}

fn is_late(output: &CliOutput, function: &str) -> Result<()> {
    println!("{function}: {}", output.stderr.trim());
    let words = "chaincode misbehaving did not answer within 3000 ms";
    ensure!(output.code != 0 && output.stderr.contains(words), "{function}: {output:?}");
    Ok(())
}

fn draft(function: &str, key: &str) -> Result<Draft> {
    Ok(Draft::new(ChaincodeName::new(NAME)?, function, &[key]))
}

fn submit(user: &User, function: &str, key: &str) -> Result<()> {
    let (doctor, draft) = (Doctor::connect(user, Deadlines::default())?, draft(function, key)?);
    doctor.run(|peer, channel| peer.submit(channel, &draft))?;
    Ok(())
}

/// Invokes a function as hospital A's doctor, through the command line.
fn invoke(network: &Network, function: &str, flags: &[&str]) -> Result<CliOutput> {
    let call = json!({ "Args": [function, "key"] }).to_string();
    let args = ["chaincode", "invoke", "-n", NAME, "-c", &call];
    network.doctor(Hospital::A).peer(&[&args[..], flags].concat())
}
