//! What the services need of the peer around them.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use configtx::ConfigBundle;
use msp::VerifiedIdentity;
use protocol::fabric::{ProposalResponse, SignedProposal};
use protocol::{
    BlockNumber, ChannelId, CommitHash, IdentityRecord, MspId, Poi, TxId, TxNumber, TxValidationCode, Version,
};
use thiserror::Error;
use transport::{PeerCertificate, Status};

/// The ledger could not be read. Logged where it becomes a status; a remote party learns no more than that.
#[derive(Debug, Error, Clone)]
#[error("the ledger of channel {channel} is not readable: {cause}")]
pub struct LedgerFault {
    /// The channel.
    pub channel: ChannelId,
    /// What the store reported.
    pub cause: String,
}

/// Where a transaction stands, and its verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommittedAt {
    /// The block.
    pub block_number: BlockNumber,
    /// The place in it.
    pub tx_number: TxNumber,
    /// The verdict.
    pub code: TxValidationCode,
}

/// How a channel takes the TLS key at the other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// An organisation of its configuration issued the certificate.
    Member,
    /// That organisation did, and its administrators revoked an identity that the key belongs to.
    Revoked(Arc<MspId>),
    /// No organisation of its configuration issued the certificate.
    Stranger,
}

impl Standing {
    /// Whether whoever connects so may ask for the channel; who signed is judged after that.
    ///
    /// # Errors
    /// What to tell: a stranger hears what everybody hears of a channel that does not exist here.
    pub fn admit(&self, channel: &ChannelId) -> Result<(), Status> {
        match self {
            Self::Member => Ok(()),
            Self::Revoked(msp_id) => Err(Status::permission_denied(format!(
                "this TLS key belongs to an identity of {msp_id} that is revoked on channel {channel}"
            ))),
            Self::Stranger => Err(not_joined(channel)),
        }
    }
}

/// What is told of a channel that is not joined here, and to whoever it is nothing to.
#[must_use]
pub fn not_joined(channel: &ChannelId) -> Status {
    Status::not_found(format!("this peer has not joined channel {channel}; ask its operator to join it"))
}

/// Whoever waits for something of a channel, or has a stream of it open.
#[derive(Clone, Debug)]
pub struct Asker {
    /// The organisation.
    pub msp_id: MspId,
    /// The identity.
    pub poi: Poi,
    /// The certificate of the connection; `None` within the process.
    pub certificate: Option<PeerCertificate>,
}

impl Asker {
    /// The identity that asked over that connection.
    #[must_use]
    pub fn new(identity: &VerifiedIdentity, certificate: Option<PeerCertificate>) -> Self {
        Self { msp_id: identity.msp_id().clone(), poi: identity.poi(), certificate }
    }

    /// What to tell it when its identity was revoked.
    #[must_use]
    pub fn was_revoked(&self, channel: &ChannelId) -> Status {
        let Self { msp_id, poi, .. } = self;
        Status::permission_denied(format!("identity {poi} of {msp_id} was revoked on channel {channel}"))
    }
}

/// A channel that this peer has joined. Reading is synchronous and short; callers in a hot path need no other thread.
pub trait ChannelLedger: Send + Sync + fmt::Debug {
    /// The channel.
    fn channel(&self) -> &ChannelId;

    /// The configuration in force.
    fn bundle(&self) -> Arc<ConfigBundle>;

    /// How the channel takes a TLS key, by its own configuration and revocations.
    fn standing(&self, certificate: &PeerCertificate) -> Standing {
        let issuer = self.bundle().tls_msp(&certificate.der);
        issuer.map_or(Standing::Stranger, |_| Standing::Member)
    }

    /// How many blocks are committed.
    fn height(&self) -> u64;

    /// The bytes of a block as stored.
    ///
    /// # Errors
    /// [`LedgerFault`] where the store fails or the bytes are damaged.
    fn block(&self, number: BlockNumber) -> Result<Option<Bytes>, LedgerFault>;

    /// The verdicts on a block's transactions, in order.
    ///
    /// # Errors
    /// [`LedgerFault`] where the store fails.
    fn verdicts(&self, number: BlockNumber) -> Result<Option<Vec<TxValidationCode>>, LedgerFault>;

    /// Checks a stored block against its neighbours' hashes, its own data hash and the recorded commit hash. Returns what
    /// differs, in words for a person; empty where everything agrees.
    fn differences(&self, number: BlockNumber) -> Vec<String>;

    /// The commit hash after a block.
    ///
    /// # Errors
    /// [`LedgerFault`] where the store fails.
    fn commit_hash(&self, number: BlockNumber) -> Result<Option<CommitHash>, LedgerFault>;

    /// Where a transaction stands; `None` where it is not committed.
    ///
    /// # Errors
    /// [`LedgerFault`] where the store fails.
    fn transaction(&self, tx_id: &TxId) -> Result<Option<CommittedAt>, LedgerFault>;

    /// A committed transaction's envelope, from the block store.
    ///
    /// # Errors
    /// [`LedgerFault`] where the store fails.
    fn envelope(&self, tx_id: &TxId) -> Result<Option<Bytes>, LedgerFault>;

    /// A value of the world state with where it was written.
    ///
    /// # Errors
    /// [`LedgerFault`] where the store fails.
    fn state(&self, namespace: &str, key: &str) -> Result<Option<(Bytes, Version)>, LedgerFault>;

    /// An identity's record in `_identity`.
    ///
    /// # Errors
    /// [`LedgerFault`] where the store fails.
    fn identity(&self, msp_id: &MspId, poi: &Poi) -> Result<Option<IdentityRecord>, LedgerFault>;

    /// Time of the newest block, milliseconds since 1970.
    fn block_time_ms(&self) -> u64;
}

/// The peer around the services.
pub trait Node: Send + Sync + 'static {
    /// The hospital.
    fn msp_id(&self) -> &MspId;

    /// Where this peer is reached, as its users' error details name it; the hospital's name unless the peer says more.
    fn address(&self) -> String {
        self.msp_id().as_str().to_owned()
    }

    /// Who signs for this peer.
    fn signer(&self) -> &dyn msp::Signer;

    /// A channel that this peer has joined and serves; `None` also for one that stopped.
    fn ledger(&self, channel: &ChannelId) -> Option<Arc<dyn ChannelLedger>>;

    /// What to tell of a channel without a ledger: it is not joined, or it stopped.
    fn absent(&self, channel: &ChannelId) -> Status {
        not_joined(channel)
    }

    /// The channel, for whoever asks over a connection with that certificate; `None` within the process. Every service asks
    /// here before it judges who signed: TLS believes the members of all channels, and a channel exists for its own alone.
    ///
    /// # Errors
    /// What [`Node::absent`] and [`Standing::admit`] tell.
    fn admit(
        &self,
        channel: &ChannelId,
        caller: Option<&PeerCertificate>,
    ) -> Result<Arc<dyn ChannelLedger>, Status> {
        let ledger = self.ledger(channel).ok_or_else(|| self.absent(channel))?;
        caller.map_or(Ok(()), |caller| ledger.standing(caller).admit(channel))?;
        Ok(ledger)
    }

    /// Names of the channels that this peer has joined, sorted.
    fn channels(&self) -> Vec<ChannelId>;

    /// Endorses on this peer: the same checks and answer as a call of `protos.Endorser/ProcessProposal`.
    fn endorse(
        &self,
        proposal: SignedProposal,
    ) -> impl Future<Output = Result<ProposalResponse, Status>> + Send;

    /// Waits until a transaction is committed here. Ends without an answer only when the peer shuts down or the future is
    /// dropped.
    fn committed(
        &self,
        channel: &ChannelId,
        tx_id: &TxId,
    ) -> impl Future<Output = Result<CommittedAt, Status>> + Send;

    /// Waits until the channel has nothing more for whoever asks: the identity or the TLS key was revoked on it, or the
    /// organisation has left. Gives what to tell. Never ends before that, nor for a node without revocations.
    fn revoked(&self, channel: &ChannelId, asker: &Asker) -> impl Future<Output = Status> + Send {
        let _ = (channel, asker);
        std::future::pending()
    }

    /// Waits until the channel has at least `height` blocks here. Ends without an answer only when the channel stops, the
    /// peer shuts down or the future is dropped.
    fn reached(&self, channel: &ChannelId, height: u64) -> impl Future<Output = Result<(), Status>> + Send;
}
