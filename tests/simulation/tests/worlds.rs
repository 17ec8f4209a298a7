//! Worlds by the hundred, each in a process of its own; the same seed twice; the adversaries by name.
#![allow(clippy::expect_used, reason = "tests")]

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use simulation::scenes::SCENES;

/// Seeds of a plain run, and of a long one.
const SEEDS: u64 = 200;
const SEEDS_LONG: u64 = 10_000;
/// A world takes less than a second of a free processor.
const WORLD_DEADLINE: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(2);

/// Seeds that found a fault once, and what it was.
const FOUND: [(u64, &str); 2] = [
    (87, "an own clock that is set while a call is under way moved those of others by half of that"),
    (0, "a consenter whose clock was behind refused envelopes whose creator's certificate was younger"),
];

/// What a scene prints, or why it failed.
fn play(scene: &str, seed: u64) -> Result<String, String> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_simulation"))
        .args([scene, &seed.to_string()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let ends_at = Instant::now() + WORLD_DEADLINE;
    let status = loop {
        match child.try_wait().expect("the child is ours") {
            Some(status) => break status,
            None if Instant::now() > ends_at => {
                child.kill().expect("is killed");
                break child.wait().expect("ends");
            }
            // What it prints fits into a pipe, so that it never waits for a reader.
            None => std::thread::sleep(LOOK),
        }
    };
    let (mut output, mut errors) = (String::new(), String::new());
    child.stdout.take().expect("piped").read_to_string(&mut output).expect("text");
    child.stderr.take().expect("piped").read_to_string(&mut errors).expect("text");
    if status.success() {
        return Ok(output);
    }
    Err(format!("{errors}\n{status}; repeat it, with all that happens, by\n  {}", command(scene, seed)))
}

fn command(scene: &str, seed: u64) -> String {
    match scene {
        "seed" => format!("CONSILIUM_SEED={seed} cargo test -p simulation --test worlds -- --nocapture"),
        _ => format!("cargo run -p simulation -- {scene} {seed} --print"),
    }
}

/// Plays these seeds on all processors; returns what failed.
fn play_all(count: u64) -> Vec<String> {
    let (next, failed) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= count || failed.lock().expect("no panic").len() > 4 {
                        return;
                    }
                    if let Err(why) = play("seed", seed) {
                        failed.lock().expect("no panic").push(why);
                    }
                }
            });
        }
    });
    failed.into_inner().expect("no panic")
}

fn asked_for() -> Option<u64> {
    let seed = std::env::var("CONSILIUM_SEED").ok()?;
    Some(seed.parse().expect("CONSILIUM_SEED is a number"))
}

#[test]
fn no_seed_breaks_a_promise() {
    if let Some(seed) = asked_for() {
        let status = Command::new(env!("CARGO_BIN_EXE_simulation"))
            .args(["seed", &seed.to_string(), "--print"])
            .status()
            .expect("the program starts");
        assert!(status.success(), "seed {seed} breaks one");
        return;
    }
    let is_long = std::env::var_os("CONSILIUM_LONG").is_some();
    let failed = play_all(if is_long { SEEDS_LONG } else { SEEDS });
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

#[test]
fn the_same_seed_twice_gives_the_same_digest() {
    // Three consenters and five.
    for seed in [3, 4, 9, 1_000] {
        let first = play("seed", seed).expect("holds");
        assert!(first.contains("digest"), "{first}");
        assert_eq!(first, play("seed", seed).expect("holds"), "{}", command("seed", seed));
    }
    let digest = |seed| play("seed", seed).expect("holds").split_once("digest").expect("one").1.to_owned();
    assert_ne!(digest(3), digest(4), "another seed is another world");
}

#[test]
fn seeds_that_found_a_fault_hold() {
    for (seed, fault) in FOUND {
        play("seed", seed).unwrap_or_else(|why| panic!("{fault}\n{why}"));
    }
}

#[test]
fn no_adversary_gains_more_than_its_file_says() {
    for (scene, _) in SCENES.iter().filter(|(scene, _)| *scene != "seed") {
        for seed in 0..4 {
            play(scene, seed).unwrap_or_else(|why| panic!("{scene}\n{why}"));
        }
    }
}

#[test]
fn a_scene_that_nobody_wrote_is_named() {
    let error = play("a-cat-walks-over-the-keyboard", 1).expect_err("no such scene");
    assert!(error.contains("a-stolen-key-forges-a-block"), "{error}");
}
