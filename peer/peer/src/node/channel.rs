//! A joined channel: its ledger, the configuration in force, and those who wait for its blocks.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use bytes::Bytes;
use configtx::{Capabilities, ConfigBundle, NeededRelease};
use gateway::ports::{Asker, ChannelLedger, CommittedAt, LedgerFault, Standing};
use ledger::Ledger;
use protocol::{
    Block, BlockNumber, ChannelId, CommitHash, IdentityRecord, IdentityStatus, MspId, Outvoted, Poi, TxId,
    TxValidationCode, Version,
};
use tokio::sync::{oneshot, watch};
use transport::{PeerCertificate, Status};
use validation::{ValidatedBlock, validate_genesis_known_to};

use super::fault::NodeFault;
use super::revocations::{Revocations, revoked_by};
use super::settings::with_causes;

/// Transactions that are waited for at a time, over all callers.
const WAITED_FOR_MAX: usize = 20_000;

/// Callers that wait for one transaction at a time: its client, its hospital's other services, other hospitals' readers.
const WAITERS_MAX: usize = 256;

/// What those are told who wait when the peer ends.
pub(super) const SHUTTING_DOWN: &str = "the peer is shutting down";

/// A channel's ledger with what the node keeps beside it.
pub struct Channel {
    name: ChannelId,
    ledger: Ledger,
    bundle: RwLock<Arc<ConfigBundle>>,
    height: watch::Sender<u64>,
    /// Turns true when the channel stops, for those who wait for its height.
    halted: watch::Sender<bool>,
    revocations: Revocations,
    waiting: Mutex<HashMap<TxId, Vec<oneshot::Sender<CommittedAt>>>>,
    stopped: OnceLock<Stopped>,
}

/// Why a channel stopped.
struct Stopped {
    reason: String,
    /// The release with which it would go on.
    needed: Option<NeededRelease>,
}

impl Channel {
    /// Makes the channel's ledger from its genesis block.
    ///
    /// # Errors
    /// [`NodeFault`] for a block that is no genesis block, or a folder that cannot be written.
    pub fn create(path: &Path, genesis: Block, known: Capabilities) -> Result<Self, NodeFault> {
        let validated = validate_genesis_known_to(genesis, known)
            .map_err(|error| NodeFault::Genesis { cause: with_causes(&error) })?;
        let ledger = Ledger::create(path, &validated)
            .map_err(|error| NodeFault::Ledger { cause: with_causes(&error) })?;
        Self::of(ledger, known)
    }

    /// Opens the channel's ledger.
    ///
    /// # Errors
    /// [`NodeFault`] for a ledger that is damaged or not readable.
    pub fn open(path: &Path, known: Capabilities) -> Result<Self, NodeFault> {
        let ledger = Ledger::open(path).map_err(|error| NodeFault::Ledger { cause: with_causes(&error) })?;
        Self::of(ledger, known)
    }

    fn of(ledger: Ledger, known: Capabilities) -> Result<Self, NodeFault> {
        let info = ledger.info();
        let config = ledger.config().as_ref().clone();
        let bundle = ConfigBundle::known_to(config, known).map_err(|error| NodeFault::Ledger {
            cause: format!("the configuration of channel {} does not hold: {error}", info.channel),
        })?;
        let (height, _) = watch::channel(info.height);
        let revocations =
            Revocations::of(&ledger).map_err(|error| NodeFault::Ledger { cause: with_causes(&error) })?;
        let outvoted = ledger.outvoted().map_err(|error| NodeFault::Ledger { cause: with_causes(&error) })?;
        let channel = Self {
            name: info.channel,
            ledger,
            bundle: RwLock::new(Arc::new(bundle)),
            height,
            halted: watch::Sender::new(false),
            revocations,
            waiting: Mutex::new(HashMap::new()),
            stopped: OnceLock::new(),
        };
        if let Some(outvoted) = outvoted {
            channel.stop(&channel.how_to_go_on(&outvoted));
        }
        Ok(channel)
    }

    /// Stops the channel since a majority of its organisations has another ledger. That holds after a restart too: the
    /// ledger would serve and commit again until it has heard the others.
    pub(crate) fn stop_outvoted(&self, outvoted: &Outvoted) {
        self.stop(&self.how_to_go_on(outvoted));
        if let Err(fault) = self.ledger.keep_outvoted(outvoted) {
            let fault = with_causes(&fault);
            tracing::error!(channel = %self.name, fault, "it is not kept that the channel stopped: after a restart it serves until it hears the others");
        }
    }

    fn how_to_go_on(&self, outvoted: &Outvoted) -> String {
        format!(
            "{outvoted}; stop the peer, move the folder ledgers/{} of its fileSystemPath away, start it, and join the channel \
             again: it fetches every block anew",
            self.name
        )
    }

    /// Stops the channel for as long as the process lives: it commits and serves no more. The first reason stays. Where the
    /// ledger itself is at fault it is [`Channel::stop_outvoted`] that stops it.
    pub(crate) fn stop(&self, reason: &str) {
        self.stop_for(Stopped { reason: reason.to_owned(), needed: None });
    }

    /// As [`Channel::stop`], by a fault.
    pub(crate) fn stop_by(&self, fault: &NodeFault) {
        self.stop_for(Stopped { reason: fault.to_string(), needed: fault.needed_release().cloned() });
    }

    fn stop_for(&self, stopped: Stopped) {
        let reason = stopped.reason.clone();
        if self.stopped.set(stopped).is_ok() {
            tracing::error!(channel = %self.name, height = self.height(), reason, "the channel stops");
        }
        self.halted.send_replace(true);
        // Those who wait learn of it: their senders are dropped.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Why the channel stopped; `None` while it does its work.
    pub(crate) fn stopped(&self) -> Option<&str> {
        self.stopped.get().map(|stopped| stopped.reason.as_str())
    }

    /// The release with which a channel that stopped would go on.
    pub(crate) fn needed_release(&self) -> Option<&NeededRelease> {
        self.stopped.get()?.needed.as_ref()
    }

    /// What to tell a caller of a channel that stopped.
    pub(crate) fn unavailable(&self) -> Option<String> {
        self.stopped().map(|_| {
            format!(
                "channel {} has stopped on this peer; its operator finds the reason in the log and at /healthz",
                self.name
            )
        })
    }

    pub(crate) const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Commits a block and answers those who wait for its transactions.
    ///
    /// # Errors
    /// [`NodeFault`] where the ledger cannot take it; the ledger is as it was.
    pub(crate) fn commit(&self, block: ValidatedBlock) -> Result<(), NodeFault> {
        let number = block.number();
        let verdicts: Vec<_> = block
            .transactions()
            .iter()
            .filter_map(|summary| Some((summary.tx_id.clone()?, summary.number, summary.code)))
            .collect();
        let config = block.config().cloned();
        let is_config = config.is_some();
        let revoked = revoked_by(&block);
        self.ledger.commit(block).map_err(|error| NodeFault::Ledger { cause: with_causes(&error) })?;
        if let Some(config) = config {
            let known = self.bundle().known();
            let bundle = ConfigBundle::known_to(config, known).map_err(|error| NodeFault::Ledger {
                cause: format!("the new configuration does not hold: {error}"),
            })?;
            *self.bundle.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(bundle);
        }
        self.revocations.committed(number, &revoked, is_config);
        self.height.send_replace(number.next().0);
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for (tx_id, tx_number, code) in verdicts {
            for waiter in waiting.remove(&tx_id).unwrap_or_default() {
                // A waiter that left is no fault.
                let _ = waiter.send(CommittedAt { block_number: number, tx_number, code });
            }
        }
        Ok(())
    }

    /// Waits until the channel has that many blocks.
    ///
    /// # Errors
    /// A text for the caller where the channel stops.
    pub(crate) async fn reached(&self, height: u64) -> Result<(), String> {
        let (mut heights, mut halted) = (self.height.subscribe(), self.halted.subscribe());
        let is_reached = tokio::select! {
            biased;
            _ = halted.wait_for(|halts| *halts) => false,
            heights = heights.wait_for(|reached| *reached >= height) => heights.is_ok(),
        };
        if is_reached { Ok(()) } else { Err(self.unavailable().unwrap_or_else(|| SHUTTING_DOWN.to_owned())) }
    }

    /// The TLS keys of revoked identities.
    pub(crate) const fn revocations(&self) -> &Revocations {
        &self.revocations
    }

    /// Waits until the channel has nothing more for whoever asks, and gives what to tell. A ledger that cannot be read stops
    /// the channel elsewhere.
    pub(crate) async fn until_revoked(&self, asker: &Asker) -> Status {
        let mut changes = self.revocations.changes();
        loop {
            if let Err(status) = self.still_admits(asker) {
                return status;
            }
            if changes.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    fn still_admits(&self, asker: &Asker) -> Result<(), Status> {
        let Asker { msp_id, poi, certificate } = asker;
        let record = self.identity(msp_id, poi).ok().flatten();
        if record.is_some_and(|record| record.status == IdentityStatus::Revoked) {
            return Err(asker.was_revoked(&self.name));
        }
        if self.bundle().organization(msp_id).is_none() {
            let text = format!("{msp_id} is no longer an organisation of channel {}", self.name);
            return Err(Status::permission_denied(text));
        }
        certificate.as_ref().map_or(Ok(()), |certificate| self.standing(certificate).admit(&self.name))
    }

    /// Waits for a transaction. The place is free again when the future is dropped or answered.
    ///
    /// # Errors
    /// A text for the caller: too many wait, the ledger fails, the peer ends.
    pub(crate) async fn committed(&self, tx_id: &TxId) -> Result<CommittedAt, String> {
        let (send, receive) = oneshot::channel();
        {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            // Asked under the lock, so that whoever takes a place after the stop is refused, and whoever took one is told.
            if let Some(text) = self.unavailable() {
                return Err(text);
            }
            if waiting.len() >= WAITED_FOR_MAX {
                waiting.retain(|_, waiters| {
                    waiters.retain(|waiter| !waiter.is_closed());
                    !waiters.is_empty()
                });
            }
            if waiting.len() >= WAITED_FOR_MAX {
                return Err(format!(
                    "{WAITED_FOR_MAX} transactions are waited for, the limit; try again in a moment"
                ));
            }
            let waiters = waiting.entry(tx_id.clone()).or_default();
            waiters.retain(|waiter| !waiter.is_closed());
            if waiters.len() >= WAITERS_MAX {
                return Err(format!("{WAITERS_MAX} callers wait for transaction {tx_id}, the limit"));
            }
            waiters.push(send);
        }
        // Looked up after the place was taken, so that a commit in between is not missed.
        if let Some(found) = self.transaction(tx_id).map_err(|fault| fault.to_string())? {
            return Ok(found);
        }
        receive.await.map_err(|_| self.unavailable().unwrap_or_else(|| SHUTTING_DOWN.to_owned()))
    }

    fn fault(&self, error: &dyn std::error::Error) -> LedgerFault {
        LedgerFault { channel: self.name.clone(), cause: with_causes(error) }
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").field("name", &self.name).finish_non_exhaustive()
    }
}

impl ChannelLedger for Channel {
    fn channel(&self) -> &ChannelId {
        &self.name
    }

    fn bundle(&self) -> Arc<ConfigBundle> {
        Arc::clone(&self.bundle.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn standing(&self, certificate: &PeerCertificate) -> Standing {
        self.revocations.standing(&self.bundle(), certificate)
    }

    fn height(&self) -> u64 {
        *self.height.borrow()
    }

    fn block(&self, number: BlockNumber) -> Result<Option<Bytes>, LedgerFault> {
        self.ledger.block(number).map_err(|error| self.fault(&error))
    }

    fn verdicts(&self, number: BlockNumber) -> Result<Option<Vec<TxValidationCode>>, LedgerFault> {
        self.ledger.codes(number).map_err(|error| self.fault(&error))
    }

    fn differences(&self, number: BlockNumber) -> Vec<String> {
        super::differences::of_block(&self.ledger, number)
    }

    fn commit_hash(&self, number: BlockNumber) -> Result<Option<CommitHash>, LedgerFault> {
        self.ledger.commit_hash(number).map_err(|error| self.fault(&error))
    }

    fn transaction(&self, tx_id: &TxId) -> Result<Option<CommittedAt>, LedgerFault> {
        let found = self.ledger.transaction(tx_id).map_err(|error| self.fault(&error))?;
        Ok(found.map(|found| CommittedAt {
            block_number: found.number,
            tx_number: found.tx_number,
            code: found.code,
        }))
    }

    fn envelope(&self, tx_id: &TxId) -> Result<Option<Bytes>, LedgerFault> {
        match self.transaction(tx_id)? {
            Some(at) => {
                self.ledger.envelope(at.block_number, at.tx_number).map_err(|error| self.fault(&error))
            }
            None => Ok(None),
        }
    }

    fn state(&self, namespace: &str, key: &str) -> Result<Option<(Bytes, Version)>, LedgerFault> {
        self.ledger.snapshot().get(namespace, key).map_err(|error| self.fault(&error))
    }

    fn identity(&self, msp_id: &MspId, poi: &Poi) -> Result<Option<IdentityRecord>, LedgerFault> {
        self.ledger.snapshot().identity(msp_id, poi).map_err(|error| self.fault(&error))
    }

    fn block_time_ms(&self) -> u64 {
        self.ledger.last_header().timestamp_ms
    }
}
