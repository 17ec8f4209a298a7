//! What an orderer counts and times. Names are Fabric's where it has the thing; `network/metrics.md` tells what each means.

use std::sync::Arc;
use std::time::Instant;

use node::{Counter, Description, Histogram, Metrics, describe};
use protocol::fabric::Status;

use crate::channels::Channels;

/// What a label says in place of a channel that this node does not serve, whatever the client wrote.
pub const UNKNOWN: &str = "unknown";

const PROCESSED: Description<2> = describe(
    "broadcast_processed_count",
    ["channel", "status"],
    "Envelopes from clients, by the status of their answer.",
);
const ENQUEUE: Description<2> = describe(
    "broadcast_enqueue_duration",
    ["channel", "status"],
    "Seconds from a client's envelope to its answer: ordered on the disks of a majority, or refused.",
);
const SENT: Description<1> = describe("deliver_blocks_sent", ["channel"], "Blocks sent to readers.");
const HEIGHT: Description<1> = describe("ledger_blockchain_height", ["channel"], "Blocks of the chain.");
const STOPPED: Description<3> = describe(
    "consilium_channel_stopped",
    ["channel", "capability", "release"],
    "1 where the channel has stopped on this node, else 0; a further sample names the capability and the release needed.",
);
const COMMITTED: Description<1> = describe(
    "consensus_raft_committed_block_number",
    ["channel"],
    "Number of the newest block that consensus has applied here.",
);
const DELIVERABLE: Description<1> = describe(
    "consilium_deliverable_block_number",
    ["channel"],
    "Number of the newest block with the signatures of a majority.",
);
const LEADS: Description<1> =
    describe("consensus_raft_is_leader", ["channel"], "1 where this consenter leads, else 0.");
const CLUSTER: Description<1> =
    describe("consensus_raft_cluster_size", ["channel"], "Consenters of the channel.");
const ACTIVE: Description<1> =
    describe("consensus_raft_active_nodes", ["channel"], "Consenters that are heard of, this one included.");

/// The orderer's metrics.
pub struct OrdererMetrics {
    processed: Counter<2>,
    enqueue: Histogram<2>,
    sent: Counter<1>,
}

impl OrdererMetrics {
    /// Describes them, and has the channels looked at before each answer.
    pub fn new(metrics: &Metrics, channels: &Arc<Channels>) -> Self {
        ask(metrics, Arc::clone(channels));
        Self {
            processed: metrics.counter(&PROCESSED),
            enqueue: metrics.histogram(&ENQUEUE),
            sent: metrics.counter(&SENT),
        }
    }

    /// Counts an envelope that came at `started`.
    pub fn answered(&self, channel: &str, status: Status, started: Instant) {
        let status = status.name();
        self.processed.add([channel, status], 1);
        self.enqueue.observe([channel, status], started.elapsed());
    }

    /// Counts a block that was sent.
    pub fn sent(&self, channel: &str) {
        self.sent.add([channel], 1);
    }
}

fn ask(metrics: &Metrics, channels: Arc<Channels>) {
    let (height, committed) = (metrics.gauge(&HEIGHT), metrics.gauge(&COMMITTED));
    let (deliverable, leads) = (metrics.gauge(&DELIVERABLE), metrics.gauge(&LEADS));
    let (cluster, active) = (metrics.gauge(&CLUSTER), metrics.gauge(&ACTIVE));
    let stopped_gauge = metrics.gauge(&STOPPED);
    metrics.ask(move || {
        for channel in channels.iter() {
            let name = [channel.chain.channel().as_str()];
            let applied = *channel.chain.applied().borrow();
            height.set(name, applied.next().0);
            committed.set(name, applied.0);
            let stopped = channel.chain.stopped().borrow().clone();
            stopped_gauge.set([name[0], "", ""], u64::from(stopped.is_some()));
            if let Some(needed) = stopped.as_ref().and_then(|stopped| stopped.needed.as_ref()) {
                let release = needed.release.as_deref().unwrap_or_default();
                stopped_gauge.set([name[0], &needed.capability, release], 1);
            }
            deliverable.set(name, channel.chain.deliverable().borrow().0);
            leads.set(name, u64::from(channel.leadership().borrow().is_own));
            let size = channel.consenters.others().len() + 1;
            cluster.set(name, size as u64);
            active.set(name, size.saturating_sub(channel.consenters.missing().len()) as u64);
        }
    });
}
