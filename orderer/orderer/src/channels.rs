//! The channels of this node by name. Who asks for one learns nothing of another, not even its name.
//!
//! TLS believes the members of all channels. A channel exists for its own: for whoever connects with a certificate that an
//! organisation of its configuration in force issued. Everybody else hears what is said of a channel that is not there.

use std::collections::BTreeMap;
use std::sync::Arc;

use ordering::{BroadcastRejection, channel_of};
use protocol::ChannelId;
use transport::{PeerCertificate, Request, Status};

use crate::chain::Chain;
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

    /// The channel that an envelope names, for whoever sends it over a connection with that certificate.
    pub fn of_envelope(
        &self,
        envelope: &[u8],
        caller: &PeerCertificate,
    ) -> Result<Arc<Channel>, BroadcastRejection> {
        self.named(&channel_of(envelope)?, caller)
    }

    /// The channel of that name, for whoever asks over a connection with that certificate.
    pub fn named(&self, name: &str, caller: &PeerCertificate) -> Result<Arc<Channel>, BroadcastRejection> {
        let found = ChannelId::new(name).ok().and_then(|name| self.get(&name));
        let found = found.filter(|channel| is_member(&channel.chain, caller));
        found.cloned().ok_or_else(|| unknown(name))
    }
}

/// Who is at the other end of the request's connection.
pub fn caller_of<T>(request: &Request<T>) -> Result<PeerCertificate, Status> {
    let caller = request.extensions().get::<PeerCertificate>().cloned();
    caller.ok_or_else(|| Status::internal("the caller's certificate is unknown"))
}

/// Whether an organisation of the configuration in force issued the certificate.
pub fn is_member(chain: &Chain, caller: &PeerCertificate) -> bool {
    chain.bundle().tls_msp(&caller.der).is_some()
}

/// What is said of a channel that is not there, or not for the caller.
pub fn unknown(name: &str) -> BroadcastRejection {
    BroadcastRejection::UnknownChannel {
        channel: name.chars().filter(|c| !c.is_control()).take(128).collect(),
    }
}
