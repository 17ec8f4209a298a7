//! The ordering node as a library: broadcast, deliver, consensus. A program is this and the capabilities that it knows.
//!
//! Everything that decides is in crate `ordering`; here are the disk (`chain`), consensus (`raft`) and the services
//! around them. One task leads, one shares signatures, one forwards; the rest answers requests. `main.rs` is the orderer as
//! released. Nothing but [`run`] is for other crates, and [`simulated`] for the simulation of `tests/simulation`.

mod backend;
mod blocking;
mod broadcast;
mod catching_up;
mod chain;
mod channel;
mod channels;
mod clocks;
mod configuration;
mod consensus_service;
mod consenters;
mod deliver;
mod forwarding;
mod leader;
mod metrics;
mod proposing;
mod quorum;
mod raft;
mod seek;
mod sharing;
pub mod simulated;
mod start;
mod trusting;

#[cfg(test)]
#[path = "../../ordering/src/world.rs"]
#[allow(dead_code, reason = "shared with crate ordering, whose tests use other parts of it")]
mod world;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use configtx::Capabilities;
use configuration::Place;
use node::{LogFormat, forbid_core_dumps, init_tracing, shutdown_signal};
use raft::Unconfirmed;

/// A fault of disk, network or configuration.
const EXIT_FAULT: u8 = 2;
/// The command line is wrong.
const EXIT_USAGE: u8 = 64;

/// The ordering node of a Consilium network.
#[derive(Parser)]
#[command(name = "orderer", version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Start the ordering node (what happens without a command, too).
    Start {
        /// Settings file; variables ORDERER_* come after it.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Begin the channels that have no log on this node: give it at the very first start of every consenter, and never
        /// where a ledger was lost. A channel begins when all its consenters are started so. Without it, a consenter
        /// that has no log takes the blocks of the others and waits until they let its new log vote.
        #[arg(long)]
        bootstrap: bool,
        /// Start although the genesis block does not name this node as consenter, or names another key: a later configuration
        /// does. The blocks come from the consenters of the genesis block; where none of them is left, begin with a copy of
        /// another consenter's ledger on which 'recover' was run.
        #[arg(long)]
        join: bool,
    },
    /// Make a ledger usable after the logs of a majority of a channel's consenters were lost.
    ///
    /// Keeps all blocks, applies what the log knows to be ordered, and forgets log and votes. Run it on each consenter that
    /// has its ledger, with all orderers of the channel stopped; copy the highest ledger to every consenter that has none,
    /// then start every consenter with 'start --bootstrap'.
    /// Where the log holds entries of unknown fate it says up to which term and index, and does nothing until one of the two
    /// flags says what becomes of them.
    Recover {
        /// Settings file; variables ORDERER_* come after it.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// The channel.
        #[arg(long, value_name = "NAME")]
        channel: String,
        /// Apply entries of unknown fate: on the consenter whose log has the highest place (the term counts first).
        #[arg(long, conflicts_with = "drop_unconfirmed")]
        keep_unconfirmed: bool,
        /// Drop them: on all others.
        #[arg(long)]
        drop_unconfirmed: bool,
    },
    /// Show the version.
    Version,
}

/// Does what the process's arguments say and returns its exit code; a node knows these capabilities of channels.
pub fn run(known: Capabilities) -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are no faults; whatever cannot be printed is lost with its terminal.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(EXIT_USAGE) } else { ExitCode::SUCCESS };
        }
    };
    let start_as_is = Command::Start { config: None, bootstrap: false, join: false };
    let result = match arguments.command.unwrap_or(start_as_is) {
        Command::Start { config, bootstrap, join } => {
            start(config, if join { Place::Any } else { Place::Named }, bootstrap, known)
        }
        Command::Recover { config, channel, keep_unconfirmed, drop_unconfirmed } => {
            let unconfirmed = match (keep_unconfirmed, drop_unconfirmed) {
                (true, _) => Unconfirmed::Keep,
                (false, true) => Unconfirmed::Drop,
                (false, false) => Unconfirmed::Unsaid,
            };
            recover(config, (&channel, unconfirmed), known)
        }
        Command::Version => {
            println!("orderer {}", env!("CARGO_PKG_VERSION"));
            Ok(())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("orderer: {error:#}");
            ExitCode::from(EXIT_FAULT)
        }
    }
}

fn start(config: Option<PathBuf>, place: Place, bootstrap: bool, known: Capabilities) -> anyhow::Result<()> {
    init_tracing(LogFormat::Text, "info,openraft=error")?;
    forbid_core_dumps().context("core dumps of this process cannot be forbidden")?;
    let settings = configuration::read(config.as_deref(), place, known)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(start::run(settings, bootstrap, async {
        let signal = shutdown_signal().await;
        tracing::info!(signal, "stopping");
    }))
}

fn recover(
    config: Option<PathBuf>,
    (channel, unconfirmed): (&str, Unconfirmed),
    known: Capabilities,
) -> anyhow::Result<()> {
    init_tracing(LogFormat::Text, "warn,openraft=error")?;
    let settings = configuration::read(config.as_deref(), Place::Any, known)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let recovered = runtime.block_on(start::recover(&settings, channel, unconfirmed))?;
    println!("channel '{channel}' stands at block {}", recovered.last);
    println!("  configuration of block: {}", recovered.last_config);
    if let Some((term, index)) = recovered.place {
        println!("  last entry kept: term {term}, index {index}");
    }
    println!("  blocks that were in the log alone, now applied: {}", recovered.applied);
    let fate = if unconfirmed == Unconfirmed::Keep { "kept" } else { "dropped" };
    println!("  entries of unknown fate, {fate}: {}", recovered.unconfirmed);
    println!(
        "No peer may stand higher, or know a newer configuration, than the highest consenter of the channel."
    );
    println!("Copy the ledger of the highest to every consenter that has none, then start every one with");
    println!("'orderer start --bootstrap' (and --join where the genesis block does not name it).");
    Ok(())
}
