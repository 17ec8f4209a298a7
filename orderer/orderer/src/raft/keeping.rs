//! Keeps whose logs count in step with the configuration and with what the consenters have: asks where all stand, and takes
//! the step that [`View`] names.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use openraft::{ChangeMembers, RaftMetrics, ServerState};
use ordering::{Led, Member, Step, View};
use protocol::{BlockNumber, ConsensusReply, ConsensusRequest, LogState, Standing};

use super::{Node, NodeId, RaftConsensus};
use crate::backend::OrderingBackend as _;
use crate::chain::{Stopped, Trusting};
use crate::consenters::ConsenterKey;

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
/// Voters that an answer may name: more than any change of consenters has. Each is compared with all others.
const VOTERS_MAX: usize = 128;
/// Rounds between two lines about who is waited for.
const SAID_EVERY: u32 = 100;

/// Keeps the membership of one channel; returns only where nobody may go on, the consenters whose logs are gone.
pub async fn keep(consensus: Arc<RaftConsensus>) -> Vec<ConsenterKey> {
    let (mut rounds, mut stopping, mut leaving) = (0_u32, Stopping::default(), BTreeSet::new());
    let mut is_signed = false;
    loop {
        let bundle = consensus.chain.bundle();
        let named: Vec<_> = bundle.config().orderer.consenters.iter().map(|it| it.tls_spki).collect();
        consensus.keep_ways(&named, &mut leaving).await;
        let answers = stopping.remember(ask(&consensus).await);
        let standing = consensus.stands();
        let led = led(&consensus);
        let view = View {
            own: consensus.own,
            standing: &standing,
            consenters: &named,
            answers: &answers,
            led: led.as_ref(),
        };
        consensus.fetch(&view);
        let step = view.step();
        let is_said = rounds.is_multiple_of(SAID_EVERY);
        match step {
            Step::Stop(lost) if stopping.is_due(&answers) => return lost,
            Step::Stop(_) => {}
            Step::Await(missing) if is_said => say_awaited(&consensus, &missing),
            Step::Late(begun) if is_said => say_late(&consensus, &begun),
            Step::Differ(others) if is_said => say_differing(&consensus, &others),
            step => {
                stopping = Stopping::default();
                consensus.take(step).await;
            }
        }
        rounds = rounds.wrapping_add(1);
        if standing.log == LogState::Begun && !is_signed {
            is_signed = consensus.sign_missing().await;
        }
        let is_beginning = standing.log == LogState::Beginning;
        tokio::time::sleep(if is_beginning { BEGINNING_PAUSE } else { PAUSE }).await;
    }
}

/// A stop that is to come: others must hear from this node what they are to conclude as well, and whoever has spoken is
/// remembered, since it stops too.
#[derive(Default)]
struct Stopping {
    since: Option<Instant>,
    answers: BTreeMap<ConsenterKey, Standing>,
}

impl Stopping {
    /// The answers of this round, and those of before where a stop is to come.
    fn remember(&self, answers: BTreeMap<ConsenterKey, Standing>) -> BTreeMap<ConsenterKey, Standing> {
        let mut known = self.answers.clone();
        known.extend(answers);
        known
    }

    /// Whether the stop was judged the same for long enough.
    fn is_due(&mut self, answers: &BTreeMap<ConsenterKey, Standing>) -> bool {
        self.answers.clone_from(answers);
        self.since.get_or_insert_with(Instant::now).elapsed() >= LINGER
    }
}

async fn ask(consensus: &RaftConsensus) -> BTreeMap<ConsenterKey, Standing> {
    let consenters = &*consensus.consenters;
    let others = consenters.others().into_iter().chain(consenters.leaving());
    let asked = others.map(|consenter| async move {
        let request = ConsensusRequest::Standing { channel: consensus.chain.channel().clone() };
        match consenters.call(consenter, request, CALL_TIMEOUT).await {
            Ok(ConsensusReply::Standing(standing)) if standing.voters.len() <= VOTERS_MAX => {
                Some((consenter, standing))
            }
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

fn say_late(consensus: &RaftConsensus, begun: &[ConsenterKey]) {
    let names = consensus.names_of(begun).join(", ");
    let channel = consensus.chain.channel();
    tracing::info!(
        %channel, begun = names,
        "the channel has begun already: this orderer takes the others' blocks and waits until their leader lets its log vote"
    );
}

fn say_differing(consensus: &RaftConsensus, others: &[ConsenterKey]) {
    let names = consensus.names_of(others).join(", ");
    let (channel, last) = (consensus.chain.channel(), consensus.chain.last_header());
    tracing::error!(
        %channel, block_number = %last.number, block_hash = %last.hash(), others = names,
        "these consenters hold another block of that number: keep the ledgers that agree with the peers, and remove the others"
    );
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
    /// Keeps a way to consenters whose logs vote although the configuration names them no more; `known` are those of the
    /// round before.
    async fn keep_ways(&self, named: &[ConsenterKey], known: &mut BTreeSet<ConsenterKey>) {
        let voters = self.stands().voters.into_iter().map(|(_, consenter)| consenter);
        let leaving: BTreeSet<_> =
            voters.filter(|voter| *voter != self.own && !named.contains(voter)).collect();
        if leaving == *known {
            return;
        }
        let (chain, keys) = (Arc::clone(&self.chain), leaving.clone());
        match tokio::task::spawn_blocking(move || chain.named_before(&keys)).await {
            Ok(Ok(found)) => {
                self.consenters.leave(&found);
                *known = leaving;
            }
            Ok(Err(error)) => tracing::error!(%error, "earlier configurations unreadable"),
            // The thread that reads ends with the process only.
            Err(_) => {}
        }
    }

    /// Signs what the chain holds without the own signature; returns whether that is done.
    async fn sign_missing(&self) -> bool {
        let chain = Arc::clone(&self.chain);
        match tokio::task::spawn_blocking(move || chain.sign_missing()).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::error!(%error, "blocks of before could not be signed");
                false
            }
            Err(_) => false,
        }
    }

    /// Says which blocks are wanted of the others before the own log counts.
    fn fetch(&self, view: &View<'_>) {
        let trusting = if view.is_beginning() { Trusting::Any } else { Trusting::Majority };
        match view.behind() {
            Some(number) => self.want(number, trusting),
            // What was believed for the beginning is not believed after it.
            None if self.targets.borrow().trusting == Trusting::Any => {
                self.want(BlockNumber(0), Trusting::Majority);
            }
            None => {}
        }
    }

    /// Takes one step. What does not succeed is decided anew in the next round.
    async fn take(&self, step: Step) {
        let channel = self.chain.channel();
        let change = match step {
            Step::Nothing | Step::Await(_) | Step::Late(_) | Step::Differ(_) | Step::Stop(_) => return,
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
            Step::Reach { instance, consenter } => {
                tracing::info!(%channel, %consenter, log = instance, "a consenter's log is reached under its new key");
                ChangeMembers::SetNodes(BTreeMap::from([(instance, Node::of(consenter))]))
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

    /// Takes no part any more, since the logs of these consenters are gone. Others are still answered where it stands.
    pub async fn halt(&self, lost: &[ConsenterKey]) {
        let reason = format!(
            "the logs of too many of its consenters are gone ({}); the log of this node says what to do",
            self.names_of(lost).join(", ")
        );
        self.chain.halt(Stopped { reason, needed: None });
        self.shutdown().await;
    }

    /// What to do where the logs of these consenters are gone.
    pub fn restoring(&self, lost: &[ConsenterKey]) -> String {
        let (channel, names) = (self.chain.channel(), self.names_of(lost).join(", "));
        let (last, config) = (self.chain.last_header().number, self.chain.last_config());
        format!(
            "channel '{channel}' cannot go on: {} of its consenters have no log ({names}), and the others are no majority. \
             What the lost logs acknowledged may be in them alone, so no node begins by itself.\n\
             If the channel has never run: start each of its consenters once with 'orderer start --bootstrap'.\n\
             If logs were lost:\n\
             1. Stop every orderer of the channel. If a lost ledger folder comes back with its disk, put it in its place and \
             start all again: nothing is lost then. Never put back an older copy.\n\
             2. Else run 'orderer recover --channel {channel}' on each consenter that has its ledger: it keeps the blocks, \
             takes what its log knows to be ordered, and forgets the votes. Where entries of unknown fate are left it says up to \
             which place: keep them (--keep-unconfirmed) on the consenter with the highest, drop them (--drop-unconfirmed) on \
             the others.\n\
             3. This one stands at block {last}, with the configuration of block {config}. No peer may stand higher than the \
             highest of them, nor know a newer configuration ('peer channel fetch config'): what it holds beyond that was lost \
             by the orderers, and consenters of an older configuration must not go on.\n\
             4. Copy the ledger folder of the highest, after 'orderer recover', to every consenter that has none: by itself it \
             knows the consenters of the genesis block only.\n\
             5. Start every consenter with 'orderer start --bootstrap', and with --join where the genesis block does not name \
             it: they take the blocks of the highest and begin anew.",
            lost.len()
        )
    }
}
