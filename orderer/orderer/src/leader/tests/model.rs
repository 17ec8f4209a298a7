//! The loop beside a consensus that applies, drops, loses its leader, and hands back late, as a seed says.
//!
//! Whatever it does, each envelope is in the chain at most once, each submission is answered once, an answer names the block
//! that holds the envelope, and a client that comes again until it is told a block always gets one.

use std::collections::BTreeMap;

use futures_util::FutureExt as _;
use proptest::prelude::*;
use protocol::RaftMessage;
use tempfile::TempDir;

use super::*;

/// Envelopes of one history; clients come again with them.
const ENVELOPES: u64 = 24;
/// Turns of the runtime that let the loop finish what it can.
const TURNS: usize = 40;
/// For the end of a history, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

struct Pending {
    block: Bytes,
    outcome: oneshot::Sender<Result<Applied, ProposeError>>,
}

/// A log that hands back what the test tells it to.
struct Consensus {
    chain: Arc<Chain>,
    leadership: watch::Sender<Leadership>,
    log: Mutex<VecDeque<Pending>>,
}

impl OrderingBackend for Consensus {
    fn leadership(&self) -> watch::Receiver<Leadership> {
        self.leadership.subscribe()
    }

    fn propose(&self, block: Bytes) -> BoxFuture<'_, Outcome> {
        let (outcome, answer) = oneshot::channel();
        if self.leadership.borrow().is_ready {
            self.log.lock().expect("unpoisoned").push_back(Pending { block, outcome });
        } else {
            let _ = outcome.send(Err(ProposeError::NotLeader));
        }
        let answer = answer.map(|answer| answer.unwrap_or(Err(ProposeError::NotLeader)));
        std::future::ready(answer.boxed()).boxed()
    }

    fn standing(&self) -> Option<protocol::Standing> {
        None
    }

    fn receive(
        &self,
        _: u64,
        _: crate::consenters::ConsenterKey,
        _: RaftMessage,
    ) -> BoxFuture<'_, Result<Bytes, String>> {
        async { Err("nobody calls".to_owned()) }.boxed()
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        async {}.boxed()
    }
}

impl Consensus {
    fn hand_back(&self) -> bool {
        let Some(Pending { block, outcome }) = self.log.lock().expect("unpoisoned").pop_front() else {
            return false;
        };
        let applied = self.chain.apply(&[Some(block)], |_| ()).expect("applied").remove(0);
        let _ = outcome.send(Ok(applied));
        true
    }

    /// The oldest block is one that every consenter refuses.
    fn spoil(&self) {
        if let Some(Pending { outcome, .. }) = self.log.lock().expect("unpoisoned").pop_front() {
            let _ = outcome.send(Ok(Applied::Dropped("as the seed says".to_owned())));
        }
    }

    /// Another leader overwrites the log but for its first `kept` blocks.
    fn overwrite(&self, kept: usize) {
        let mut log = self.log.lock().expect("unpoisoned");
        let kept = kept.min(log.len());
        for Pending { outcome, .. } in log.drain(kept..) {
            let _ = outcome.send(Err(ProposeError::NotLeader));
        }
    }

    fn lead(&self, term: u64, is_ready: bool) {
        self.leadership.send_replace(Leadership {
            leader: Some(protocol::Digest::ZERO),
            is_own: true,
            is_ready,
            term,
        });
    }
}

#[derive(Clone, Debug)]
enum Event {
    /// The client of an envelope comes, or comes again.
    Submit(u64),
    /// Enough clients for a block.
    Crowd,
    HandBack,
    Spoil,
    /// Leadership is lost; so many blocks of the log stay.
    Lose(usize),
    /// This consenter leads again, after what is left of the log was applied, or before.
    Lead(bool),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        6 => (0..ENVELOPES).prop_map(Event::Submit),
        1 => Just(Event::Crowd),
        4 => Just(Event::HandBack),
        1 => Just(Event::Spoil),
        1 => (0_usize..3).prop_map(Event::Lose),
        2 => any::<bool>().prop_map(Event::Lead),
    ];
    proptest::collection::vec(event, 1..80)
}

struct Run {
    world: World,
    chain: Arc<Chain>,
    consensus: Arc<Consensus>,
    submissions: mpsc::Sender<Submission>,
    waiting: Vec<(u64, oneshot::Receiver<Verdict>)>,
    ordered: BTreeMap<u64, BlockNumber>,
    term: u64,
}

impl Run {
    async fn submit(&mut self, number: u64) {
        let envelope = self.world.envelope(0, number);
        let admitted = ordering::admit(&envelope, &self.chain.bundle(), NOW_MS).expect("admitted");
        let (reply, verdict) = oneshot::channel();
        self.submissions.send(Submission { envelope, admitted, reply }).await.expect("the loop runs");
        self.waiting.push((number, verdict));
    }

    async fn settle(&mut self) {
        for _ in 0..TURNS {
            tokio::task::yield_now().await;
        }
        let waiting = std::mem::take(&mut self.waiting);
        for (number, mut verdict) in waiting {
            match verdict.try_recv() {
                Ok(verdict) => self.answered(number, verdict),
                Err(oneshot::error::TryRecvError::Empty) => self.waiting.push((number, verdict)),
                Err(oneshot::error::TryRecvError::Closed) => panic!("envelope {number} was forgotten"),
            }
        }
    }

    fn answered(&mut self, number: u64, verdict: Verdict) {
        match verdict {
            Verdict::Ordered(block) => {
                let before = self.ordered.insert(number, block);
                assert!(before.is_none_or(|before| before == block), "one envelope, one block");
            }
            Verdict::NotLeader | Verdict::Failed(_) => {}
            other => panic!("envelope {number}: {other:?}"),
        }
    }

    async fn happens(&mut self, event: Event) {
        match event {
            Event::Submit(number) => self.submit(number).await,
            Event::Crowd => {
                for number in 0..ENVELOPES {
                    self.submit(number).await;
                }
            }
            Event::HandBack => drop(self.consensus.hand_back()),
            Event::Spoil => self.consensus.spoil(),
            Event::Lose(kept) => {
                self.consensus.lead(self.term, false);
                self.consensus.overwrite(kept);
            }
            Event::Lead(has_applied) => {
                // A block that was handed over before may come into the log of the next term.
                while has_applied && self.consensus.hand_back() {}
                self.term += 1;
                self.consensus.lead(self.term, true);
            }
        }
        self.settle().await;
    }

    /// Every client comes again until it is told a block.
    async fn end(&mut self) {
        self.happens(Event::Lead(true)).await;
        let ends_at = tokio::time::Instant::now() + PATIENCE;
        while self.ordered.len() < ENVELOPES as usize || !self.waiting.is_empty() {
            assert!(tokio::time::Instant::now() < ends_at, "{} wait for ever", self.waiting.len());
            let unordered = (0..ENVELOPES).filter(|number| !self.ordered.contains_key(number));
            let waits = |number: &u64| self.waiting.iter().any(|(waiting, _)| waiting == number);
            for number in unordered.filter(|number| !waits(number)).collect::<Vec<_>>() {
                self.submit(number).await;
            }
            self.consensus.hand_back();
            self.settle().await;
            // The cutter's timers are real.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn check(&self) {
        let mut found = BTreeMap::new();
        for number in 1..=self.chain.last_header().number.0 {
            let number = BlockNumber(number);
            let bytes =
                self.chain.delivered_block(number).expect("read").expect("its one consenter has signed it");
            let block = Block::from_bytes(&bytes).expect("a block");
            for envelope in block.envelopes {
                assert!(found.insert(envelope, number).is_none(), "an envelope is in two blocks");
            }
        }
        for (number, block) in &self.ordered {
            let envelope = self.world.envelope(0, *number);
            let tx_id =
                ordering::inspect(&envelope, self.chain.bundle().config()).expect("well-formed").tx_id;
            assert_eq!(self.chain.block_of(&tx_id).expect("read"), Some(*block), "envelope {number}");
        }
        assert_eq!(found.len(), ENVELOPES as usize);
    }
}

async fn run(history: Vec<Event>) {
    let folder = TempDir::new().expect("a folder");
    let mut world = World::new(&[7050]);
    // Small blocks, so that several are in consensus.
    world.config.orderer.batch.max_message_count = 3;
    let Place { chain, world, .. } = crate::chain::tests::settle(open(&folder), world);
    let consensus = Arc::new(Consensus {
        chain: Arc::clone(&chain),
        leadership: watch::Sender::new(leading(true)),
        log: Mutex::default(),
    });
    let (submissions, submitted) = mpsc::channel(100);
    let (_ending, ends) = watch::channel(false);
    let parts = LeaderParts {
        chain: Arc::clone(&chain),
        backend: consensus.clone(),
        clocks: Arc::new(Clocks::new(clock_ms, 0)),
        submissions: submitted,
    };
    tokio::spawn(lead(parts, ends));
    let (waiting, ordered) = (Vec::new(), BTreeMap::new());
    let mut run = Run { world, chain, consensus, submissions, waiting, ordered, term: 1 };
    for event in history {
        run.happens(event).await;
    }
    run.end().await;
    run.check();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn each_envelope_is_ordered_once_whatever_consensus_does(history in events()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(run(history));
    }
}

#[tokio::test]
async fn what_comes_into_the_log_after_its_senders_have_come_again_is_answered_and_not_ordered_twice() {
    use Event::{HandBack, Lead, Submit};
    run(vec![Submit(0), Lead(false), Submit(0), Submit(1), HandBack, HandBack, HandBack, HandBack]).await;
}
