//! The channels that this peer has joined: one folder each, opened at the start, joined by an administrator.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use bytes::Bytes;
use configtx::Capabilities;
use gateway::ports::{ChannelLedger as _, Standing, not_joined};
use protocol::{Block, ChannelId};
use transport::{PeerCertificate, Status, TrustRoots};

use super::channel::Channel;
use super::fault::NodeFault;

/// Channels of one peer. Each costs a thread, two tasks, a store with its caches and open files, and a share of every
/// handshake, which is judged by all of them.
pub const CHANNELS_MAX: usize = 64;

/// Channels by name. Joining replaces the trusted TLS roots by those of all channels' organisations.
pub struct Channels {
    folder: PathBuf,
    roots: TrustRoots,
    own_roots: Vec<Bytes>,
    /// What this build knows.
    known: Capabilities,
    joined: RwLock<BTreeMap<ChannelId, Arc<Channel>>>,
    /// Held while a channel is joined: its ledger is made while others are looked up.
    joining: Mutex<()>,
    most: usize,
    /// Held while the roots are gathered and replaced, so that the newest configuration wins.
    trusting: Mutex<()>,
}

impl Channels {
    /// Opens every channel in `folder`, and joins no more than [`CHANNELS_MAX`].
    ///
    /// # Errors
    /// [`NodeFault`] for a ledger that cannot be used: a peer with a damaged ledger does not start.
    pub fn open(
        folder: PathBuf,
        roots: TrustRoots,
        own_roots: Vec<Bytes>,
        known: Capabilities,
    ) -> Result<Self, NodeFault> {
        let fault = |cause: std::io::Error| NodeFault::Disk {
            what: "the folder of ledgers",
            path: folder.display().to_string(),
            cause: cause.to_string(),
        };
        fs::create_dir_all(&folder).map_err(fault)?;
        let mut joined = BTreeMap::new();
        for entry in fs::read_dir(&folder).map_err(fault)? {
            let entry = entry.map_err(fault)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let Ok(name) = ChannelId::new(name) else { continue };
            joined.insert(name, Arc::new(Channel::open(&entry.path(), known)?));
        }
        let channels = Self {
            folder,
            roots,
            own_roots,
            known,
            joined: RwLock::new(joined),
            joining: Mutex::new(()),
            most: CHANNELS_MAX,
            trusting: Mutex::new(()),
        };
        channels.trust()?;
        Ok(channels)
    }

    /// The same with room for so many.
    #[cfg(test)]
    pub(super) fn at_most(self, most: usize) -> Self {
        Self { most, ..self }
    }

    /// Joins the channel of a genesis block; `None` where this peer has joined it with the same block before.
    ///
    /// # Errors
    /// [`NodeFault`] for a block that is no genesis block, another genesis block of a joined channel, one channel too many, or
    /// a disk that fails.
    pub fn join(&self, genesis: Block) -> Result<Option<Arc<Channel>>, NodeFault> {
        let name = genesis.header.channel.clone();
        let _joining = self.joining.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(channel) = self.channel(&name) {
            let own = channel.ledger().block_hash(protocol::BlockNumber(0)).ok().flatten();
            if own == Some(genesis.header.hash()) {
                return Ok(None);
            }
            return Err(NodeFault::Genesis {
                cause: format!(
                    "this peer is in channel {name} with another genesis block; check which file is the channel's"
                ),
            });
        }
        if self.joined.read().unwrap_or_else(PoisonError::into_inner).len() >= self.most {
            return Err(NodeFault::TooManyChannels { channel: name, most: self.most });
        }
        let channel = Arc::new(Channel::create(&self.path_of(&name), genesis, self.known)?);
        self.joined.write().unwrap_or_else(PoisonError::into_inner).insert(name, Arc::clone(&channel));
        self.trust()?;
        Ok(Some(channel))
    }

    /// A joined channel.
    pub fn channel(&self, name: &ChannelId) -> Option<Arc<Channel>> {
        self.joined.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// A joined channel, for whoever asks over a connection with that certificate; `None` within the process. A channel exists
    /// for its own members: others hear what they would hear of one that is not joined.
    ///
    /// # Errors
    /// What to tell, for a channel that is not there for the caller.
    pub fn admit(&self, name: &ChannelId, caller: Option<&PeerCertificate>) -> Result<Arc<Channel>, Status> {
        let channel = self.channel(name).ok_or_else(|| not_joined(name))?;
        caller.map_or(Ok(()), |caller| channel.standing(caller).admit(name))?;
        Ok(channel)
    }

    /// All joined channels, sorted by name.
    pub fn all(&self) -> Vec<Arc<Channel>> {
        self.joined.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Whether a TLS key may talk to this peer. One channel's administrators cannot take a connection from another channel:
    /// a key that they revoked is refused where no channel admits it. What it asks of their own channel is refused there.
    ///
    /// # Errors
    /// The reason, which the other side may read.
    pub fn admits(&self, certificate: &PeerCertificate) -> Result<(), String> {
        let channels = self.joined.read().unwrap_or_else(PoisonError::into_inner);
        let is_listed = || channels.values().any(|channel| channel.revocations().lists(&certificate.spki));
        let is_member = || channels.values().any(|channel| channel.standing(certificate) == Standing::Member);
        if !is_listed() || is_member() {
            return Ok(());
        }
        Err("this TLS key is revoked, and no channel of this peer admits it".to_owned())
    }

    /// Whether a node with that TLS key may be told what concerns a channel. One that is not joined yet revoked nobody.
    ///
    /// # Errors
    /// The reason, for the log.
    pub fn believes(&self, name: &ChannelId, certificate: &PeerCertificate) -> Result<(), String> {
        match self.channel(name).map(|channel| channel.standing(certificate)) {
            Some(Standing::Revoked(msp_id)) => Err(format!(
                "its TLS key belongs to an identity of {msp_id} that is revoked on channel {name}"
            )),
            Some(Standing::Member | Standing::Stranger) | None => Ok(()),
        }
    }

    fn path_of(&self, name: &ChannelId) -> PathBuf {
        Path::new(&self.folder).join(name.as_str())
    }

    /// Trusts the TLS roots of the own organisation and of every channel's organisations, and no others. Called again when
    /// a configuration changed: connections of whoever is no longer believed end.
    ///
    /// # Errors
    /// [`NodeFault`] for roots that are not usable; those before stay in force.
    pub fn trust(&self) -> Result<(), NodeFault> {
        let _trusting = self.trusting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut roots = self.own_roots.clone();
        for channel in self.all() {
            for organization in &channel.bundle().config().organizations {
                roots.extend(organization.msp.tls_ca_certs().cloned());
            }
        }
        roots.sort();
        roots.dedup();
        self.roots.replace(roots).map_err(|error| NodeFault::Start {
            what: "trust in the channels' organisations",
            cause: error.to_string(),
        })
    }
}
