//! What follows from committed report transactions, and what is done again until it succeeds.
//!
//! [`Upkeep::committed`] is called by the committer after each block. It is synchronous and short: it marks sealed bytes
//! as recorded and notes what other custodians are owed and what should be fetched. All of it is idempotent, and how far
//! it came is on disk: [`Upkeep::resume`] does at a start what an earlier process left, so no end of a process and no
//! fault of the disk loses a report's upkeep. [`Upkeep::run`] does the slow part in three loops, none of which waits for
//! another: deposits, fetching for those who should hold a report, sweeping what was staged and never recorded.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ipfs::{SealedStore, SealedStoreError};
use offchain::Cid;
use protocol::{Block, BlockNumber, ChannelId, MspId, TxId, TxValidationCode};
use thiserror::Error;
use tokio::sync::Notify;
use tokio::time::Instant;
use transport::Status;
use validation::{ParsedTransaction, parse_transaction};

use crate::custody::{Custody, CustodyError, WantedReport, blocking, deliver_owed, is_erased};
use crate::exchange::{Fetcher, SEALED_BYTES_MAX, WantedDag};
use crate::peers::Peers;
use crate::ports::{ChannelLedger, LedgerFault, Node};
use crate::report_service::{holders_of, signed_block_request};
use crate::signed_request::now_ms;
use crate::trail::{Origin, TrailError, origin};

/// Age after which staged bytes that no transaction recorded are removed, and the least age of the process that does it:
/// a clock that jumped at a start makes no upload old.
const STAGED_AGE_MAX: Duration = Duration::from_secs(3_600);
/// How often staged bytes are looked through.
const SWEEP_INTERVAL: Duration = Duration::from_secs(300);
/// First and longest pause before what is left is tried again.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LAST: Duration = Duration::from_secs(60);
/// Wanted reports read at a time.
const WANTED_PAGE: usize = 256;
/// Blocks whose upkeep failed that are tried again after each block; a start tries all of them.
const CATCH_UP_MAX: u64 = 16;
/// How often a long way is noted while it is gone.
const NOTED_EVERY: u64 = 256;

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
    owing: Notify,
    wanting: Notify,
    started: Instant,
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
        let (owing, wanting) = (Notify::new(), Notify::new());
        Self { node, custody, store, fetcher, peers, owing, wanting, started: Instant::now() }
    }

    /// Looks at the VALID report uploads of a committed block, then at those of a few earlier blocks whose upkeep failed.
    /// Call it after the block's write, in any order and as often as wanted.
    ///
    /// # Errors
    /// [`UpkeepError`]; the caller logs it and goes on, since the block is committed whatever happens here.
    pub fn committed(&self, ledger: &dyn ChannelLedger, number: BlockNumber) -> Result<(), UpkeepError> {
        self.look_after(ledger, number)?;
        let next = self.custody.looked_after(ledger.channel())?.0;
        let end = next.saturating_add(CATCH_UP_MAX).min(number.0);
        self.advance(ledger, next, end)?;
        if next <= number.0 && end == number.0 {
            self.custody.set_looked_after(ledger.channel(), BlockNumber(end + 1))?;
        }
        Ok(())
    }

    /// Does what [`Self::committed`] would have done for every block up to the height that was not looked after. Call it
    /// before the channel's first commit of this process.
    ///
    /// # Errors
    /// The first [`UpkeepError`]; the blocks after it were looked after all the same, and the next start tries again.
    pub fn resume(&self, ledger: &dyn ChannelLedger) -> Result<(), UpkeepError> {
        let next = self.custody.looked_after(ledger.channel())?.0;
        self.advance(ledger, next, ledger.height())
    }

    /// Looks after blocks, and notes how far everything went well.
    fn advance(&self, ledger: &dyn ChannelLedger, from: u64, to: u64) -> Result<(), UpkeepError> {
        let mut outcome = Ok(());
        for number in from..to {
            outcome = outcome.and(self.look_after(ledger, BlockNumber(number)));
            let next = number + 1;
            if outcome.is_ok() && (next == to || next % NOTED_EVERY == 0) {
                self.custody.set_looked_after(ledger.channel(), BlockNumber(next))?;
            }
        }
        outcome
    }

    fn look_after(&self, ledger: &dyn ChannelLedger, number: BlockNumber) -> Result<(), UpkeepError> {
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
            self.owing.notify_one();
        }
        let keeps = origin.owner == *own || reports.holders.contains(own) || reports.custodians.contains(own);
        if keeps && self.store.held(origin.cid)?.is_none() {
            self.custody.want(channel, report_id)?;
            self.wanting.notify_one();
        }
        Ok(())
    }

    /// Delivers, fetches and sweeps until the future is dropped.
    pub async fn run(&self) {
        let deposits = again(&self.owing, || deliver_owed(&*self.node, &self.custody, &*self.peers));
        let fetches = again(&self.wanting, || self.fetch_wanted());
        let sweeps = async {
            // Never at once: at a start, blocks that record what is staged may still be on their way.
            let first = Instant::now() + SWEEP_INTERVAL;
            let mut sweep = tokio::time::interval_at(first, SWEEP_INTERVAL);
            loop {
                sweep.tick().await;
                self.sweep(now_ms(), self.started.elapsed()).await;
            }
        };
        tokio::join!(deposits, fetches, sweeps);
    }

    /// Tries everything that is owed or wanted once. Returns how much is left.
    pub async fn round(&self) -> usize {
        let owed = deliver_owed(&*self.node, &self.custody, &*self.peers).await;
        owed + self.fetch_wanted().await
    }

    /// Removes staged bytes that were not recorded within an hour before `now_ms`, in a process that has been `up` for an
    /// hour at least, unless a key in custody here is of a transaction that may still be ordered.
    pub async fn sweep(&self, now_ms: u64, up: Duration) {
        if up < STAGED_AGE_MAX {
            return;
        }
        let age_ms = u64::try_from(STAGED_AGE_MAX.as_millis()).unwrap_or(u64::MAX);
        let before_ms = now_ms.saturating_sub(age_ms);
        let (store, custody, node) = (self.store.clone(), Arc::clone(&self.custody), Arc::clone(&self.node));
        let swept = blocking(move || {
            let mut taken = None;
            let is_needed = |root: Cid| is_awaited(&*node, &custody, &mut taken, root);
            store.sweep(before_ms, is_needed).map_err(|error| Status::internal(error.to_string()))
        });
        match swept.await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "upkeep.swept"),
            Err(status) => tracing::error!(reason = status.message(), "upkeep.sweep"),
        }
    }

    async fn fetch_wanted(&self) -> usize {
        let mut left = 0;
        let mut last: Option<WantedReport> = None;
        loop {
            let from = last.take();
            let page = match self.in_custody(move |custody| custody.wanted(from.as_ref(), WANTED_PAGE)).await
            {
                Ok(page) => page,
                Err(reason) => {
                    tracing::error!(%reason, "upkeep.wanted");
                    return left + 1;
                }
            };
            for wanted in &page {
                if let Err(reason) = self.fetch(wanted).await {
                    left += 1;
                    let WantedReport { channel, report_id, .. } = wanted;
                    tracing::warn!(%channel, %report_id, %reason, "upkeep.fetch");
                }
            }
            last = page.into_iter().last();
            if last.is_none() {
                return left;
            }
        }
    }

    async fn fetch(&self, wanted: &WantedReport) -> Result<(), String> {
        let WantedReport { channel, report_id, .. } = wanted;
        // A channel that has stopped, or was not joined again yet, goes on one day: what it lacks stays noted.
        let ledger =
            self.node.ledger(channel).ok_or("the channel is not served now; fetched when it is again")?;
        let origin = origin(&*ledger, report_id).map_err(|error| error.to_string())?;
        // Nobody gives what was erased.
        if !is_erased(&*ledger, report_id, &origin).map_err(|fault| fault.to_string())? {
            self.bring(&*ledger, report_id, origin).await?;
        }
        let wanted = wanted.clone();
        self.in_custody(move |custody| custody.no_longer_want(&wanted)).await
    }

    async fn bring(
        &self,
        ledger: &dyn ChannelLedger,
        report_id: &TxId,
        origin: Origin,
    ) -> Result<(), String> {
        let bundle = ledger.bundle();
        let request = signed_block_request(self.node.signer(), ledger.channel(), report_id, &origin)
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
        let store = self.store.clone();
        let kept = blocking(move || {
            let kept = store.keep(cid).and_then(|()| store.held(cid));
            kept.map_err(|error| Status::internal(error.to_string()))
        });
        match kept.await {
            Ok(Some(_)) => Ok(()),
            // What was here, staged long ago, was swept a moment before.
            Ok(None) => Err(format!("the sealed report {cid} was removed before it was kept")),
            Err(status) => Err(status.message().to_owned()),
        }
    }

    async fn in_custody<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Custody) -> Result<T, CustodyError> + Send + 'static,
    ) -> Result<T, String> {
        let custody = Arc::clone(&self.custody);
        blocking(move || work(&custody).map_err(|error| Status::internal(error.to_string())))
            .await
            .map_err(|status| status.message().to_owned())
    }
}

/// Does rounds for ever: the next one at news, or after a pause that grows while something is left.
async fn again<F: Future<Output = usize>>(news: &Notify, round: impl Fn() -> F) {
    let mut pause = RETRY_FIRST;
    loop {
        let left = round().await;
        pause = if left == 0 { RETRY_FIRST } else { pause.saturating_mul(2).min(RETRY_LAST) };
        tokio::select! {
            () = news.notified() => pause = RETRY_FIRST,
            () = tokio::time::sleep(pause), if left > 0 => {}
        }
    }
}

/// Reports of the keys in custody, by CID.
type TakenKeys = BTreeMap<String, Vec<(ChannelId, TxId)>>;

/// Whether a key in custody here is of a transaction that records `root`, or may still do so: it is not decided, or valid
/// and not yet looked after. What cannot be read is no reason to remove anything.
fn is_awaited<N: Node>(node: &N, custody: &Custody, taken: &mut Option<TakenKeys>, root: Cid) -> bool {
    if taken.is_none() {
        match custody.reports_by_cid() {
            Ok(reports) => *taken = Some(reports),
            Err(error) => {
                tracing::error!(%error, "upkeep.sweep");
                return true;
            }
        }
    }
    let reports = taken.as_ref().and_then(|taken| taken.get(&root.to_string()));
    reports.into_iter().flatten().any(|(channel, report_id)| {
        let at = node.ledger(channel).map(|ledger| ledger.transaction(report_id));
        !matches!(at, Some(Ok(Some(at))) if at.code != TxValidationCode::Valid)
    })
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
