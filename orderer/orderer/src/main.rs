//! The ordering node: broadcast, deliver, consensus.
//!
//! Everything that decides is in crate `ordering`; here are the disk ([`chain`]), consensus ([`raft`]) and the services
//! around them. One task leads, one shares signatures, one forwards; the rest answers requests.

mod backend;
mod broadcast;
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
mod raft;
mod seek;
mod sharing;
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
use node::{LogFormat, forbid_core_dumps, init_tracing, shutdown_signal};

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
    },
    /// Show the version.
    Version,
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are no faults; whatever cannot be printed is lost with its terminal.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(EXIT_USAGE) } else { ExitCode::SUCCESS };
        }
    };
    let result = match arguments.command.unwrap_or(Command::Start { config: None }) {
        Command::Start { config } => start(config),
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

fn start(config: Option<PathBuf>) -> anyhow::Result<()> {
    init_tracing(LogFormat::Text, "info,openraft=error")?;
    forbid_core_dumps().context("core dumps of this process cannot be forbidden")?;
    let settings = configuration::read(config.as_deref())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(start::run(settings, async {
        let signal = shutdown_signal().await;
        tracing::info!(signal, "stopping");
    }))
}
