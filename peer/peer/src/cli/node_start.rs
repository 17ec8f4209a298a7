//! `peer node start`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use node::{LogFormat, init_tracing};
use serde_json::Value;

use super::exit::Failure;
use super::output::Done;
use crate::installed::Program;

/// `peer node`.
#[derive(Args, Debug)]
pub struct NodeArguments {
    #[command(subcommand)]
    verb: NodeVerb,
}

#[derive(Debug, Subcommand)]
enum NodeVerb {
    /// Start the peer and run until SIGINT or SIGTERM.
    #[command(after_help = "\
Settings come from core.yaml and CORE_* variables, which come after it. All that is wrong is reported before a port is bound.

Example:
  peer node start --config /etc/consilium/core.yaml")]
    Start {
        /// Settings file; without it, core.yaml in $FABRIC_CFG_PATH.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// How log lines are written to stderr: text or json.
        #[arg(long = "logFormat", value_name = "FORMAT", default_value = "text")]
        log_format: LogFormat,
    },
}

/// Runs the verb.
pub async fn run(arguments: NodeArguments, program: Program) -> Result<Done, Failure> {
    let NodeVerb::Start { config, log_format } = arguments.verb;
    init_tracing(log_format, "info").map_err(Failure::fault)?;
    let config = config.or_else(|| of_environment(std::env::var("FABRIC_CFG_PATH").ok().as_deref()));
    crate::node::start(config.as_deref(), program)
        .await
        .map_err(|fault| Failure::fault(crate::node::with_causes(&fault)))?;
    Ok(Done::new("", Value::Null))
}

/// `core.yaml` in the folder of `FABRIC_CFG_PATH`, where it exists.
fn of_environment(folder: Option<&str>) -> Option<PathBuf> {
    let path = Path::new(folder.filter(|folder| !folder.is_empty())?).join("core.yaml");
    path.exists().then_some(path)
}
