//! What a peer counts and times. Names are Fabric's where it has the thing; `network/metrics.md` tells what each means.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use configtx::NeededRelease;
use endorsing::is_success;
use gateway::ports::ChannelLedger as _;
use gateway::{ImageWorkers, WorkerCounts};
use host::{HostError, RunFailure};
use node::{Counter, Description, Histogram, Metrics, describe};
use protocol::ChannelConfig;
use protocol::fabric::ProposalResponse;
use transport::{Code, Status};
use validation::ValidatedBlock;

use super::channels::Channels;
use super::endorser::Endorser;

/// What a label says in place of a name that this peer or the channel does not know, whoever wrote it.
const UNKNOWN: &str = "unknown";

const RECEIVED: Description<0> = describe("endorser_proposals_received", [], "Proposals received.");
const SUCCESSFUL: Description<0> =
    describe("endorser_successful_proposals", [], "Proposals that were endorsed or answered.");
const INVALID: Description<0> = describe(
    "endorser_proposal_validation_failures",
    [],
    "Proposals refused for their form, sender, channel or chaincode.",
);
const TURNED_AWAY: Description<0> = describe(
    "consilium_proposals_turned_away",
    [],
    "Proposals that may succeed at another time: this peer had too much to do, or lacked what it needs to judge them.",
);
const DURATION: Description<3> = describe(
    "endorser_proposal_duration",
    ["channel", "chaincode", "success"],
    "Seconds from a proposal to its answer: checks, examination, chaincode, signature.",
);
const FAILURES: Description<3> = describe(
    "endorser_endorsement_failures",
    ["channel", "chaincode", "chaincodeerror"],
    "Proposals that were not endorsed; chaincodeerror is true where the chaincode refused.",
);
const DUPLICATES: Description<2> = describe(
    "endorser_duplicate_transaction_failures",
    ["channel", "chaincode"],
    "Proposals of transactions that are committed already.",
);
const TIMEOUTS: Description<1> =
    describe("chaincode_execute_timeouts", ["chaincode"], "Runs that did not end within their deadline.");
const RUNS: Description<4> = describe(
    "chaincode_shim_request_duration",
    ["type", "channel", "chaincode", "success"],
    "Seconds of a chaincode's run, its wait for a thread included.",
);
const FAILED_RUNS: Description<2> = describe(
    "consilium_chaincode_runs_failed",
    ["chaincode", "cause"],
    "Runs that gave nothing to endorse: the chaincode refused, was over a limit, panicked, was late, slow or stuck, had too \
     many waiting, or its state could not be read.",
);
const STUCK: Description<1> = describe(
    "consilium_chaincode_stuck_threads",
    ["chaincode"],
    "Threads that are in a run which was answered as late and has not ended; at its limit of them a chaincode is refused.",
);
const HEIGHT: Description<1> = describe("ledger_blockchain_height", ["channel"], "Blocks of the chain.");
const STOPPED: Description<3> = describe(
    "consilium_channel_stopped",
    ["channel", "capability", "release"],
    "1 where the channel has stopped on this node, else 0; a further sample names the capability and the release needed.",
);
const PROCESSING: Description<1> = describe(
    "ledger_block_processing_time",
    ["channel"],
    "Seconds from a block's arrival at the committer to the end of its commit.",
);
const COMMIT: Description<1> = describe(
    "ledger_blockstorage_and_pvtdata_commit_time",
    ["channel"],
    "Seconds of the synced write of a block with state, history and indexes.",
);
const SIGNATURES: Description<1> = describe(
    "consilium_validation_signatures_time",
    ["channel"],
    "Seconds in which a block's envelopes were judged by themselves, on all cores.",
);
const STATE: Description<1> = describe(
    "consilium_validation_state_time",
    ["channel"],
    "Seconds in which a block's transactions were judged in order at the state.",
);
const TRANSACTIONS: Description<3> = describe(
    "ledger_transaction_count",
    ["channel", "chaincode", "validation_code"],
    "Committed transactions by verdict.",
);
const WORKERS: Description<0> =
    describe("consilium_image_workers_started", [], "Processes that were started to decode one image each.");
const FAILED_WORKERS: Description<0> = describe(
    "consilium_image_workers_failed",
    [],
    "Image workers that could not be started or confined, or that something outside their image ended.",
);
const IMAGES: Description<1> = describe(
    "consilium_images",
    ["outcome"],
    "Images by what became of them: answered, or their worker ended, was late, answered garbage, or had no place.",
);
const WAITING: Description<0> =
    describe("consilium_images_waiting", [], "Images that wait for their turn to be decoded.");
const RUNNING: Description<0> = describe("consilium_images_running", [], "Images that are decoded now.");

/// The peer's metrics.
pub struct PeerMetrics {
    received: Counter<0>,
    successful: Counter<0>,
    invalid: Counter<0>,
    turned_away: Counter<0>,
    duration: Histogram<3>,
    failures: Counter<3>,
    duplicates: Counter<2>,
    timeouts: Counter<1>,
    runs: Histogram<4>,
    failed_runs: Counter<2>,
    processing: Histogram<1>,
    commit: Histogram<1>,
    signatures: Histogram<1>,
    state: Histogram<1>,
    transactions: Counter<3>,
}

impl PeerMetrics {
    /// Describes them.
    pub fn new(metrics: &Metrics) -> Self {
        Self {
            received: metrics.counter(&RECEIVED),
            successful: metrics.counter(&SUCCESSFUL),
            invalid: metrics.counter(&INVALID),
            turned_away: metrics.counter(&TURNED_AWAY),
            duration: metrics.histogram(&DURATION),
            failures: metrics.counter(&FAILURES),
            duplicates: metrics.counter(&DUPLICATES),
            timeouts: metrics.counter(&TIMEOUTS),
            runs: metrics.histogram(&RUNS),
            failed_runs: metrics.counter(&FAILED_RUNS),
            processing: metrics.histogram(&PROCESSING),
            commit: metrics.histogram(&COMMIT),
            signatures: metrics.histogram(&SIGNATURES),
            state: metrics.histogram(&STATE),
            transactions: metrics.counter(&TRANSACTIONS),
        }
    }

    /// Begins to time a proposal.
    pub fn proposal(&self) -> ProposalClock<'_> {
        self.received.add([], 1);
        // Named before one is, so that a monitor sees them begin at 0.
        self.turned_away.add([], 0);
        ProposalClock { metrics: self, started: Instant::now(), concerns: None }
    }

    /// Adds a chaincode's run that began at `started`.
    pub fn ran(
        &self,
        (channel, chaincode): (&str, &str),
        outcome: &Result<host::ExecutionResult, HostError>,
        started: Instant,
    ) {
        let failed = cause_of_failure(outcome);
        let success = if failed.is_none() { "true" } else { "false" };
        self.runs.observe(["TRANSACTION", channel, chaincode, success], started.elapsed());
        // Named as soon as a chaincode has run, so that a monitor sees them begin at 0.
        for cause in CAUSES {
            self.failed_runs.add([chaincode, cause], u64::from(failed == Some(cause)));
        }
    }

    /// Begins to time a block.
    pub fn block<'a>(&'a self, channel: &'a str) -> BlockClock<'a> {
        let now = Instant::now();
        BlockClock { metrics: self, channel, started: now, stage: now, verdicts: BTreeMap::new() }
    }
}

/// What [`cause_of_failure`] tells.
const CAUSES: [&str; 8] = ["refused", "limit", "panic", "late", "slow", "stuck", "busy", "state"];

/// Why a run gave nothing to endorse; `None` where it did.
fn cause_of_failure(outcome: &Result<host::ExecutionResult, HostError>) -> Option<&'static str> {
    match outcome {
        Ok(result) => match result.failure {
            Some(RunFailure::OverLimit) => Some("limit"),
            Some(RunFailure::Panicked) => Some("panic"),
            Some(RunFailure::State) => Some("state"),
            None if is_success(result.response.status) => None,
            None => Some("refused"),
        },
        Err(HostError::DeadlineExceeded { .. }) => Some("late"),
        Err(HostError::Slow { .. }) => Some("slow"),
        Err(HostError::Stuck { .. }) => Some("stuck"),
        Err(_) => Some("busy"),
    }
}

/// A proposal under way.
pub struct ProposalClock<'a> {
    metrics: &'a PeerMetrics,
    started: Instant,
    /// Channel and chaincode, once this peer has found that it knows them.
    concerns: Option<(String, String)>,
}

impl ProposalClock<'_> {
    /// Notes what the proposal is for: names that this peer knows.
    pub fn concerns(&mut self, channel: &str, chaincode: &str) {
        self.concerns = Some((channel.to_owned(), chaincode.to_owned()));
    }

    /// Counts the proposal.
    pub fn end(self, outcome: &Result<ProposalResponse, Status>) {
        let Self { metrics, started, concerns } = self;
        let is_known = concerns.is_some();
        let unknown = || (UNKNOWN.to_owned(), UNKNOWN.to_owned());
        let (channel, chaincode) = concerns.unwrap_or_else(unknown);
        let answered = outcome
            .as_ref()
            .map(|answer| answer.response.as_ref().is_some_and(|response| is_success(response.status)));
        let success = if matches!(answered, Ok(true)) { "true" } else { "false" };
        metrics.duration.observe([&channel, &chaincode, success], started.elapsed());
        if is_known {
            // Named as soon as a chaincode is, so that a monitor sees them begin at 0.
            let is = |code| u64::from(outcome.as_ref().is_err_and(|status| status.code() == code));
            metrics.duplicates.add([&channel, &chaincode], is(Code::AlreadyExists));
            metrics.timeouts.add([&chaincode], is(Code::DeadlineExceeded));
        }
        match answered {
            Ok(true) => metrics.successful.add([], 1),
            Ok(false) => metrics.failures.add([&channel, &chaincode, "true"], 1),
            Err(status) if is_passing(status.code()) => metrics.turned_away.add([], 1),
            Err(_) if !is_known => metrics.invalid.add([], 1),
            Err(status) if status.code() == Code::AlreadyExists => {}
            Err(_) => metrics.failures.add([&channel, &chaincode, "false"], 1),
        }
    }
}

/// Whether a code says nothing of the proposal itself.
const fn is_passing(code: Code) -> bool {
    matches!(code, Code::ResourceExhausted | Code::Unavailable)
}

/// A block on its way through the committer.
pub struct BlockClock<'a> {
    metrics: &'a PeerMetrics,
    channel: &'a str,
    started: Instant,
    stage: Instant,
    /// Chaincode and code, and how many.
    verdicts: BTreeMap<(String, &'static str), u64>,
}

impl BlockClock<'_> {
    /// The envelopes were judged by themselves.
    pub fn examined(&mut self) {
        let time = self.next_stage();
        self.metrics.signatures.observe([self.channel], time);
    }

    /// The block was judged at the state. What a transaction says of its chaincode counts where the channel has one of
    /// that name.
    pub fn validated(&mut self, block: &ValidatedBlock, config: &ChannelConfig) {
        let time = self.next_stage();
        self.metrics.state.observe([self.channel], time);
        for summary in block.transactions() {
            let known = summary.chaincode.as_deref().filter(|name| config.chaincode(name).is_some());
            let chaincode = known.unwrap_or(UNKNOWN).to_owned();
            *self.verdicts.entry((chaincode, summary.code.name())).or_default() += 1;
        }
    }

    /// The block is on disk.
    pub fn committed(mut self) {
        let time = self.next_stage();
        let metrics = self.metrics;
        metrics.commit.observe([self.channel], time);
        metrics.processing.observe([self.channel], self.started.elapsed());
        for ((chaincode, code), count) in &self.verdicts {
            metrics.transactions.add([self.channel, chaincode, code], *count);
        }
    }

    fn next_stage(&mut self) -> std::time::Duration {
        let now = Instant::now();
        let time = now.duration_since(self.stage);
        self.stage = now;
        time
    }
}

/// Has channels and workers looked at before each answer.
pub fn ask(metrics: &Metrics, channels: &Arc<Channels>, workers: &Arc<ImageWorkers>) {
    let (channels, height) = (Arc::clone(channels), metrics.gauge(&HEIGHT));
    let stopped = metrics.gauge(&STOPPED);
    metrics.ask(move || {
        for channel in channels.all() {
            let name = channel.channel().as_str();
            height.set([name], channel.height());
            stopped.set([name, "", ""], u64::from(channel.stopped().is_some()));
            if let Some(NeededRelease { capability, release }) = channel.needed_release() {
                stopped.set([name, capability, release.as_deref().unwrap_or_default()], 1);
            }
        }
    });
    let (started, images) = (metrics.counter(&WORKERS), metrics.counter(&IMAGES));
    let failed = metrics.counter(&FAILED_WORKERS);
    let (waiting, running) = (metrics.gauge(&WAITING), metrics.gauge(&RUNNING));
    let workers = Arc::clone(workers);
    metrics.ask(move || {
        let counts: WorkerCounts = workers.counts();
        started.raise_to([], counts.started);
        failed.raise_to([], counts.failed);
        for (outcome, count) in [
            ("answered", counts.answered),
            ("ended", counts.ended),
            ("late", counts.deadline_exceeded),
            ("garbage", counts.garbage),
            ("busy", counts.busy),
        ] {
            images.raise_to([outcome], count);
        }
        waiting.set([], counts.waiting);
        running.set([], counts.running);
    });
}

/// Has the threads of chaincodes looked at before each answer.
pub fn ask_chaincodes(metrics: &Metrics, endorser: &Arc<Endorser>) {
    let (endorser, stuck) = (Arc::downgrade(endorser), metrics.gauge(&STUCK));
    metrics.ask(move || {
        let Some(endorser) = endorser.upgrade() else { return };
        for (chaincode, threads) in endorser.host.stuck_threads() {
            stuck.set([chaincode], u64::try_from(threads).unwrap_or(u64::MAX));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_proposal_counts_once_and_by_its_code() {
        let rows = [
            // known channel and chaincode, code, what it counts as
            (false, Code::InvalidArgument, "endorser_proposal_validation_failures"),
            (false, Code::PermissionDenied, "endorser_proposal_validation_failures"),
            (false, Code::ResourceExhausted, "consilium_proposals_turned_away"),
            (false, Code::Unavailable, "consilium_proposals_turned_away"),
            (true, Code::Unavailable, "consilium_proposals_turned_away"),
            (true, Code::ResourceExhausted, "consilium_proposals_turned_away"),
            (true, Code::InvalidArgument, "endorser_endorsement_failures"),
            (true, Code::AlreadyExists, "endorser_duplicate_transaction_failures"),
        ];
        let outcomes = [
            "endorser_proposal_validation_failures",
            "consilium_proposals_turned_away",
            "endorser_endorsement_failures",
            "endorser_duplicate_transaction_failures",
        ];
        for (is_known, code, expected) in rows {
            let metrics = Metrics::new();
            let peer = PeerMetrics::new(&metrics);
            let mut clock = peer.proposal();
            if is_known {
                clock.concerns("reports", "asset-transfer");
            }
            clock.end(&Err(Status::new(code, "no")));
            let text = metrics.text();
            let counted = outcomes.map(|name| {
                let lines = text.lines().filter(|line| line.starts_with(name));
                lines.filter(|line| line.ends_with(" 1")).count()
            });
            let expected = outcomes.map(|name| usize::from(name == expected));
            assert_eq!(counted, expected, "{is_known} {code:?}: {text}");
        }
    }
}
