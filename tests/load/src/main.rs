//! Puts a network of real processes under load and prints what it costs.
//!
//! `load run` starts a network on loopback, drives it with clients in this process, and prints committed transactions a
//! second, the time of each phase, the CPU time of each process and its threads, memory and disk. A calibration line says
//! in the same run what signatures and fsyncs cost on this machine at this hour, so that figures of two days or machines
//! can be compared as ratios. `load table` runs the rows of the table in README.md; `load compare` prints two saved runs
//! side by side. `load gaps` kills the leader again and again, and `load slow-follower` has one orderer answer late: both say
//! what clients notice. `load proof-of-work` needs no network: it times what makes a block and what seals it.

mod calibration;
mod catch_up;
mod clients;
mod compare;
mod gaps;
mod measure;
mod options;
mod percentiles;
mod proof_of_work;
mod report;
mod results;
mod slow_follower;
mod stage;
mod table;
mod targets;
mod usage;
mod workload;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use options::{OutputFormat, RunOptions};
use results::RunResult;

/// Puts a Consilium network under load and says where the time goes.
#[derive(Debug, Parser)]
#[command(name = "load", version, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "Examples:
  load run                                     64 clients, blind puts, AND of two hospitals, 10 s
  load run --clients 256 --save new.json       the same with more clients; keeps the result
  load run --workload mix --policy 2-of-3      reads and writes, two of three hospitals endorse
  load run --rate 500 --seconds 30             open loop: 500 transactions a second, however long each takes
  load table --save table.json                 every row of the table in tests/load/README.md
  load gaps --kills 30                         the leader is killed 30 times under load
  load slow-follower                           one orderer answers 200 ms later, against all in time
  load proof-of-work --svg fig5.svg            making a block and its proof of work, as CSV
  load compare old.json new.json               two saved results side by side

The network's processes are those of this build: run `cargo build --workspace --bins` first.";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Starts a network, drives it, and prints one result.
    Run(Box<RunOptions>),
    /// Runs every row of the table in tests/load/README.md and prints it as Markdown.
    Table(table::TableOptions),
    /// Kills the leading orderer again and again, and prints how long clients waited and what they were told.
    Gaps(gaps::GapsOptions),
    /// Puts one following orderer behind a delay, and prints the throughput beside that of the healthy network.
    SlowFollower(slow_follower::SlowFollowerOptions),
    /// Times making a block and its proof of work, by report size and difficulty, as CSV.
    ProofOfWork(proof_of_work::ProofOfWorkOptions),
    /// Prints two saved results side by side, with the ratio of new to old.
    Compare(compare::CompareOptions),
}

fn main() -> ExitCode {
    match run(Arguments::parse().verb) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(verb: Verb) -> Result<()> {
    match verb {
        Verb::Run(options) => {
            let result = measure::measure(&options)?;
            if let Some(path) = &options.save {
                results::save(path, std::slice::from_ref(&result))?;
            }
            print(&result, options.output)
        }
        Verb::Table(options) => table::run(&options),
        Verb::Gaps(options) => gaps::run(&options),
        Verb::SlowFollower(options) => slow_follower::run(&options),
        Verb::ProofOfWork(options) => proof_of_work::run(&options),
        Verb::Compare(options) => compare::run(&options),
    }
}

fn print(result: &RunResult, output: OutputFormat) -> Result<()> {
    match output {
        OutputFormat::Text => print!("{}", report::text(result)),
        OutputFormat::Json => println!("{}", serde_json::to_string_pretty(result)?),
    }
    Ok(())
}
