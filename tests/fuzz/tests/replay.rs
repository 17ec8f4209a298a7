//! Every target over its seeds, and over mutations of them in a fixed sequence.
//!
//! A seed whose name begins with `accepted` must be accepted, one with `refused` must not; any other name is a finding
//! that was mended, and must only not break its target. `CONSILIUM_LONG=1` takes fifty times as many mutations.
#![allow(clippy::expect_used, reason = "tests")]

use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use fuzz::mutation::{Dice, mutate};
use fuzz::{TARGETS, Target, material};

/// Mutations of a target in a plain run: seconds for all targets together.
const MUTATIONS: usize = 1_500;

/// Names and bytes of a target's seeds, sorted.
fn seeds(target: &Target) -> Vec<(String, Vec<u8>)> {
    let folder = material::folder().join("seeds").join(target.name);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut seeds: Vec<(String, Vec<u8>)> = entries
        .map(|entry| {
            let path = entry.expect("lists").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, std::fs::read(&path).expect("reads"))
        })
        .collect();
    seeds.sort();
    seeds
}

/// Keeps the input that broke a target and says how to see it again.
fn report(target: &Target, input: &[u8]) -> ! {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("findings");
    std::fs::create_dir_all(&folder).expect("a folder for findings");
    let kept: PathBuf = folder.join(format!("{}-{}", target.name, protocol::Digest::of(input)));
    std::fs::write(&kept, input).expect("the finding is kept");
    panic!(
        "target {} broke on {}: copy it into tests/fuzz/seeds/{}",
        target.name,
        kept.display(),
        target.name
    );
}

fn run(target: &Target, input: &[u8]) -> bool {
    catch_unwind(|| (target.run)(input)).unwrap_or_else(|_| report(target, input))
}

#[test]
fn every_seed_gets_as_far_as_its_name_says() {
    for target in &TARGETS {
        let mut accepted = 0;
        for (name, bytes) in seeds(target) {
            let verdict = run(target, &bytes);
            accepted += usize::from(verdict);
            if name.starts_with("accepted") {
                assert!(verdict, "seed {}/{name} is refused", target.name);
            } else if name.starts_with("refused") {
                assert!(!verdict, "seed {}/{name} is accepted", target.name);
            }
        }
        assert!(accepted > 0, "no seed of {} reaches the end of its decoder", target.name);
    }
}

#[test]
fn no_mutation_of_a_seed_breaks_a_target() {
    let is_long = std::env::var_os("CONSILIUM_LONG").is_some();
    let count = if is_long { MUTATIONS * 50 } else { MUTATIONS };
    for (number, target) in (0..).zip(&TARGETS) {
        let seeds = seeds(target);
        let mut dice = Dice::new(number);
        for _ in 0..count {
            let (_, seed) = &seeds[dice.below(seeds.len())];
            let (_, other) = &seeds[dice.below(seeds.len())];
            run(target, &mutate(seed, other, &mut dice));
        }
    }
}

#[test]
fn what_is_no_message_at_all_is_refused_by_every_target() {
    let long = vec![0xdd; 70_000];
    let deep: Vec<u8> = [0x91].repeat(60_000);
    let nested = b"[".repeat(60_000);
    let braces = b"{\"a\":".repeat(20_000);
    for target in &TARGETS {
        for input in [&b""[..], b"\0", &[0xff; 64], &long, &deep, &nested, &braces] {
            assert!(!run(target, input), "target {} accepts {} bytes of nothing", target.name, input.len());
        }
    }
}

#[test]
fn folders_of_seeds_are_those_of_the_targets() {
    let folders = std::fs::read_dir(material::folder().join("seeds")).expect("lists");
    let mut names: Vec<String> =
        folders.map(|entry| entry.expect("lists").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    let expected: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(names, expected);
    for name in names {
        assert_eq!(fuzz::named(&name).map(|target| target.name), Some(name.as_str()));
    }
}
