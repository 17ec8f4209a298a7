//! What follows from committed report transactions, and what is done again until it succeeds.
//!
//! [`Upkeep::committed`] is called by the committer after each block, and from block 0 after a restart if it likes: all of
//! it is idempotent. It is synchronous and short: it marks sealed bytes as recorded and notes what other custodians are
//! owed. [`Upkeep::run`] is the one task that does the slow part: deposits, fetching for configured holders, sweeping what
//! was staged and never recorded.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use ipfs::{SealedStore, SealedStoreError};
use offchain::Cid;
use protocol::{Block, BlockNumber, ChannelId, MspId, TxId, TxValidationCode};
use thiserror::Error;
use tokio::sync::Notify;
use validation::{ParsedTransaction, parse_transaction};

use crate::custody::{Custody, CustodyError, deliver_owed};
use crate::exchange::{Fetcher, SEALED_BYTES_MAX, WantedDag};
use crate::peers::Peers;
use crate::ports::{ChannelLedger, LedgerFault, Node};
use crate::report_service::{holders_of, signed_block_request};
use crate::signed_request::now_ms;
use crate::trail::{Origin, TrailError, origin};

/// Age after which staged bytes that no transaction recorded are removed.
const STAGED_AGE_MAX: Duration = Duration::from_secs(3_600);
/// How often staged bytes are looked through.
const SWEEP_INTERVAL: Duration = Duration::from_secs(300);
/// First and longest pause before owed deposits are tried again.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LAST: Duration = Duration::from_secs(60);
/// Reports that wait to be fetched for a configured holder; beyond it they are found again after a restart.
const WANTED_MAX: usize = 10_000;

/// Why a block's reports were not taken care of; the block itself is committed.
#[derive(Debug, Error)]
pub enum UpkeepError {
    /// The ledger could not be read.
    #[error(transparent)]
    Ledger(#[from] LedgerFault),
    /// The store of sealed blocks failed.
    #[error(transparent)]
    Sealed(#[from] SealedStoreError),
    /// The key custody failed.
    #[error(transparent)]
    Custody(#[from] CustodyError),
}

/// Takes care of reports after their commit.
pub struct Upkeep<N> {
    node: Arc<N>,
    custody: Arc<Custody>,
    store: SealedStore,
    fetcher: Arc<Fetcher>,
    peers: Arc<dyn Peers>,
    news: Notify,
    wanted: Mutex<BTreeSet<(ChannelId, TxId)>>,
}

impl<N> std::fmt::Debug for Upkeep<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Upkeep")
    }
}

impl<N: Node> Upkeep<N> {
    /// Takes care by what `node`'s ledgers say.
    #[must_use]
    pub fn new(
        node: Arc<N>,
        custody: Arc<Custody>,
        store: SealedStore,
        fetcher: Arc<Fetcher>,
        peers: Arc<dyn Peers>,
    ) -> Self {
        Self { node, custody, store, fetcher, peers, news: Notify::new(), wanted: Mutex::default() }
    }

    /// Looks at the VALID report uploads of a committed block. Call it after the block's write, in any order and as often
    /// as wanted.
    ///
    /// # Errors
    /// [`UpkeepError`]; the caller logs it and goes on, since the block is committed whatever happens here.
    pub fn committed(&self, ledger: &dyn ChannelLedger, number: BlockNumber) -> Result<(), UpkeepError> {
        let Some(bytes) = ledger.block(number)? else { return Ok(()) };
        let block = Block::from_bytes(&bytes).map_err(|error| LedgerFault {
            channel: ledger.channel().clone(),
            cause: format!("block {number}: {error}"),
        })?;
        for envelope in &block.envelopes {
            let Some(transaction) = upload(envelope) else { continue };
            let at = ledger.transaction(&transaction.tx_id)?;
            let is_valid =
                at.is_some_and(|at| at.code == TxValidationCode::Valid && at.block_number == number);
            if is_valid {
                self.uploaded(ledger, &transaction.tx_id)?;
            }
        }
        Ok(())
    }

    fn uploaded(&self, ledger: &dyn ChannelLedger, report_id: &TxId) -> Result<(), UpkeepError> {
        let origin = match origin(ledger, report_id) {
            Ok(origin) => origin,
            Err(TrailError::Ledger(fault)) => return Err(fault.into()),
            // A VALID call that recorded nothing readable concerns no bytes of ours.
            Err(_) => return Ok(()),
        };
        self.store.keep(origin.cid)?;
        let (own, channel) = (self.node.msp_id(), ledger.channel());
        let bundle = ledger.bundle();
        let Some(reports) = &bundle.config().reports else { return Ok(()) };
        if origin.owner == *own {
            let others: Vec<MspId> =
                reports.custodians.iter().filter(|msp_id| *msp_id != own).cloned().collect();
            self.custody.owe(channel, report_id, &others)?;
        }
        let keeps = reports.holders.contains(own) || reports.custodians.contains(own);
        if keeps && self.store.held(origin.cid)?.is_none() {
            self.want(channel, report_id);
        }
        self.news.notify_one();
        Ok(())
    }

    fn want(&self, channel: &ChannelId, report_id: &TxId) {
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        if wanted.len() < WANTED_MAX {
            wanted.insert((channel.clone(), report_id.clone()));
        }
    }

    /// Delivers, fetches and sweeps until the future is dropped.
    pub async fn run(&self) {
        let mut sweep = tokio::time::interval(SWEEP_INTERVAL);
        let mut pause = RETRY_FIRST;
        loop {
            let left = self.round().await;
            pause = if left == 0 { RETRY_FIRST } else { pause.saturating_mul(2).min(RETRY_LAST) };
            tokio::select! {
                () = self.news.notified() => pause = RETRY_FIRST,
                () = tokio::time::sleep(pause), if left > 0 => {}
                _ = sweep.tick() => self.sweep(now_ms()).await,
            }
        }
    }

    /// Tries everything that is owed or wanted once. Returns how much is left.
    pub async fn round(&self) -> usize {
        let owed = deliver_owed(&*self.node, &self.custody, &*self.peers).await;
        owed + self.fetch_wanted().await
    }

    /// Removes staged bytes that were not recorded within an hour before `now_ms`.
    pub async fn sweep(&self, now_ms: u64) {
        let age_ms = u64::try_from(STAGED_AGE_MAX.as_millis()).unwrap_or(u64::MAX);
        let before_ms = now_ms.saturating_sub(age_ms);
        let store = self.store.clone();
        match tokio::task::spawn_blocking(move || store.sweep(before_ms)).await {
            Ok(Ok(0)) => {}
            Ok(Ok(removed)) => tracing::info!(removed, "upkeep.swept"),
            Ok(Err(error)) => tracing::error!(%error, "upkeep.sweep"),
            Err(error) => tracing::error!(%error, "upkeep.sweep"),
        }
    }

    async fn fetch_wanted(&self) -> usize {
        let wanted: Vec<_> = {
            let wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
            wanted.iter().cloned().collect()
        };
        let mut left = 0;
        for (channel, report_id) in wanted {
            match self.fetch(&channel, &report_id).await {
                Ok(()) => {
                    let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
                    wanted.remove(&(channel, report_id));
                }
                Err(reason) => {
                    left += 1;
                    tracing::warn!(%channel, %report_id, %reason, "upkeep.fetch");
                }
            }
        }
        left
    }

    async fn fetch(&self, channel: &ChannelId, report_id: &TxId) -> Result<(), String> {
        // Who left the channel holds nothing for it.
        let Some(ledger) = self.node.ledger(channel) else { return Ok(()) };
        let origin = origin(&*ledger, report_id).map_err(|error| error.to_string())?;
        let bundle = ledger.bundle();
        let request = signed_block_request(self.node.signer(), channel, report_id, &origin)
            .map_err(|status| status.message().to_owned())?;
        let own = self.node.msp_id();
        let holders: Vec<MspId> =
            holders_of(&bundle, &origin).into_iter().filter(|msp_id| msp_id != own).collect();
        let Origin { cid, record, .. } = origin;
        let size_max = record.sealed_size.min(SEALED_BYTES_MAX);
        self.fetcher
            .fetch(&bundle, &holders, &WantedDag { root: cid, request, size_max })
            .await
            .map_err(|error| error.to_string())?;
        self.keep(cid).await
    }

    async fn keep(&self, cid: Cid) -> Result<(), String> {
        let store = self.store.clone();
        match tokio::task::spawn_blocking(move || store.keep(cid)).await {
            Ok(outcome) => outcome.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// The upload in an envelope, by its own words; validity is the ledger's.
fn upload(envelope: &Bytes) -> Option<ParsedTransaction> {
    let transaction = parse_transaction(envelope).ok()?;
    let is_upload = transaction.chaincode == reports::NAME
        && transaction.args.first().is_some_and(|function| function.as_ref() == b"UploadReport");
    is_upload.then_some(transaction)
}

#[cfg(test)]
mod tests;
