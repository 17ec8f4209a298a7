//! `configtxgen`: a channel's genesis block from one declarative file, what stands in a block, and the update that leads
//! from a channel's configuration to an edited file.
//!
//! It reads `consortium.yaml`, the MSP folders that it names and the identities beside them, has `configtx` check every
//! rule, and writes block 0. It keeps a block that says the same, and replaces none that says something else unless told
//! to: a second genesis block would be a second channel. Exit codes: 0 done, 1 rejected, 2 fault, 64 usage.

mod consortium;
mod failure;
mod gathering;
mod identities;
mod inspection;
mod output;
mod passage;
mod reports;
mod units;
mod update;

use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use clap::{ArgGroup, Parser};
use configtx::Capabilities;
use protocol::{Capability, ChannelConfig, ChannelId};

use crate::failure::Failure;
use crate::output::{Outcome, place};

const REJECTED: u8 = 1;
const FAULT: u8 = 2;
const USAGE: u8 = 64;
/// A file that describes a consortium, references included, has a few hundred kilobytes at most.
const CONSORTIUM_BYTES_MAX: u64 = 8 << 20;

/// Makes the genesis block of a channel or an update of its configuration, or prints what stands in one.
#[derive(Parser)]
// Paths in the sample are longer than a terminal is wide, and a broken line is no YAML.
#[command(name = "configtxgen", version, after_long_help = after_help(), term_width = 0)]
#[command(group(ArgGroup::new("task").required(true).args(["output_block", "inspect_block", "compute_update", "inspect_update"])))]
struct Arguments {
    /// The profile in the file; without it, the only one.
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// The file that describes the consortium. Paths in it are relative to its folder.
    #[arg(long, value_name = "FILE", alias = "updated", default_value = "consortium.yaml")]
    config: PathBuf,
    /// The channel's name: lower-case letters, digits, `.` and `-`.
    #[arg(long, value_name = "CHANNEL", aliases = ["channelID", "channel_id"])]
    channel_id: Option<String>,
    /// Where the genesis block goes.
    #[arg(long, value_name = "FILE", alias = "outputBlock", requires = "channel_id")]
    output_block: Option<PathBuf>,
    /// Replace a file that says something else. The channel that began with a replaced genesis block is lost.
    #[arg(long, conflicts_with_all = ["inspect_block", "inspect_update"])]
    force: bool,
    /// Print a genesis or configuration block as JSON.
    #[arg(long, value_name = "FILE", alias = "inspectBlock", conflicts_with_all = ["profile", "channel_id"])]
    inspect_block: Option<PathBuf>,
    /// Compute the update that leads from the configuration in --original to the file, for administrators to sign.
    #[arg(long, requires_all = ["original", "output"])]
    compute_update: bool,
    /// The channel's configuration block, from `peer channel fetch config`.
    #[arg(long, value_name = "FILE", requires = "compute_update")]
    original: Option<PathBuf>,
    /// Where the update goes.
    #[arg(long, value_name = "FILE", requires = "compute_update")]
    output: Option<PathBuf>,
    /// Print an update and who has signed it as JSON.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["profile", "channel_id"])]
    inspect_update: Option<PathBuf>,
}

/// The sample that `--help` shows.
const SAMPLE: &str = include_str!("../../compose/consortium.yaml");
const TEACHING: &str = "\
Make a channel's first block and look at it:

  cryptogen generate --config crypto-config.yaml --output crypto-config
  configtxgen --profile Consortium --config consortium.yaml --channel-id reports --output-block reports.block
  configtxgen --inspect-block reports.block

The block registers every signing certificate found under peers/, orderers/ and users/ beside each organisation's
MSPDir. A block that is there and says the same is kept; one that says something else is kept too, and exit code 1 says
so, unless --force is given. Every node of a channel must be given the same block.

Change the channel: edit the file, compute what differs from the configuration in force, have it signed, submit it:

  peer channel fetch config config.block -c reports
  configtxgen --compute-update --original config.block --config consortium.yaml --channel-id reports --output update.pb
  configtxgen --inspect-update update.pb
  peer channel signconfigtx -f update.pb            each administrator who must agree
  peer channel update -f update.pb -c reports -o orderer0.example:7050

Capabilities switch formats and rules on for all members at once, from the block behind the change on. A new channel has all
that this release knows; an update adds those that the file names and takes none away. Upgrade every node first: one that
does not know a capability stops the channel before that block and names the release that it needs.

CAPABILITIES
An example of the file:
";
const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 the file, what it names or an existing block was rejected; 2 a fault of disk or system; 64 usage.";

/// What `--help` says after the options: the sample with one reference in place of its many.
fn after_help() -> String {
    let is_reference = |line: &&str| line.trim_start().starts_with("- { id:");
    let first = SAMPLE.lines().find(is_reference);
    let lines = SAMPLE.lines().filter(|line| !is_reference(line) || Some(*line) == first);
    let sample: String = lines.map(|line| format!("  {line}\n")).collect();
    let known: String = Capabilities::RELEASED
        .iter()
        .map(|known| format!("  {}   since release {}: {}\n", known.name, known.release, known.governs))
        .collect();
    let teaching = TEACHING.replace("CAPABILITIES\n", &format!("{known}\n"));
    format!("{teaching}\n{sample}\n{EXIT_CODES}")
}

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
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Rejected(reason)) => {
            eprintln!("configtxgen: {reason}");
            ExitCode::from(REJECTED)
        }
        Err(Failure::Fault(error)) => {
            eprintln!("configtxgen: {error:#}");
            ExitCode::from(FAULT)
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    if let Some(path) = &arguments.inspect_block {
        let block = output::read(path)?;
        let shown = inspection::block(&block).map_err(|error| Failure::rejected(path, &error))?;
        return print(&shown);
    }
    if let Some(path) = &arguments.inspect_update {
        return print(&update::shown(&update::read(path)?));
    }
    if let (Some(original), Some(output)) = (&arguments.original, &arguments.output) {
        return compute_update(arguments, original, output);
    }
    let (Some(channel), Some(path)) = (&arguments.channel_id, &arguments.output_block) else {
        return Err(Failure::Rejected("--channel-id and --output-block go together".to_owned()));
    };
    let config = described(arguments, channel_id(channel)?, Capabilities::RELEASED.names())?;
    let block = configtx::genesis_block(&config, now_ms());
    let block_hash = block.header.hash();
    match place(path, &block, arguments.force)? {
        Outcome::Written => println!("{}: written, block hash {block_hash}", path.display()),
        Outcome::Unchanged(hash) => println!("{}: unchanged, block hash {hash}", path.display()),
    }
    Ok(())
}

/// Writes the update that leads from the block in `original` to the file.
fn compute_update(arguments: &Arguments, original: &Path, output: &Path) -> Result<(), Failure> {
    let before = update::original(original)?;
    let channel = before.config().channel.clone();
    if let Some(named) = &arguments.channel_id
        && channel_id(named)? != channel
    {
        return Err(Failure::rejected(
            original,
            &format!("is of channel {channel}, and --channel-id names {named}"),
        ));
    }
    // No capability is switched on by a file that does not speak of them.
    let in_force = before.config().capabilities.clone();
    let update = update::between(&before, &described(arguments, channel, in_force)?)?;
    let done = match update::place(output, &update, arguments.force)? {
        update::Placed::Written => "written",
        update::Placed::Unchanged => "unchanged",
    };
    println!(
        "{}: {done}, from sequence {}{}",
        output.display(),
        update.sequence,
        update::summary(&before, &update)
    );
    Ok(())
}

fn print(shown: &serde_json::Value) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(shown).context("the result as JSON")? + "\n";
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        // A reader that has gone, such as `head`, has seen what it wanted.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other.context("the result on stdout")?),
    }
}

fn channel_id(text: &str) -> Result<ChannelId, Failure> {
    ChannelId::new(text).map_err(|error| Failure::Rejected(format!("--channel-id: {error}")))
}

/// The configuration that the file describes, with these capabilities where it names none.
fn described(
    arguments: &Arguments,
    channel: ChannelId,
    capabilities: Vec<Capability>,
) -> Result<ChannelConfig, Failure> {
    let path = arguments.config.as_path();
    let text = read_text(path)?;
    let consortium = consortium::parse(&text).map_err(|error| Failure::rejected(path, &error))?;
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    passage::channel_config(&consortium, arguments.profile.as_deref(), (channel, capabilities), folder)
        .map_err(|problems| Failure::rejected(path, &gathering::listed(&problems)))
}

/// Milliseconds since 1970; a clock before that gives 0, at which no certificate is valid.
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn read_text(path: &Path) -> Result<String, Failure> {
    let length =
        std::fs::metadata(path).with_context(|| format!("{}: cannot be read", path.display()))?.len();
    if length > CONSORTIUM_BYTES_MAX {
        let reason = format!("has {length} bytes, over the limit of {CONSORTIUM_BYTES_MAX}");
        return Err(Failure::rejected(path, &reason));
    }
    let bytes = std::fs::read(path).with_context(|| format!("{}: cannot be read", path.display()))?;
    String::from_utf8(bytes).map_err(|_| Failure::rejected(path, &"is not text in UTF-8"))
}
