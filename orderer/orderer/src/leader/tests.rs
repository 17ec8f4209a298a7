//! The leader's loop over a backend that orders at once, drops, or hangs, as a test says.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::FutureExt as _;
use protocol::RaftMessage;
use store::Store;
use tempfile::TempDir;
use tokio::sync::Notify;

use super::blocks::DROPS_MAX;
use super::*;
use crate::backend::ProposeError;
use crate::chain::Applied;
use crate::chain::tests::{Place, open, place_of};
use crate::world::{NOW_MS, World};

/// What the backend does with a proposed block.
#[derive(Clone, Copy)]
enum Fate {
    Drop,
    NotLeader,
    Hang,
}

struct FakeBackend {
    chain: Arc<Chain>,
    leadership: watch::Sender<Leadership>,
    fates: Mutex<VecDeque<Fate>>,
    proposed: watch::Sender<usize>,
    released: Arc<Notify>,
}

impl OrderingBackend for FakeBackend {
    fn leadership(&self) -> watch::Receiver<Leadership> {
        self.leadership.subscribe()
    }

    fn propose(&self, block: Bytes) -> BoxFuture<'_, Outcome> {
        self.proposed.send_modify(|count| *count += 1);
        let fate = self.fates.lock().expect("unpoisoned").pop_front();
        let (chain, released) = (Arc::clone(&self.chain), Arc::clone(&self.released));
        // Outcomes are waited for in their order, so blocks are applied in it.
        let outcome = async move {
            match fate {
                Some(Fate::Drop) => return Ok(Applied::Dropped("as the test says".to_owned())),
                Some(Fate::NotLeader) => return Err(ProposeError::NotLeader),
                Some(Fate::Hang) => released.notified().await,
                None => {}
            }
            Ok(chain.apply(&[Some(block)], |_| ()).expect("applied").remove(0))
        };
        std::future::ready(outcome.boxed()).boxed()
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

struct Stage {
    world: World,
    chain: Arc<Chain>,
    backend: Arc<FakeBackend>,
    submissions: mpsc::Sender<Submission>,
    ending: watch::Sender<bool>,
    _folder: TempDir,
}

fn leading(is_ready: bool) -> Leadership {
    Leadership { leader: Some(protocol::Digest::ZERO), is_own: true, is_ready, term: 1 }
}

/// Time goes on with every look.
static CLOCK_MS: AtomicU64 = AtomicU64::new(NOW_MS);

fn clock_ms() -> u64 {
    CLOCK_MS.fetch_add(1, Ordering::Relaxed)
}

fn stage(fates: &[Fate], change: impl FnOnce(Store) -> Place) -> Stage {
    stage_at(|| NOW_MS, fates, change)
}

fn stage_at(clock: fn() -> u64, fates: &[Fate], change: impl FnOnce(Store) -> Place) -> Stage {
    let folder = TempDir::new().expect("a folder");
    let Place { chain, world, .. } = change(open(&folder));
    let backend = Arc::new(FakeBackend {
        chain: Arc::clone(&chain),
        leadership: watch::Sender::new(leading(true)),
        fates: Mutex::new(fates.iter().copied().collect()),
        proposed: watch::Sender::new(0),
        released: Arc::new(Notify::new()),
    });
    let (submissions, submitted) = mpsc::channel(100);
    let (ending, ends) = watch::channel(false);
    let parts = LeaderParts {
        chain: Arc::clone(&chain),
        backend: backend.clone(),
        clocks: Arc::new(Clocks::new(clock, 0)),
        submissions: submitted,
    };
    tokio::spawn(lead(parts, ends));
    Stage { world, chain, backend, submissions, ending, _folder: folder }
}

fn one(store: Store) -> Place {
    place_of(store, &[7050])
}

impl Stage {
    async fn submit(&self, number: u64) -> oneshot::Receiver<Verdict> {
        self.submit_of(0, number).await
    }

    async fn submit_of(&self, org: usize, number: u64) -> oneshot::Receiver<Verdict> {
        self.submit_envelope(self.world.envelope(org, number)).await
    }

    async fn submit_envelope(&self, envelope: Bytes) -> oneshot::Receiver<Verdict> {
        let admitted = ordering::admit(&envelope, &self.chain.bundle(), NOW_MS).expect("admitted");
        let (reply, verdict) = oneshot::channel();
        let submission = Submission { envelope, admitted, reply };
        self.submissions.send(submission).await.expect("the loop runs");
        verdict
    }

    async fn order(&self, number: u64) -> Verdict {
        self.submit(number).await.await.expect("answered")
    }

    /// Waits until the loop has taken all that was submitted.
    async fn taken(&self) {
        while self.submissions.capacity() < self.submissions.max_capacity() {
            tokio::task::yield_now().await;
        }
    }

    async fn proposed(&self, count: usize) {
        self.backend.proposed.subscribe().wait_for(|proposed| *proposed >= count).await.expect("runs");
    }
}

#[tokio::test]
async fn envelopes_are_ordered_and_a_repetition_gets_the_same_block() {
    let stage = stage(&[], one);
    assert_eq!(stage.order(1).await, Verdict::Ordered(BlockNumber(1)));
    assert_eq!(stage.order(2).await, Verdict::Ordered(BlockNumber(2)));
    assert_eq!(stage.order(1).await, Verdict::Ordered(BlockNumber(1)));
    assert_eq!(stage.chain.last_header().number, BlockNumber(2));
    assert_eq!(stage.chain.last_header().timestamp_ms, NOW_MS + 2);
}

#[tokio::test]
async fn what_comes_while_a_block_is_in_consensus_shares_the_next_one() {
    let stage = stage(&[Fate::Hang], one);
    let first = stage.submit(1).await;
    stage.proposed(1).await;
    let waiting = [stage.submit(2).await, stage.submit(3).await, stage.submit(2).await];
    stage.taken().await;
    stage.backend.released.notify_one();
    assert_eq!(first.await, Ok(Verdict::Ordered(BlockNumber(1))));
    for verdict in waiting {
        assert_eq!(verdict.await, Ok(Verdict::Ordered(BlockNumber(2))));
    }
}

#[tokio::test]
async fn a_dropped_block_is_proposed_anew_a_few_times() {
    let stage = stage(&[Fate::Drop, Fate::Drop], one);
    assert_eq!(stage.order(1).await, Verdict::Ordered(BlockNumber(1)));
    assert_eq!(*stage.backend.proposed.borrow(), 3);
    let always = self::stage(&[Fate::Drop; 20], one);
    assert!(matches!(always.order(1).await, Verdict::Failed(_)));
    assert_eq!(*always.backend.proposed.borrow(), 1 + DROPS_MAX as usize);
}

#[tokio::test]
async fn who_does_not_lead_says_so_and_orders_again_when_it_does() {
    let stage = stage(&[Fate::NotLeader], one);
    assert_eq!(stage.order(1).await, Verdict::NotLeader);
    assert_eq!(stage.order(1).await, Verdict::Ordered(BlockNumber(1)), "a refused envelope may come again");
    stage.backend.leadership.send_replace(leading(false));
    assert_eq!(stage.order(2).await, Verdict::NotLeader);
    stage.backend.leadership.send_replace(leading(true));
    assert_eq!(stage.order(2).await, Verdict::Ordered(BlockNumber(2)));
}

#[tokio::test]
async fn lost_leadership_frees_whoever_waits_also_for_what_is_in_consensus() {
    let stage = stage(&[Fate::Hang], one);
    let first = stage.submit(1).await;
    stage.proposed(1).await;
    let second = stage.submit(2).await;
    stage.backend.leadership.send_replace(leading(false));
    assert_eq!(second.await, Ok(Verdict::NotLeader));
    assert_eq!(first.await, Ok(Verdict::NotLeader), "nobody knows what becomes of its block");
    stage.backend.leadership.send_replace(leading(true));
    assert_eq!(stage.order(2).await, Verdict::Ordered(BlockNumber(1)));
}

#[tokio::test]
async fn another_term_frees_them_too() {
    let stage = stage(&[Fate::Hang], one);
    let first = stage.submit(1).await;
    stage.proposed(1).await;
    stage.backend.leadership.send_replace(Leadership { term: 2, ..leading(true) });
    assert_eq!(first.await, Ok(Verdict::NotLeader));
    assert_eq!(stage.order(1).await, Verdict::Ordered(BlockNumber(1)));
}

#[tokio::test]
async fn full_blocks_follow_each_other_into_consensus_and_are_answered_in_order() {
    let stage = stage(&[Fate::Hang], one);
    let mut verdicts = vec![stage.submit(0).await];
    let count = u64::from(stage.world.config.orderer.batch.max_message_count);
    stage.proposed(1).await;
    for number in 1..=2 * count {
        verdicts.push(stage.submit(number).await);
    }
    stage.proposed(3).await;
    assert_eq!(stage.chain.last_header().number, BlockNumber(0), "none is applied yet");
    stage.backend.released.notify_one();
    let mut found = Vec::new();
    for verdict in verdicts {
        let Ok(Verdict::Ordered(number)) = verdict.await else { panic!("it is ordered") };
        found.push(number.0);
    }
    let expected = (0..=2 * count).map(|number| 1 + number.div_ceil(count));
    assert_eq!(found, expected.collect::<Vec<_>>());
}

#[tokio::test]
async fn blocks_behind_a_dropped_one_come_again_in_their_order() {
    let stage = stage(&[Fate::Hang, Fate::Drop], one);
    let first = stage.submit(0).await;
    let count = u64::from(stage.world.config.orderer.batch.max_message_count);
    stage.proposed(1).await;
    let mut verdicts = Vec::new();
    for number in 1..=2 * count {
        verdicts.push(stage.submit(number).await);
    }
    stage.proposed(3).await;
    stage.backend.released.notify_one();
    assert_eq!(first.await, Ok(Verdict::Ordered(BlockNumber(1))));
    // The third block stood on the second: the chain itself refuses it.
    for (number, verdict) in (0..).zip(verdicts) {
        assert_eq!(verdict.await, Ok(Verdict::Ordered(BlockNumber(2 + number / count))));
    }
    assert_eq!(*stage.backend.proposed.borrow(), 5);
}

#[tokio::test]
async fn an_organisation_that_sends_without_end_is_told_so_and_delays_another_by_no_more_than_two_blocks() {
    let stage = stage_at(clock_ms, &[Fate::Hang], |store| place_of(store, &[7050, 7051]));
    let mut flood = vec![stage.submit(0).await];
    stage.proposed(1).await;
    for number in 1..3_000 {
        flood.push(stage.submit(number).await);
    }
    stage.taken().await;
    let calm = stage.submit_of(1, 0).await;
    stage.taken().await;
    stage.backend.released.notify_one();
    let Ok(Verdict::Ordered(number)) = calm.await else { panic!("it is ordered") };
    assert!(number.0 <= IN_FLIGHT_MAX as u64 + 2, "it is in block {number}");
    let (mut ordered, mut told) = (0, 0);
    for verdict in flood {
        match verdict.await.expect("answered") {
            Verdict::Ordered(_) => ordered += 1,
            Verdict::Busy(text) => {
                assert!(text.contains("2048 envelopes of Org1MSP wait"), "{text}");
                told += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    let batch = stage.world.config.orderer.batch.max_message_count as usize;
    let room = 1 + (IN_FLIGHT_MAX - 1) * batch + batch + QUEUE_LIMITS.count_max;
    assert_eq!((ordered, told), (room, 3_000 - room));
}

// On a runtime of one thread the search would run in place.
#[tokio::test(flavor = "multi_thread")]
async fn lost_leadership_ends_the_search_for_a_proof_of_work() {
    use crate::chain::tests::sealed_place;
    // Of this difficulty a search takes many seconds, and there are no blocks to hang.
    let stage = stage(&[], |store| sealed_place(store, 24));
    let first = stage.submit(1).await;
    stage.taken().await;
    stage.backend.leadership.send_replace(leading(false));
    assert_eq!(first.await, Ok(Verdict::NotLeader));
    assert_eq!(*stage.backend.proposed.borrow(), 0);
    assert_eq!(stage.chain.last_header().number, BlockNumber(0));
}

#[tokio::test]
async fn the_end_answers_everybody() {
    let stage = stage(&[Fate::Hang], one);
    let first = stage.submit(1).await;
    stage.proposed(1).await;
    stage.ending.send_replace(true);
    assert_eq!(first.await, Ok(Verdict::NotLeader));
}

#[tokio::test]
async fn a_block_is_sealed_as_the_channel_asks() {
    use crate::chain::tests::sealed_place;
    let stage = stage(&[], |store| sealed_place(store, 6));
    assert_eq!(stage.order(1).await, Verdict::Ordered(BlockNumber(1)));
    let header = stage.chain.last_header();
    assert_eq!(header.proof.difficulty_bits, 6);
    assert!(header.is_sealed());
}

#[tokio::test]
async fn an_update_has_a_block_of_its_own_and_holds_from_the_next_one_on() {
    let stage = stage(&[Fate::Hang], one);
    let first = stage.submit(1).await;
    stage.proposed(1).await;
    let update = stage.world.config_update(&stage.world.config, &[0], |config| {
        config.orderer.batch.max_message_count = 1;
    });
    let before = stage.submit(2).await;
    let changed = stage.submit_envelope(update.clone()).await;
    let behind = [stage.submit(3).await, stage.submit(4).await];
    stage.taken().await;
    stage.backend.released.notify_one();
    assert_eq!(first.await, Ok(Verdict::Ordered(BlockNumber(1))));
    assert_eq!(before.await, Ok(Verdict::Ordered(BlockNumber(2))));
    assert_eq!(changed.await, Ok(Verdict::Ordered(BlockNumber(3))));
    for (number, verdict) in (4..).zip(behind) {
        assert_eq!(verdict.await, Ok(Verdict::Ordered(BlockNumber(number))), "one a block from now on");
    }
    assert_eq!(stage.chain.last_config(), BlockNumber(3));
    assert_eq!(stage.chain.last_header().last_config, BlockNumber(3));
}

#[tokio::test]
async fn what_a_new_configuration_refuses_is_answered_and_holds_up_nobody() {
    let stage = stage(&[Fate::Hang], one);
    let first = stage.submit(1).await;
    stage.proposed(1).await;
    // Signatures differ by a few bytes.
    let limit = u32::try_from(stage.world.envelope(0, 1).len() + 64).expect("small");
    let tighten = |count: u32| {
        stage.world.config_update(&stage.world.config, &[0], |config| {
            config.orderer.batch.max_message_count = count;
            config.orderer.batch.absolute_max_bytes = limit;
            config.orderer.batch.preferred_max_bytes = limit;
        })
    };
    let changed = stage.submit_envelope(tighten(10)).await;
    let stale = stage.submit_envelope(tighten(11)).await;
    let large = stage.world.envelope_with(0, 2, |header, _| header.extension = Bytes::from(vec![0; 4096]));
    let large = stage.submit_envelope(large).await;
    let small = stage.submit(3).await;
    stage.taken().await;
    stage.backend.released.notify_one();
    assert_eq!(first.await, Ok(Verdict::Ordered(BlockNumber(1))));
    assert_eq!(changed.await, Ok(Verdict::Ordered(BlockNumber(2))));
    let Ok(Verdict::Refused(Status::BadRequest, text)) = stale.await else { panic!("it is stale") };
    assert!(text.contains("sequence 0, and 1 is in force"), "{text}");
    assert!(matches!(large.await, Ok(Verdict::Refused(Status::RequestEntityTooLarge, _))));
    assert_eq!(small.await, Ok(Verdict::Ordered(BlockNumber(3))));
}

mod model;
