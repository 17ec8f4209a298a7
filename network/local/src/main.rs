//! `network`: a consortium of three hospitals on one machine, for trying out.
//!
//! It makes keys and a genesis block once, keeps the ports it picked, starts orderers and peers as processes of their own,
//! and shares a report from one hospital to another to show that it works. It is a user of the other binaries and knows
//! no more than their command lines, files and health pages. Exit codes: 0 done, 1 rejected, 2 fault, 64 usage.

mod binaries;
mod command;
mod consortium;
mod demonstration;
mod down;
mod folder;
mod health;
mod instructions;
mod logs;
mod material;
mod node_files;
mod phantom;
mod png;
mod ports;
mod printing;
mod process;
mod state;
mod status;
mod up;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use crate::folder::Folder;

const FAULT: u8 = 2;
const USAGE: u8 = 64;

/// Runs a consortium of three hospitals on this machine: three orderers and three peers on 127.0.0.1.
#[derive(Parser)]
#[command(name = "network", version, after_help = AFTER_HELP)]
struct Arguments {
    /// Where keys, ledgers and logs are kept. Default: consilium/network in $XDG_DATA_HOME or ~/.local/share.
    #[arg(long, value_name = "DIR", global = true, env = "CONSILIUM_NETWORK_DIR")]
    dir: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start what is stopped, make what is missing, and share a report from hospital A to hospital B.
    ///
    /// Run it again at any time: keys, ports and ledgers are kept. Without IMAGE the report is a drawn phantom, and it
    /// is shared once.
    Up {
        /// A PNG or JPEG file to share as a report of modality CR.
        image: Option<PathBuf>,
    },
    /// Show every node: process, ports, health, height. Exit code 1 if one does not do its work.
    Status {
        /// How to print it.
        #[arg(long, value_enum, default_value_t = Output::Text)]
        output: Output,
    },
    /// Print the last lines of the nodes' logs.
    Logs {
        /// One node, such as peer-a or orderer-b; without it, all.
        node: Option<String>,
        /// Print new lines as they come, until interrupted.
        #[arg(short, long)]
        follow: bool,
        /// How many lines of each node.
        #[arg(short = 'n', long, default_value_t = 40, value_name = "LINES")]
        lines: usize,
    },
    /// Stop every node.
    Down {
        /// Remove keys, ledgers, reports and logs as well. They cannot be had back.
        #[arg(long)]
        purge: bool,
    },
}

/// How a result is printed.
#[derive(Clone, Copy, ValueEnum)]
enum Output {
    /// A table for people.
    Text,
    /// JSON for programs.
    Json,
}

const AFTER_HELP: &str = "\
Try it:
  network up                     start the consortium and share a drawn phantom
  network up chest.png           start it and share an image of your own
  network status                 what runs
  network logs peer-a -f         what hospital A's peer says
  network down                   stop it; `up` continues where it stopped
  network down --purge           stop it and remove everything

All keys of all hospitals lie on this one machine: nothing here is fit for patients' data.
Exit codes: 0 done; 1 rejected; 2 a fault; 64 usage.";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help that was asked for is no error; printing can fail only where nobody reads.
            let code = if error.use_stderr() { USAGE } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    match run(arguments).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("network: {error:#}");
            ExitCode::from(FAULT)
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let folder = Folder::choose(arguments.dir)?;
    match arguments.command {
        Command::Up { image } => up::up(&folder, image.as_deref()).await,
        Command::Status { output } => status::status(&folder, matches!(output, Output::Json)).await,
        Command::Logs { node, follow, lines } => logs::logs(&folder, node.as_deref(), lines, follow).await,
        Command::Down { purge } => down::down(&folder, purge).await,
    }
}
