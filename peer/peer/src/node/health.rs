//! What `/healthz` says of a peer.

use std::sync::Arc;

use gateway::ports::ChannelLedger as _;
use gateway::{Attestations, Attested};
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
        let facts: serde_json::Map<String, Value> = channels
            .all()
            .iter()
            .map(|channel| {
                let info = channel.ledger().info();
                let facts = json!({
                    "height": info.height,
                    "block_hash": info.block_hash.to_string(),
                    "commit_hash": info.commit_hash.to_string(),
                    "attestations": attested(&attestations.shown(channel.channel())),
                });
                (channel.channel().to_string(), facts)
            })
            .collect();
        of_channels(Value::Object(facts), &channels.all())
    });
}

/// What the peers of other organisations attested last.
fn attested(attested: &[Attested]) -> Vec<Value> {
    let ledger = |comparison| match comparison {
        Comparison::Agrees => "agrees",
        Comparison::Differs => "differs",
        Comparison::Ahead => "ahead",
    };
    let row = |attested: &Attested| {
        json!({
            "msp_id": attested.msp_id.as_str(),
            "poi": attested.poi.to_string(),
            "block_number": attested.number.0,
            "ledger": ledger(attested.comparison),
        })
    };
    attested.iter().map(row).collect()
}

/// Down as soon as one channel stopped; it says which and why.
fn of_channels(facts: Value, channels: &[Arc<Channel>]) -> Component {
    let stopped: Vec<String> = channels
        .iter()
        .filter_map(|channel| Some(format!("channel {} stopped: {}", channel.channel(), channel.stopped()?)))
        .collect();
    if stopped.is_empty() { Component::up(facts) } else { Component::down(stopped.join("; "), facts) }
}
