//! What `/healthz` says of a peer.

use std::sync::Arc;

use gateway::ports::{ChannelLedger as _, LedgerFault};
use gateway::{Attestation, Attestations};
use node::{Component, Health};
use serde_json::{Value, json};
use validation::Comparison;

use super::channel::Channel;
use super::channels::Channels;

/// Registers the peer's components.
pub fn register(
    health: &Health,
    (id, msp_id): (&str, &str),
    channels: &Arc<Channels>,
    attestations: &Arc<Attestations>,
) {
    health.report("peer", Component::up(json!({ "id": id, "msp_id": msp_id })));
    let (channels, attestations) = (Arc::clone(channels), Arc::clone(attestations));
    health.ask("channels", move || {
        let shown: Vec<_> = channels.all().iter().map(|channel| Shown::of(channel, &attestations)).collect();
        of_channels(shown)
    });
}

/// A channel at one moment.
struct Shown {
    name: String,
    facts: Value,
    stopped: Option<String>,
}

impl Shown {
    /// The height is taken last and attestations are compared with it: nothing that is shown is of a later block, nor of an
    /// earlier one where the ledger has the block. A channel that stops meanwhile shows it next time.
    fn of(channel: &Channel, attestations: &Attestations) -> Self {
        let stopped = channel.stopped().map(str::to_owned);
        let said = attestations.said(channel.channel());
        let info = channel.ledger().info();
        let rows: Vec<Value> =
            said.iter().map(|said| attestation(said.against(channel, info.height))).collect();
        let facts = json!({
            "height": info.height,
            "block_hash": info.block_hash.to_string(),
            "commit_hash": info.commit_hash.to_string(),
            "attestations": rows,
        });
        Self { name: channel.channel().to_string(), facts, stopped }
    }
}

/// What a peer attested, beside the own ledger.
fn attestation(compared: Result<Attestation, LedgerFault>) -> Value {
    let attestation = match compared {
        Ok(attestation) => attestation,
        Err(fault) => return json!({ "ledger": "unreadable", "reason": fault.to_string() }),
    };
    let ledger = match attestation.comparison {
        Comparison::Agrees => "agrees",
        Comparison::Differs => "differs",
        Comparison::Ahead => "ahead",
    };
    json!({
        "msp_id": attestation.msp_id.as_str(),
        "poi": attestation.poi.to_string(),
        "block_number": attestation.number.0,
        "ledger": ledger,
        "ahead": attestation.ahead.map(|number| number.0),
    })
}

/// Down as soon as one channel stopped; it says which and why.
fn of_channels(shown: Vec<Shown>) -> Component {
    let (mut facts, mut stopped) = (serde_json::Map::new(), Vec::new());
    for channel in shown {
        if let Some(reason) = channel.stopped {
            stopped.push(format!("channel {} stopped: {reason}", channel.name));
        }
        facts.insert(channel.name, channel.facts);
    }
    let facts = Value::Object(facts);
    if stopped.is_empty() { Component::up(facts) } else { Component::down(stopped.join("; "), facts) }
}
