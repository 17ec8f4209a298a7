//! Plays one scene in this process: `simulation SCENE SEED [--print]`. Prints what came of it, with the digest of all that
//! happened, or what does not hold.
//!
//! Libraries draw chance from the system: tokio which branch of a `select!` it looks at first and which waiter it wakes,
//! openraft how long it waits for a leader, hash maps where they begin. Here the system's chance is a stream of the seed, for
//! the whole process, which is why a process plays one scene with one thread.

use std::process::ExitCode;

use mad_turmoil::rand::set_rng;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use simulation::scenes;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [scene, seed, rest @ ..] = arguments.as_slice() else {
        eprintln!("usage: simulation SCENE SEED [--print]");
        return ExitCode::from(64);
    };
    let Ok(seed) = seed.parse() else {
        eprintln!("{seed} is no number");
        return ExitCode::from(64);
    };
    let is_printed = rest.iter().any(|argument| argument == "--print");
    if is_printed {
        let filter =
            EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,openraft=error"));
        tracing_subscriber::fmt().with_env_filter(filter).without_time().init();
    }
    set_rng(StdRng::seed_from_u64(seed));
    orderer::simulated::seed(seed);
    match scenes::play(scene, seed, is_printed) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{scene} {seed}: {error:#}");
            ExitCode::FAILURE
        }
    }
}
