//! `peer chaincode`: invoke, query and events.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use client::{Deadlines, Draft, Endorsed};
use endorsing::TransientMap;
use protocol::{ChaincodeName, ChannelId};
use serde_json::json;

use super::constructor;
use super::events::{self, EventsArguments};
use super::exit::Failure;
use super::orderer_flags::OrdererFlags;
use super::output::{Done, OutputFormat, hex_digits, shown};
use super::peer_flags::PeerFlags;
use super::session::Session;
use super::settings::FlagValues;
use crate::duration;

/// `peer chaincode`.
#[derive(Args, Debug)]
pub struct ChaincodeArguments {
    #[command(subcommand)]
    verb: ChaincodeVerb,
}

#[derive(Debug, Subcommand)]
enum ChaincodeVerb {
    /// Run a function as a transaction and, unlike in Fabric, wait until it is committed.
    #[command(after_help = "\
By default the own peer's gateway finds the endorsers by policy and hands the transaction to the orderers. With
--peerAddresses these peers are asked instead; with -o that orderer gets the transaction. Before it signs, this program
compares what came back with what it proposed. The verdict is exit code 0 for VALID, else 1 with the code's name.

Examples:
  peer chaincode invoke -C reports -n asset-transfer -c '{\"Args\":[\"CreateAsset\",\"car1\",\"blue\",\"5\",\"Tom\",\"900\"]}'
  peer chaincode invoke -C reports -n asset-transfer -c '{\"function\":\"DeleteAsset\",\"Args\":[\"car1\"]}' \\
    --peerAddresses peer0.a.example:7051 --peerAddresses peer0.b.example:7051 -o orderer0.example:7050")]
    Invoke(InvokeArguments),
    /// Run a function without a transaction and print its result.
    #[command(after_help = "\
Example:
  peer chaincode query -C reports -n asset-transfer -c '{\"Args\":[\"ReadAsset\",\"car1\"]}'")]
    Query(QueryArguments),
    /// Print the events of valid transactions as they are committed, from a block or transaction on.
    #[command(after_help = "\
One event a line; with --output json one JSON value a line. Keep block and transaction of the last event that was dealt
with, and begin behind it with --start and --after: none is missed, none comes twice, whatever was restarted meanwhile.

Examples:
  peer chaincode events -C reports -n reports
  peer chaincode events -C reports -n reports --start 0 --count 10 --output json")]
    Events(EventsArguments),
}

#[derive(Args, Clone, Debug)]
struct CallArguments {
    /// The channel; without it CORE_CHANNEL, or the peer's only channel.
    #[arg(short = 'C', long = "channelID", value_name = "CHANNEL")]
    channel: Option<ChannelId>,
    /// The chaincode.
    #[arg(short = 'n', long = "name", value_name = "CHAINCODE")]
    name: ChaincodeName,
    /// Function and arguments, JSON.
    #[arg(short = 'c', long = "ctor", value_name = "JSON")]
    constructor: String,
    /// Data for the endorsers only: a JSON object of base64 values. It is not stored.
    #[arg(long, value_name = "JSON")]
    transient: Option<String>,
    #[command(flatten)]
    peers: PeerFlags,
}

#[derive(Args, Debug)]
struct InvokeArguments {
    #[command(flatten)]
    call: CallArguments,
    #[command(flatten)]
    orderer: OrdererFlags,
    /// Whether to wait for the verdict; it is waited for unless this is false.
    #[arg(
        long = "waitForEvent", value_name = "true|false", num_args = 0..=1, require_equals = true,
        default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set
    )]
    wait: bool,
    /// How long to wait for the verdict.
    #[arg(
        long = "waitForEventTimeout", value_name = "DURATION", default_value = "60s", value_parser = duration::parse
    )]
    wait_timeout: Duration,
}

#[derive(Args, Debug)]
struct QueryArguments {
    #[command(flatten)]
    call: CallArguments,
    /// Print the result as hex digits.
    #[arg(short = 'x', long)]
    hex: bool,
    /// Print the result's bytes as they are, which is what happens without -x, too.
    #[arg(short = 'r', long, conflicts_with = "hex")]
    raw: bool,
    /// TLS certificate to call with, instead of CORE_PEER_TLS_CLIENTCERT_FILE.
    #[arg(long, value_name = "FILE", requires = "keyfile")]
    certfile: Option<PathBuf>,
    /// Key of --certfile.
    #[arg(long, value_name = "FILE", requires = "certfile")]
    keyfile: Option<PathBuf>,
}

impl CallArguments {
    /// What is to be run; wrong JSON is reported before the peer is called.
    fn draft(&self) -> Result<Draft, Failure> {
        let args = constructor::call(&self.constructor).map_err(Failure::Usage)?;
        let transient = match &self.transient {
            Some(text) => constructor::transient(text).map_err(Failure::Usage)?,
            None => BTreeMap::new(),
        };
        self.peers.endpoints()?;
        Ok(Draft {
            chaincode: self.name.clone(),
            args,
            transient: TransientMap::new(transient),
            endorsing_organizations: Vec::new(),
        })
    }
}

/// Runs the verb.
pub async fn run(arguments: ChaincodeArguments, format: OutputFormat) -> Result<Done, Failure> {
    match arguments.verb {
        ChaincodeVerb::Invoke(arguments) => invoke(arguments).await,
        ChaincodeVerb::Query(arguments) => query(arguments).await,
        ChaincodeVerb::Events(arguments) => events::run(arguments, format).await,
    }
}

async fn invoke(arguments: InvokeArguments) -> Result<Done, Failure> {
    let InvokeArguments { call, orderer, wait, wait_timeout } = arguments;
    let draft = call.draft()?;
    orderer.endpoint()?;
    let session = Session::open(FlagValues {
        client_cert: orderer.certfile.clone(),
        client_key: orderer.keyfile.clone(),
        deadlines: Deadlines { commit: wait_timeout, ..Deadlines::default() },
    })
    .await?;
    let channel = session.channel(call.channel.as_ref()).await?;
    let endorsed = endorse(&session, &channel, &call, &draft).await?;
    match orderer.orderer(&session, &channel).await? {
        None => session.connection.order(&channel, &endorsed).await?,
        Some((endpoint, roots)) => session.connection.broadcast(&endorsed, &endpoint, &roots).await?,
    }
    if !wait {
        let tx_id = endorsed.tx_id.as_str();
        let text = format!("transaction {tx_id} is handed to ordering; its verdict was not waited for");
        return Ok(Done::new(text, json!({ "tx_id": tx_id, "payload": shown(&endorsed.payload) })));
    }
    let submitted = session.connection.committed(&channel, endorsed).await?;
    let mut text =
        format!("transaction {} is {} in block {}", submitted.tx_id, submitted.code, submitted.block_number);
    if !submitted.payload.is_empty() {
        text = format!("{text}\n{}", String::from_utf8_lossy(&submitted.payload));
    }
    let json = json!({
        "tx_id": submitted.tx_id.as_str(),
        "code": submitted.code.name(),
        "block_number": submitted.block_number.0,
        "payload": shown(&submitted.payload),
    });
    Ok(Done::new(text, json))
}

async fn endorse(
    session: &Session,
    channel: &ChannelId,
    call: &CallArguments,
    draft: &Draft,
) -> Result<Endorsed, Failure> {
    let peers = call.peers.peers(session, channel).await?;
    if peers.is_empty() {
        return Ok(session.connection.endorse(channel, draft).await?);
    }
    Ok(session.connection.endorse_at(channel, draft, &peers).await?)
}

async fn query(arguments: QueryArguments) -> Result<Done, Failure> {
    let QueryArguments { call, hex, raw: _, certfile, keyfile } = arguments;
    let draft = call.draft()?;
    let flags = FlagValues { client_cert: certfile, client_key: keyfile, ..FlagValues::default() };
    let session = Session::open(flags).await?;
    let channel = session.channel(call.channel.as_ref()).await?;
    let peers = call.peers.peers(&session, &channel).await?;
    let payload = if peers.is_empty() {
        session.connection.evaluate(&channel, &draft, &[]).await?.payload
    } else {
        session.connection.endorse_at(&channel, &draft, &peers).await?.payload
    };
    let text = if hex { hex_digits(&payload).into_bytes() } else { payload.to_vec() };
    Ok(Done::new(text, json!({ "payload": shown(&payload), "payload_hex": hex_digits(&payload) })))
}
