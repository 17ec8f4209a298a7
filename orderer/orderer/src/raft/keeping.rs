//! Keeps whose logs count in step with the configuration and with what the consenters have: asks where all stand, and takes
//! the step that [`View`] names.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use openraft::{ChangeMembers, RaftMetrics, ServerState};
use ordering::{Led, Member, Step, View};
use protocol::{BlockNumber, ConsensusReply, ConsensusRequest, LogState, Standing};

use super::{Node, NodeId, RaftConsensus};
use crate::backend::OrderingBackend as _;
use crate::chain::Trusting;
use crate::consenters::{ConsenterKey, ConsenterNetwork};

/// A question where a consenter stands.
const CALL_TIMEOUT: Duration = Duration::from_secs(1);
/// Between two rounds while the own log counts.
const PAUSE: Duration = Duration::from_secs(1);
/// Between two rounds before: whoever starts a channel waits for it.
const BEGINNING_PAUSE: Duration = Duration::from_millis(50);
/// A change that is not through by then is begun again.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(10);
/// A log that lacks no more entries than these may vote: what is missing comes with the next messages.
const LEVEL_ENTRIES: u64 = 64;
/// How long a consenter that stops still answers the others.
const LINGER: Duration = Duration::from_secs(8);
/// Rounds between two lines about who is waited for.
const SAID_EVERY: u32 = 100;

/// Keeps the membership of one channel; returns only where nobody may go on, the consenters whose logs are gone.
pub async fn keep(consensus: Arc<RaftConsensus>, consenters: Arc<dyn ConsenterNetwork>) -> Vec<ConsenterKey> {
    let mut rounds = 0_u32;
    loop {
        let answers = ask(&consensus, &*consenters).await;
        let standing = consensus.stands();
        let bundle = consensus.chain.bundle();
        let named: Vec<_> = bundle.config().orderer.consenters.iter().map(|it| it.tls_spki).collect();
        let led = led(&consensus);
        let view = View {
            own: consensus.own,
            standing: &standing,
            consenters: &named,
            answers: &answers,
            led: led.as_ref(),
        };
        if let Some(number) = view.behind() {
            let is_beginning = standing.log == LogState::Beginning;
            consensus.want(number, if is_beginning { Trusting::Any } else { Trusting::Majority });
        }
        match view.step() {
            Step::Stop(lost) => {
                // The others must hear from this one what they are to conclude as well.
                tokio::time::sleep(LINGER).await;
                return lost;
            }
            Step::Await(missing) if rounds.is_multiple_of(SAID_EVERY) => say_awaited(&consensus, &missing),
            step => consensus.take(step).await,
        }
        rounds = rounds.wrapping_add(1);
        let is_begun = standing.log == LogState::Begun;
        tokio::time::sleep(if is_begun { PAUSE } else { BEGINNING_PAUSE }).await;
    }
}

async fn ask(
    consensus: &RaftConsensus,
    consenters: &dyn ConsenterNetwork,
) -> BTreeMap<ConsenterKey, Standing> {
    let asked = consenters.others().into_iter().map(|consenter| async move {
        let request = ConsensusRequest::Standing { channel: consensus.chain.channel().clone() };
        match consenters.call(consenter, request, CALL_TIMEOUT).await {
            Ok(ConsensusReply::Standing(standing)) => Some((consenter, standing)),
            _ => None,
        }
    });
    join_all(asked).await.into_iter().flatten().collect()
}

fn say_awaited(consensus: &RaftConsensus, missing: &[ConsenterKey]) {
    let names = consensus.names_of(missing).join(", ");
    let channel = consensus.chain.channel();
    tracing::info!(%channel, missing = names, "the channel begins when all its consenters are started with --bootstrap");
}

/// What a leader knows of the logs.
fn led(consensus: &RaftConsensus) -> Option<Led> {
    let metrics = consensus.raft.metrics().borrow().clone();
    if metrics.state != ServerState::Leader || !consensus.leadership().borrow().is_ready {
        return None;
    }
    let membership = metrics.membership_config.membership();
    let voters: BTreeSet<NodeId> = membership.voter_ids().collect();
    let members = membership.nodes().filter_map(|(id, node)| {
        Some(Member {
            instance: *id,
            consenter: consensus.owners.of(*id, node)?,
            is_voter: voters.contains(id),
            is_level: is_level(&metrics, *id),
        })
    });
    let joint = membership.get_joint_config();
    let changing_to = if joint.len() > 1 { joint.last().cloned() } else { None };
    Some(Led { members: members.collect(), changing_to })
}

fn is_level(metrics: &RaftMetrics<NodeId, Node>, id: NodeId) -> bool {
    let matching = metrics.replication.as_ref().and_then(|all| all.get(&id)).copied().flatten();
    let last = metrics.last_log_index.unwrap_or_default();
    id == metrics.id || matching.is_some_and(|place| place.index.saturating_add(LEVEL_ENTRIES) >= last)
}

impl RaftConsensus {
    /// Takes one step. What does not succeed is decided anew in the next round.
    async fn take(&self, step: Step) {
        let channel = self.chain.channel();
        let change = match step {
            Step::Nothing | Step::Await(_) | Step::Stop(_) => return,
            Step::Begin(members) => {
                tracing::info!(%channel, consenters = members.len(), "the channel begins");
                let members: BTreeMap<NodeId, Node> =
                    members.into_iter().map(|(id, consenter)| (id, Node::of(consenter))).collect();
                if let Err(error) = self.raft.initialize(members).await {
                    tracing::warn!(%channel, %error, "the channel did not begin");
                }
                return;
            }
            Step::Learn { instance, consenter } => {
                tracing::info!(%channel, %consenter, log = instance, "a consenter's new log learns");
                ChangeMembers::AddNodes(BTreeMap::from([(instance, Node::of(consenter))]))
            }
            Step::Vote(voters) => {
                tracing::info!(%channel, logs = ?voters, "the logs that vote change");
                ChangeMembers::ReplaceAllVoters(voters)
            }
            Step::Forget(log) => {
                tracing::info!(%channel, log, "a log is forgotten");
                ChangeMembers::RemoveNodes(BTreeSet::from([log]))
            }
        };
        match tokio::time::timeout(CHANGE_TIMEOUT, self.raft.change_membership(change, false)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                tracing::warn!(%channel, %error, "the change of logs was not made; it is tried again")
            }
            Err(_) => tracing::warn!(%channel, "no majority for a change of logs in {CHANGE_TIMEOUT:?}"),
        }
    }

    /// Names and endpoints of consenters, as far as the configuration in force has them.
    pub fn names_of(&self, keys: &[ConsenterKey]) -> Vec<String> {
        let bundle = self.chain.bundle();
        let named = bundle.config().orderer.consenters.iter();
        let of_them = named.filter(|consenter| keys.contains(&consenter.tls_spki));
        of_them.map(|consenter| format!("{} at {}", consenter.msp_id, consenter.endpoint)).collect()
    }

    /// What to do where the logs of these consenters are gone.
    pub fn restoring(&self, lost: &[ConsenterKey]) -> String {
        let (channel, names) = (self.chain.channel(), self.names_of(lost).join(", "));
        let last: BlockNumber = self.chain.last_header().number;
        format!(
            "channel '{channel}' cannot go on: {} of its consenters have no log ({names}), and the others are no majority. \
             What the lost logs acknowledged may be in them alone, so no node begins by itself.\n\
             If the channel has never run: start each of its consenters once with 'orderer start --bootstrap'.\n\
             If logs were lost:\n\
             1. Stop every orderer of the channel. If a lost ledger folder comes back with its disk, put it in its place and \
             start all again: nothing is lost then. Never put back an older copy.\n\
             2. Else run 'orderer recover --channel {channel}' on each consenter that has its ledger: it keeps the blocks, \
             takes what its log knows to be ordered, and forgets the votes. This one stands at block {last}. No peer may stand \
             higher than the highest of them: what it holds beyond that was lost by the orderers.\n\
             3. Start every consenter with 'orderer start --bootstrap': they take the blocks of the highest and begin anew.",
            lost.len()
        )
    }
}
