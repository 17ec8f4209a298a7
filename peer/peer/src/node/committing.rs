//! The commit of one channel: blocks in, verdicts and writes out, one thread a channel.
//!
//! For each block: prove that it follows and was ordered (`check_link`), judge the envelopes by themselves on all cores
//! (`ExaminedTransaction::of_all`), judge them in order at the state (`validate_block`), write (`Ledger::commit`). A block that the orderers
//! did not make is refused and its source avoided; a fault of the disk, a corrupt ledger or a panic stops the channel. No
//! block is ever skipped.

use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};
use std::thread;

use bytes::Bytes;
use configtx::ConfigBundle;
use gateway::ports::ChannelLedger as _;
use protocol::{Block, BlockNumber, TxNumber};
use tokio::sync::{mpsc, oneshot};
use validation::{ExaminedTransaction, ValidatedBlock, check_link, validate_block};

use super::channel::Channel;
use super::fault::NodeFault;
use super::metrics::PeerMetrics;
use super::settings::with_causes;

/// Blocks that wait for the committer: a few, so that fetching overlaps with committing and memory stays bounded.
pub const BLOCKS_WAITING_MAX: usize = 4;
/// Envelopes that are worth a thread of their own.
const ENVELOPES_A_THREAD_MIN: usize = 8;

/// Cores of this machine. The question reads files of the kernel, so it is asked once.
static CORES: LazyLock<usize> = LazyLock::new(|| thread::available_parallelism().map_or(1, NonZero::get));

/// Characters of a reason in the log.
const REASON_CHARS_MAX: usize = 500;

/// A block from an orderer, and where to say what became of it.
pub struct Arrival {
    /// The block's bytes.
    pub block: Bytes,
    /// Told whether the block was committed.
    pub outcome: oneshot::Sender<Result<(), Refusal>>,
}

/// Why a block was not committed.
#[derive(Debug)]
pub enum Refusal {
    /// It is not the channel's next block: ask somebody else.
    NotTheNext(String),
    /// This node cannot commit: the channel stops.
    Fault(NodeFault),
}

/// What is called after each commit, on the committer's thread.
pub type AfterCommit = Arc<dyn Fn(&Channel, BlockNumber) + Send + Sync>;

/// Starts the committer of a channel. It ends when the sender of arrivals is dropped; the process must not end before it,
/// since the store may not be in use when the process's own destructors run.
///
/// # Errors
/// [`NodeFault::Start`] where the thread is not to be had.
pub fn start(
    channel: Arc<Channel>,
    after: AfterCommit,
    metrics: Arc<PeerMetrics>,
) -> Result<(mpsc::Sender<Arrival>, thread::JoinHandle<()>), NodeFault> {
    let (send, mut receive) = mpsc::channel::<Arrival>(BLOCKS_WAITING_MAX);
    let body = move || {
        while let Some(arrival) = receive.blocking_recv() {
            let outcome = commit_or_stop(&channel, || commit(&channel, &arrival.block, &after, &metrics));
            let is_over = matches!(outcome, Err(Refusal::Fault(_)));
            // The follower may have left; the verdict stands in the ledger.
            let _ = arrival.outcome.send(outcome);
            if is_over {
                return;
            }
        }
    };
    let thread = thread::Builder::new()
        .name("committer".to_owned())
        .spawn(body)
        .map_err(|error| NodeFault::Start { what: "a channel's committer", cause: error.to_string() })?;
    Ok((send, thread))
}

/// Runs a commit; a fault or a panic stops the channel, so that nobody is served from a ledger that stays behind.
pub(super) fn commit_or_stop(
    channel: &Channel,
    commit: impl FnOnce() -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    // Stopped from elsewhere, such as by what other organisations attest: nothing is added to a ledger that is contradicted.
    if let Some(reason) = channel.stopped() {
        return Err(Refusal::Fault(NodeFault::Ledger {
            cause: format!("the channel has stopped: {reason}"),
        }));
    }
    let panicked = |_| {
        let cause =
            "the commit of a block failed within this peer's program; its log has the place".to_owned();
        Err(Refusal::Fault(NodeFault::Ledger { cause }))
    };
    // After a panic nothing of the commit is used again but the flag that stops the channel.
    let outcome = catch_unwind(AssertUnwindSafe(commit)).unwrap_or_else(panicked);
    if let Err(Refusal::Fault(fault)) = &outcome {
        channel.stop_by(fault);
    }
    outcome
}

fn commit(
    channel: &Channel,
    bytes: &[u8],
    after: &AfterCommit,
    metrics: &PeerMetrics,
) -> Result<(), Refusal> {
    let mut clock = metrics.block(channel.channel().as_str());
    let block = Block::from_bytes(bytes).map_err(|error| Refusal::NotTheNext(error.to_string()))?;
    let bundle = channel.bundle();
    let header = channel.ledger().last_header();
    let ordered =
        check_link(block, &header, &bundle).map_err(|error| match error.needed_release().cloned() {
            Some(needed) => Refusal::Fault(NodeFault::Release { number: header.number.next(), needed }),
            None => Refusal::NotTheNext(with_causes(&error)),
        })?;
    let examined = examine_all(&ordered.block().envelopes, &bundle, ordered.block().header.timestamp_ms);
    clock.examined();
    let state = channel.ledger().snapshot();
    let before = channel.ledger().info().commit_hash;
    let fault = |cause: String| Refusal::Fault(NodeFault::Ledger { cause });
    let validated = validate_block(ordered, examined, &bundle, &state, before)
        .map_err(|error| fault(with_causes(&error)))?;
    clock.validated(&validated, bundle.config());
    log_verdicts(channel, &validated);
    let number = validated.number();
    channel.commit(validated).map_err(Refusal::Fault)?;
    clock.committed();
    after(channel, number);
    Ok(())
}

/// Judges envelopes by themselves on as many threads as there are cores, for blocks that are worth it.
fn examine_all(envelopes: &[Bytes], bundle: &ConfigBundle, at_ms: u64) -> Vec<ExaminedTransaction> {
    let numbered: Vec<(TxNumber, &Bytes)> = (0_u32..).map(TxNumber).zip(envelopes).collect();
    let threads = CORES.min(numbered.len() / ENVELOPES_A_THREAD_MIN).max(1);
    if threads == 1 {
        return ExaminedTransaction::of_all(&numbered, bundle, at_ms);
    }
    thread::scope(|scope| {
        let parts: Vec<_> = numbered
            .chunks(numbered.len().div_ceil(threads))
            .map(|part| scope.spawn(move || ExaminedTransaction::of_all(part, bundle, at_ms)))
            .collect();
        let joined = parts
            .into_iter()
            .map(|part| part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        joined.flatten().collect()
    })
}

/// A reason as far as a log needs it: what others wrote may be as long as they like.
pub(super) fn shortened(reason: &str) -> &str {
    reason.char_indices().nth(REASON_CHARS_MAX).map_or(reason, |(end, _)| &reason[..end])
}

fn log_verdicts(channel: &Channel, block: &ValidatedBlock) {
    for summary in block.transactions().iter().filter(|summary| !summary.code.is_valid()) {
        let tx_id = summary.tx_id.as_ref().map_or("", protocol::TxId::as_str);
        let reason = shortened(summary.reason.as_deref().unwrap_or(""));
        tracing::info!(channel = %channel.channel(), block_number = block.number().0, tx_id, code = %summary.code, reason, "transaction is invalid");
    }
}
