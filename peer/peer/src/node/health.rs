//! What `/healthz` says of a peer.

use std::sync::Arc;

use gateway::ports::ChannelLedger as _;
use node::{Component, Health};
use serde_json::{Value, json};

use super::channel::Channel;
use super::channels::Channels;

/// Registers the peer's components.
pub fn register(health: &Health, id: &str, msp_id: &str, channels: &Arc<Channels>) {
    health.report("peer", Component::up(json!({ "id": id, "msp_id": msp_id })));
    let channels = Arc::clone(channels);
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
                });
                (channel.channel().to_string(), facts)
            })
            .collect();
        of_channels(Value::Object(facts), &channels.all())
    });
}

/// Down as soon as one channel stopped; it says which and why.
fn of_channels(facts: Value, channels: &[Arc<Channel>]) -> Component {
    let stopped: Vec<String> = channels
        .iter()
        .filter_map(|channel| Some(format!("channel {} stopped: {}", channel.channel(), channel.stopped()?)))
        .collect();
    if stopped.is_empty() { Component::up(facts) } else { Component::down(stopped.join("; "), facts) }
}
