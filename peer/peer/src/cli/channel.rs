//! `peer channel`: join, list, getinfo, fetch; the verbs that change a channel are in [`channel_update`].

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand};
use client::BlockPosition;
use protocol::limits::BLOCK_BYTES_MAX;
use protocol::{BlockNumber, ChannelId};
use serde_json::json;

use super::blocks;
use super::channel_update::{self, SignArguments, UpdateArguments};
use super::exit::Failure;
use super::orderer_flags::OrdererFlags;
use super::output::Done;
use super::session::Session;
use super::settings::FlagValues;

/// `peer channel`.
#[derive(Args, Debug)]
pub struct ChannelArguments {
    #[command(subcommand)]
    verb: ChannelVerb,
}

#[derive(Debug, Subcommand)]
enum ChannelVerb {
    /// Have the own peer join the channel of a genesis block (needs an administrator).
    #[command(after_help = "Example:\n  peer channel join -b reports.block")]
    Join {
        /// File with the genesis block.
        #[arg(short = 'b', long = "blockpath", value_name = "FILE")]
        block_path: PathBuf,
    },
    /// List the channels that the own peer has joined.
    #[command(after_help = "Example:\n  peer channel list")]
    List,
    /// Show height and hashes of a channel at the own peer.
    #[command(after_help = "Example:\n  peer channel getinfo -c reports")]
    Getinfo {
        /// The channel.
        #[arg(short = 'c', long = "channelID", value_name = "CHANNEL")]
        channel: Option<ChannelId>,
    },
    /// Fetch a block into a file, from the own peer or, with -o, from an orderer.
    #[command(after_help = "\
Examples:
  peer channel fetch config -c reports
  peer channel fetch 7 block7.block -c reports -o orderer0.example:7050 --cafile tls-ca.pem --output json")]
    Fetch(FetchArguments),
    /// Add the own signature to an update of a channel's configuration (needs an administrator's).
    #[command(after_help = "\
Each administrator whose agreement the update needs signs it in turn. Look at it first:
  configtxgen --inspect-update update.pb

Example:
  peer channel signconfigtx -f update.pb")]
    Signconfigtx(SignArguments),
    /// Submit a signed update of a channel's configuration, with the own signature.
    #[command(after_help = "\
It is in force everywhere when its block is: no node is restarted. A refusal says what is stale, whose signature is
missing, or which rule the new configuration breaks.

Example:
  peer channel update -f update.pb -c reports -o orderer0.example:7050 --tls --cafile tls-ca.pem")]
    Update(UpdateArguments),
}

#[derive(Args, Debug)]
struct FetchArguments {
    /// newest, oldest, config, or a block's number.
    position: Position,
    /// File to write; without it CHANNEL_POSITION.block.
    file: Option<PathBuf>,
    /// The channel.
    #[arg(short = 'c', long = "channelID", value_name = "CHANNEL")]
    channel: Option<ChannelId>,
    #[command(flatten)]
    orderer: OrdererFlags,
}

/// A block position as it is written on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Position(BlockPosition);

impl FromStr for Position {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(Self(match text {
            "newest" => BlockPosition::Newest,
            "oldest" => BlockPosition::Oldest,
            "config" => BlockPosition::Config,
            number => BlockPosition::Number(BlockNumber(
                number.parse().map_err(|_| "write newest, oldest, config, or a block's number".to_owned())?,
            )),
        }))
    }
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            BlockPosition::Newest => f.write_str("newest"),
            BlockPosition::Oldest => f.write_str("oldest"),
            BlockPosition::Config => f.write_str("config"),
            BlockPosition::Number(number) => number.fmt(f),
        }
    }
}

/// Runs the verb.
pub async fn run(arguments: ChannelArguments) -> Result<Done, Failure> {
    match arguments.verb {
        ChannelVerb::Join { block_path } => join(block_path).await,
        ChannelVerb::List => list().await,
        ChannelVerb::Getinfo { channel } => info(channel).await,
        ChannelVerb::Fetch(arguments) => fetch(arguments).await,
        ChannelVerb::Signconfigtx(arguments) => channel_update::sign(&arguments),
        ChannelVerb::Update(arguments) => channel_update::update(arguments).await,
    }
}

async fn join(path: PathBuf) -> Result<Done, Failure> {
    let name = path.display();
    let read =
        |error| Failure::fault(format!("{name} of -b cannot be read: {error}; name a genesis block's file"));
    let bytes = std::fs::metadata(&path).map_err(read)?.len();
    if bytes > BLOCK_BYTES_MAX as u64 {
        return Err(Failure::fault(format!("{name} of -b has {bytes} bytes: this is no block")));
    }
    let genesis = std::fs::read(&path).map_err(read)?;
    let session = Session::open(FlagValues::default()).await?;
    let channel = session.connection.join(&genesis).await?;
    Ok(Done::new(
        format!("the peer {} is in channel {channel}", session.connection.endpoint()),
        json!({ "channel": channel.as_str(), "peer": session.connection.endpoint().to_string() }),
    ))
}

async fn list() -> Result<Done, Failure> {
    let session = Session::open(FlagValues::default()).await?;
    let channels = session.connection.channels().await?;
    let names: Vec<&str> = channels.iter().map(ChannelId::as_str).collect();
    Ok(Done::new(names.join("\n"), json!({ "channels": names })))
}

async fn info(channel: Option<ChannelId>) -> Result<Done, Failure> {
    let session = Session::open(FlagValues::default()).await?;
    let channel = session.channel(channel.as_ref()).await?;
    let info = session.connection.chain_info(&channel).await?;
    let json = json!({
        "height": info.height,
        "currentBlockHash": info.current_block_hash,
        "previousBlockHash": info.previous_block_hash,
        "commitHash": info.commit_hash,
    });
    Ok(Done::new(format!("Blockchain info: {json}"), json))
}

async fn fetch(arguments: FetchArguments) -> Result<Done, Failure> {
    let FetchArguments { position, file, channel, orderer } = arguments;
    orderer.endpoint()?;
    let flags = FlagValues {
        client_cert: orderer.certfile.clone(),
        client_key: orderer.keyfile.clone(),
        ..FlagValues::default()
    };
    let session = Session::open(flags).await?;
    let channel = session.channel(channel.as_ref()).await?;
    let block = match orderer.orderer(&session, &channel).await? {
        None => session.connection.block(&channel, position.0).await?,
        Some((endpoint, roots)) => {
            session.connection.block_from_orderer(&channel, position.0, &endpoint, &roots).await?
        }
    };
    let file = file.unwrap_or_else(|| PathBuf::from(format!("{channel}_{position}.block")));
    std::fs::write(&file, block.to_bytes())
        .map_err(|error| Failure::fault(format!("{} cannot be written: {error}", file.display())))?;
    let mut json = blocks::json(&block);
    json["file"] = json!(file.display().to_string());
    let text = format!(
        "block {} with {} transactions, hash {}, written to {}",
        block.header.number,
        block.envelopes.len(),
        block.header.hash(),
        file.display()
    );
    Ok(Done::new(text, json))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_fabrics_words_or_a_number() {
        for text in ["newest", "oldest", "config", "0", "18446744073709551615"] {
            assert_eq!(text.parse::<Position>().unwrap().to_string(), text);
        }
        for text in ["", "last", "-1", "1.5", "18446744073709551616"] {
            assert!(text.parse::<Position>().is_err(), "{text}");
        }
    }
}
