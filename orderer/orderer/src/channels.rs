//! The channels of this node by name. Who asks for one learns nothing of another, not even its name.

use std::collections::BTreeMap;
use std::sync::Arc;

use ordering::{BroadcastRejection, channel_of};
use protocol::ChannelId;

use crate::channel::Channel;

/// The channels.
pub struct Channels(BTreeMap<ChannelId, Arc<Channel>>);

impl Channels {
    /// These channels.
    pub fn new(channels: impl IntoIterator<Item = Arc<Channel>>) -> Self {
        Self(channels.into_iter().map(|channel| (channel.chain.channel().clone(), channel)).collect())
    }

    /// The channel of that name.
    pub fn get(&self, name: &ChannelId) -> Option<&Arc<Channel>> {
        self.0.get(name)
    }

    /// All channels.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Channel>> {
        self.0.values()
    }

    /// The channel that an envelope names.
    pub fn of_envelope(&self, envelope: &[u8]) -> Result<Arc<Channel>, BroadcastRejection> {
        self.named(&channel_of(envelope)?)
    }

    /// The channel of that name, or a refusal.
    pub fn named(&self, name: &str) -> Result<Arc<Channel>, BroadcastRejection> {
        let found = ChannelId::new(name).ok().and_then(|name| self.get(&name));
        found.cloned().ok_or_else(|| BroadcastRejection::UnknownChannel {
            channel: name.chars().filter(|c| !c.is_control()).take(128).collect(),
        })
    }
}
