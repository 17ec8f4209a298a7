//! `peer channel signconfigtx` and `peer channel update`: administrators agree to a change of the channel, one submits it.
//!
//! The file is made by `configtxgen --compute-update` and passed from one administrator to the next. Each adds a signature
//! to it, with no node in reach; whoever submits it adds a last one.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use clap::Args;
use client::sign_update;
use configtx::PendingUpdate;
use protocol::ChannelId;
use protocol::limits::CONFIG_UPDATE_BYTES_MAX;
use serde_json::json;

use super::exit::Failure;
use super::orderer_flags::OrdererFlags;
use super::output::Done;
use super::session::Session;
use super::settings::{FlagValues, Sources};

/// `peer channel signconfigtx`.
#[derive(Args, Debug)]
pub struct SignArguments {
    /// File with the update; the signature is added to it.
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    file: PathBuf,
}

/// `peer channel update`.
#[derive(Args, Debug)]
pub struct UpdateArguments {
    /// File with the signed update.
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    file: PathBuf,
    /// The channel; it must be that of the update.
    #[arg(short = 'c', long = "channelID", value_name = "CHANNEL")]
    channel: Option<ChannelId>,
    #[command(flatten)]
    orderer: OrdererFlags,
}

/// Adds the own signature to an update's file.
pub fn sign(arguments: &SignArguments) -> Result<Done, Failure> {
    let path = &arguments.file;
    let mut update = read(path)?;
    let signer = Sources::of_process(FlagValues::default())?.signing_identity()?;
    let is_new = sign_update(&mut update, &signer)?;
    if is_new {
        replace(path, &update.to_bytes())
            .map_err(|error| Failure::fault(format!("{} cannot be written: {error}", path.display())))?;
    }
    let signers = update.signers();
    let verb = if is_new { "signed" } else { "was signed by this identity before; nothing changed" };
    let text = format!("{}: {verb}; signatures of {}", path.display(), signers.join(", "));
    Ok(Done::new(text, json!({ "file": path.display().to_string(), "added": is_new, "signers": signers })))
}

/// Submits an update to an orderer, with the own signature.
pub async fn update(arguments: UpdateArguments) -> Result<Done, Failure> {
    let UpdateArguments { file, channel, orderer } = arguments;
    if orderer.endpoint()?.is_none() {
        return Err(Failure::usage("name the orderer that takes the update: -o HOST:PORT"));
    }
    let update = read(&file)?;
    let named = update.update().channel.clone();
    if let Some(channel) = channel.filter(|channel| *channel != named) {
        return Err(Failure::usage(format!(
            "{} changes channel {named}, and -c names {channel}",
            file.display()
        )));
    }
    let flags = FlagValues {
        client_cert: orderer.certfile.clone(),
        client_key: orderer.keyfile.clone(),
        ..FlagValues::default()
    };
    let session = Session::open(flags).await?;
    let Some((endpoint, roots)) = orderer.orderer(&session, &named).await? else {
        return Err(Failure::usage("name the orderer that takes the update: -o HOST:PORT"));
    };
    let written: Vec<String> = update.update().write_set.iter().map(|write| write.path.clone()).collect();
    let tx_id = session.connection.update_channel(update, &endpoint, &roots).await?;
    let text = format!("Successfully submitted channel update: transaction {tx_id}");
    let json = json!({ "channel": named.as_str(), "tx_id": tx_id.as_str(), "written": written });
    Ok(Done::new(text, json))
}

fn read(path: &Path) -> Result<PendingUpdate, Failure> {
    let shown = path.display();
    let fault = |error| Failure::fault(format!("{shown} of -f cannot be read: {error}"));
    let bytes = std::fs::metadata(path).map_err(fault)?.len();
    if bytes > CONFIG_UPDATE_BYTES_MAX as u64 {
        return Err(Failure::fault(format!("{shown} of -f has {bytes} bytes: this is no update")));
    }
    let bytes = Bytes::from(std::fs::read(path).map_err(fault)?);
    PendingUpdate::from_bytes(&bytes).map_err(|rejection| {
        Failure::fault(format!("{shown} of -f: {rejection}; make it with configtxgen --compute-update"))
    })
}

/// Puts the whole file in place of the old one, or leaves the old one.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let unfinished = PathBuf::from(name);
    let mut file = std::fs::File::create(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path)
}
