//! `cryptogen`: keys and certificates of a whole consortium from one template.
//!
//! For trying out and for tests, as Fabric's tool of the same name: it holds every organisation's private keys in
//! one place. It reads the template, makes what is missing in the output folder, replaces nothing, and says in one
//! line for each organisation what it made and what it kept. Exit codes: 0 done, 1 rejected, 2 fault, 64 usage.

mod authorities;
mod disk;
mod failure;
mod generate;
mod layout;
mod organization;
mod report;
mod template;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Parser, Subcommand};

use crate::failure::Failure;
use crate::generate::Verb;

const REJECTED: u8 = 1;
const FAULT: u8 = 2;
const USAGE: u8 = 64;

/// Makes the keys and certificates of a consortium from a template.
#[derive(Parser)]
#[command(name = "cryptogen", after_long_help = AFTER_HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make what the template asks for and the output folder does not hold yet.
    ///
    /// Nothing that exists is replaced: raise a count in the template, run again, and only the new nodes and users
    /// are made. Remove a folder (for instance peers/peer0.org1.example.com/tls) to have it made anew.
    #[command(after_long_help = AFTER_HELP)]
    Generate {
        /// The template; without it, the one that `cryptogen showtemplate` prints.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// The folder to fill.
        #[arg(long, value_name = "DIR", default_value = "crypto-config")]
        output: PathBuf,
    },
    /// Add to an existing network what the template asks for and its folder does not hold.
    ///
    /// Organisations that are not there yet are made whole. Nodes and users that are new in the template are added to the
    /// others, whose authorities must be there with their keys: none is ever made anew. Nothing that exists is replaced.
    /// Folders made by Fabric's cryptogen are extended too.
    #[command(after_long_help = AFTER_HELP)]
    Extend {
        /// The template; without it, the one that `cryptogen showtemplate` prints.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// The folder of the existing network.
        #[arg(long, value_name = "DIR", default_value = "crypto-config")]
        input: PathBuf,
    },
    /// Print an example of a template.
    Showtemplate,
    /// Print the version.
    Version,
}

const AFTER_HELP: &str = concat!(
    "What is made, for every organisation:
  ca/ tlsca/               the authorities: certificate and priv_sk
  msp/                     what other organisations need to know of this one
  peers|orderers/NODE/     msp/ (signing key) and tls/ (server.crt, server.key, ca.crt)
  users/USER@DOMAIN/       msp/ (signing key) and tls/ (client.crt, client.key, ca.crt)
  kem/                     private.pem and public.pem: the X25519 key to which data keys are sealed

An example of a template:

",
    include_str!("example.yaml"),
    "
Exit codes: 0 done; 1 the template or what lies in the folder was rejected; 2 a fault of disk or system; 64 usage."
);

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help that was asked for is no error; printing can fail only where nobody reads.
            let code = if error.use_stderr() { USAGE } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let done = match arguments.command {
        Command::Generate { config, output } => run(config.as_deref(), &output, Verb::Generate),
        Command::Extend { config, input } => run(config.as_deref(), &input, Verb::Extend),
        Command::Showtemplate => {
            print!("{}", template::EXAMPLE);
            Ok(())
        }
        Command::Version => {
            println!("cryptogen {}", env!("CARGO_PKG_VERSION"));
            Ok(())
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("cryptogen: {}", with_causes(&failure));
            ExitCode::from(if matches!(failure, Failure::Rejected(_)) { REJECTED } else { FAULT })
        }
    }
}

fn run(config: Option<&Path>, output: &Path, verb: Verb) -> Result<(), Failure> {
    node::forbid_core_dumps().map_err(Failure::CoreDumps)?;
    let (text, origin) = read_template(config)?;
    let rejected = |problem: String| Failure::Rejected(format!("{origin}: {problem}"));
    let template = template::parse(&text).map_err(rejected)?;
    let organizations = organization::organizations(&template)
        .map_err(|problems| Failure::Rejected(format!("{origin}:\n  {}", problems.join("\n  "))))?;
    let _lock = disk::lock(output)?;
    for organization in &organizations {
        let report = generate::generate(output, organization, verb, now_ms())?;
        println!("{report}");
        for warning in &report.warnings {
            eprintln!("cryptogen: warning: {warning}");
        }
    }
    Ok(())
}

/// Returns the template's text, and its name for messages.
fn read_template(config: Option<&Path>) -> Result<(String, String), Failure> {
    let Some(path) = config else {
        return Ok((template::EXAMPLE.to_owned(), "the built-in template".to_owned()));
    };
    let length = std::fs::metadata(path).map_err(Failure::disk(path, "read the template"))?.len();
    if length > template::TEMPLATE_LENGTH_MAX as u64 {
        return Err(Failure::Rejected(format!(
            "{}: is {length} bytes long, more than the {} of any template",
            path.display(),
            template::TEMPLATE_LENGTH_MAX
        )));
    }
    let bytes = std::fs::read(path).map_err(Failure::disk(path, "read the template"))?;
    let text = String::from_utf8(bytes)
        .map_err(|_| Failure::Rejected(format!("{}: is not text in UTF-8", path.display())))?;
    Ok((text, path.display().to_string()))
}

/// Milliseconds since 1970; a clock before that gives 0, which no certificate can be dated by.
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn with_causes(failure: &Failure) -> String {
    let mut text = failure.to_string();
    let mut cause = failure.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}
