//! Gets a DAG from other peers into the own sealed store.
//!
//! Holders are asked in turn. Of a holder nothing is believed: every block is checked against the CID that the walk wants
//! before it is kept, sizes are bounded by the caller's limit, silence by a deadline. What an interrupted answer left is
//! removed. Two calls for one root wait for each other, and for each other's last write to the disk: a place in the queue
//! is given up only when the thread that writes has ended, even where the caller went away before.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use configtx::ConfigBundle;
use futures_util::StreamExt;
use ipfs::SealedStore;
use offchain::{BlockSink, Cid, DagWalk, Next};
use protocol::{BlockResponse, MspId, SignedRequest};
use thiserror::Error;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard, mpsc};
use tokio::time::Instant;
use transport::{ResponseStream, Status};

use crate::peers::Peers;
use crate::signed_request::now_ms;

/// Blocks between the network and the disk.
const BLOCKS_AHEAD: usize = 2;

/// How long a fetch may take.
#[derive(Clone, Copy, Debug)]
pub struct FetchLimits {
    /// Longest silence of a holder.
    pub idle: Duration,
    /// Longest answer of one holder, and longest wait for another fetch of the same root.
    pub total: Duration,
}

impl Default for FetchLimits {
    /// Fifteen seconds of silence, ten minutes in all, as long as the gateway lets an upload's endorsement take: the
    /// largest image (256 MiB) at half a megabyte a second.
    fn default() -> Self {
        Self { idle: Duration::from_secs(15), total: Duration::from_secs(600) }
    }
}

/// What a holder answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HolderAnswer {
    /// The organisation.
    pub msp_id: MspId,
    /// What it said or did.
    pub answer: String,
}

impl fmt::Display for HolderAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.msp_id, self.answer)
    }
}

/// Why a DAG was not fetched.
#[derive(Debug, Error)]
pub enum FetchError {
    /// No holder gave it.
    #[error("no holder gave the sealed report {root}: {}", joined(.answers))]
    NotFetched {
        /// The root.
        root: Cid,
        /// What each holder that was asked said, in the order of asking.
        answers: Vec<HolderAnswer>,
    },
    /// Another fetch of the same root did not end.
    #[error("the sealed report {root} has been under way to this peer for more than {waited_s} s; ask again")]
    UnderWay {
        /// The root.
        root: Cid,
        /// How long this call waited.
        waited_s: u64,
    },
    /// The own store failed.
    #[error("the sealed report {root} could not be kept here: {cause}")]
    Store {
        /// The root.
        root: Cid,
        /// The store's reason.
        cause: String,
    },
}

fn joined(answers: &[HolderAnswer]) -> String {
    if answers.is_empty() {
        return "nobody else is known to hold it".to_owned();
    }
    answers.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// A DAG that is to be fetched.
#[derive(Clone, Debug)]
pub struct WantedDag {
    /// Its root.
    pub root: Cid,
    /// The signed `BlockRequest` that every holder is shown.
    pub request: SignedRequest,
    /// Most bytes of the sealed file that are taken.
    pub size_max: u64,
}

/// Fetches DAGs into a store.
pub struct Fetcher {
    store: SealedStore,
    peers: Arc<dyn Peers>,
    limits: FetchLimits,
    /// Roots that are being fetched.
    gates: Arc<Gates>,
}

/// A lock a root that is being fetched or waited for.
type Gates = Mutex<BTreeMap<Cid, Arc<AsyncMutex<()>>>>;

/// A place at a root's gate: waiting, or with the turn. Dropped, it gives the turn on, and the last one removes the gate.
struct Place {
    gates: Arc<Gates>,
    root: Cid,
    gate: Option<Arc<AsyncMutex<()>>>,
    turn: Option<OwnedMutexGuard<()>>,
}

impl Place {
    fn take(gates: &Arc<Gates>, root: Cid) -> Self {
        let mut open = gates.lock().unwrap_or_else(PoisonError::into_inner);
        let gate = Arc::clone(open.entry(root).or_default());
        Self { gates: Arc::clone(gates), root, gate: Some(gate), turn: None }
    }

    /// Waits until nobody else fetches the root, or writes what was fetched of it.
    async fn wait(mut self, limit: Duration) -> Result<Arc<Self>, FetchError> {
        if let Some(gate) = &self.gate {
            let turn = tokio::time::timeout(limit, Arc::clone(gate).lock_owned()).await;
            let late = |_| FetchError::UnderWay { root: self.root, waited_s: limit.as_secs() };
            self.turn = Some(turn.map_err(late)?);
        }
        Ok(Arc::new(self))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.turn.take());
        drop(self.gate.take());
        if open.get(&self.root).is_some_and(|gate| Arc::strong_count(gate) == 1) {
            open.remove(&self.root);
        }
    }
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetcher").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// Why one holder's answer came to nothing.
enum Failure {
    Holder(String),
    Own(String),
}

impl Fetcher {
    /// Fetches into `store` what `peers` give.
    #[must_use]
    pub fn new(store: SealedStore, peers: Arc<dyn Peers>, limits: FetchLimits) -> Self {
        Self { store, peers, limits, gates: Arc::default() }
    }

    /// Returns when the DAG is in the store, staged: at once where it is there already. The holders are asked in their
    /// order.
    ///
    /// # Errors
    /// [`FetchError::NotFetched`] with what each holder said, [`FetchError::UnderWay`] where another fetch of the root
    /// does not end, [`FetchError::Store`] where the own disk fails.
    pub async fn fetch(
        &self,
        bundle: &ConfigBundle,
        holders: &[MspId],
        wanted: &WantedDag,
    ) -> Result<(), FetchError> {
        let root = wanted.root;
        let place = Place::take(&self.gates, root).wait(self.limits.total).await?;
        let held =
            self.store.held(root).map_err(|error| FetchError::Store { root, cause: error.to_string() })?;
        // An entry whose root is gone or damaged helps nobody; what comes anew takes its place.
        if held.is_some() && self.store.block(root).is_ok() {
            return Ok(());
        }
        let mut answers = Vec::new();
        for msp_id in holders {
            let answer = match self.ask(bundle, msp_id, wanted, &place).await {
                Ok(()) => return Ok(()),
                Err(Failure::Own(cause)) => return Err(FetchError::Store { root, cause }),
                Err(Failure::Holder(answer)) => answer,
            };
            tracing::warn!(%root, %msp_id, reason = %answer, "exchange.holder_passed_over");
            answers.push(HolderAnswer { msp_id: msp_id.clone(), answer });
        }
        Err(FetchError::NotFetched { root, answers })
    }

    /// Roots that are being fetched or waited for.
    #[cfg(test)]
    pub(super) fn gates_open(&self) -> usize {
        self.gates.lock().expect("no panic").len()
    }

    /// Asks one holder. The thread that writes has ended when this returns; where it is dropped, `place` waits for it.
    async fn ask(
        &self,
        bundle: &ConfigBundle,
        msp_id: &MspId,
        wanted: &WantedDag,
        place: &Arc<Place>,
    ) -> Result<(), Failure> {
        let WantedDag { root, size_max, .. } = *wanted;
        let end = Instant::now() + self.limits.total;
        // The call itself has its own deadline, since a holder first checks permission; a silent one must not hang us.
        let call = tokio::time::timeout(
            self.limits.idle.saturating_mul(2).min(self.limits.total),
            self.peers.fetch(bundle, msp_id, wanted.request.clone()),
        );
        let stream = match call.await {
            Ok(Ok(stream)) => stream,
            Ok(Err(status)) => return Err(Failure::Holder(told(status.message()))),
            Err(_) => return Err(Failure::Holder("no answer in time".to_owned())),
        };
        let (sender, receiver) = mpsc::channel(BLOCKS_AHEAD);
        let (store, place) = (self.store.clone(), Arc::clone(place));
        let keeping = tokio::task::spawn_blocking(move || {
            let kept = keep_blocks(&store, root, size_max, receiver);
            drop(place);
            kept
        });
        let received = match tokio::time::timeout_at(end, self.receive(stream, sender)).await {
            Ok(received) => received,
            Err(_) => Err(format!("its answer took more than {} s", self.limits.total.as_secs())),
        };
        let kept = keeping.await.map_err(|error| Failure::Own(error.to_string()))?;
        // What the holder said of itself explains more than that its blocks ended early.
        match (kept, received) {
            (Err(Failure::Holder(_)), Err(said)) => Err(Failure::Holder(said)),
            (kept, _) => kept,
        }
    }

    /// Passes a holder's blocks on, until it ends, says something else, or is silent for too long.
    async fn receive(
        &self,
        mut stream: ResponseStream<BlockResponse>,
        sender: mpsc::Sender<Bytes>,
    ) -> Result<(), String> {
        loop {
            match tokio::time::timeout(self.limits.idle, stream.next()).await {
                Err(_) => return Err(format!("silent for more than {} s", self.limits.idle.as_secs())),
                Ok(None) => return Ok(()),
                Ok(Some(Err(status))) => return Err(told(status.message())),
                Ok(Some(Ok(BlockResponse::NotHeld(text) | BlockResponse::Refused(text)))) => {
                    return Err(told(&text));
                }
                Ok(Some(Ok(BlockResponse::Block(block)))) => {
                    // A closed channel means that the walk is done or has found a fault.
                    if sender.send(block).await.is_err() {
                        return Ok(());
                    }
                }
            }
        }
    }
}

/// Keeps the blocks that the walk wants; the store holds the DAG afterwards, or nothing of it.
fn keep_blocks(
    store: &SealedStore,
    root: Cid,
    size_max: u64,
    mut blocks: mpsc::Receiver<Bytes>,
) -> Result<(), Failure> {
    let own = |error: &dyn fmt::Display| Failure::Own(error.to_string());
    let mut walk = DagWalk::new(root, size_max);
    let mut staged = store.stage();
    while let Next::Want(cid) = walk.next() {
        let Some(block) = blocks.blocking_recv() else {
            return Err(Failure::Holder(format!("its answer ended before block {cid}")));
        };
        walk.supply(cid, block.clone())
            .map_err(|error| Failure::Holder(format!("it sent a wrong block: {error}")))?;
        (&mut staged).put(cid, block).map_err(|error| own(&error))?;
    }
    staged.finish(root, walk.given_bytes(), now_ms()).map_err(|error| own(&error))
}

/// A remote party's words, cut to what a person reads.
fn told(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(300).collect()
}

/// An error of the exchange as a status to the own user.
impl From<FetchError> for Status {
    fn from(error: FetchError) -> Self {
        match &error {
            FetchError::NotFetched { .. } | FetchError::UnderWay { .. } => {
                Self::unavailable(error.to_string())
            }
            FetchError::Store { .. } => {
                tracing::error!(%error, "exchange.store_fault");
                Self::internal("the store of sealed reports failed; the operator finds the reason in the log")
            }
        }
    }
}
