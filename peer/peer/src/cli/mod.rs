//! The command line `peer`: Fabric's verbs and flags for channels and chaincodes, `identity` for who may act, and `report`
//! for reports.
//!
//! Results go to stdout (`--output text|json`), everything else to stderr. Exit codes: 0 done, 1 rejected (the code's name
//! is in the text), 2 fault, 64 usage. Each verb turns its arguments into calls of the crate `client` and its results into
//! [`Done`](output::Done); nothing here signs, decides or stores.

mod base64;
mod blocks;
mod chaincode;
mod channel;
mod channel_update;
mod constructor;
mod events;
mod exit;
mod identity;
mod identity_files;
mod identity_text;
mod image_file;
mod node_start;
mod orderer_flags;
mod output;
mod peer_flags;
mod progress;
mod report;
mod report_text;
mod session;
mod settings;
mod time;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use configtx::Capabilities;
use shim::Chaincode;

use crate::installed::Program;
use crate::node::IMAGE_WORKER;
use exit::{Failure, USAGE};
use output::{Done, OutputFormat};

/// The peer of a Consilium network: node and command line.
#[derive(Debug, Parser)]
#[command(name = "peer", disable_version_flag = true, max_term_width = 110, after_help = HELP)]
struct Arguments {
    /// How results are written to stdout.
    #[arg(long, global = true, value_enum, default_value_t = OutputFormat::Text, value_name = "FORMAT")]
    output: OutputFormat,
    #[command(subcommand)]
    verb: Verb,
}

const HELP: &str = "\
Every verb but `version` and `node` calls the own hospital's peer, named by these variables (or core.yaml in
$FABRIC_CFG_PATH):
  CORE_PEER_ADDRESS              host:port of the peer
  CORE_PEER_LOCALMSPID           the organisation, such as HospitalAMSP
  CORE_PEER_MSPCONFIGPATH        the user's msp folder
  CORE_PEER_TLS_ROOTCERT_FILE    the TLS CA of the peer
  CORE_PEER_TLS_CLIENTCERT_FILE  the user's TLS certificate
  CORE_PEER_TLS_CLIENTKEY_FILE   its key
  CORE_CHANNEL                   the channel, where -C is left out

Exit codes: 0 done, 1 rejected, 2 fault, 64 wrong usage.

Example:
  peer report upload scan.png --patient 4711 --modality CR -C reports";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show the version.
    #[command(after_help = "Example:\n  peer version --output json")]
    Version,
    /// Run this peer as a node.
    Node(node_start::NodeArguments),
    /// Join, list, inspect, fetch and change channels.
    Channel(channel::ChannelArguments),
    /// Invoke and query chaincodes, follow their events.
    Chaincode(chaincode::ChaincodeArguments),
    /// Register, renew, revoke and list who of an organisation may act.
    Identity(identity::IdentityArguments),
    /// Upload, list, show, share, download and verify reports.
    Report(report::ReportArguments),
    /// Decode one image for the peer that started this process.
    #[command(name = IMAGE_WORKER, hide = true)]
    ImageWorker,
}

/// Does what the process's arguments say and returns its exit code; a node runs `chaincodes` and the system chaincode, and
/// knows the capabilities of this release.
///
/// A program calls this first and does nothing else: the node starts its own program anew as an image worker, which must
/// come here before it starts a thread.
pub fn run(chaincodes: Vec<Arc<dyn Chaincode>>) -> ExitCode {
    run_knowing(chaincodes, Capabilities::RELEASED)
}

/// As [`run`], for a build that knows other capabilities of channels than this release.
pub fn run_knowing(chaincodes: Vec<Arc<dyn Chaincode>>, known: Capabilities) -> ExitCode {
    answer(std::env::args_os(), Program { chaincodes, known })
}

fn answer(arguments: impl IntoIterator<Item = OsString>, program: Program) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            let code = if error.use_stderr() { USAGE } else { 0 };
            // A closed terminal is no reason for another exit code.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    if matches!(arguments.verb, Verb::ImageWorker) {
        // Before any thread is started: only the thread that asks for it is confined.
        return gateway::run_image_worker(gateway::decode_and_hash);
    }
    let format = arguments.output;
    // A user's program holds the plaintext of a report and its data key, too. (A worker does it for itself, last.)
    if let Err(error) = node::forbid_core_dumps() {
        return exit::report(&Failure::fault(format!("core dumps cannot be forbidden: {error}")), format);
    }
    match perform(arguments.verb, format, program) {
        Ok(done) => output::print(&done, format),
        Err(failure) => exit::report(&failure, format),
    }
}

fn perform(verb: Verb, format: OutputFormat, program: Program) -> Result<Done, Failure> {
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| Failure::fault(format!("the runtime cannot start: {error}")))?;
    runtime.block_on(async {
        match verb {
            Verb::Version => Ok(version(&program)),
            Verb::Node(arguments) => node_start::run(arguments, program).await,
            Verb::Channel(arguments) => channel::run(arguments).await,
            Verb::Chaincode(arguments) => chaincode::run(arguments, format).await,
            Verb::Identity(arguments) => identity::run(arguments).await,
            Verb::Report(arguments) => report::run(arguments).await,
            Verb::ImageWorker => Err(Failure::usage("an image worker runs before everything else")),
        }
    })
}

fn version(Program { chaincodes, known }: &Program) -> Done {
    let version = env!("CARGO_PKG_VERSION");
    let installed: BTreeMap<&str, &str> =
        chaincodes.iter().map(|chaincode| (chaincode.name(), chaincode.version())).collect();
    let listed: Vec<String> = installed.iter().map(|(name, version)| format!("{name} {version}")).collect();
    let capabilities = known.names();
    let names: Vec<&str> = capabilities.iter().map(|capability| capability.0.as_str()).collect();
    let text = format!(
        "peer:\n Version: {version}\n Capabilities: {}\n Chaincodes: {}\n Self-test of the perceptual hash: {}\n OS/Arch: {}/{}",
        names.join(", "),
        listed.join(", "),
        imaging::SELF_TEST_ID,
        std::env::consts::OS,
        std::env::consts::ARCH,
    );
    Done::new(
        text,
        serde_json::json!({
            "version": version,
            "capabilities": names,
            "chaincodes": installed,
            "self_test_id": imaging::SELF_TEST_ID,
            "os": std::env::consts::OS,
            "arch": std::env::consts::ARCH,
        }),
    )
}

#[cfg(test)]
mod tests;
