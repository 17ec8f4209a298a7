//! A world that runs: turmoil's hosts and links over a stage, driven step by step, checked after each.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail, ensure};
use bytes::Bytes;
use orderer::simulated::Channel;
use protocol::{Digest, LogState, TxId};
use turmoil::Sim;

use crate::chance::Chance;
use crate::checks::Checks;
use crate::clients::{self, Load};
use crate::faults::Fault;
use crate::host;
use crate::links::host_of;
use crate::stage::{Stage, Weather};

/// One step of simulated time. Messages take longer, so that nothing is answered within the step that asks.
pub const STEP: Duration = Duration::from_millis(4);
/// The fastest and the slowest message of a link in good weather.
const LATENCY_MS: (u64, u64) = (4, 60);
/// A node whose clock is behind by more takes blocks for ones of the future (60 s, and what clocks differ by).
const LAG_MS_MAX: i64 = 50_000;
/// Datagrams that a host has not looked at.
const DATAGRAMS_MAX: usize = 16_384;

/// A running world.
pub struct Theatre {
    /// What its nodes share.
    pub stage: Arc<Stage>,
    /// What its clients want.
    pub load: Arc<Load>,
    /// What has been checked.
    pub checks: Checks,
    /// Which clock is wrong, where one is.
    pub wrong_clock: usize,
    sim: Sim<'static>,
    transactions: BTreeMap<TxId, u64>,
    ids: Vec<TxId>,
    acknowledged: usize,
}

impl Theatre {
    /// Opens a world: nodes and clients begin with its first step.
    #[must_use]
    pub fn new(stage: Stage, seed: u64, load: Load) -> Self {
        let (stage, load) = (Arc::new(stage), Arc::new(load));
        let mut sim = turmoil::Builder::new()
            .rng_seed(seed)
            .tick_duration(STEP)
            .simulation_duration(Duration::from_secs(3_600))
            .min_message_latency(Duration::from_millis(LATENCY_MS.0))
            .max_message_latency(Duration::from_millis(LATENCY_MS.1))
            .udp_capacity(DATAGRAMS_MAX)
            .build();
        for node in 0..stage.nodes.len() {
            let stage = Arc::clone(&stage);
            sim.host(host_of(node).as_str(), move || host::run(Arc::clone(&stage), node));
        }
        let (seen, wanted, chance) = (Arc::clone(&stage), Arc::clone(&load), Chance::of(seed, "clients"));
        sim.host(clients::HOST, move || clients::run(Arc::clone(&seen), Arc::clone(&wanted), chance.clone()));
        let checks = Checks::new(Arc::clone(&stage.bundle), &stage.genesis);
        let ids: Vec<TxId> = (0..load.count).map(|number| tx_id(&stage, number)).collect();
        let transactions = ids.iter().cloned().zip(0..).collect();
        Self { stage, load, checks, wrong_clock: 0, sim, transactions, ids, acknowledged: 0 }
    }

    /// Lets so much time pass.
    ///
    /// # Errors
    /// What does not hold.
    pub fn pass(&mut self, time_ms: u64) -> anyhow::Result<()> {
        let until_ms = self.stage.now_ms() + time_ms;
        while self.stage.now_ms() < until_ms {
            self.step()?;
        }
        Ok(())
    }

    /// Lets time pass until something holds, and no longer than the deadline.
    ///
    /// # Errors
    /// What does not hold.
    pub fn until(
        &mut self,
        what: &str,
        deadline_ms: u64,
        holds: impl Fn(&Self) -> bool,
    ) -> anyhow::Result<()> {
        let ends_ms = self.stage.now_ms() + deadline_ms;
        while !holds(self) {
            if self.stage.now_ms() > ends_ms {
                bail!("{what} did not come within {deadline_ms} ms\n{}", self.facts());
            }
            self.step()?;
        }
        Ok(())
    }

    /// Plays a part of somebody at a host of its own, which ends within the deadline.
    ///
    /// # Errors
    /// What the part says, or what does not hold meanwhile.
    pub fn part<T: 'static>(
        &mut self,
        name: &str,
        deadline_ms: u64,
        part: impl Future<Output = anyhow::Result<T>> + 'static,
    ) -> anyhow::Result<T> {
        let (said, ended) = (Rc::new(RefCell::new(None)), Rc::new(Cell::new(false)));
        let (saying, ending) = (Rc::clone(&said), Rc::clone(&ended));
        self.sim.client(name, async move {
            *saying.borrow_mut() = Some(part.await);
            ending.set(true);
            Ok(())
        });
        self.until(name, deadline_ms, |_| ended.get())?;
        said.take().context("the part said nothing")?
    }

    /// Expects a transaction that no client sends, and returns its envelope.
    pub fn expect(&mut self, number: u64) -> Bytes {
        self.transactions.insert(tx_id(&self.stage, number), number);
        self.stage.world.envelope(org_of(&self.stage, number), number)
    }

    /// The channel as a node sees it.
    ///
    /// # Errors
    /// Where the node does not run.
    pub fn channel(&self, node: usize) -> anyhow::Result<Arc<Channel>> {
        self.stage.nodes[node].channel().with_context(|| format!("node {node} does not run"))
    }

    /// Whether the clients have all but what they keep back, and all nodes are well: nothing is under way.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.acknowledged as u64 + self.load.kept_back >= self.load.count
            && self.leader().is_some()
            && self.stage.nodes.iter().all(|node| self.is_well(node))
    }

    /// Whether all is acknowledged and all nodes but one are well.
    #[must_use]
    pub fn serves_without(&self, away: usize) -> bool {
        let mut others = self.stage.nodes.iter().enumerate().filter(|(place, _)| *place != away);
        self.acknowledged as u64 == self.load.count && others.all(|(_, node)| self.is_well(node))
    }

    fn step(&mut self) -> anyhow::Result<()> {
        self.sim.step().map_err(|error| anyhow!("a node failed: {error}"))?;
        self.stage.advance_to(u64::try_from(self.sim.elapsed().as_millis())?);
        self.check().with_context(|| format!("at {} ms", self.stage.now_ms()))
    }

    fn check(&mut self) -> anyhow::Result<()> {
        for (place, node) in self.stage.nodes.iter().enumerate() {
            let Some(channel) = node.channel() else { continue };
            let lost = node.process().as_ref().and_then(|process| process.lost.clone());
            ensure!(lost.is_none(), "node {place} gave up: {}", lost.unwrap_or_default());
            let news = self.checks.look(place, &channel, self.stage.true_ms());
            for block in news.with_context(|| format!("on node {place}"))? {
                let held: Vec<_> = block.transactions.iter().map(|id| self.transactions.get(id)).collect();
                ensure!(held.iter().all(Option::is_some), "block {} holds what nobody sent", block.number);
                let held: Vec<u64> = held.into_iter().flatten().copied().collect();
                let after_ms = block.timestamp_ms.abs_diff(crate::stage::BEGIN_MS);
                self.stage.note(format_args!("block {} of {after_ms}: {held:?}", block.number));
            }
        }
        let acknowledged = self.load.acknowledged().clone();
        if acknowledged.len() > self.acknowledged {
            self.acknowledged = acknowledged.len();
            for number in acknowledged {
                self.checks.acknowledged(&self.ids[usize::try_from(number)?])?;
            }
        }
        let refused = self.load.refused().pop();
        refused.map_or(Ok(()), |text| Err(anyhow!(text)))
    }

    /// Makes a fault happen.
    pub fn fault(&mut self, fault: Fault) {
        self.stage.note(format_args!("{fault}"));
        match fault {
            Fault::Weather(weather) => self.stage.set_weather(weather),
            Fault::Part(one, other) => self.sim.partition(host_of(one), host_of(other)),
            Fault::Deafen(one, other) => self.sim.partition_oneway(host_of(one), host_of(other)),
            Fault::Isolate(node) => self.isolate(node),
            Fault::IsolateLeader => {
                if let Some(leader) = self.leader() {
                    self.isolate(leader);
                }
            }
            Fault::Scatter => (0..self.stage.nodes.len()).for_each(|node| self.isolate(node)),
            Fault::Heal => self.heal(),
            Fault::Crash(node, kept) => self.crash(node, kept),
            Fault::LoseDisk(node) => {
                self.crash(node, 0);
                self.stage.lose_disk(node);
            }
            Fault::Restart => self.restart(),
            Fault::Clock(off_ms) => {
                self.stage.nodes[self.wrong_clock].clock_off_ms.store(off_ms, Ordering::Relaxed);
            }
            Fault::CrashLeader => {
                if let Some(leader) = self.leader() {
                    self.crash(leader, 0);
                }
            }
        }
    }

    /// Ends all faults but the wrong clock: one of those harms nothing.
    pub fn mend(&mut self) {
        self.fault(Fault::Weather(Weather::default()));
        self.fault(Fault::Heal);
        self.fault(Fault::Restart);
        self.load.over();
    }

    /// Whether all transactions are acknowledged, and every node that can follow is well.
    #[must_use]
    pub fn serves(&self) -> bool {
        let mut following = self
            .stage
            .nodes
            .iter()
            .filter(|node| node.clock_off_ms.load(Ordering::Relaxed).saturating_neg() < LAG_MS_MAX);
        self.acknowledged as u64 == self.load.count && following.all(|node| self.is_well(node))
    }

    /// The node that leads in the highest term, as far as the nodes know.
    #[must_use]
    pub fn leader(&self) -> Option<usize> {
        let terms = self.stage.nodes.iter().enumerate().filter_map(|(place, node)| {
            let leadership = node.channel()?.leadership().borrow().clone();
            leadership.is_own.then_some((leadership.term, place))
        });
        terms.max().map(|(_, place)| place)
    }

    /// Whether every node has the whole chain and votes, and every transaction is acknowledged.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.acknowledged as u64 == self.load.count && self.stage.nodes.iter().all(|node| self.is_well(node))
    }

    fn is_well(&self, node: &crate::stage::Node) -> bool {
        let Some(channel) = node.channel() else { return false };
        let Some(standing) = channel.backend.standing() else { return false };
        let votes = standing.voters.iter().any(|(log, _)| *log == standing.instance);
        let count = standing.voters.len() == self.stage.nodes.len();
        standing.log == LogState::Begun && votes && count && self.checks.is_complete(&channel)
    }

    /// What the nodes say of themselves.
    #[must_use]
    pub fn facts(&self) -> String {
        let mut facts = format!(
            "{} of {} transactions are acknowledged; the chain stands at block {}\n",
            self.acknowledged,
            self.load.count,
            self.checks.last()
        );
        for (place, node) in self.stage.nodes.iter().enumerate() {
            let said = node.channel().map(|channel| {
                let leadership = channel.leadership().borrow().clone();
                let standing = channel.backend.standing();
                format!("{leadership:?} {standing:?} missing {:?}", channel.consenters.missing())
            });
            facts += &format!("node {place}: {}\n", said.unwrap_or_else(|| "does not run".to_owned()));
        }
        facts
    }

    /// The digest of all that happened, and how many events that were.
    #[must_use]
    pub fn digest(&self) -> (Digest, u64) {
        self.stage.journal.digest()
    }

    fn isolate(&self, node: usize) {
        for other in (0..self.stage.nodes.len()).filter(|other| *other != node) {
            self.sim.partition(host_of(node), host_of(other));
        }
        self.sim.partition(host_of(node), clients::HOST);
    }

    fn heal(&self) {
        let mut hosts: Vec<String> = (0..self.stage.nodes.len()).map(host_of).collect();
        hosts.push(clients::HOST.to_owned());
        for (place, one) in hosts.iter().enumerate() {
            for other in &hosts[place + 1..] {
                self.sim.repair(one.as_str(), other.as_str());
            }
        }
    }

    fn crash(&mut self, place: usize, kept: u64) {
        let node = &self.stage.nodes[place];
        if node.process().take().is_none() {
            return;
        }
        self.sim.crash(host_of(place));
        let disk = node.disk();
        let kept = disk.unsynced() as u64 * kept / 1_000;
        disk.crash(usize::try_from(kept).unwrap_or(usize::MAX));
        self.checks.restarted(place);
    }

    fn restart(&mut self) {
        for place in 0..self.stage.nodes.len() {
            let is_down = self.stage.nodes[place].process().is_none();
            if is_down {
                self.sim.bounce(host_of(place));
            }
        }
    }
}

/// The organisation whose user makes a transaction.
fn org_of(stage: &Stage, number: u64) -> usize {
    usize::try_from(number).unwrap_or_default() % stage.world.orgs.len()
}

fn tx_id(stage: &Stage, number: u64) -> TxId {
    let envelope = stage.world.envelope(org_of(stage, number), number);
    #[expect(clippy::expect_used, reason = "the world's own envelope has the right form")]
    ordering::inspect(&envelope, stage.bundle.config()).expect("an envelope").tx_id
}
